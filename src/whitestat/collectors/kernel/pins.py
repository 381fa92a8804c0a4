"""Where the maps outlive the process: a folder of the BPF file system that belongs to one ledger.

A killed process leaves its maps pinned there. The next one finds them, books what the ledger has no receipt
for, and goes on counting in them. The folder's name holds the ledger's path and everything that shapes the
maps, so that another ledger, other sizes or another program never meet maps that are not theirs.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from pathlib import Path
from subprocess import SubprocessError

from whitestat.core.system import children

SYSTEM = Path("/sys/fs/bpf")
OWN = Path("/run/whitestat/bpf")
"""Mounted where the system's is not there, as in a network namespace or a container."""


def folder(ledger: Path, shape: bytes) -> Path | None:
    """The folder for the maps of `ledger`, made if need be; None where no BPF file system can be had.

    `shape` is all that must be equal for maps to be used again. Folders of the same ledger with another
    shape are removed: what their maps still hold is known to the interface's counter alone.
    """
    root = _bpf_file_system()
    if root is None:
        return None
    owner = hashlib.sha256(str(ledger.resolve()).encode()).hexdigest()[:16]
    mine = root / "whitestat" / f"{owner}-{hashlib.sha256(shape).hexdigest()[:16]}"
    try:
        mine.mkdir(mode=0o700, parents=True, exist_ok=True)
        for other in mine.parent.glob(f"{owner}-*"):
            if other != mine:
                shutil.rmtree(other)
    except OSError:
        return None
    return mine


def remove(mine: Path) -> None:
    """Forget the maps of a folder: after a clean end they hold nothing."""
    with contextlib.suppress(OSError):
        shutil.rmtree(mine)


def _bpf_file_system() -> Path | None:
    mounted = _mounted()
    for path in (SYSTEM, OWN):
        if str(path) in mounted:
            return path
    for path in (SYSTEM, OWN):
        with contextlib.suppress(OSError, SubprocessError):
            if path == OWN:
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            children.run("mount", "-t", "bpf", "-o", "mode=0700", "bpf", str(path), timeout_s=10).check_returncode()
            return path
    return None


def _mounted() -> set[str]:
    """Mount points of BPF file systems (proc(5), mountinfo)."""
    found = set()
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        fields, _, tail = line.partition(" - ")
        if tail.startswith("bpf "):
            found.add(fields.split()[4])
    return found
