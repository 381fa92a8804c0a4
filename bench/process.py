"""What a process uses, from /proc: CPU seconds, resident memory, octets it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Use(NamedTuple):
    """CPU seconds of all threads, octets handed to the disk; running totals."""

    cpu_s: float
    written: int

    def minus(self, earlier: Use) -> Use:
        return Use(self.cpu_s - earlier.cpu_s, self.written - earlier.written)


def use(pid: int) -> Use:
    """By the scheduler's own nanoseconds: the ticks of proc_pid_stat(5) are as long as a third of a flush.

    Threads that have ended are not in it; both programs keep theirs.
    """
    tasks = Path(f"/proc/{pid}/task").iterdir()
    spent_ns = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
    return Use(spent_ns / 1e9, _field(Path(f"/proc/{pid}/io"), "write_bytes"))


def resident(pid: int) -> int:
    """Octets of resident memory."""
    return _field(Path(f"/proc/{pid}/status"), "VmRSS") * 1024


def forget_peak(pid: int) -> None:
    """From now on `peak` is of what comes (proc_pid_clear_refs(5))."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> int:
    """Octets that were resident at most."""
    return _field(Path(f"/proc/{pid}/status"), "VmHWM") * 1024


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise KeyError(f"{path}: no {name}")
