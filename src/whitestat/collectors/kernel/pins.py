"""Where the maps outlive the process: a folder of the BPF file system that belongs to one ledger.

A killed process leaves its maps pinned there. The next one finds them, books what the ledger has no receipt
for, and goes on counting in them. The folder's name holds the ledger's path and everything that shapes the
maps, so that another ledger, other sizes or another program never meet maps that are not theirs.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import stat
from pathlib import Path
from subprocess import SubprocessError
from typing import NamedTuple

from whitestat.core.system import children

log = logging.getLogger("whitestat")

SYSTEM = Path("/sys/fs/bpf")
OWN = Path("/run/whitestat/bpf")
"""Mounted where the system's is not there, as in a network namespace or a container."""


class Pins(NamedTuple):
    """The folder of a ledger's maps; `descriptor` reaches it where the BPF file system is root's alone."""

    path: Path
    descriptor: int

    def remove(self) -> None:
        """Forget the maps: after a clean end they hold nothing."""
        with contextlib.suppress(OSError):
            _empty(self.descriptor)
            self.path.rmdir()  # root's: it stays, empty, where privileges were given up

    def close(self) -> None:
        os.close(self.descriptor)


def folder(ledger: Path, shape: bytes) -> Pins | None:
    """The folder for the maps of `ledger`, made if need be; None where no safe place on a BPF file system can be had.

    `shape` is all that must be equal for maps to be used again. Folders of the same ledger with another
    shape are removed: what their maps still hold is known to the interface's counter alone.
    """
    root = _bpf_file_system()
    if root is None:
        return None
    owner = hashlib.sha256(str(ledger.resolve()).encode()).hexdigest()[:16]
    mine = root / "whitestat" / f"{owner}-{hashlib.sha256(shape).hexdigest()[:16]}"
    try:
        if fault := _fault_of(root, mine.parent):
            log.warning("%s, so the tables are not kept there", fault)
            return None
        mine.mkdir(mode=0o700, exist_ok=True)
        for other in mine.parent.glob(f"{owner}-*"):
            if other != mine:
                shutil.rmtree(other)
        return Pins(mine, _taken_back(mine))
    except OSError:
        return None


def _fault_of(root: Path, parent: Path) -> str:
    """Why another user could change what is kept in `parent`, which is made if need be; empty where none could."""
    status = root.stat()
    if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
        return f"{root}: other users can change it (mount -o remount,mode=0700 {root})"
    if not os.path.lexists(parent):
        parent.mkdir(mode=0o700)
    status = parent.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        return f"{parent}: is a link, or another user's"
    return f"{parent}: other users can change it" if status.st_mode & 0o022 else ""


def _taken_back(mine: Path) -> int:
    """Open a folder that an unprivileged service had, as this user's; what is no plain map of one name is removed.

    OSError where it is a link or cannot be taken.
    """
    if mine.lstat().st_uid != os.geteuid():  # before it is opened, as CAP_CHOWN may be all that is held
        os.chown(mine, os.geteuid(), os.getegid(), follow_symlinks=False)
    descriptor = os.open(mine, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o700)
        statuses = [os.stat(name, dir_fd=descriptor, follow_symlinks=False) for name in _names(descriptor)]
        if not all(stat.S_ISREG(status.st_mode) and status.st_nlink == 1 for status in statuses):
            log.warning("%s: holds links, which are not followed: what it held is forgotten", mine)
            _empty(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _empty(descriptor: int) -> None:
    for name in _names(descriptor):
        os.unlink(name, dir_fd=descriptor)


def _names(descriptor: int) -> list[str]:
    with os.scandir(descriptor) as entries:
        return [entry.name for entry in entries]


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
    mounts = set()
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        fields, _, tail = line.partition(" - ")
        if tail.startswith("bpf "):
            mounts.add(fields.split()[4])
    return mounts
