"""Services and peers in memory: by local hour, bounded, and the same octets whatever the span."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitestat.core.model import OTHER_PEER, OTHER_SERVICE, Counts, PeerKey, Scope, ServiceKey, UsageKey
from whitestat.metering import breakdown
from whitestat.metering.breakdown import BreakdownBuffer

ZONE = ZoneInfo("Europe/Stockholm")
PHONE = UsageKey(1, "lan", Scope.WAN)
HOUR_S = 1_795_258_800
counts = st.builds(Counts, st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 99), st.integers(0, 99))


@given(st.dictionaries(st.integers(0, 9), counts), st.integers(0, 7200), st.integers(0, 7200_000))
def test_a_span_is_shared_out_over_its_hours_to_the_octet(found: dict[int, Counts], at_s: int, length_ms: int) -> None:
    kept = BreakdownBuffer()
    start_ms = (HOUR_S + at_s) * 1000
    services = {ServiceKey(PHONE, 6, port): each for port, each in found.items()}
    kept.add(services, {}, (start_ms, start_ms + length_ms), ZONE)
    for service, each in services.items():
        assert sum(held.octets for (_, key), held in kept.services.items() if key == service) == each.octets
    assert all(hour_s % 3600 == 0 for hour_s, _ in kept.services)


def test_beyond_the_bound_all_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakdown, "MOST_KEYS", 2)
    kept, span = BreakdownBuffer(), (HOUR_S * 1000, HOUR_S * 1000 + 30_000)
    peers = {PeerKey(PHONE, bytes([number]) * 16): Counts(1) for number in range(5)}
    kept.add({ServiceKey(PHONE, 6, port): Counts(1) for port in range(5)}, peers, span, ZONE)
    assert kept.services[HOUR_S, ServiceKey(PHONE, *OTHER_SERVICE)] == Counts(3)
    assert kept.peers[HOUR_S, PeerKey(PHONE, OTHER_PEER)] == Counts(3)
