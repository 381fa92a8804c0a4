"""Accounts, sessions, tokens and one-time links: what a secret stands for, and how these come and go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import RLock
from typing import TypeVar

from whitestat.core.errors import EditError, LedgerError, Missing
from whitestat.web.auth.file import Account, AccountsFile, KnownBrowser, PasswordLink, Session, Token
from whitestat.web.auth.passwords import digest, secret
from whitestat.web.auth.roles import Principal, Role
from whitestat.web.auth.storage import Storage

DAY_MS = 86_400_000
IDLE_MS, LONGEST_MS = 7 * DAY_MS, 30 * DAY_MS
"""A session ends when nothing was asked for so long, and so long after the log-in at the latest."""

MINUTE_MS = 60_000
LINK_MS, FIRST_MS = 7 * DAY_MS, DAY_MS
"""How long a link to set a password waits, and the one of the first start."""

CONFIRMED_MS = 300_000
"""How long a password that was given again allows changes of accounts and tokens."""

SEEN_EVERY_MS = 3_600_000
"""How exactly the file knows when a session was last used: each write wears the card."""

MOST_DAYS = 36_500
"""The longest that a token may be valid."""

MOST_ACCOUNTS, MOST_TOKENS, SESSIONS_EACH, MOST_LETTERS = 100, 100, 20, 100
TOKEN_MARK = "ws_"  # noqa: S105 - what tokens begin with, so that they are known when they are found somewhere
OWNER = "owner"
SCOPES = {"read": Role.VIEWER, "person": Role.PERSON, "metrics": Role.METRICS, "edit": Role.EDITOR}
"""What a token may, by the word it is asked for with."""

CredentialT = TypeVar("CredentialT", Account, Token)


class Accounts:
    """Kept in a file, or in memory alone without one. Any thread may ask.

    A file that cannot be read allows no log-in and is never written over: `fault` says what is wrong.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._storage = Storage(path) if path else None
        self._lock = RLock()
        self._kept = AccountsFile()
        self._confirmed: dict[str, int] = {}  # until when, by the digest of the session
        self._first: tuple[str, int] | None = None
        self.fault: str | None = None
        try:
            self._kept = self._storage.read() if self._storage else AccountsFile()
        except LedgerError as fault:
            self.fault = str(fault)

    @property
    def accounts(self) -> tuple[Account, ...]:
        return self._kept.accounts

    @property
    def tokens(self) -> tuple[Token, ...]:
        return self._kept.tokens

    @property
    def has_owner(self) -> bool:
        return any(account.role is Role.OWNER and account.password for account in self._kept.accounts)

    def sessions_of(self, account: int) -> int:
        return sum(session.account == account for session in self._kept.sessions)

    def named(self, name: str) -> Account | None:
        folded = name.strip().casefold()
        return next((account for account in self._kept.accounts if account.name.casefold() == folded), None)

    def account(self, number: int) -> Account:
        """Missing where there is none."""
        return _found(self._kept.accounts, "account", number)

    # Who asks

    def by_session(self, text: str, now_ms: int) -> Principal | None:
        """Return the principal of a cookie, None when the session is over; it goes on from now."""
        with self._lock:
            current = next((session for session in self._kept.sessions if session.digest == digest(text)), None)
            if current is None or _is_over(current, now_ms):
                return None
            if abs(now_ms - current.seen_ms) > SEEN_EVERY_MS:
                changed = [row._replace(seen_ms=now_ms) if row is current else row for row in self._kept.sessions]
                self._set(sessions=tuple(changed), quiet=True)
            return _principal(self.account(current.account), current)

    def by_token(self, text: str, now_ms: int) -> Principal | None:
        """Return the principal of a token; None for one that is unknown or has expired."""
        mark = digest(text.strip())
        token = next((token for token in self._kept.tokens if token.digest == mark), None)
        if token is None or (token.expires_ms is not None and now_ms >= token.expires_ms):
            return None
        if token.seen_ms is None or abs(now_ms - token.seen_ms) > SEEN_EVERY_MS:
            with self._lock:
                seen = [row._replace(seen_ms=now_ms) if row.id == token.id else row for row in self._kept.tokens]
                self._set(tokens=tuple(seen), quiet=True)
        return Principal(token.role, f"token {token.name}", token.name, token.person)

    def sessions(self, account: int | None, now_ms: int) -> list[Session]:
        """Return the sessions of an account, or of all, that have not ended; the last used first."""
        rows = [row for row in self._kept.sessions if account in (None, row.account) and not _is_over(row, now_ms)]
        return sorted(rows, key=lambda row: row.seen_ms, reverse=True)

    def end_session(self, number: str, account: int | None) -> None:
        """End a session of an account, or of any. Raises Missing."""
        with self._lock:
            rows = [row for row in self._kept.sessions if row.id == number and account in (None, row.account)]
            if not rows:
                raise Missing("session", f"there is no session {number[:100]!r}")
            self._set(sessions=tuple(row for row in self._kept.sessions if row not in rows))

    def begin(self, account: int, now_ms: int, address: str = "", browser: str = "") -> str:
        """Log an account in; returns the secret of its new session, which is kept nowhere."""
        with self._lock:
            text = secret()
            others = [session for session in self._kept.sessions if not _is_over(session, now_ms)]
            own = sorted((row for row in others if row.account == account), key=lambda row: row.seen_ms)
            gone = own[: max(0, len(own) - SESSIONS_EACH + 1)]
            new = Session(digest(text), self.account(account).id, now_ms, now_ms, address, browser)
            self._set(sessions=(*(session for session in others if session not in gone), new), quiet=True)
            return text

    def end(self, text: str) -> None:
        """Log out."""
        with self._lock:
            self._set(sessions=tuple(row for row in self._kept.sessions if row.digest != digest(text)), quiet=True)

    def know(self, account: int) -> str:
        """The secret by which a browser that logged in is known at its next log-in."""
        with self._lock:
            text = secret()
            own = [browser for browser in self._kept.known if browser.account == account][-SESSIONS_EACH + 1 :]
            others = [browser for browser in self._kept.known if browser.account != account]
            self._set(known=(*others, *own, KnownBrowser(digest(text), account)), quiet=True)
            return text

    def knows(self, text: str, account: int) -> bool:
        return KnownBrowser(digest(text), account) in self._kept.known

    # One-time links

    def first_link(self, now_ms: int) -> str | None:
        """The secret of a link that sets the owner's password; None where it is set, or the file cannot be read."""
        with self._lock:
            if self.has_owner or self.fault:
                return None
            text = secret()
            self._first = digest(text), now_ms + FIRST_MS
            return text

    def link(self, account: int, now_ms: int, minutes: int | None = None) -> str:
        """The secret of a link that sets an account's password; the one before is of no use any more.

        It works for so many minutes; None for a week, the most. EditError for more.
        """
        lasts_ms = LINK_MS if minutes is None else minutes * MINUTE_MS
        if lasts_ms > LINK_MS:
            raise EditError("minutes", f"must be at most {LINK_MS // MINUTE_MS}")
        with self._lock:
            text = secret()
            others = tuple(link for link in self._kept.links if link.account != account)
            self._set(links=(*others, PasswordLink(digest(text), self.account(account).id, now_ms + lasts_ms)))
            return text

    def name_of_link(self, text: str, now_ms: int) -> str | None:
        """Return the name of the account whose password the link sets; None for a link that is used up or unknown."""
        with self._lock:
            if self._is_first(text, now_ms):
                owner = next((account for account in self._kept.accounts if account.role is Role.OWNER), None)
                return owner.name if owner else OWNER
            account = self._of_link(text, now_ms)
            return account and account.name

    def set_by_link(self, text: str, hashed: str, now_ms: int) -> Account | None:
        """Set the password of the link's account and use the link up; None for one that was used meanwhile."""
        with self._lock:
            account = self._owner(now_ms) if self._is_first(text, now_ms) else self._of_link(text, now_ms)
            if account is None:
                return None
            self.set_password(account.id, hashed)
            self._first = None if account.role is Role.OWNER else self._first
            return self.account(account.id)

    def _is_first(self, text: str, now_ms: int) -> bool:
        return bool(self._first and self._first[0] == digest(text) and now_ms < self._first[1] and not self.has_owner)

    def _of_link(self, text: str, now_ms: int) -> Account | None:
        mark = digest(text)
        link = next((link for link in self._kept.links if link.digest == mark and now_ms < link.until_ms), None)
        return self.account(link.account) if link else None

    # The password again

    def confirm(self, session: str, now_ms: int) -> None:
        """Allow a session, by its digest, changes of accounts and tokens for CONFIRMED_MS."""
        with self._lock:
            self._confirmed = {key: until for key, until in self._confirmed.items() if now_ms < until}
            self._confirmed[session] = now_ms + CONFIRMED_MS

    def is_confirmed(self, session: str | None, now_ms: int) -> bool:
        """Return whether the password of the session was given again within CONFIRMED_MS."""
        until_ms = self._confirmed.get(session or "", 0)
        return until_ms - CONFIRMED_MS <= now_ms < until_ms

    # What the owner changes

    def set_password(self, account: int, hashed: str) -> None:
        """From now on; whoever is logged in as that account is no more, and its links are of no use."""
        with self._lock:
            changed = self.account(account)._replace(password=hashed)
            self._set(
                accounts=tuple(changed if row.id == account else row for row in self._kept.accounts),
                sessions=tuple(row for row in self._kept.sessions if row.account != account),
                links=tuple(row for row in self._kept.links if row.account != account),
            )

    def owner(self, now_ms: int) -> Account:
        """The first owner, made where there is none."""
        with self._lock:
            return self._owner(now_ms)

    def add(self, name: str, role: Role, person: str | None, now_ms: int) -> Account:
        """A new account without a password. EditError where it cannot be."""
        with self._lock:
            _check(name, role, person)
            if role not in (Role.OWNER, Role.EDITOR, Role.VIEWER, Role.PERSON):
                raise EditError("role", f"an account cannot be {role}")
            if self.named(name):
                raise EditError("name", f"there is an account {name.strip()!r} already")
            if len(self._kept.accounts) >= MOST_ACCOUNTS:
                raise EditError("name", f"there are {MOST_ACCOUNTS} accounts already")
            account = Account(self._kept.next, name.strip(), role, person, None, now_ms)
            self._set(accounts=(*self._kept.accounts, account), next=account.id + 1)
            return account

    def remove(self, account: int) -> None:
        """With its sessions. The last owner stays."""
        with self._lock:
            gone = self.account(account)
            owners = [row for row in self._kept.accounts if row.role is Role.OWNER and row.password]
            if owners == [gone]:
                raise EditError("account", "is the only owner, who cannot be removed")
            self._set(
                accounts=tuple(row for row in self._kept.accounts if row is not gone),
                sessions=tuple(row for row in self._kept.sessions if row.account != account),
                links=tuple(row for row in self._kept.links if row.account != account),
                known=tuple(row for row in self._kept.known if row.account != account),
            )

    def add_token(
        self, name: str, role: Role, person: str | None, now_ms: int, days: int | None = None
    ) -> tuple[Token, str]:
        """The new token, and its text, which is kept nowhere. EditError where it cannot be.

        It expires after so many days; None for never.
        """
        if days is not None and days > MOST_DAYS:
            raise EditError("days", f"must be at most {MOST_DAYS}")
        with self._lock:
            _check(name, role, person)
            if role not in SCOPES.values():
                raise EditError("scope", f"a token cannot be {role}")
            if len(self._kept.tokens) >= MOST_TOKENS:
                raise EditError("name", f"there are {MOST_TOKENS} tokens already; revoke one that is of no use")
            text = TOKEN_MARK + secret()
            expires_ms = None if days is None else now_ms + days * DAY_MS
            token = Token(self._kept.next, name.strip(), role, person, digest(text), now_ms, expires_ms)
            self._set(tokens=(*self._kept.tokens, token), next=token.id + 1)
            return token, text

    def revoke(self, token: int) -> None:
        with self._lock:
            gone = _found(self._kept.tokens, "token", token)
            self._set(tokens=tuple(row for row in self._kept.tokens if row is not gone))

    def follow(self, before: str, after: str | None) -> None:
        """Give the accounts and tokens of a person the new name, or none (None) if the person was removed.

        Without a person they see nothing, even if another person gets that name later, or the removal is undone.
        """

        def renamed(rows: Sequence[CredentialT]) -> tuple[CredentialT, ...]:
            return tuple(row._replace(person=after) if row.person == before else row for row in rows)

        with self._lock:
            accounts, tokens = renamed(self._kept.accounts), renamed(self._kept.tokens)
            if (accounts, tokens) != (self._kept.accounts, self._kept.tokens):
                self._set(accounts=accounts, tokens=tokens)

    def check_file(self) -> str | None:
        """Write the file again if it is gone or behind; return the notice about it, None if all is well."""
        with self._lock:
            if self._storage is None or self.fault:
                return None
            self._storage.check(self._kept)
            return self._storage.notice

    def _owner(self, now_ms: int) -> Account:
        owner = next((account for account in self._kept.accounts if account.role is Role.OWNER), None)
        return owner or self.add(OWNER, Role.OWNER, None, now_ms)

    def _set(self, *, quiet: bool = False, **changes: object) -> None:
        """Change what is kept, in the file first; with `quiet`, a file that cannot be written ends no session."""
        if self.fault:
            raise LedgerError(self.fault)
        new = self._kept._replace(**changes)  # type: ignore[arg-type]
        if self._storage:
            try:
                self._storage.save(new)
            except LedgerError:
                if not quiet:
                    raise
        self._kept = new


def _found(rows: Sequence[CredentialT], what: str, number: int) -> CredentialT:
    match = next((row for row in rows if row.id == number), None)
    if match is None:
        raise Missing(what, f"there is no {what} {number}")
    return match


def _check(name: str, role: Role, person: str | None) -> None:
    if not name.strip() or len(name) > MOST_LETTERS or not name.isprintable():
        raise EditError("name", f"must be 1 to {MOST_LETTERS} printable letters")
    if (role is Role.PERSON) != (person is not None):
        raise EditError("person", "must be given for what is of a person" if person is None else "is of no use here")


def _is_over(session: Session, now_ms: int) -> bool:
    """A clock that is behind ends none: on a Raspberry Pi it may be, for a minute after the start."""
    return now_ms - session.seen_ms > IDLE_MS or now_ms - session.created_ms > LONGEST_MS


def _principal(account: Account, session: Session) -> Principal:
    until_ms = session.created_ms + LONGEST_MS
    return Principal(account.role, account.name, account.name, account.person, account.id, until_ms, session.digest)
