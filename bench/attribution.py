"""How long it takes to say whose 2,000 flows are, in a home of 254 devices with sixteen addresses each."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Iterator
from ipaddress import ip_network

from bench.table import Row
from whitestat.app import build
from whitestat.attribution.locality import PRIVATE, Locality
from whitestat.core.model import Address, Counts, Delta, FlowKey, Mac
from whitestat.core.units import address_bytes, mac_bytes

DEVICES, ADDRESSES, FLOWS, INTERVALS = 254, 16, 2_000, 40
LIMIT_MS = 20
_GATEWAY = mac_bytes("02:50:00:00:00:01")
_ON_LINK = (ip_network("192.168.50.0/24"), ip_network("2001:db8:50::/64"))
_NETWORKS = (*PRIVATE, *_ON_LINK)


def rows() -> Iterator[Row]:
    """The worst case, where every flow is new, and the usual one, where most go on."""
    for what, fresh in (("every flow new", FLOWS), ("one in ten new", FLOWS // 10)):
        took_ms = statistics.median(_intervals(fresh))
        promise = f"attribution of {FLOWS:,} flows, {DEVICES} devices with {ADDRESSES} addresses each, {what}"
        yield Row(promise, f"<= {LIMIT_MS} ms", f"{took_ms:.1f} ms", "-", took_ms <= LIMIT_MS)


def _intervals(fresh: int) -> Iterator[float]:
    """What each interval took, in milliseconds, services and peers with it, as they are booked."""
    where = Locality(_NETWORKS, own_macs=frozenset((_GATEWAY,)), counting=("lan",), on_link=_ON_LINK)
    attributor = build.attributor(where)
    dice = random.Random(7)
    keys = [_flow(dice) for _ in range(FLOWS)]
    for number in range(INTERVALS):
        keys[:fresh] = [_flow(dice) for _ in range(fresh)]
        at_ms = 1_764_000_000_000 + number * 30_000
        deltas = [Delta(key, Counts(0, dice.randrange(40, 1 << 20), 0, 3), at_ms, at_ms + 30_000) for key in keys]
        gc.collect()
        began = time.process_time()  # as long as it takes on a machine that has nothing else to do
        result = attributor.attribute(deltas, at_ms + 30_000, detail=True)
        took_ms = (time.process_time() - began) * 1000
        assert sum(each.octets for each in result.counts().values()) == sum(each.counts.octets for each in deltas)
        assert len(attributor.devices) == DEVICES
        attributor.commit(result)
        attributor.devices.forget_changes()
        if number:
            yield took_ms


def _flow(dice: random.Random) -> FlowKey:
    """Of any device, from or to any of its addresses, with a host of the Internet."""
    device = dice.randrange(DEVICES)
    mac, own, far = (
        mac_bytes(f"02:50:00:00:01:{device:02x}"),
        _own(device, dice.randrange(ADDRESSES)),
        dice.randrange(9_000),
    )
    outside = address_bytes(f"198.18.{far >> 8}.{far & 255}" if own[:10] == bytes(10) else f"2001:db8:cafe::{far:x}")
    service = dice.choice((443, 443, 443, 53, 80, 123, 5228))
    ends: tuple[tuple[Mac, Address], tuple[Mac, Address]] = ((mac, own), (_GATEWAY, outside))
    (here_mac, here), (there_mac, there) = ends if dice.random() < 0.5 else ends[::-1]
    return FlowKey("lan", here_mac, here, there_mac, there, dice.choice((6, 17)), service)


def _own(device: int, number: int) -> Address:
    return address_bytes(f"192.168.50.{device + 1}" if number == 0 else f"2001:db8:50::{device:x}:{number:x}")
