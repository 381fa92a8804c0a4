"""A way to code and data in a private home, for a user that cannot go into that home.

A clone in root's home is run by `sudo make run`: its files may be read by all users, the home above it by root alone.
The process gets a mount namespace of its own, in which each such home is an empty folder that shows, under their old
names, the folders needed and nothing else (mount_namespaces(7)). The machine's own view stays as it was.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import whitestat
from whitestat.core.errors import ConfigError
from whitestat.core.system.service_user import ServiceUser, acting_as

CLONE_NEWNS = 0x20000
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_SLAVE = 2, 4, 4096, 16384, 1 << 19
ROUNDS = 8
"""A private folder may be within another one."""


def code_folders() -> list[Path]:
    """Return where this program, Python and its library are."""
    own = Path(whitestat.__file__).resolve().parents[1]
    return [own, Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent]


def _import_folders() -> set[Path]:
    """Return where other packages may be; what cannot be read there was not needed until now."""
    return {Path(name).resolve() for name in sys.path if name.startswith("/") and Path(name).is_dir()}


def make_way(user: ServiceUser, folders: Iterable[Path], also: Iterable[Path] = ()) -> None:
    """Let the user reach these folders, which exist; `also` are files and folders that root still finds in their place.

    Raises ConfigError where the system refuses a namespace of mounts,
    or a folder itself may not be read."""
    targets = sorted({folder.resolve() for folder in folders})
    shown = {path.resolve() for path in also if os.path.exists(path)}  # noqa: PTH110 - False where root may not look
    packages = _import_folders().difference(targets)
    for count in range(ROUNDS):
        blocked = _blocked(user, targets, packages)
        if not blocked:
            return
        try:
            if count == 0:
                _own_mounts()
            for home in {home for home, _ in blocked}:
                needed = {folder for above, folder in blocked if above == home}
                _cover(home, needed | {path for path in shown if home in path.parents})
        except OSError as error:
            above, folder = blocked[0]
            raise ConfigError(
                f"{folder}: {user.name}, which the service runs as, cannot go through {above} ({error.strerror}): "
                "put the program and its data where every user can read, as in /opt and /var/lib/whitestat, or set "
                'user = "root" in [service]'
            ) from None
    raise ConfigError(f"{blocked[0][1]}: more than {ROUNDS} folders above it are private")


def _blocked(user: ServiceUser, targets: Iterable[Path], packages: set[Path]) -> list[tuple[Path, Path]]:
    """Return the topmost folder that the user cannot go through, for each folder that it cannot reach."""
    with acting_as(user):
        blocked = []
        for folder in (*targets, *packages):
            above = [path for path in reversed(folder.parents) if not _may(path, os.X_OK)]
            if above:
                blocked.append((above[0], folder))
            elif folder not in packages and not _may(folder, os.R_OK | os.X_OK):
                raise ConfigError(
                    f"{folder}: cannot be read by {user.name}, which the service runs as: chmod -R go+rX {folder}, or "
                    'set user = "root" in [service]'
                )
    return blocked


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=True)


def _own_mounts() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    _done(libc.unshare(CLONE_NEWNS))
    _mount(None, "/", None, MS_REC | MS_SLAVE)  # what the machine mounts later is seen, ours is seen by nothing else


def _cover(home: Path, paths: Iterable[Path]) -> None:
    """Put an empty folder in the place of a private one, with what is needed in it."""
    descriptors = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in paths}
    current = Path.cwd()
    try:
        _mount("tmpfs", str(home), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0711,size=256k")
        for path, descriptor in sorted(descriptors.items()):
            if any(other in path.parents for other in descriptors):
                continue  # it is within another one, and comes with that
            is_folder = Path(f"/proc/self/fd/{descriptor}").is_dir()
            for above in _chain(home, path if is_folder else path.parent):
                if not above.exists():
                    above.mkdir()
                    above.chmod(0o711)
            if not is_folder:
                path.touch()
            _mount(f"/proc/self/fd/{descriptor}", str(path), None, MS_BIND | MS_REC)
    finally:
        for descriptor in descriptors.values():
            os.close(descriptor)
    os.chdir(current if current.is_dir() else "/")


def _chain(home: Path, folder: Path) -> list[Path]:
    """Return the folders below `home` that lead to a folder, and that folder, the topmost first."""
    return [path for path in reversed((folder, *folder.parents)) if home in path.parents]


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    words = [word.encode() if word else None for word in (source, target, kind)]
    _done(libc.mount(*words, ctypes.c_ulong(flags), data.encode() if data else None))


def _done(status: int) -> None:
    if status != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
