"""The page's file of settings beside the database: where it is, how it is read, and how it is replaced."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from whitestat.core.errors import ConfigError
from whitestat.core.system.service_user import as_owner

MOST_OCTETS = 1 << 20
VERSIONS_KEPT = 20
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NOT_REPLACEABLE = (errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS)


def path_of(store: Path) -> Path:
    return store.with_name(f"{store.name}.settings.toml")


def good_of(page: Path) -> Path:
    """Return the copy that the service last started with."""
    return page.with_name(f"{page.stem}.good.toml")


def fault_of(page: Path) -> Path:
    """Return the file that says why the settings before are back."""
    return page.with_name(f"{page.stem}.fault")


def version_of(page: Path, number: int) -> Path:
    """Return the content that the page's file had before the change of that number."""
    return page.with_name(f"{page.stem}.{number:06}.toml")


def versions(page: Path) -> list[int]:
    """Return the numbers of the kept versions in order."""
    with as_owner(page.parent):
        try:
            names = [path.name for path in page.parent.glob(f"{page.stem}.[0-9]*.toml")]
        except OSError:
            return []
    parts = (name.removeprefix(f"{page.stem}.").removesuffix(".toml") for name in names)
    return sorted(int(part) for part in parts if part.isascii() and part.isdigit())


def read(path: Path) -> str | None:
    """Return the text with the rights of the folder's owner, None if there is no file. Raises ConfigError."""
    try:
        content = _content(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text at octet {error.start}") from None


def _content(path: Path) -> bytes:
    """By its folder, which root finds below a home that the owner of the folder cannot go through."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with as_owner(path.parent):
            descriptor = os.open(path.name, _READ, dir_fd=folder)
    finally:
        os.close(folder)
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ConfigError(f"{path}: must be a plain file")
        content = opened.read(MOST_OCTETS + 1)
    if len(content) > MOST_OCTETS:
        raise ConfigError(f"{path}: more than {MOST_OCTETS} octets")
    return content


def write(path: Path, text: str) -> None:
    """Replace the file at once; one that is mounted by itself is written in place. Raises ConfigError.

    rename(2) answers EBUSY for a mount point, and EACCES in a folder that only this file may be written in.
    """
    temporary = path.with_name(f".{path.name}.new")
    with as_owner(path.parent):
        try:
            _replace(temporary, path, text.encode())
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {(error.strerror or str(error)).lower()}") from None


def _replace(temporary: Path, path: Path, content: bytes) -> None:
    try:
        temporary.unlink(missing_ok=True)
        _write(temporary, content, os.O_CREAT | os.O_EXCL)
        temporary.replace(path)
    except OSError as error:
        if error.errno not in _NOT_REPLACEABLE or not path.exists():
            raise
        _write_in_place(path, content)
    finally:
        with suppress(OSError):  # in a folder that is not ours there is none
            temporary.unlink(missing_ok=True)
    _sync(path.parent)


def _write_in_place(path: Path, content: bytes) -> None:
    """Overwrite, and put the old content back if the disk is full."""
    before = _content(path)
    try:
        _write(path, content, 0)
    except OSError:
        _write(path, before, 0)
        raise


def _write(path: Path, content: bytes, flags: int) -> None:
    with os.fdopen(os.open(path, _WRITE | flags, 0o600), "wb") as opened:
        os.fchmod(opened.fileno(), 0o600)
        opened.write(content)
        opened.flush()
        opened.truncate()
        os.fsync(opened.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    with as_owner(path.parent):
        path.unlink(missing_ok=True)


def keep_version(page: Path, number: int, text: str) -> None:
    """Keep a text under a number, that of the edit that changed it; the oldest beyond VERSIONS_KEPT go."""
    write(version_of(page, number), text)
    for old in versions(page)[:-VERSIONS_KEPT]:
        remove(version_of(page, old))
