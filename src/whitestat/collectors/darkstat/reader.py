"""One look at a darkstat: its front page, its table, its front page again, made into one sight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv6Network
from typing import TypeVar

from whitestat.collectors.darkstat import parse, prefixes
from whitestat.collectors.darkstat.follow import TableSnapshot
from whitestat.collectors.darkstat.parse import DarkstatError, FrontPage, HostDetail, Hosts
from whitestat.collectors.http import Http, Reply
from whitestat.core.model import Address
from whitestat.core.units import address_text

TRIES = 3
NAMES_MAX = 4096

T = TypeVar("T")


class TableReader:
    """Asks the darkstat at `http`; `local` says which of its hosts are ours."""

    def __init__(self, http: Http, local: Callable[[Address], bool]) -> None:
        self._http = http
        self._local = local
        self._metrics: bool | None = None  # None: not tried yet with this darkstat
        self._life = 0
        self.names: dict[Address, str] = {}  # of our hosts, by the DNS that darkstat asks
        self.networks: frozenset[IPv6Network] = frozenset()  # that are on darkstat's link, by its table
        self.version = ""
        self.unreadable = 0

    def look(self, now_ms: Callable[[], int]) -> TableSnapshot:
        """The table between two looks at the front page, of one life of darkstat; CollectorError without one.

        In a life not seen before it tries to catch a moment in which nothing passed: then what an import brought
        is known to the octet.
        """
        for _ in range(TRIES):
            before = self._front()
            if before.since_s != self._life:
                self._metrics = None  # it may be another version now
            table = self._table()
            after = self._front()
            if before.since_s == after.since_s and (before.octets or 0) <= (after.octets or 0):
                sight = self._sight(table, before, after, now_ms())
                if before.since_s == self._life or sight.passed == sight.passed_after:
                    break
        else:
            if before.since_s != after.since_s:
                raise DarkstatError(f"{self._http.url}: starts again and again")
        self._life = after.since_s
        self.version = after.version
        self.unreadable = table.unreadable
        self._know({address: name for address, name in table.names.items() if address in sight.rows})
        return sight

    def detail(self, address: Address) -> HostDetail | None:
        """The host's own page, None where darkstat has forgotten the host; CollectorError without one."""
        path = f"/hosts/{address_text(address)}/"
        reply = self._http.get(path)
        page = None if reply.status == 404 else self._read(parse.detail, reply)
        if page and page.name:
            self._know({address: page.name})
        return page

    def _know(self, names: Mapping[Address, str]) -> None:
        if len(self.names) > NAMES_MAX:
            self.names.clear()
        self.names |= names

    def _sight(self, table: Hosts, before: FrontPage, after: FrontPage, at_ms: int) -> TableSnapshot:
        local = {address: host for address, host in table.rows.items() if self._local(address)}
        if len(self.networks) < prefixes.NETWORKS_MAX:
            self.networks |= prefixes.networks(table.rows, local.keys())
        return TableSnapshot(
            at_ms,
            after.since_s,
            local,
            sum(host.octets_in for host in table.rows.values()),
            sum(host.octets_out for host in table.rows.values()),
            before.octets,
            after.octets,
            after.packets or 0,
            after.dropped,
            frozenset(table.rows.keys() - local.keys()),
            table.unreadable == 0,
            None if after.packets is None else after.captured,
        )

    def _front(self) -> FrontPage:
        reply = self._get("/")
        return self._read(parse.front, reply)

    def _table(self) -> Hosts:
        """From `/metrics` where there is one (3.0.720 and later): its figures come without a query to the DNS."""
        if self._metrics is not False:
            reply = self._http.get("/metrics")
            self._metrics = reply.status == 200 and "host_bytes_total" in reply.text
            if self._metrics:
                return self._read(parse.metrics, reply)
        return self._read(parse.hosts, self._get("/hosts/?full=yes&sort=in"))

    def _get(self, path: str) -> Reply:
        reply = self._http.get(path)
        if reply.status != 200:
            raise DarkstatError(f"{self._http.url}: answers {reply.status} to {path}")
        return reply

    def _read(self, parser: Callable[[str], T], reply: Reply) -> T:
        try:
            return parser(reply.text)
        except DarkstatError as error:
            raise DarkstatError(f"{self._http.url}: {error}") from None
