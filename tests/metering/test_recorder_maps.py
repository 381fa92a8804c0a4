"""Map files in the ledger: whose the rows of another program's table are, and what their devices are called."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.support.recorder import DAY_S, ZONE, Meter, built_recorder, octets_of
from whitestat.attribution.locality import Locality
from whitestat.config.sections import DeviceConfig
from whitestat.core.model import Counts, Delta, FlowKey, Mac, Point, ReadResult
from whitestat.core.units import address_bytes, mac_bytes
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.write.writer import Writer

DARKSTAT = Point("darkstat", "darkstat")
PHONE, TV, ROUTER = "02:50:00:00:00:11", "02:50:00:00:00:13", "02:50:00:00:00:01"


NO_NAMES: Mapping[str, str] = {}


class Household:
    """Booker, ledger and map files in one folder; `book` is one poll of darkstat and its flush."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "whitestat.db"
        self.writer = Writer(self.path, ZONE)
        self.polls = 0
        self.home = Locality(routers=frozenset({mac_bytes(ROUTER)}))
        television = DeviceConfig(mac_bytes(TV), "television")
        self.recorder = built_recorder(self.writer, lambda: self.home, [DARKSTAT], [television])

    def say(self, file: str, *lines: str) -> None:
        (self.folder / f"{file}.txt").write_text("\n".join(lines))

    def book(self, *rows: tuple[str, str | None, int], names: Mapping[str, str] = NO_NAMES) -> None:
        """Rows of address, MAC and octets in, and names by address."""
        since_ms = DAY_S * 1000 + self.polls * 30_000
        self.polls += 1
        deltas = [
            Delta(FlowKey("darkstat", _mac(mac), address_bytes(ip)), Counts(octets), since_ms, since_ms + 30_000)
            for ip, mac, octets in rows
        ]
        self.recorder.locate()
        named = [(_mac(mac), address_bytes(ip), names[ip]) for ip, mac, _ in rows if ip in names]
        result = ReadResult(since_ms, since_ms + 30_000, deltas=deltas, names=named)
        self.recorder.gather(Meter((DARKSTAT,)), result, 30_000)
        self.recorder.flush()

    @property
    def octets(self) -> dict[str | None, int]:
        return octets_of(self.path)


def _mac(text: str | None) -> Mac | None:
    return mac_bytes(text) if text else None


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Household]:
    house = Household(tmp_path)
    with closing(house.writer):
        yield house


def test_one_device_on_two_addresses_is_counted_once_under_its_name(house: Household) -> None:
    house.say("MAC_HOST", f"{PHONE}|Anna's phone")
    house.say("IP_MAC", f"192.168.50.12|{PHONE}")
    house.book(("192.168.50.11", PHONE, 60), ("192.168.50.12", None, 1))
    house.book(("192.168.50.11", PHONE, 0), ("192.168.50.12", ROUTER, 5))
    assert house.octets == {"Anna's phone": 66}
    with closing(Queries(house.path, ZONE)) as queries:
        assert len(queries.devices()) == 1


def test_a_mac_counts_as_the_other_and_the_configuration_names_it(house: Household) -> None:
    house.say("MAC_MAC", f"{PHONE}|{TV}")
    house.say("MAC_HOST", f"{TV}|box", f"{PHONE}|{TV}")
    house.book(("192.168.50.11", PHONE, 10), ("192.168.50.13", TV, 3))
    assert house.octets == {"television": 13}


def test_a_changed_file_holds_from_the_next_flush_and_what_is_booked_stays(house: Household) -> None:
    house.book(("192.168.50.11", PHONE, 10))
    house.say("MAC_HOST", f"{PHONE}|phone")
    house.book(("192.168.50.11", PHONE, 10))
    assert house.octets == {"phone": 20}
    house.say("MAC_MAC", f"{PHONE}|{TV}")
    house.say("MAC_HOST", f"{PHONE}|old phone")
    house.book(("192.168.50.11", PHONE, 7))
    assert house.octets == {"old phone": 20, "television": 7}
    house.say("MAC_HOST", "")
    house.say("MAC_MAC", "")
    house.book(("192.168.50.11", PHONE, 1))
    assert house.octets == {f"{PHONE} (private MAC)": 21, "television": 7}


def test_a_mac_that_is_mapped_to_a_router_to_skip_is_skipped_as_in_version_5(house: Household) -> None:
    house.say("MAC_MAC", f"{PHONE}|{ROUTER}")
    house.book(("192.168.50.11", PHONE, 10), ("192.168.50.13", TV, 3))
    assert house.octets == {"television": 3}


def test_a_router_leaves_out_the_segments_of_version_5_and_no_hosts_beside_them(house: Household) -> None:
    house.home = replace(house.home, segments=(ip_network("192.168.50.0/24"),))
    house.book(("192.168.50.11", ROUTER, 10), ("10.1.2.3", ROUTER, 5), ("10.1.2.4", ROUTER, 4), ("10.1.2.5", PHONE, 3))
    assert house.octets == {"10.1.2.3": 5, "10.1.2.4": 4, f"{PHONE} (private MAC)": 3}


def test_devices_are_called_what_darkstat_knows_from_the_dns_unless_somebody_says_better(house: Household) -> None:
    names = {"192.168.50.11": "phone.lan", "192.168.50.13": "tv.lan", "192.168.50.14": "192.168.50.14"}
    rows = (("192.168.50.11", PHONE, 1), ("192.168.50.13", TV, 2), ("192.168.50.14", None, 3))
    house.book(*rows, names=names)
    assert house.octets == {"phone": 1, "television": 2, "192.168.50.14": 3}
    house.book(*rows, names={"192.168.50.11": "another.lan"})  # our own DNS may say something else: no quarrel
    house.say("MAC_HOST", f"{PHONE}|Anna's")
    house.book(*rows, names=names)
    assert house.octets == {"Anna's": 3, "television": 6, "192.168.50.14": 9}


def test_a_bad_line_is_logged_once_and_shown_until_it_is_mended(
    house: Household, caplog: pytest.LogCaptureFixture
) -> None:
    house.say("MAC_HOST", "nonsense", f"{PHONE}|phone")
    with caplog.at_level(logging.WARNING, "whitestat"):
        house.book(("192.168.50.11", PHONE, 10))
        house.book(("192.168.50.11", PHONE, 10))
    assert house.octets == {"phone": 20}
    assert [each.message for each in caplog.records] == list(house.recorder.notices)
    assert "MAC_HOST.txt: line 1: left out" in caplog.text
    house.say("MAC_HOST", f"{PHONE}|phone")
    house.book()
    assert house.recorder.notices == ()


def test_a_name_given_by_the_user_goes_before_the_file_s(house: Household) -> None:
    house.say("MAC_HOST", f"{PHONE}|phone")
    house.book(("192.168.50.11", PHONE, 10))
    with closing(Queries(house.path, ZONE)) as queries:
        [device] = queries.devices()
    house.recorder.known.call(device.id, "Bo's")
    house.say("MAC_HOST", "")
    house.book(("192.168.50.11", PHONE, 10))
    assert house.octets == {"Bo's": 20}
