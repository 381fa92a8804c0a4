"""Flows between a phone, a television, a gateway and the Internet, and their attribution by MAC."""

from __future__ import annotations

from ipaddress import ip_network

from whitestat.app import build
from whitestat.attribution.attribute import Attributed, PointSum
from whitestat.attribution.devices.episodes import EpisodeTable
from whitestat.attribution.locality import PRIVATE, Locality
from whitestat.core.model import UNATTRIBUTED, Counts, Delta, FlowKey
from whitestat.core.units import address_bytes, mac_bytes

GATEWAY, PHONE, TV, SWITCH = (mac_bytes(f"02:50:00:00:00:{n}") for n in ("01", "11", "12", "99"))
GROUP, BROADCAST = mac_bytes("01:00:5e:00:00:fb"), mac_bytes("ff:ff:ff:ff:ff:ff")
HOST = address_bytes("203.0.113.9")
HOME = Locality(
    (*PRIVATE, ip_network("192.168.50.0/24"), ip_network("2001:db8:50::/64")),
    own_macs=frozenset({GATEWAY}),
    own_addresses=frozenset({address_bytes("192.168.50.1"), address_bytes("198.51.100.7")}),
    metered=(ip_network("192.168.50.0/24"), ip_network("2001:db8:50::/64")),
)


def flow(
    source: str | None,
    mac: bytes | None,
    target: str | None,
    peer_mac: bytes | None,
    octets: int = 100,
    protocol: int | None = 6,
    service: int = 443,
) -> Delta:
    key = FlowKey(
        "lan",
        mac,
        address_bytes(source) if source else None,
        peer_mac,
        address_bytes(target) if target else None,
        protocol,
        service,
    )
    return Delta(key, Counts(0, octets, 0, 1), 0, 1000)


def attribute(*flows: Delta, home: Locality = HOME) -> tuple[Attributed, EpisodeTable]:
    attributor = build.attributor(home)
    return attributor.attribute(flows, 1000), attributor.devices


def by_mac(result: Attributed, devices: EpisodeTable) -> dict[tuple[bytes | None, str], tuple[int, int]]:
    """(MAC, scope) -> (in, out); the MAC of what is unattributed is None."""
    return {
        (devices.by_id(key.episode).mac if key.episode else None, str(key.scope)): counts[:2]
        for key, counts in result.counts().items()
    }


def whole(delta: Delta, result: Attributed) -> PointSum:
    """Where the octets of the only flow are by the rows alone, each of which has all of them."""
    octets, rows = delta.counts.octets, result.counts()
    for counts in rows.values():
        assert {counts.octets_in, counts.octets_out} <= {0, octets}
        assert counts.octets_in + counts.octets_out
    known = any(key.episode for key in rows)
    assert not (known and any(key.episode == UNATTRIBUTED for key in rows))
    return PointSum(*((octets, 0, 0) if known else (0, octets, 0) if rows else (0, 0, octets)))
