"""Files of the service: given to its user and closed to others, by descriptor, so that no link is followed."""

from __future__ import annotations

import errno
import logging
import os
import pwd
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from whitestat.core.errors import ConfigError
from whitestat.core.system.service_user import RESERVED, ServiceUser

log = logging.getLogger("whitestat")

FOLDER, FILE = 0o700, 0o600
_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_KNOWN = ("whitestat", "MAC_", "IP_MAC", "lost+found")
"""How names of files begin that are ours or WhiteStat 5's, in small letters but for the map files."""
_MONTH = re.compile(r"\d{4}-\d{2}")  # folders of CSV logs


def give(folder: Path, user: ServiceUser, name: str, *, is_ours: bool = False) -> None:
    """Give a folder and its files that begin with `name` to the service's user. The folder must exist.

    A folder that belongs to root is given away only if it is called whitestat, `is_ours`, or holds nothing of others.
    Raises ConfigError where the folder cannot be that user's.
    """
    try:
        _give(folder, user, name, is_ours=is_ours)
    except OSError as error:
        with suppress(OSError):
            if folder.stat().st_uid == user.uid:  # root without CAP_DAC_READ_SEARCH has nothing to look for there
                return
        if error.errno not in (errno.EROFS, errno.ENOENT, errno.ENOTDIR):  # told where the ledger is opened
            raise ConfigError(
                f"{folder}: cannot be given to {user.name}, which the service runs as ({error.strerror}): give it "
                'CAP_CHOWN, or put the data on a file system that has owners, or set user = "root" in [service]'
            ) from None


def _give(folder: Path, user: ServiceUser, name: str, *, is_ours: bool) -> None:
    with _opened(folder) as (place, status):
        owners = {0, RESERVED, *_number_of("nobody")}
        if status.st_uid not in {*owners, user.uid}:
            raise ConfigError(_foreign(folder, status.st_uid, user))
        if user.uid not in (0, status.st_uid):
            others = [] if is_ours or folder.name == "whitestat" else _others(place)
            if others or status.st_mode & stat.S_ISVTX:
                what = f"holds other files too ({', '.join(others[:3])})" if others else "is shared by all users"
                raise ConfigError(
                    f"{folder}: {what}, so it is not given to the service's user: name a folder of its own, or do it "
                    f"yourself: chown {user.uid}:{user.gid} {folder}"
                )
        if status.st_uid != user.uid:
            os.chown(place, user.uid, user.gid)
        safe = status.st_uid == 0 or _links_are_guarded()
        for entry in _files(place, name):
            if entry.st_uid in owners and entry.st_uid != user.uid and (safe or entry.st_uid == status.st_uid):
                os.chown(entry.path, user.uid, user.gid)


def close_to_others(folder: Path, name: str, user: int, *, folder_too: bool) -> list[str]:
    """Take the rights of other users from the files of `user` that begin with `name`, and from the folder.

    Returns a sentence if there were any.
    """
    wide: list[str] = []
    try:
        with _opened(folder) as (place, status):
            for entry in _files(place, name):
                if entry.st_mode & 0o077 and entry.st_uid == user and _chmod(entry.path, entry.st_mode & ~0o077):
                    wide.append(entry.name)
            is_shared = status.st_mode & stat.S_ISVTX or status.st_uid != user
            if folder_too and status.st_mode & 0o077 and not is_shared and _chmod(place, status.st_mode & ~0o077):
                wide.insert(0, "the folder")
    except OSError:
        return []
    if not wide:
        return []
    more = f" and {len(wide) - 3} more" if len(wide) > 3 else ""
    return [f"{folder}: other users of this machine could read {', '.join(wide[:3])}{more}; now they cannot"]


def is_ours(folder: Path) -> bool:
    """Whether a folder is called whitestat or holds nothing but files of ours."""
    if folder.name == "whitestat":
        return True
    try:
        with _opened(folder) as (place, _):
            return not _others(place)
    except OSError:
        return False


def make_folder(folder: Path) -> None:
    """Make a folder that its owner alone can read, and those above it. OSError."""
    if not folder.parent.is_dir():
        make_folder(folder.parent)
    folder.mkdir(mode=FOLDER, exist_ok=True)


class _Entry:
    """A regular file of one name in a folder, held by descriptor: `path` is that file even if the name is reused."""

    def __init__(self, name: str, descriptor: int, status: os.stat_result) -> None:
        self.name, self.path = name, f"/proc/self/fd/{descriptor}"
        self.st_uid, self.st_mode = status.st_uid, stat.S_IMODE(status.st_mode)


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    descriptor = os.open(folder.resolve(), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}", os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _files(place: str, name: str) -> Iterator[_Entry]:
    """Yield the regular files that begin with `name`; a link, and a file of two names, is reported and skipped."""
    for entry in _names(place):
        if not entry.startswith(name):
            continue
        try:
            descriptor = os.open(f"{place}/{entry}", _FLAGS)
        except OSError:
            continue
        try:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                yield _Entry(entry, descriptor, status)
            elif not stat.S_ISSOCK(status.st_mode) and not stat.S_ISDIR(status.st_mode):
                log.warning("%s: is a link or no plain file: it is left as it is", entry)
        finally:
            os.close(descriptor)


def _others(place: str) -> list[str]:
    def known(name: str) -> bool:
        return bool(name.startswith(_KNOWN) or name.lower().startswith(_KNOWN) or _MONTH.fullmatch(name))

    return [name for name in _names(place) if not known(name)]


def _names(place: str) -> list[str]:
    with os.scandir(place) as entries:
        return sorted(entry.name for entry in entries)


def _chmod(path: str, mode: int) -> bool:
    try:
        Path(path).chmod(stat.S_IMODE(mode))
    except OSError:  # another user's, or a file system without modes
        return False
    return True


def _links_are_guarded() -> bool:
    """Whether users can make no further names of files that they cannot write (proc(5), protected_hardlinks)."""
    with suppress(OSError):
        return Path("/proc/sys/fs/protected_hardlinks").read_text().strip() != "0"
    return False


def _number_of(name: str) -> Iterator[int]:
    with suppress(KeyError):
        yield pwd.getpwnam(name).pw_uid


def _foreign(folder: Path, owner: int, user: ServiceUser) -> str:
    name: str | int = owner
    with suppress(KeyError):
        name = pwd.getpwuid(owner).pw_name
    return (
        f"{folder}: belongs to user {name}, and the service runs as {user.name}: name that user in [service] user, or "
        f"give the folder away: chown -R {user.uid}:{user.gid} {folder}"
    )
