"""Every octet is in a row wherever the meter stands, whatever is translated, in every family."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.flows import flow, whole
from tests.support.placements import BASE, FAMILIES, HOP, LAN, OWN, OWN_WAN, PHONE, PLACES, TV, WAN, Family, networks
from whitestat.attribution.attribute import Attributor, PointSum
from whitestat.attribution.devices.episodes import EpisodeTable
from whitestat.attribution.locality import PRIVATE, Locality, Uplink
from whitestat.core.model import Delta
from whitestat.core.units import address_bytes, address_text, mac_bytes, mac_text


def seen(place: str, nat: bool, family: Family, kind: str) -> Iterator[Delta]:
    """What the point sees of 100 octets from the home and 900 to it."""
    arm = place in ("only-arm", "lone-host")
    own_mac, own = (OWN, family.own) if place == "lone-host" else (OWN if arm else OWN_WAN, family.own_wan)
    beyond = family.host or family.hop
    if kind == "own" and place in ("uplink", "only-arm", "lone-host"):
        yield flow(own, own_mac, beyond, HOP, 100)
        yield flow(beyond, HOP, own, own_mac, 900)
    if kind == "lan" and place not in ("uplink",):
        source, mac = (family.own, OWN) if place == "lone-host" else (family.phone, PHONE)
        yield flow(source, mac, family.tv, TV, 100)
        yield flow(family.tv, TV, source, mac, 900)
    if kind == "forwarded" and family.host and place != "lone-host":
        if place != "uplink":
            router = HOP if place == "mirror" else OWN
            yield flow(family.phone, PHONE, family.host, router, 100)
            yield flow(family.host, router, family.phone, PHONE, 900)
        if place in ("uplink", "only-arm"):
            shown = family.own_wan if nat else family.phone
            yield flow(shown, own_mac, family.host, HOP, 100)
            yield flow(family.host, HOP, shown, own_mac, 900)


def expected(place: str, nat: bool, family: Family, kind: str) -> dict[tuple[str, str], tuple[int, int]]:
    """(Device by MAC or address, scope) -> (in, out)."""
    wide = "wan" if family.host else "lan"
    phone, tv = mac_text(PHONE), mac_text(TV)
    own = mac_text(OWN if place in ("only-arm", "lone-host") else OWN_WAN)
    if kind == "own":
        rows = {(own, wide): (900, 100)}
        # On a link that is home's too the router is a neighbour like any other, for what stays on the link.
        return rows if wide == "wan" or place == "uplink" else rows | {(mac_text(HOP), "lan"): (100, 900)}
    if kind == "lan":
        first = own if place == "lone-host" else phone
        return {(first, "lan"): (900, 100), (tv, "lan"): (100, 900)}
    if place == "uplink":
        return {(own if nat else family.phone, "wan"): (900, 100)}
    return {(phone, "wan"): (900, 100)}


CASES = [
    (place, nat, name, kind)
    for place, nat, name, kind in product(PLACES, (True, False), FAMILIES, ("forwarded", "own", "lan"))
    if list(seen(place, nat, FAMILIES[name], kind))
]


@pytest.mark.parametrize(("place", "nat", "name", "kind"), CASES)
@pytest.mark.parametrize("turned", [False, True], ids=["up-first", "down-first"])
def test_whatever_is_metered_each_octet_is_its_devices(
    place: str, nat: bool, name: str, kind: str, turned: bool
) -> None:
    family, devices = FAMILIES[name], EpisodeTable()
    flows = list(seen(place, nat, family, kind))
    attributor = Attributor(PLACES[place], devices)
    result = attributor.attribute(flows[::-1] if turned else flows, 0)
    rows = {}
    for key, counts in result.counts().items():
        found = devices.by_id(key.episode)
        called = mac_text(found.mac) if found.mac else address_text(found.address or b"")
        if any(counts):
            rows[called, str(key.scope)] = counts[:2]
    assert {key: value for key, value in rows.items() if any(value)} == expected(place, nat, family, kind)
    twice = 1000 if place == "only-arm" and kind == "forwarded" else 0
    assert result.points["lan"] == PointSum(1000, 0, twice)


def test_what_the_table_says_of_each_place_is_not_nothing() -> None:
    assert {place for place, *_ in CASES} == set(PLACES)
    assert len(CASES) > 80


_ADDRESSES = sorted(
    {each for family in FAMILIES.values() for each in vars(family).values() if each} | {"ff02::1", "::"}
)
_address = st.sampled_from(_ADDRESSES)
_mac = st.sampled_from([OWN, OWN_WAN, HOP, PHONE, TV, mac_bytes("01:00:5e:00:00:fb")]) | st.none()
_some = st.lists(st.sampled_from([*LAN, *WAN]), unique=True).map(lambda texts: networks(*texts))
_locality = st.builds(
    lambda local, on_link, metered, outward, uplink, router: Locality(
        (*PRIVATE, *local),
        BASE.own_macs,
        BASE.own_addresses,
        frozenset([HOP] if router else []),
        frozenset(["lan"] if outward or uplink is not None else []),
        on_link=on_link,
        metered=metered,
        uplinks={} if uplink is None else {"lan": uplink},
    ),
    _some,
    _some,
    _some,
    st.booleans(),
    st.none() | st.sampled_from([Uplink(OWN_WAN), Uplink(None, address_bytes("198.51.100.7"))]),
    st.booleans(),
)
_flow = st.builds(flow, _address | st.none(), _mac, _address | st.none(), _mac, st.integers(1, 9))


@given(_locality, st.lists(_flow, max_size=12))
def test_coverage_is_what_rows_hold_whatever_is_metered_where(where: Locality, flows: list[Delta]) -> None:
    """Each flow alone, so that its rows are told; then all at once, where each octet is once in the point's sums."""
    attributor = Attributor(where, EpisodeTable())
    for each in flows:
        result = attributor.attribute([each], 0)
        assert result.points["lan"] == whole(each, result)
        assert not result.points["lan"].repeated or may_repeat(each, where)
        if where.uplinks and each.key.mac == HOP and each.key.peer_mac == OWN_WAN:
            assert HOP not in {attributor.devices.by_id(key.episode).mac for key in result.counts() if key.episode} or (
                is_guest(each, where)
            )
    sums = Attributor(where, EpisodeTable()).attribute(flows, 0).points.get("lan", PointSum())
    assert sums.attributed + sums.unattributed + sums.repeated == sum(each.counts.octets for each in flows)


def may_repeat(delta: Delta, where: Locality) -> bool:
    """Whether it is forwarded for a host that is metered, or by a router that the configuration leaves out."""
    for mac, address in ((delta.key.mac, delta.key.address), (delta.key.peer_mac, delta.key.peer)):
        kind = where.kind(address) if address else ""
        if address and kind == "local" and (where.is_metered(address) or mac in where.routers):
            return True
        if kind == "own" and mac in where.routers and not delta.key.peer:
            return True  # this machine's address behind a configured router: left out as that router's
    return False


def is_guest(delta: Delta, where: Locality) -> bool:
    """Whether a host of the uplink's own network has this machine as its gateway."""
    return bool(delta.key.address and where.is_metered(delta.key.address))
