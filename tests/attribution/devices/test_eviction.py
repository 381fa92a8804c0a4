"""Forged devices give way once the table of devices is nearly full, and their octets stay in every sum."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.identity import LAPTOP, MINUTE_MS, TABLET, House
from tests.support.recorder import LAN, PHONE, Meter
from whitestat.attribution.devices.edits import Rename
from whitestat.attribution.devices.eviction import OCTETS_FEW, is_unanswered
from whitestat.attribution.evidence import Evidence
from whitestat.core.model import Counts, Delta, FlowKey, ReadResult
from whitestat.core.units import address_bytes

LIMIT = 64


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with closing(full_house(tmp_path)) as each:
        yield each


def full_house(folder: Path) -> House:
    """A house of which the table of devices is small."""
    house = House(folder / "whitestat.db")
    house.recorder._attributor.devices._limit = LIMIT
    return house


def mac_of(number: int) -> bytes:
    return bytes([2, 0x66, 0, 0, number >> 8, number & 255])


def flood(house: House, numbers: range, octets: int = 50) -> None:
    """One frame of each forged device in one minute."""
    deltas = [
        Delta(
            FlowKey(LAN.name, mac_of(n), address_bytes("192.168.50.99"), None, address_bytes("203.0.113.9"), 17, 9),
            Counts(0, octets, 0, 1),
            house.now_ms,
            house.now_ms + MINUTE_MS,
        )
        for n in numbers
    ]
    house.now_ms += MINUTE_MS
    house.recorder.gather(Meter(), ReadResult(deltas[0].start_ms, house.now_ms, deltas=deltas), MINUTE_MS)
    house.recorder.flush()


def talk(house: House, mac: bytes, octets_in: int, octets_out: int) -> None:
    """A minute in which a device sends and is answered."""
    key = FlowKey(LAN.name, mac, address_bytes("192.168.50.77"), None, address_bytes("203.0.113.9"), 6, 443)
    delta = Delta(key, Counts(octets_in, octets_out, 1, 1), house.now_ms, house.now_ms + MINUTE_MS)
    house.now_ms += MINUTE_MS
    house.recorder.gather(Meter(), ReadResult(delta.start_ms, delta.end_ms, deltas=[delta]), MINUTE_MS)
    house.recorder.flush()


def is_device(house: House, mac: bytes) -> bool:
    return house.recorder.known.episode_of(mac, None) is not None


def test_a_new_phone_is_a_device_after_a_flood_and_every_octet_stays(house: House) -> None:
    talk(house, PHONE, 500, 500)
    flood(house, range(300))
    talk(house, LAPTOP, 10, 10)
    assert not is_device(house, LAPTOP)
    assert house.identity.is_full
    assert "the table of devices is full (64)" in house.identity.notices(house.now_ms)[0]
    before = house.usage()
    house.identity.make_room(house.now_ms)
    assert not house.identity.is_full
    after = house.usage()
    assert sum(after.values()) == sum(before.values()) == 1000 + 300 * 50 + 20
    assert after[None] > before[None]
    assert after["phone"] == 1000
    talk(house, LAPTOP, 70, 7)
    assert is_device(house, LAPTOP)
    assert "were removed within a day" in house.identity.notices(house.now_ms)[0]
    assert sum(row.counts.octets for row in house.recorder.live([], {"lan"}, house.now_ms).values()) == sum(
        house.usage().values()
    )


def test_what_was_answered_or_large_or_is_of_meaning_to_a_user_stays(house: House) -> None:
    talk(house, TABLET, 1, 1)  # answered
    flood(house, range(1, 2), octets=OCTETS_FEW + 1)  # large
    flood(house, range(2, 3))
    house.edit(Rename(house.device(mac_of(2)), "printer"))
    flood(house, range(10, 200))
    house.identity.make_room(house.now_ms)
    assert all(is_device(house, mac) for mac in (TABLET, mac_of(1), mac_of(2)))
    assert not is_device(house, mac_of(10))


def test_a_name_that_a_forged_frame_gave_keeps_no_room(house: House) -> None:
    flood(house, range(200))
    house.identity.hear([Evidence("dhcp", house.now_ms, mac_of(3), None, "annas-phone")])
    house.identity.make_room(house.now_ms)
    assert not is_device(house, mac_of(3))


def test_nothing_is_removed_while_there_is_room(house: House) -> None:
    flood(house, range(LIMIT - LIMIT // 8))
    house.identity.make_room(house.now_ms)
    assert all(is_device(house, mac_of(n)) for n in range(LIMIT - LIMIT // 8))


def test_after_a_restart_no_number_of_a_removed_device_is_given_again(tmp_path: Path) -> None:
    with closing(full_house(tmp_path)) as house:
        flood(house, range(300))
        house.identity.make_room(house.now_ms)
        before, now_ms = house.usage(), house.now_ms
        assert before[None] > 0
    with closing(full_house(tmp_path)) as house:
        house.now_ms = now_ms
        flood(house, range(1000, 1003))
        after = house.usage()
        assert after[None] == before[None]
        assert sum(after.values()) == sum(before.values()) + 150


def test_a_flood_that_goes_on_is_removed_at_most_so_often_in_an_hour(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whitestat.attribution.devices.eviction.IN_AN_HOUR", 100)
    removed = 0
    for turn in range(5):
        flood(house, range(turn * 200, turn * 200 + 200))
        room = house.recorder.known.room
        house.identity.make_room(house.now_ms)
        removed += house.recorder.known.room - room
    assert removed == 100
    assert house.identity.is_full
    house.now_ms += 3_600_000
    house.identity.make_room(house.now_ms)
    assert not house.identity.is_full


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (Counts(0, 50, 0, 1), True),
        (Counts(50, 0, 1, 0), True),
        (Counts(0, 0, 0, 1), True),
        (Counts(50, 50, 1, 1), False),
        (Counts(0, OCTETS_FEW + 1, 0, 9), False),
        (Counts(0, 0, 0, 1, 50), False),
    ],
)
def test_only_little_in_one_direction_is_unanswered(counts: Counts, *, expected: bool) -> None:
    assert is_unanswered(counts) is expected
