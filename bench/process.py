"""What a process uses, from /proc: CPU seconds, resident memory, octets it wrote."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Use(NamedTuple):
    """CPU seconds (user and system), octets handed to the disk; running totals."""

    user_s: float
    system_s: float
    written: int

    def minus(self, earlier: Use) -> Use:
        return Use(self.user_s - earlier.user_s, self.system_s - earlier.system_s, self.written - earlier.written)

    @property
    def cpu_s(self) -> float:
        return self.user_s + self.system_s


def use(pid: int) -> Use:
    """proc_pid_stat(5), fields 14 and 15; proc_pid_io(5)."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    written = _field(Path(f"/proc/{pid}/io"), "write_bytes")
    return Use(int(after_name[11]) / ticks, int(after_name[12]) / ticks, written)


def resident(pid: int) -> int:
    """Octets of resident memory."""
    return _field(Path(f"/proc/{pid}/status"), "VmRSS") * 1024


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise KeyError(f"{path}: no {name}")
