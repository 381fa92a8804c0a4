"""What an interface's counter has beyond the frames that are seen there, by kind of link."""

from __future__ import annotations

import pytest

from whitestat.collectors.links import WIFI_MORE, WIREGUARD_MORE, NetworkInterface, hidden_octets
from whitestat.core.model import Counts

TAGS = Counts(400, 80, 100, 20)


def link(kind: str = "", *, wireless: bool = False) -> NetworkInterface:
    return NetworkInterface("x", 7, True, kind, "ether", None, (), wireless)


@pytest.mark.parametrize(
    ("of", "hidden"),
    [
        (link(), Counts(400, 80)),
        (link("veth"), Counts(400, 80)),
        (link("bridge"), Counts()),
        (link("vlan"), Counts(400, 80)),
        (link(wireless=True), Counts(400, 80 + 20 * WIFI_MORE)),
        (link("wireguard"), Counts(400 + 100 * WIREGUARD_MORE, 80 + 20 * WIREGUARD_MORE)),
    ],
    ids=["card", "veth", "bridge", "vlan", "wifi", "wireguard"],
)
def test_it_is_at_most_so_much(of: NetworkInterface, hidden: Counts) -> None:
    assert hidden_octets(of, TAGS) == hidden
