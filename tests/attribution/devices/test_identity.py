"""Names heard, edits with undo and devices that are one, on a real ledger: no octet moves but with its device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.edits import edits as any_edits
from tests.support.examples import examples
from tests.support.identity import LAPTOP, MACS, MINUTE_MS, START_MS, TABLET, House
from tests.support.recorder import LAN, PHONE, ZONE
from whitestat.attribution.devices.address_ownership import SETTLES_MS
from whitestat.attribution.devices.edits import (
    AddPerson,
    AnswerProposal,
    AssignOwner,
    Edit,
    Merge,
    Rename,
    SetLabels,
    Split,
)
from whitestat.attribution.devices.names import ShownName
from whitestat.attribution.devices.registry import FORGOTTEN
from whitestat.attribution.evidence import Evidence
from whitestat.core.errors import EditError
from whitestat.core.model import Counts, Delta, FlowKey
from whitestat.core.units import address_bytes
from whitestat.ledger.files.blocks import file_of
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.tables import people


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with closing(House(tmp_path / "whitestat.db")) as each:
        yield each


def test_a_renamed_device_is_so_called_back_to_its_first_octet_and_undo_takes_it_back(house: House) -> None:
    house.flows(PHONE, 100)
    number = house.edit(Rename(house.device(PHONE), "Anna's phone"))
    assert house.usage() == {"Anna's phone": 100}
    house.identity.undo(number, "test", house.now_ms)
    house.flows(PHONE, 1)
    house.recorder.flush()
    assert house.usage() == {"phone": 101}
    with pytest.raises(EditError, match="was undone already"):
        house.identity.undo(number, "test", house.now_ms)


def test_merged_devices_are_one_in_every_report_and_two_again_after_undo(house: House) -> None:
    house.flows(PHONE, 100)
    house.flows(TABLET, 10)
    number = house.edit(Merge(house.device(TABLET), house.device(PHONE)))
    house.flows(TABLET, 1)
    house.recorder.flush()
    assert house.usage() == {"phone": 111}
    assert sorted(row.counts.octets for row in house.recorder.live([], {"lan"}, house.now_ms).values()) == [111]
    house.identity.undo(number, "test", house.now_ms)
    assert sorted(house.usage().values()) == [11, 100]


@pytest.mark.parametrize("first", [PHONE, LAPTOP])
def test_a_merged_device_is_called_as_the_one_that_stays_whoever_was_seen_first(house: House, first: bytes) -> None:
    house.recorder.known._configured = house.recorder.known._names = {PHONE: "phone", LAPTOP: "laptop"}
    for mac in (first, LAPTOP if first == PHONE else PHONE):
        house.flows(mac, 100)
    house.edit(Merge(house.device(LAPTOP), house.device(PHONE)))
    house.recorder.flush()
    assert house.usage() == {"phone": 200}
    assert {row.name for row in house.recorder.live([], {"lan"}, house.now_ms).values()} == {"phone"}
    for episode in house.recorder.known.episodes():  # as at a restart, and when map files change
        house.recorder.known._name(episode)
    house.recorder.flush()
    assert house.usage() == {"phone": 200}


def test_devices_that_were_merged_do_not_take_turns_in_naming_it(house: House) -> None:
    for mac, name in ((MACS[1], "laptop"), (MACS[2], "laptop-wifi")):
        house.flows(mac, 10)
        house.identity.hear([Evidence("dhcp", house.now_ms, mac, name=name)])
    house.edit(Merge(house.device(MACS[2]), house.device(MACS[1])))
    assert house.recorder.known.name_of(house.device(MACS[1])) == "laptop"
    house.identity.hear([Evidence("dhcp", house.now_ms + 1, MACS[2], name="laptop-wifi")])
    assert house.recorder.known.name_of(house.device(MACS[1])) == "laptop"
    house.identity.hear([Evidence("dhcp", house.now_ms + 2, MACS[1], name="annas-laptop")])
    assert house.recorder.known.name_of(house.device(MACS[1])) == "annas-laptop"


def test_a_restart_finds_devices_as_they_were_edited(house: House) -> None:
    house.flows(PHONE, 100)
    house.flows(TABLET, 10)
    house.edit(Merge(house.device(TABLET), house.device(PHONE)))
    house.close()
    again = House(house.path)
    again.now_ms = house.now_ms
    again.flows(TABLET, 5)
    again.close()
    assert house.usage() == {"phone": 115}


def test_a_name_heard_is_taken_where_the_user_gave_none(house: House) -> None:
    house.flows(TABLET, 10)
    heard = Evidence("dhcp", house.now_ms, TABLET, name="kids<b>tablet\x1b", client=b"\xff0000duid1234")
    house.identity.hear([heard])
    assert house.recorder.known.name_of(house.device(TABLET)) == "kids<b>tablet"
    house.edit(Rename(house.device(TABLET), "Bo's tablet"))
    house.identity.hear([heard._replace(name="other")])
    assert house.recorder.known.name_of(house.device(TABLET)) == "Bo's tablet"


def events(house: House) -> list[tuple[str, int | None]]:
    with house.writer.transaction("test") as connection:
        return [(each.kind, each.device) for each in people.events(connection)]


def test_what_a_device_says_before_it_is_metered_is_its_name(house: House) -> None:
    house.identity.hear([Evidence("dhcp", house.now_ms, TABLET, name="tablet")])
    house.identity.hear([Evidence("mdns", house.now_ms - SETTLES_MS, MACS[1], name="long gone")])
    house.identity.follow(house.now_ms)
    house.flows(TABLET, 10)
    house.flows(MACS[1], 10)
    house.identity.follow(house.now_ms)
    assert house.recorder.known.name_of(house.device(TABLET)) == "tablet"
    house.recorder.flush()
    assert house.recorder.known.name_of(house.device(MACS[1])) == "02:50:00:00:00:32 (private MAC)"


def test_a_device_that_only_the_live_view_has_seen_can_be_named(house: House) -> None:
    house.flows(PHONE, 1)
    house.recorder.flush()
    key = FlowKey(LAN.name, TABLET, address_bytes("192.168.50.31"), None, address_bytes("203.0.113.9"), 6, 443)
    house.recorder._attributor.attribute([Delta(key, Counts(0, 5, 0, 1), START_MS, START_MS)], house.now_ms)
    house.edit(Rename(house.device(TABLET), "Bo's tablet"))
    assert house.recorder.known.name_of(house.device(TABLET)) == "Bo's tablet"


def test_a_new_device_is_told_once_when_its_name_may_be_known(house: House) -> None:
    house.flows(TABLET, 10)
    house.identity.maintain(house.now_ms)
    assert events(house) == []
    for _ in range(3):
        house.now_ms += SETTLES_MS
        house.identity.maintain(house.now_ms)
    assert events(house) == [("new-device", house.device(TABLET))]


def test_a_device_that_the_configuration_names_is_no_news(house: House) -> None:
    house.flows(PHONE, 10)
    house.flows(TABLET, 10)
    house.now_ms += SETTLES_MS
    house.identity.maintain(house.now_ms)
    assert events(house) == [("new-device", house.device(TABLET))]


def test_who_the_configuration_gives_devices_to_is_there_before_any_of_them(house: House) -> None:
    for _ in range(2):
        house.identity.add_people(house.now_ms)
        assert list(house.identity._people()) == ["anna"]
    house.flows(PHONE, 10)
    house.identity.maintain(house.now_ms)
    assert list(house.identity._people()) == ["anna"]


def test_a_private_mac_that_takes_over_a_name_is_proposed_and_merged_when_confirmed(house: House) -> None:
    for mac, number in ((MACS[1], 11), (MACS[2], 12)):
        house.flows(mac, 10, number)
        house.identity.hear([Evidence("dhcp", house.now_ms, mac, name="annas-phone")])
        house.recorder.flush()
        house.now_ms += 6 * MINUTE_MS
    house.identity.maintain(house.now_ms)
    with house.writer.transaction("test") as connection:
        [proposal] = people.proposals(connection)
    assert (proposal.device, proposal.into) == (house.device(MACS[2]), house.device(MACS[1]))
    assert proposal.state == "open"
    house.edit(AnswerProposal(proposal.id, True))
    assert house.device(MACS[2]) == house.device(MACS[1])
    house.identity.maintain(house.now_ms)
    with house.writer.transaction("test") as connection:
        assert [each.state for each in people.proposals(connection)] == ["confirmed"]


def test_one_dhcp_identity_on_two_interfaces_is_merged_at_once_and_told(house: House) -> None:
    for mac, association in ((MACS[1], b"eth0"), (MACS[2], b"wlan")):
        house.flows(mac, 10)
        said = Evidence("dhcp", house.now_ms, mac, name="laptop", client=b"\xff" + association + b"\x00\x02duid")
        house.identity.hear([said])
    house.identity.maintain(house.now_ms)
    assert house.device(MACS[1]) == house.device(MACS[2])
    assert events(house)[0] == ("merged", house.device(MACS[1]))
    assert house.usage() == {"laptop": 20}


def claim_one_identity(house: House, first: bytes, second: bytes) -> None:
    """Two frames that claim one DUID for two devices: any host on the link can send them."""
    for mac, association in ((first, b"\0\0\0\1"), (second, b"\0\0\0\2")):
        said = Evidence("dhcp", house.now_ms, mac, client=b"\xff" + association + b"\x00\x03\x00\x01" + first)
        house.identity.hear([said])
    house.identity.maintain(house.now_ms)


def open_proposals(house: House) -> list[tuple[int, int]]:
    with house.writer.transaction("test") as connection:
        return [(each.device, each.into) for each in people.proposals(connection) if each.state == "open"]


def given_to_anna(house: House, device: int) -> Edit:
    return AssignOwner(device, house.identity._person("Anna", house.now_ms))


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    "touched",
    [given_to_anna, lambda _, device: Rename(device, "Anna's phone"), lambda _, device: SetLabels(device, ("kids",))],
    ids=["owner", "name", "label"],
)
def test_a_forged_identity_merges_no_device_that_a_person_has_named_or_owns(
    house: House, which: int, touched: Callable[[House, int], Edit]
) -> None:
    macs = MACS[1], MACS[2]
    for mac in macs:
        house.flows(mac, 10)
        house.now_ms += 60 * MINUTE_MS  # one fell silent before the other came: not in use at once
    house.edit(touched(house, house.device(macs[which])))
    claim_one_identity(house, *macs)
    first, second = map(house.device, macs)
    assert first != second
    assert open_proposals(house) == [(second, first)], "it is a question, which a person answers"


def test_a_forged_identity_merges_no_two_devices_in_use_at_once(house: House) -> None:
    for _ in range(20):
        house.flows(MACS[1], 10)
        house.flows(MACS[2], 10)
    house.recorder.flush()
    claim_one_identity(house, MACS[1], MACS[2])
    assert house.device(MACS[1]) != house.device(MACS[2])
    assert open_proposals(house) == [(house.device(MACS[2]), house.device(MACS[1]))]


def test_a_forgotten_device_keeps_its_octets_and_nothing_else(house: House) -> None:
    house.flows(TABLET, 10)
    house.recorder.flush()
    house.flows(TABLET, 0)
    house.recorder.flush()  # in the journal's file
    house.identity.hear([Evidence("dhcp", house.now_ms, TABLET, name="secret-name")])
    forgotten = house.device(TABLET)
    house.edit(Rename(forgotten, "secret user name"))
    house.identity.maintain(house.now_ms)
    house.identity.forget(forgotten, "test", house.now_ms)
    house.flows(TABLET, 5)
    house.recorder.flush()
    assert house.device(TABLET) != forgotten
    house.close()
    assert house.usage()[FORGOTTEN] == 10
    log = house.path.with_name(f"{house.path.name}-wal")
    content = house.path.read_bytes() + (log.read_bytes() if log.exists() else b"") + file_of(house.path).read_bytes()
    with closing(Queries(house.path, ZONE)) as queries:
        row = next(each for each in queries.devices() if each.id == forgotten)
    assert (row.mac, row.addresses) == (None, ())
    assert b"secret" not in content


def test_of_each_device_one_question_is_asked_at_a_time(house: House) -> None:
    for mac in MACS[1:4]:
        house.flows(mac, 10)
        house.identity.hear([Evidence("dhcp", house.now_ms, mac, name="annas-phone")])
        house.recorder.flush()
        house.now_ms += 6 * MINUTE_MS
    for _ in range(3):
        house.identity.maintain(house.now_ms)
    with house.writer.transaction("reading") as connection:
        asked = people.proposals(connection)
    assert sorted((each.device, each.into) for each in asked) == [(2, 1), (3, 1)]
    house.edit(AnswerProposal(asked[0].id, False))
    house.identity.maintain(house.now_ms)
    with house.writer.transaction("reading") as connection:
        assert len(people.proposals(connection)) == 3


def test_that_a_device_was_forgotten_is_listed_and_cannot_be_undone(house: House) -> None:
    house.flows(PHONE, 100)
    house.recorder.flush()
    house.identity.forget(house.device(PHONE), "test", house.now_ms)
    with house.writer.transaction("reading") as connection:
        [edit] = people.edits(connection)
    assert (edit.by, edit.action, edit.changes) == ("test", "forget device 1", ())
    with pytest.raises(EditError, match="what was forgotten is gone"):
        house.identity.undo(edit.id, "test", house.now_ms)


def test_a_name_of_the_dns_comes_back_when_an_edit_is_undone(house: House) -> None:
    house.flows(TABLET, 1)
    house.recorder.flush()
    house.identity.resolved(house.device(TABLET), ShownName("tablet", "dns"), house.now_ms)
    number = house.edit(Rename(house.device(TABLET), "Bo's"))
    house.identity.undo(number, "test", house.now_ms)
    assert house.recorder.known.name_of(house.device(TABLET)) == "tablet"


def test_who_was_refused_is_not_asked_about_when_the_other_was_merged(house: House) -> None:
    for mac in (MACS[1], MACS[2]):
        house.flows(mac, 10)
        house.identity.hear([Evidence("dhcp", house.now_ms, mac, name="annas-phone")])
        house.recorder.flush()
        house.now_ms += 6 * MINUTE_MS
    house.identity.maintain(house.now_ms)
    house.edit(AnswerProposal(1, False))
    house.flows(PHONE, 1)
    house.edit(Merge(house.device(MACS[1]), house.device(PHONE)))
    house.identity.maintain(house.now_ms)
    with house.writer.transaction("reading") as connection:
        assert [each.state for each in people.proposals(connection)] == ["refused"]
        assert "new-device" in {each.kind for each in people.events(connection)}


def test_a_private_mac_of_a_known_phone_is_no_new_device(house: House) -> None:
    for mac in (MACS[1], MACS[2]):
        house.flows(mac, 10)
        house.identity.hear([Evidence("dhcp", house.now_ms, mac, name="annas-phone")])
        house.recorder.flush()
        house.now_ms += 6 * MINUTE_MS
        house.identity.maintain(house.now_ms)
        house.identity.maintain(house.now_ms)
    with house.writer.transaction("reading") as connection:
        told = [(each.kind, each.content.get("of_name")) for each in people.events(connection)]
    assert told == [("new-address", "annas-phone"), ("new-device", None)]


@pytest.mark.slow
@examples(25)
@given(st.lists(any_edits, max_size=8))
@example([Rename(1, "one name"), Rename(2, "one name")])
def test_no_edit_moves_an_octet_out_of_the_sum_and_all_are_undone(several: list[Edit]) -> None:
    with TemporaryDirectory() as folder, closing(House(Path(folder) / "whitestat.db")) as house:
        for number, mac in enumerate(MACS, 1):
            house.flows(mac, 10**number, number)
        house.edit(AddPerson("Anna"))
        house.recorder.flush()
        before = sorted(house.usage().values())
        done = []
        for edit in several:
            try:
                done.append(house.edit(edit))
            except EditError:
                continue
            assert sum(house.usage().values()) == sum(before)
        for number in reversed([each for each in done if each]):
            house.identity.undo(number, "test", house.now_ms)
        assert sorted(house.usage().values()) == before


def test_an_owner_and_a_split_are_kept(house: House) -> None:
    house.flows(PHONE, 100)
    house.flows(TABLET, 10)
    house.edit(AddPerson("Anna"))
    house.edit(AssignOwner(house.device(PHONE), 1))
    house.edit(Merge(house.device(TABLET), house.device(PHONE)))
    episode = house.recorder.known.episode_of(TABLET, None)
    assert episode is not None
    house.edit(Split(house.device(PHONE), (episode,)))
    assert house.device(TABLET) != house.device(PHONE)
    assert sorted(house.usage().values()) == [10, 100]
    with house.writer.transaction("test") as connection:
        assert people.rows(connection)["owner"] == {(house.device(PHONE), 0): (1, None)}


def test_the_configurations_owner_is_set_once_and_the_users_edit_holds(house: House) -> None:
    house.flows(PHONE, 100)
    device = house.device(PHONE)
    house.identity.maintain(house.now_ms)
    assert owners(house) == {(device, 0): (1, None)}
    house.edit(AssignOwner(device, None))
    house.identity.maintain(house.now_ms)
    assert owners(house) == {}


def test_who_has_an_owner_by_the_configuration_is_looked_at_soon(house: House) -> None:
    house.flows(TABLET, 100)
    house.identity.follow(house.now_ms)
    assert not house.identity.is_curious
    house.flows(PHONE, 100)
    house.identity.follow(house.now_ms)
    assert house.identity.is_curious
    house.identity.maintain(house.now_ms)
    house.identity.follow(house.now_ms)
    assert not house.identity.is_curious


def owners(house: House) -> dict[tuple[int | str, ...], object]:
    with house.writer.transaction("test") as connection:
        return dict(people.rows(connection)["owner"])


def test_a_name_of_the_configuration_is_the_stronger_whichever_comes_first(house: House) -> None:
    """A router tells what its DHCP server was told about a device, before the device was given its first name."""
    house.flows(PHONE, 100)
    house.identity.hear([Evidence("dhcp", house.now_ms, PHONE, None, "android-1234")])
    house.recorder.flush()
    assert house.usage() == {"phone": 100}
    record = {each.id: each for each in house.writer.state().devices}[house.device(PHONE)]
    assert (record.name_source, record.person) == ("config", "Anna")
    house.flows(TABLET, 10)
    house.identity.hear([Evidence("dhcp", house.now_ms, TABLET, None, "tablet")])
    house.recorder.flush()
    assert house.usage() == {"phone": 100, "tablet": 10}
