"""What the web part is given to answer from; the engine is behind it and never imported."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Protocol, TypeVar

from whitestat.attribution.devices.edits import Edit, RowChange
from whitestat.core.calendar import CALENDAR_MONTHS, Cycle
from whitestat.core.model import Network
from whitestat.query.parse import Now
from whitestat.web.auth.accounts import Accounts
from whitestat.web.auth.restricted import RestrictedQueries, own_live
from whitestat.web.auth.roles import MAY, Permission, Principal, Role
from whitestat.web.usage_reader import UsageReader

T = TypeVar("T")


@dataclass(frozen=True)
class Access:
    """Who may come in. Without anything set, nobody but the owner over the control socket.

    Requests from `open` need no log-in to look, from `edit` none to look and edit, from `open_v5` none for the
    addresses of WhiteStat 5. `proxies` are believed when they say whom they ask for. `names` are host names besides
    this machine's own, and `base` is the path in front of all of ours (`/whitestat`), empty for none.
    """

    accounts: Accounts = field(default_factory=Accounts)
    open: Sequence[Network] = ()
    edit: Sequence[Network] = ()
    open_v5: Sequence[Network] = ()
    proxies: Sequence[Network] = ()
    names: Sequence[str] = ()
    base: str = ""


class ThreadRunner(Protocol):
    """Where questions to the ledger are asked, so that nobody waits for them."""

    def __call__(self, question: Callable[[], T], /) -> Awaitable[T]: ...


class EditOutcome(Protocol):
    """An edit that was made: its number, 0 where nothing had to change, and what it changed."""

    @property
    def edit(self) -> int: ...

    @property
    def made(self) -> Sequence[RowChange]: ...


class DeviceEditor(Protocol):
    """Who makes edits; each is done when the ledger has it. EditError, Missing or LedgerError where it cannot be."""

    def edit(self, edit: Edit, by: str) -> Awaitable[EditOutcome]: ...

    def undo(self, number: int, by: str) -> Awaitable[EditOutcome]: ...

    def forget(self, device: int, by: str) -> Awaitable[None]: ...

    def reprice(self, plan: int, from_s: int | None) -> Awaitable[int]: ...


class ThrottleControl(Protocol):
    """Who is slowed, and who lifts that; Missing where nobody of the name is slowed."""

    def slowed(self) -> Mapping[str, object]: ...

    def lift(self, name: str, *, lifted: bool) -> Awaitable[None]: ...


@dataclass(frozen=True)
class Sources:
    """Where answers come from.

    `health` is the engine's own account of itself and must have a `status` ("ok" or why not) and
    `points`. `live` yields, for each listener, one item a second: first every device of today, then
    those that changed. `resolve` asks the DNS what an address is called. `lan` holds the local networks. `queries` are
    cut to what is a person's where one asks (`web.own`).
    """

    queries: UsageReader
    zone: tzinfo
    version: str
    now_ms: Callable[[], int]
    health: Callable[[], dict[str, object]]
    live: Callable[[], AsyncIterator[dict[str, object]]]
    lan: Sequence[Network] = ()
    cycle: Cycle = CALENDAR_MONTHS
    edits: DeviceEditor | None = None
    slowing: ThrottleControl | None = None
    access: Access = field(default_factory=Access)
    resolve: Callable[[str], str | None] = lambda address: None

    @property
    def base(self) -> str:
        return self.access.base

    @property
    def now(self) -> Now:
        return Now(self.now_ms() // 1000, self.zone, self.cycle)

    def seen_by(self, principal: Principal | None, in_thread: ThreadRunner) -> Sources:
        """What answers to an asker may be made of: everything, what is a person's own, or whether all is well."""
        if principal and principal.role in MAY[Permission.READERS] | {Role.METRICS}:
            return self
        if self.queries.household is None:
            return self
        # No person has an empty name: a caller that is not logged in sees no devices.
        own = RestrictedQueries(self.queries.household, (principal and principal.person) or "")

        def live() -> AsyncIterator[dict[str, object]]:
            return own_live(self.live(), lambda: in_thread(own.devices_now))

        return replace(self, queries=own, health=self._brief_health, live=live, edits=None)

    def _brief_health(self) -> dict[str, object]:
        report = self.health()
        return {name: report[name] for name in ("status", "healthy") if name in report}
