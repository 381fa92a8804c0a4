"""A capture file: what its later packets tell of routers holds for its earlier ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from whitestat.app.commands.replay import replay
from whitestat.config.loader import load
from whitestat.config.sections import Config

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures"
LAPTOP, ROUTER = "02:00:00:00:00:11", "02:00:00:00:00:01"


def config(folder: Path, networks: str = "") -> Config:
    path = folder / "whitestat.toml"
    path.write_text(f"[lan]\nnetworks = [{networks}]\n" if networks else "")
    return load(path, {}, root=False)


def lines(name: str, config: Config) -> dict[tuple[str | None, str | None], tuple[int, int]]:
    """(In, out) by MAC and scope."""
    found = replay(CAPTURES / f"{name}.pcap", config)
    assert found.fault is None
    return {(line.mac, line.scope): line.counts[:2] for line in found.lines}


@pytest.mark.parametrize("name", ["order-ipv4-first", "order-ipv6-first"])
def test_the_order_of_packets_changes_no_answer(name: str, tmp_path: Path) -> None:
    assert lines(name, config(tmp_path)) == {(LAPTOP, "wan"): (1000, 100)}


@pytest.mark.parametrize("name", ["solicitation-without", "solicitation-with"])
@pytest.mark.parametrize("networks", ["", '"192.168.1.0/24"'], ids=["default", "ipv4-alone"])
def test_what_a_router_asks_from_its_link_local_address_makes_nothing_of_the_laptop(
    name: str, networks: str, tmp_path: Path
) -> None:
    found = lines(name, config(tmp_path, networks))
    assert found.pop((LAPTOP, "wan")) == (1000, 300)
    asked = {(ROUTER, "lan"): (0, 72), (LAPTOP, "lan"): (72, 0)}
    assert found == (asked if name.endswith("-with") else {})
