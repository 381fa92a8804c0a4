"""The file of accounts, sessions and tokens beside the ledger: JSON that its owner alone may read."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from whitestat.core.errors import LedgerError
from whitestat.ledger.files.place import open_plain as _open
from whitestat.web.auth.roles import Role

VERSION = 2
"""2 has the address and the browser of sessions, and the expiry and last use of tokens."""


class Account(NamedTuple):
    """A user that may log in; `password` as `passwords.kept` writes it, None until it is set."""

    id: int
    name: str
    role: Role
    person: str | None
    password: str | None
    created_ms: int


class Token(NamedTuple):
    """What a program asks with; `digest` is all that is kept of its text.

    `expires_ms`: None for one that does not expire. `seen_ms`: about its last use, None before the first.
    """

    id: int
    name: str
    role: Role
    person: str | None
    digest: str
    created_ms: int
    expires_ms: int | None = None
    seen_ms: int | None = None


class Session(NamedTuple):
    """One browser that logged in; `digest` is all that is kept of its cookie.

    `address` is that of the log-in, `browser` its name; both are empty for a session of an older WhiteStat.
    """

    digest: str
    account: int
    created_ms: int
    seen_ms: int
    address: str = ""
    browser: str = ""

    @property
    def id(self) -> str:
        """Number by which it is listed and ended: a part of the digest, from which no cookie can be made."""
        return self.digest[:16]


class PasswordLink(NamedTuple):
    """An address that sets the password of an account, once."""

    digest: str
    account: int
    until_ms: int


class KnownBrowser(NamedTuple):
    """A browser that an account logged in with: what others fail at slows it not."""

    digest: str
    account: int


class AccountsFile(NamedTuple):
    """All of the file."""

    next: int = 1
    accounts: tuple[Account, ...] = ()
    tokens: tuple[Token, ...] = ()
    sessions: tuple[Session, ...] = ()
    links: tuple[PasswordLink, ...] = ()
    known: tuple[KnownBrowser, ...] = ()


_ROWS: dict[str, Any] = {
    "accounts": Account,
    "tokens": Token,
    "sessions": Session,
    "links": PasswordLink,
    "known": KnownBrowser,
}


def path_of(ledger: Path) -> Path:
    return ledger.with_name(f"{ledger.name}.access")


def read(path: Path) -> AccountsFile:
    """Empty where there is no file; LedgerError where it cannot be read."""
    try:
        with os.fdopen(_open(path, os.O_RDONLY), encoding="utf-8") as file:
            content = json.load(file)
    except FileNotFoundError:
        return AccountsFile()
    except OSError as fault:
        raise LedgerError(f"{path}: cannot be read: {(fault.strerror or str(fault)).lower()}") from None
    except ValueError:
        raise LedgerError(f"{path}: {_DAMAGED}") from None
    try:
        if content["version"] > VERSION:
            raise LedgerError(f"{path}: was written by a newer WhiteStat (version {content['version']})")
        rows = {name: tuple(_row(kind, cells) for cells in content[name]) for name, kind in _ROWS.items()}
        return AccountsFile(int(content["next"]), **rows)
    except (KeyError, TypeError, ValueError):
        raise LedgerError(f"{path}: {_DAMAGED}") from None


_DAMAGED = "is damaged; put a copy in its place, or remove it and set the owner's password anew"


def _row(kind: Any, given: dict[str, Any]) -> Any:
    row = kind(**given)
    return row._replace(role=Role(row.role)) if hasattr(row, "role") else row


def write(path: Path, kept: AccountsFile) -> None:
    """All of it or nothing, for its owner alone; LedgerError where it cannot be written."""
    content: dict[str, object] = {"version": VERSION, "next": kept.next}
    content |= {name: [row._asdict() for row in getattr(kept, name)] for name in _ROWS}
    new = path.with_name(f"{path.name}.new")
    try:
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        descriptor = _open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(descriptor)
            _belongs(descriptor, path)
        new.rename(path)
        _sync(path.parent)
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise LedgerError(f"{path}: accounts cannot be written: {reason}") from None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _belongs(descriptor: int, path: Path) -> None:
    """What root writes for the service, by a command, stays the service's."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        with contextlib.suppress(OSError):  # root without capabilities may give nothing away
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
