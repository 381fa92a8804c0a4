"""Gathering evidence: what changed is read, what was told is not told again."""

from __future__ import annotations

import os
from pathlib import Path

from whitestat.attribution.gather import LOOK_EVERY_MS, REPEAT_MS, EvidenceGatherer

LEASE = "4102444800 02:50:00:00:00:11 192.168.50.17 {} *\n"
NEIGHBOUR = b'[{"dst": "192.168.50.20", "lladdr": "02:50:00:00:00:12", "state": ["REACHABLE"]}]'


def names(gatherer: EvidenceGatherer, ticks_ms: int) -> list[str | None]:
    return [each.name for each in gatherer.gather(1_760_000_000_000, ticks_ms)]


def test_a_lease_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    file = tmp_path / "dnsmasq.leases"
    gatherer = EvidenceGatherer(None, [file], table=lambda: b"")
    assert names(gatherer, 0) == []
    file.write_text(LEASE.format("phone"))
    assert names(gatherer, 1) == []
    assert names(gatherer, LOOK_EVERY_MS) == ["phone"]
    file.write_text(LEASE.format("phone") + LEASE.format("laptop"))
    assert names(gatherer, 2 * LOOK_EVERY_MS) == ["laptop"]


def test_what_is_said_again_and_again_is_told_once_in_ten_minutes() -> None:
    gatherer = EvidenceGatherer(None, [], table=lambda: NEIGHBOUR)
    assert len(names(gatherer, 0)) == 1
    assert names(gatherer, LOOK_EVERY_MS) == []
    assert len(names(gatherer, REPEAT_MS)) == 1


def test_a_folder_has_a_lease_file_for_each_link(tmp_path: Path) -> None:
    gatherer = EvidenceGatherer(None, [tmp_path], table=lambda: b"")
    assert names(gatherer, 0) == []
    (tmp_path / "eth0").write_text(LEASE.format("phone"))
    (tmp_path / "wlan0").write_text(LEASE.format("laptop"))
    assert names(gatherer, LOOK_EVERY_MS) == ["phone", "laptop"]


def test_an_address_that_goes_back_to_whom_it_was_before_is_told_at_once() -> None:
    table = [NEIGHBOUR]
    gatherer = EvidenceGatherer(None, [], table=lambda: table[0])
    assert len(names(gatherer, 0)) == 1
    table[0] = NEIGHBOUR.replace(b":12", b":13")
    assert len(names(gatherer, LOOK_EVERY_MS)) == 1
    table[0] = NEIGHBOUR
    assert len(names(gatherer, 2 * LOOK_EVERY_MS)) == 1
    assert names(gatherer, 3 * LOOK_EVERY_MS) == []


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "leases"
    file.write_text("hello, world\n")
    (folder := tmp_path / "folder" / "inner").mkdir(parents=True)
    gatherer = EvidenceGatherer(None, [file, folder.parent], table=lambda: b"")
    assert names(gatherer, 0) == []
    assert "not a lease file" in gatherer.faults[file]
    assert "directory" in gatherer.faults[folder]
    file.write_text(LEASE.format("phone"))
    os.utime(file, ns=(1, 1))
    assert names(gatherer, LOOK_EVERY_MS) == ["phone"]
    assert file not in gatherer.faults
