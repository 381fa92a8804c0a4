"""Huawei's HiLink routers and sticks, through the library huawei-lte-api (LGPL-3.0), which is loaded for it alone.

Totals of the line since they were cleared, without devices. Most show them without a login; one is used where they
do not, and kept, as logging in costs more than all else. Error codes are those of the library's enumerations.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from xml.parsers.expat import ExpatError

from huawei_lte_api.api.Monitoring import Monitoring
from huawei_lte_api.api.User import User
from huawei_lte_api.Connection import Connection
from huawei_lte_api.exceptions import (
    LoginErrorAlreadyLoginException,
    LoginErrorInvalidCredentialsException,
    LoginErrorUsernamePasswordModifyException,
    LoginErrorUsernamePasswordOverrunException,
    ResponseErrorException,
    ResponseErrorLoginRequiredException,
    ResponseErrorNotSupportedException,
    ResponseErrorSystemBusyException,
)
from requests import PreparedRequest, Response, Session
from requests.adapters import BaseAdapter
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import RequestException

from whitestat.collectors.http import Http, HttpError
from whitestat.collectors.login import Login
from whitestat.collectors.polling import TemporarilyUnavailable
from whitestat.collectors.router.collector import RouterCollector, collector_of, timeout_s
from whitestat.collectors.router.protocol import LINE, LoginRefused, RouterTotals
from whitestat.collectors.settings import PointSettings
from whitestat.core.counters import CEILING_BPS
from whitestat.core.errors import CollectorError
from whitestat.core.model import Counts
from whitestat.core.units import octets_text

OCTETS_MAX = 1024 * 1024
TAKEN_S = 300.0
"""Pause after another client took the session."""
NOTICE = "totals only: this router's counters do not show single devices"


def _taken(message: str) -> TemporarilyUnavailable:
    return TemporarilyUnavailable(message, TAKEN_S)


_OWN_HEADERS = ("accept-encoding", "connection", "content-length", "user-agent")
_COOKIE = re.compile(r"(?:^|, )([A-Za-z0-9_.-]{1,64})=([^;,\s]{0,4096})")
_UNREADABLE = (ExpatError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What the library raises for an answer that is not as it should be."""

_WORDS: dict[type[ResponseErrorException], tuple[Callable[[str], CollectorError], str]] = {
    LoginErrorInvalidCredentialsException: (LoginRefused, "does not take this name and password"),
    LoginErrorUsernamePasswordOverrunException: (LoginRefused, "is locked after too many wrong passwords"),
    LoginErrorUsernamePasswordModifyException: (LoginRefused, "requires its password to be changed on its page first"),
    LoginErrorAlreadyLoginException: (_taken, "another user is logged in"),
    ResponseErrorSystemBusyException: (TemporarilyUnavailable, "is busy"),
    ResponseErrorLoginRequiredException: (_taken, "does not show its counters even after log-in"),
    ResponseErrorNotSupportedException: (CollectorError, "does not support traffic-statistics: is it a HiLink router?"),
}

# It would write passwords into the log where debugging is on.
logging.getLogger("huawei_lte_api").setLevel(logging.WARNING)


class HttpAdapter(BaseAdapter):
    """Sends what the library asks over our own client: bounded in time and size, to this router alone."""

    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__()
        parts = urlsplit(url)
        self.http = Http(f"{parts.scheme}://{parts.netloc}", timeout_s=timeout_s, octets_max=OCTETS_MAX)
        self.session = Session()
        self.session.trust_env = False
        self.session.max_redirects = 3
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, self)

    def send(self, request: PreparedRequest, *_: object, **__: object) -> Response:
        """The answer; ConnectionError of requests, which the library knows, where there is none."""
        parts = urlsplit(request.url or "")
        if f"{parts.scheme}://{parts.netloc}" != self.http.url:
            raise RequestsConnectionError(f"{self.http.url}: leads to another place, {parts.netloc[:80]!r}")
        headers = {
            name: value if isinstance(value, str) else value.decode("latin-1")
            for name, value in request.headers.items()
            if name.lower() not in _OWN_HEADERS
        }
        body = request.body if isinstance(request.body, bytes) else b""
        try:
            reply = self.http.ask(request.path_url, body if request.method == "POST" else None, headers)
        except HttpError as error:
            raise RequestsConnectionError(str(error)) from None
        for name, value in _COOKIE.findall(reply.headers.get("set-cookie", "")):
            self.session.cookies.set(name, value)
        response = Response()
        response.status_code = reply.status
        response.headers.update(reply.headers)
        response.url, response.request = request.url or "", request
        response._content, response._content_consumed = reply.body, True
        return response

    def close(self) -> None:
        """Nothing is held: each question has a connection of its own."""


class HiLinkSession(Connection):
    """The library's session, which tells when a token was renewed: it asks once more by itself then."""

    renewals = 0

    def reload(self) -> None:
        self.renewals += 1
        super().reload()


class HiLink:
    """A `Router` with one row, its line's."""

    ceiling_bps = CEILING_BPS

    def __init__(self, url: str, login: Login | None, timeout_s: float = 10.0) -> None:
        self._wire = HttpAdapter(url, timeout_s)
        self._address = url
        self.url = self._wire.http.url
        self._login = login
        self._connection: HiLinkSession | None = None
        self._inside = False
        self._tells_month = True
        self._month = ""

    def look(self, closely: bool) -> RouterTotals:
        with self._said():
            if self._connection is None:
                self._connection = HiLinkSession(self._address, requests_session=self._wire.session)
            traffic = self._traffic(self._connection)
            if closely and self._tells_month:
                self._month = self._month_of(self._connection)
            return self._look_of(traffic)

    def _look_of(self, traffic: Mapping[str, Any]) -> RouterTotals:
        down, up = _figure(traffic, "TotalDownload"), _figure(traffic, "TotalUpload")
        if down is None or up is None:
            raise CollectorError(f"{self.url}: does not report its totals")
        return RouterTotals(
            {LINE: Counts(down, up)},
            counted_s=_figure(traffic, "TotalConnectTime"),
            session=Counts(_figure(traffic, "CurrentDownload") or 0, _figure(traffic, "CurrentUpload") or 0),
            session_s=_figure(traffic, "CurrentConnectTime"),
            notice=f"{NOTICE}{self._month}",
        )

    def abort(self) -> None:
        self._wire.http.abort()

    def close(self) -> None:
        """Log out where we are in."""
        if self._connection and self._inside:
            with suppress(ResponseErrorException, RequestException, *_UNREADABLE):
                User(self._connection).logout()
        self._leave()

    def _traffic(self, connection: HiLinkSession) -> Mapping[str, Any]:
        try:
            return Monitoring(connection).traffic_statistics()
        except ResponseErrorLoginRequiredException:
            if self._inside:
                raise TemporarilyUnavailable(
                    f"{self.url}: another user logged in and took over the session", TAKEN_S
                ) from None
        self._enter(connection)
        return Monitoring(connection).traffic_statistics()

    def _enter(self, connection: HiLinkSession) -> None:
        if self._login is None:
            raise CollectorError(f"{self.url}: shows its counters only after log-in: set password_file")
        user = User(connection)
        state = user.state_login()
        wait_min = _figure(state, "remainwaittime") or 0
        if wait_min or _figure(state, "lockstatus"):
            left = f" for {wait_min} min more" if wait_min else ""
            raise TemporarilyUnavailable(
                f"{self.url}: is locked{left} after too many wrong passwords", max(1, wait_min) * 60.0
            )
        before = connection.renewals
        try:
            user.login(self._login.username, self._login.password, force_new_login=True)
        except LoginErrorInvalidCredentialsException:
            if connection.renewals > before:  # the password was mixed with the token that had run out
                raise TemporarilyUnavailable(f"{self.url}: changed its token while we logged in") from None
            raise
        self._inside = True

    def _month_of(self, connection: HiLinkSession) -> str:
        """The router's own count of this month, for people; nothing where it does not tell."""
        try:
            statistics = Monitoring(connection).month_statistics()
        except ResponseErrorNotSupportedException:
            self._tells_month = False
            return ""
        except ResponseErrorLoginRequiredException:  # worth no login of its own
            return ""
        down, up = _figure(statistics, "CurrentMonthDownload"), _figure(statistics, "CurrentMonthUpload")
        if down is None or up is None:
            return ""
        since = str(statistics.get("MonthLastClearTime") or "")
        begun = f" since {since}" if re.fullmatch(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", since) else ""
        return f"; by its own count of the month{begun}: {octets_text(down)} down, {octets_text(up)} up"

    def _leave(self) -> None:
        self._connection, self._inside = None, False
        self._wire.session.cookies.clear()

    @contextmanager
    def _said(self) -> Iterator[None]:
        """The library's errors in our words. What concerns the session ends it; the next poll begins a new one."""
        try:
            yield
        except CollectorError:
            self._leave()
            raise
        except ResponseErrorException as error:
            self._leave()
            raise self._in_words(error) from None
        except RequestException as error:
            self._leave()
            text = str(error)
            raise CollectorError(text if text.startswith(self.url) else f"{self.url}: {text[:200]}") from None
        except _UNREADABLE as error:
            self._leave()
            raise CollectorError(f"{self.url}: answers what cannot be read ({type(error).__name__})") from None

    def _in_words(self, error: ResponseErrorException) -> CollectorError:
        for kind, (outcome, words) in _WORDS.items():
            if isinstance(error, kind):
                return outcome(f"{self.url}: {words} (error {error.code})")
        return CollectorError(f"{self.url}: answers error {error.code}")


def _figure(fields: Mapping[str, Any], name: str) -> int | None:
    """A figure; None where the element is empty or not there, which is "unknown" and not nothing."""
    text = fields.get(name)
    if not isinstance(text, str) or not re.fullmatch("[0-9]{1,18}", text.strip()):
        return None
    return int(text)


def router_of(settings: PointSettings) -> HiLink:
    return HiLink(settings.url, settings.login, timeout_s(settings))


def build(settings: PointSettings) -> RouterCollector:
    return collector_of(settings, router_of(settings))
