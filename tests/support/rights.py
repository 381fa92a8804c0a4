"""The rights of a process, of each of its threads, and of all that it started (proc(5), status)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Rights(NamedTuple):
    """A thread: its process, what that runs, its users (real, effective, saved, of files), and the capabilities that it
    has, may take, or passes on to programs."""

    pid: int
    name: str
    users: frozenset[int]
    capabilities: int
    bounding: int
    no_new_privileges: bool
    is_filtered: bool


def rights_below(pid: int) -> list[Rights]:
    """Return the rights of each thread of a process and of its descendants."""
    return [rights for each in (pid, *_descendants(pid)) for rights in _threads(each)]


def _threads(pid: int) -> Iterator[Rights]:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().replace("\0", " ")
    for thread in Path(f"/proc/{pid}/task").iterdir():
        lines = (line.partition(":") for line in (thread / "status").read_text().splitlines())
        fields = {name: value.strip() for name, _, value in lines}
        held = int(fields["CapEff"], 16) | int(fields["CapPrm"], 16) | int(fields["CapAmb"], 16)
        users = frozenset(map(int, fields["Uid"].split()))
        yield Rights(
            pid, words, users, held, int(fields["CapBnd"], 16), fields["NoNewPrivs"] == "1", fields["Seccomp"] == "2"
        )


def _descendants(pid: int) -> Iterator[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    ancestors = {pid}
    while more := {child for child, parent in parents.items() if parent in ancestors} - ancestors:
        yield from more
        ancestors |= more
