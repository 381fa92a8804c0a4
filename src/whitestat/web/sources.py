"""What the web application is given: queries, the live figures, editors, access. The engine is behind protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import TYPE_CHECKING, Protocol, TypeVar

from whitestat.attribution.devices.edits import Edit, RowChange
from whitestat.core.calendar import CALENDAR_MONTHS, Cycle
from whitestat.core.model import Network
from whitestat.query.parse import Now
from whitestat.web.auth.accounts import Accounts
from whitestat.web.auth.restricted import RestrictedQueries, own_live
from whitestat.web.auth.roles import MAY, Permission, Principal, Role
from whitestat.web.tls.state import Https
from whitestat.web.usage_reader import UsageReader

if TYPE_CHECKING:
    from whitestat.config.sections import Config
    from whitestat.config.settings_file import SettingsFile

T = TypeVar("T")


@dataclass(frozen=True)
class Access:
    """Accounts, and networks that need no log-in. By default only the control socket has access.

    Requests from `open` may read without a log-in, from `edit` read and edit, from `open_v5` read the URLs of
    WhiteStat 5. `proxies` are trusted with the addresses that they forward. `names` are further host names of this
    machine. `base` is the path in front of all others (`/whitestat`), empty for none. `https` changes while it runs.
    """

    accounts: Accounts = field(default_factory=Accounts)
    open: Sequence[Network] = ()
    edit: Sequence[Network] = ()
    open_v5: Sequence[Network] = ()
    proxies: Sequence[Network] = ()
    names: Sequence[str] = ()
    base: str = ""
    https: Https = field(default_factory=Https)


class ThreadRunner(Protocol):
    """Runs functions that query the ledger in a thread, so that the event loop does not wait."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]: ...


class EditOutcome(Protocol):
    """An edit that was made: its number (0 without a change) and the rows that it changed."""

    @property
    def edit(self) -> int: ...

    @property
    def changes(self) -> Sequence[RowChange]: ...


class DeviceEditor(Protocol):
    """Makes edits; each returns once the ledger has it. Raises EditError, Missing or LedgerError."""

    def edit(self, edit: Edit, by: str) -> Awaitable[EditOutcome]: ...

    def undo(self, number: int, by: str) -> Awaitable[EditOutcome]: ...

    def forget(self, device: int, by: str) -> Awaitable[None]: ...

    def reprice(self, plan: int, from_s: int | None) -> Awaitable[int]: ...


class PointTrial(Protocol):
    """A try of a point: whether it works, and what it said."""

    @property
    def works(self) -> bool: ...

    @property
    def report(self) -> str: ...


class ThrottleControl(Protocol):
    """Reports active limits and lifts them. Raises Missing for a name without a limit."""

    def slowed(self) -> Mapping[str, object]: ...

    def lift(self, name: str, *, lifted: bool) -> Awaitable[None]: ...


@dataclass(frozen=True)
class Sources:
    """Everything that handlers use.

    `queries` are limited to one person's data if a person sends the request. `health` is the report of the engine
    with `status` ("ok" or a reason) and `points`. `live` yields one item a second to each client: first all devices of
    today, then those that changed. `slowing` has the active limits. `lan`: the local networks. `resolve` returns the
    DNS name of an address. `settings` is the page's file of settings, and `restart` starts the service again with it
    as soon as the answer is sent; None if that is not possible here. `try_point` reads one point as settings
    have it, in a thread.
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
    settings: Callable[[], SettingsFile] | None = None
    restart: Callable[[], None] | None = None
    try_point: Callable[[Config, str], PointTrial] | None = None
    access: Access = field(default_factory=Access)
    resolve: Callable[[str], str | None] = lambda address: None

    @property
    def base(self) -> str:
        return self.access.base

    @property
    def now(self) -> Now:
        return Now(self.now_ms() // 1000, self.zone, self.cycle)

    def seen_by(self, principal: Principal | None, in_thread: ThreadRunner) -> Sources:
        """Return the sources limited to what the principal may see."""
        if principal and principal.role in MAY[Permission.READERS] | {Role.METRICS}:
            return self
        if self.queries.household is None:
            return self
        # No person has an empty name: a caller that is not logged in sees no devices.
        restricted = RestrictedQueries(self.queries.household, (principal and principal.person) or "")

        def live() -> AsyncIterator[dict[str, object]]:
            return own_live(self.live(), lambda: in_thread(restricted.devices_now))

        return replace(self, queries=restricted, health=self.brief_health, live=live, edits=None, settings=None)

    def brief_health(self) -> dict[str, object]:
        """Return whether all is well, without details."""
        report = self.health()
        return {name: report[name] for name in ("status", "healthy") if name in report}
