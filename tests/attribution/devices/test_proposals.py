"""Which devices are probably one, and which are surely not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from whitestat.attribution.devices.proposals import DeviceFacts, proposals

HOUR = 3_600_000
DUID = b"\x00\x02\x00\x00\xab\x11machine"


def client(association: bytes, duid: bytes = DUID) -> bytes:
    return b"\xff" + association + duid


PHONE = DeviceFacts(1, 0, 10 * HOUR, "annas-phone", private=True)


def test_a_private_mac_that_took_over_the_name_is_proposed_with_its_evidence() -> None:
    [found] = proposals([PHONE, DeviceFacts(2, 10 * HOUR + 60_000, 12 * HOUR, "Annas-Phone", private=True)])
    assert (found.device, found.into, found.percent) == (2, 1, 90)
    assert "both call themselves Annas-Phone" in found.reasons
    assert not found.certain


def test_two_phones_of_one_name_at_the_same_time_are_two() -> None:
    assert proposals([PHONE, DeviceFacts(2, 5 * HOUR, 12 * HOUR, "annas-phone", private=True)]) == []


def test_the_same_name_after_a_month_is_too_little_without_a_private_mac() -> None:
    assert proposals([PHONE, DeviceFacts(2, 800 * HOUR, 900 * HOUR, "annas-phone")]) == []


def test_a_refused_pair_is_not_proposed_again() -> None:
    newer = DeviceFacts(2, 10 * HOUR, 12 * HOUR, "annas-phone", private=True)
    assert proposals([PHONE, newer], {frozenset((1, 2))}) == []


def test_two_devices_in_use_at_once_are_one_only_when_a_person_says_so() -> None:
    """A laptop on two interfaces, or two devices of which somebody else claimed one identity by forged frames."""
    wired = DeviceFacts(1, 0, 9 * HOUR, clients=frozenset([client(b"eth0")]))
    wireless = DeviceFacts(2, HOUR, 9 * HOUR, clients=frozenset([client(b"wlan")]))
    [found] = proposals([wired, wireless])
    assert not found.certain and (found.device, found.into) == (2, 1)
    assert found.reasons == ("both gave the same DHCP identity",)


def test_a_new_mac_with_the_identity_of_one_that_fell_silent_is_certainly_the_same() -> None:
    old, new = (
        DeviceFacts(each, each * 9 * HOUR, each * 9 * HOUR + HOUR, clients=frozenset([client(b"wlan")]))
        for each in (1, 2)
    )
    assert [each.certain for each in proposals([old, new])] == [True]


def test_cloned_machines_that_run_together_stay_two() -> None:
    clones = [DeviceFacts(each, 0, 9 * HOUR, clients=frozenset([client(b"eth0")])) for each in (1, 2)]
    assert proposals(clones) == []


def test_a_client_identifier_that_is_a_mac_is_no_identity() -> None:
    same = frozenset([b"\x01\x02\x50\x00\x00\x00\x11"])
    assert proposals([DeviceFacts(1, 0, HOUR, clients=same), DeviceFacts(2, 2 * HOUR, 3 * HOUR, clients=same)]) == []


def test_a_name_that_everybody_has_tells_nothing() -> None:
    phones = [DeviceFacts(each, each * HOUR, each * HOUR + 60_000, "iPhone", private=True) for each in range(1, 9)]
    assert proposals(phones) == []


facts = st.builds(
    DeviceFacts,
    st.integers(1, 6),
    st.integers(0, 10 * HOUR),
    st.integers(0, 10 * HOUR),
    st.sampled_from([None, "a", "A", "b"]),
    st.frozensets(st.sampled_from([client(b"eth0"), client(b"wlan"), b"\x01abcdef", b""]), max_size=2),
    st.none(),
    st.booleans(),
)


@given(st.lists(facts, max_size=12, unique_by=lambda each: each.device))
def test_each_device_is_proposed_once_and_never_into_itself(devices: list[DeviceFacts]) -> None:
    found = proposals(devices)
    assert len({each.device for each in found}) == len(found)
    assert all(each.device != each.into and 60 <= each.percent <= 100 and each.reasons for each in found)
