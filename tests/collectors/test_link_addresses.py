"""Link addresses of a capture's hosts: filled in where they are known, in bounded memory, and no octet lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitestat.collectors import link_addresses
from whitestat.collectors.link_addresses import HANDED_ON_MS, completed
from whitestat.core.model import Address, Counts, Delta, FlowKey, Mac

MAPPED = bytes(10) + b"\xff\xff"
A, B, C = (MAPPED + bytes((192, 168, 50, number)) for number in (7, 8, 9))
MAC_A, MAC_B = bytes.fromhex("025000000007"), bytes.fromhex("025000000008")


def delta(mac: Mac | None, address: Address | None, peer: Address | None, at_ms: int = 0, octets: int = 100) -> Delta:
    key = FlowKey("lan", mac, address, None, peer, 17, 443)
    return Delta(key, Counts(octets_out=octets, packets_out=1), at_ms, at_ms + 60_000)


def ends(deltas: list[Delta]) -> list[tuple[Mac | None, Mac | None, int]]:
    return [(each.key.mac, each.key.peer_mac, each.counts.octets_out) for each in completed(deltas)]


def test_a_receiver_has_the_address_it_sends_with_before_and_after() -> None:
    before, after = delta(MAC_A, A, B), delta(MAC_A, A, B, 60_000, 200)
    answer = delta(MAC_B, B, A, 0, 50)
    assert ends([before, answer, after]) == [(MAC_B, MAC_A, 50), (MAC_A, MAC_B, 200), (MAC_A, MAC_B, 100)]


def test_a_receiver_that_never_sends_has_none() -> None:
    assert ends([delta(MAC_A, A, C)]) == [(MAC_A, None, 100)]


def test_a_packet_without_its_senders_address_has_that_of_others() -> None:
    assert ends([delta(None, A, C), delta(MAC_A, A, B), delta(MAC_B, B, A)])[-2:] == [
        (MAC_A, None, 100),
        (MAC_A, MAC_B, 100),
    ]


def test_who_forwards_a_packet_does_not_take_its_senders_address_over() -> None:
    forwarded = [delta(mac, A, C, minute * 60_000) for minute in range(30) for mac in (MAC_A, MAC_B)]
    assert ends([*forwarded, delta(MAC_B, B, A, 1_800_000)])[0] == (MAC_B, MAC_A, 100)


def test_an_address_that_was_silent_is_its_next_senders() -> None:
    handed = [delta(MAC_A, A, C), delta(MAC_B, A, C, HANDED_ON_MS + 1), delta(MAC_B, B, A, HANDED_ON_MS + 2)]
    assert ends(handed)[0] == (MAC_B, MAC_B, 100)


def test_a_broadcast_that_was_heard_is_one_where_it_is_sent_too() -> None:
    key = FlowKey("lan", MAC_B, B, b"\xff" * 6, MAPPED + bytes((192, 168, 50, 63)), 17, 443)
    heard = Delta(key, Counts(octets_out=1), 0, 60_000)
    assert ends([delta(MAC_A, A, key.peer), heard])[-1] == (MAC_A, b"\xff" * 6, 100)


_addresses = st.sampled_from((A, B, C, None, MAPPED + bytes(4), bytes(15) + b"\1", MAPPED + b"\x7f\0\0\1", bytes(16)))
_macs = st.sampled_from((MAC_A, MAC_B, None, bytes(6), b"\xff" * 6))
_keys = st.builds(FlowKey, st.just("lan"), _macs, _addresses, _macs, _addresses, st.just(17), st.just(443))
_deltas = st.builds(
    lambda key, octets, minute: Delta(key, Counts(octets_out=octets, packets_out=1), minute, minute + 60_000),
    _keys,
    st.integers(0, 2000),
    st.integers(0, 30).map(lambda minute: minute * 60_000),
)


@given(st.lists(_deltas, max_size=40), st.integers(1, 6))
def test_no_octet_is_lost_and_what_was_known_stays(deltas: list[Delta], limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link_addresses, "WAITING_MAX", limit)
        patch.setattr(link_addresses, "HOSTS_MAX", limit)
        found = list(completed(deltas))
    total = Counts()
    for each in found:
        total = total.plus(each.counts)
    assert total == Counts(0, sum(each.counts.octets_out for each in deltas), 0, len(deltas))
    known = {(each.key.mac, each.key.peer_mac) for each in deltas}
    whole = {pair for pair in known if None not in pair and bytes(6) not in pair}
    assert whole <= {(each.key.mac, each.key.peer_mac) for each in found}


def test_a_flood_of_hosts_is_held_in_bounded_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_addresses, "WAITING_MAX", 8)
    taken = 0

    def flood() -> list[Delta]:
        return [delta(None, MAPPED + number.to_bytes(4, "big"), C) for number in range(1, 100)]

    for _ in completed(flood()):
        taken += 1
    assert taken == 99
