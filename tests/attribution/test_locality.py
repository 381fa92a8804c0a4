"""What is local: the configuration's networks, or private space with what version 5's masks name."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from whitestat.app.local_network import configured_locality, locality
from whitestat.config.loader import load
from whitestat.core.units import address_bytes

HOSTS = ("192.168.1.7", "192.168.2.7", "10.1.2.3", "198.51.100.7", "203.0.113.9", "fd00::7", "fe80::7")


@pytest.mark.parametrize(
    ("lan", "masks", "expected"),
    [
        ("", "", {"192.168.1.7", "192.168.2.7", "10.1.2.3", "fd00::7", "fe80::7"}),
        # Version 5 showed hosts beside its masks, which said no more than which rows a router's were.
        ("", "192.168.1|198.51.100", {"192.168.1.7", "192.168.2.7", "10.1.2.3", "198.51.100.7", "fd00::7", "fe80::7"}),
        ('networks = ["192.168.1.0/24"]', "", {"192.168.1.7", "fe80::7"}),
        ('networks = ["192.168.1.0/24"]', "10.1", {"192.168.1.7", "fe80::7"}),
    ],
)
def test_masks_of_version_5_narrow_nothing(tmp_path: Path, lan: str, masks: str, expected: set[str]) -> None:
    file = tmp_path / "whitestat.toml"
    file.write_text(f"[lan]\n{lan}\n")
    config = load(file, {"LAN_SEGMENT_MASKS": masks}, root=True)
    for found in (locality(config, ()), configured_locality(config)):
        assert {host for host in HOSTS if found.kind(address_bytes(host)) == "local"} == expected


@pytest.mark.parametrize("lan", ["", 'networks = ["192.168.1.0/24"]'])
def test_what_a_router_advertises_is_local_whatever_is_configured(tmp_path: Path, lan: str) -> None:
    """What another program's table shows is not: the configuration is the word on that."""
    file = tmp_path / "whitestat.toml"
    file.write_text(f"[lan]\n{lan}\n")
    heard, shown = [ip_network("2001:db8:50::/64")], [ip_network("2001:db8:60::/64")]
    found = locality(load(file, {}, root=True), (), heard, shown)
    assert found.kind(address_bytes("2001:db8:50::11")) == "local"
    assert found.kind(address_bytes("2001:db8:60::11")) == ("outside" if lan else "local")
