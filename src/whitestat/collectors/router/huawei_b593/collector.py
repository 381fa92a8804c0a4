"""Huawei's B593 4G router: what the line carried, up and down, without devices.

Some firmware shows its counters without a login, which is tried first; otherwise each poll logs in and out again.
The counters outlive the router's own restarts and have more than 32 bits.
"""

from __future__ import annotations

from whitestat.collectors.http import Http
from whitestat.collectors.login import Login
from whitestat.collectors.polling import TemporarilyUnavailable
from whitestat.collectors.router.collector import RouterCollector, collector_of, timeout_s
from whitestat.collectors.router.huawei_b593 import pages
from whitestat.collectors.router.huawei_b593.login import RouterSession
from whitestat.collectors.router.huawei_b593.pages import VolumeStatistics
from whitestat.collectors.router.protocol import LINE, RouterTotals
from whitestat.collectors.settings import PointSettings
from whitestat.core.errors import CollectorError
from whitestat.core.model import Counts

OPEN = "/html/status/waninforefresh.asp"
"""What some firmware shows without a login."""
PAGES = (OPEN, "/html/status/waninfo.asp", "/html/status/overview.asp")
OCTETS_MAX = 1024 * 1024
UNITS = {"kB": 1024, "bytes": 1}
LTE_BPS = 300_000_000
"""Twice what its radio can do (LTE category 4: 150 Mbit/s down, 50 up)."""
SLOW_BPS = 500
SLOW_MS = 6 * 3_600_000
NOTICE = "totals only: this router's counters do not show single devices"


class B593:
    """A `Router` with one row, its line's. Without a login only firmware that needs none can be read."""

    ceiling_bps = LTE_BPS

    def __init__(
        self,
        url: str,
        login: Login | None,
        timeout_s: float = 10.0,
        *,
        firmware: str | None = None,
        unit: str | None = None,
    ) -> None:
        self._http = Http(url, timeout_s=timeout_s, octets_max=OCTETS_MAX)
        self.url = self._http.url
        self._session = RouterSession(self._http, login, firmware) if login else None
        self._unit = unit or {None: None, "V200R001": "bytes"}.get(firmware, "kB")
        self._page = PAGES[0]
        self._first: tuple[int, int] | None = None  # octets and liveTime at the first poll

    def look(self, closely: bool) -> RouterTotals:
        if self._unit is None:
            self._unit = "bytes" if pages.front(self._text("/", "")).csrf else "kB"
        statistics = self._read(self._text(OPEN, ""))
        if statistics is None:
            statistics = self._inside()
        scale = UNITS[self._unit]
        counts = Counts(statistics.down * scale, statistics.up * scale)
        return RouterTotals(
            {LINE: counts}, counted_s=statistics.live_s, notice=NOTICE, doubt=self._doubt(statistics, counts)
        )

    def abort(self) -> None:
        self._http.abort()

    def close(self) -> None:
        """Each poll has logged out."""

    def _inside(self) -> VolumeStatistics:
        """The counters as they are shown after the login."""
        if self._session is None:
            raise CollectorError(f"{self.url}: shows its counters only after log-in: set password_file")
        self._session.enter()
        replaced = False
        try:
            for page in dict.fromkeys((self._page, *PAGES)):
                text = self._text(page, self._session.cookie)
                if statistics := self._read(text):
                    self._page = page
                    return statistics
                # Some firmware answers so on a page that it does not show: another one may work.
                replaced |= pages.is_replaced(text)
        finally:
            self._session.leave()
        if replaced:
            raise TemporarilyUnavailable(
                f"{self.url}: another user logged in and took over the router's only session", 300.0
            )
        raise CollectorError(f"{self.url}: none of its pages shows WanStatistics: is it a B593?")

    def _text(self, path: str, cookie: str) -> str:
        headers = {"Cookie": cookie, "Referer": f"{self.url}/"} if cookie else {"Referer": f"{self.url}/"}
        reply = self._http.ask(path, None, headers)
        if reply.status >= 500:
            raise CollectorError(f"{self.url}: answers {reply.status} to {path}")
        return reply.text

    def _read(self, text: str) -> VolumeStatistics | None:
        try:
            return pages.statistics(text)
        except ValueError as fault:
            raise CollectorError(f"{self.url}: {fault}") from None

    def _doubt(self, statistics: VolumeStatistics, counts: Counts) -> str:
        """Why the unit cannot be right: firmware of one name was seen with either.

        Rates are in the unit's bits, thousands of them or one by one, and the mean since they were cleared is of both.
        """
        octets, live_s = counts.octets, statistics.live_s or 0
        if self._unit == "kB":
            rate_bps = max(statistics.up_rate, statistics.down_rate) * 1000
            mean_bps = octets * 8 // live_s if live_s else 0
            if max(rate_bps, mean_bps) > LTE_BPS:
                return "unit 'kB' cannot be right, for no such line is so fast: set unit = \"bytes\""
        self._first = self._first or (octets, live_s)
        more, passed_s = octets - self._first[0], live_s - self._first[1]
        if more < 0 or passed_s < 0:
            self._first = None
        elif self._unit == "bytes" and more and passed_s * 1000 >= SLOW_MS and more * 8 < SLOW_BPS * passed_s:
            return "so little in so long a time: is unit 'bytes' right? Try unit = \"kB\" and a known download"
        return ""


def router_of(settings: PointSettings) -> B593:
    return B593(settings.url, settings.login, timeout_s(settings), firmware=settings.firmware, unit=settings.unit)


def build(settings: PointSettings) -> RouterCollector:
    return collector_of(settings, router_of(settings))
