"""TP-Link's Archer C20 and its kin: what each device used, up and down in one number, from the page's own interface.

Spoken by firmware of the first years (Archer C2, C20, C50, TD-W8980, TL-WR840N and WR841N): blocks of attributes,
asked for with `POST /cgi?ACTS`. Known from public clients of it (dalla-stats, tplinkstat); nothing here writes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from whitestat.collectors.http import Http, Reply
from whitestat.collectors.login import Login
from whitestat.collectors.polling import TemporarilyUnavailable
from whitestat.collectors.router.collector import RouterCollector, collector_of, timeout_s
from whitestat.collectors.router.protocol import LoginRefused, RouterKey, RouterTotals
from whitestat.collectors.settings import PointSettings
from whitestat.core.errors import CollectorError
from whitestat.core.model import Counts, HostName
from whitestat.core.units import mac_bytes

WIDTH = 32
"""`totalBytes` and `totalPkts` wrap at 2^32."""
OCTETS_MAX = 1024 * 1024
ROWS_MAX = 4096
NOTICE = "up and down are one number here, and what hardware NAT (NAT Boost) forwards is not in it"
OFF = "traffic statistics are switched off in the router: switch them on in its menu, System Tools, Statistics"

_STACK = "#0,0,0,0,0,0#0,0,0,0,0,0]"
_STATISTICS = f"[STAT_CFG{_STACK}0,0\r\n[STAT_ENTRY{_STACK}1,0\r\n"
_HOSTS = f"[LAN_HOST_ENTRY{_STACK}0,4\r\nleaseTimeRemaining\r\nMACAddress\r\nhostName\r\nIPAddress\r\n"
_LOGOUT = f"[/cgi/logout{_STACK}0,0\r\n"
_HEAD = re.compile(r"\[[0-9,]{1,40}\]([0-9]{1,3})")
_ERROR = re.compile(r"\[error\]([0-9]{1,9})")
_REFUSALS = {"71017", "71233"}
_SAYS = {
    "71017": "the name or password has characters that the router does not take",
    "71233": "the router does not take this name and password",
    "71234": "the router does not support this request: its firmware is newer than those supported (C20 v4, v5)",
}


class ReplyBlock(NamedTuple):
    """One instance of what was asked for; `request` is the place of its block in the question."""

    request: int
    fields: dict[str, str]


class ArcherC20:
    """A `Router` whose rows are devices. It logs out after each poll, as the router has room for one user."""

    ceiling_bps = 1_000_000_000
    """Of the wireless and wired ports together; its way to the outside has a tenth of it."""

    def __init__(self, url: str, login: Login, timeout_s: float = 10.0) -> None:
        self._http = Http(url, timeout_s=timeout_s, octets_max=OCTETS_MAX)
        self.url = self._http.url
        secret = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
        # A cookie with a blank in it, sent as it is: the router compares it, and quotes would make it another.
        self._cookie = f"Authorization=Basic {secret}"
        self._entered = False

    def look(self, closely: bool) -> RouterTotals:
        self._entered = False
        try:
            statistics = self._ask("1&5", _STATISTICS)
            names = list(self._names()) if closely else []
        finally:
            if self._entered:
                with suppress(CollectorError):
                    self._post("8", _LOGOUT, "/MenuRpm.htm")
        return self._read(statistics, names)

    def abort(self) -> None:
        self._http.abort()

    def close(self) -> None:
        """Each poll has logged out."""

    def _read(self, blocks: list[ReplyBlock], names: list[HostName]) -> RouterTotals:
        settings = next((block.fields for block in blocks if block.request == 0), {})
        if settings.get("enable") == "0":
            raise TemporarilyUnavailable(f"{self.url}: {OFF}")
        totals: dict[RouterKey, Counts] = {}
        unreadable = 0
        for block in blocks:
            if block.request == 1:
                row = _row(block.fields)
                if row and row[0] not in totals:
                    totals[row[0]] = row[1]
                else:
                    unreadable += 1
        return RouterTotals(totals, WIDTH, names=names, notice=NOTICE, unreadable=unreadable)

    def _names(self) -> Iterator[HostName]:
        """What devices told the router's DHCP server; an answer that cannot be read costs names alone."""
        with suppress(CollectorError):
            for block in self._ask("5", _HOSTS):
                with suppress(ValueError):
                    mac = mac_bytes(block.fields.get("MACAddress", ""))
                    if name := block.fields.get("hostName", "").strip():
                        yield HostName(mac, None, name)

    def _ask(self, acts: str, body: str) -> list[ReplyBlock]:
        reply = self._post(acts, body, "/mainFrame.htm")
        if reply.status in (401, 403):
            raise LoginRefused(f"{self.url}: {_SAYS['71233']}")
        if reply.status in (500, 406):
            raise TemporarilyUnavailable(
                f"{self.url}: another user is logged in to the router, which allows one at a time"
            )
        if reply.status != 200:
            raise CollectorError(f"{self.url}: answers {reply.status} to /cgi?{acts}")
        self._entered = True
        text = reply.text.strip()
        if text[:1] == "<" and re.search("password|login", text, re.IGNORECASE):
            raise LoginRefused(f"{self.url}: shows its login page: {_SAYS['71233']}")
        try:
            return blocks_of(text)
        except ValueError as fault:
            raise CollectorError(f"{self.url}: {fault}") from None
        except LoginRefused as fault:
            raise LoginRefused(f"{self.url}: {fault}") from None

    def _post(self, acts: str, body: str, page: str) -> Reply:
        headers = {"Content-Type": "text/plain", "Cookie": self._cookie, "Referer": f"{self.url}{page}"}
        return self._http.ask(f"/cgi?{acts}", body.encode(), headers)


def blocks_of(text: str) -> list[ReplyBlock]:
    """An answer's blocks. ValueError for what is none, or not whole; Refused where it says so itself."""
    lines = text.split("\n")
    error = _ERROR.fullmatch(lines[-1].strip())
    if error is None:
        what = "the answer is cut off" if _HEAD.match(text) else f"not the answer of such a router: {text[:40]!r}"
        raise ValueError(what)
    if error[1] in _REFUSALS:
        raise LoginRefused(_SAYS[error[1]])
    if error[1] != "0":
        raise ValueError(_SAYS.get(error[1], f"the router answers error {error[1]}"))
    blocks: list[ReplyBlock] = []
    for line in lines[:-1]:
        if head := _HEAD.fullmatch(line.strip()):
            if len(blocks) >= ROWS_MAX:
                raise ValueError(f"the router lists more than {ROWS_MAX} devices")
            blocks.append(ReplyBlock(int(head[1]), {}))
        elif line.strip():
            name, equals, value = line.strip().partition("=")
            if not equals or not blocks:
                raise ValueError(f"not a line of such an answer: {line[:40]!r}")
            blocks[-1].fields[name] = value
    return blocks


def _row(fields: dict[str, str]) -> tuple[RouterKey, Counts] | None:
    """A device with its totals; None for a row that cannot be read.

    The address is one decimal number, 10.0.0.5 is 167772165. Packets are all of them, in the place of in.
    """
    try:
        address = _number(fields["ipAddress"]).to_bytes(4, "big")
        octets, packets = _number(fields["totalBytes"]), _number(fields["totalPkts"])
        mac = mac_bytes(fields["macAddress"])
    except (KeyError, ValueError):
        return None
    return (mac if any(mac) else None, bytes(10) + b"\xff\xff" + address), Counts(0, 0, packets, 0, octets)


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) >= 1 << WIDTH:
        raise ValueError(text)
    return int(text)


def router_of(settings: PointSettings) -> ArcherC20:
    if settings.login is None:
        raise CollectorError(f"point {settings.point.name!r}: collector 'archer-c20' needs a password")
    return ArcherC20(settings.url, settings.login, timeout_s(settings))


def build(settings: PointSettings) -> RouterCollector:
    return collector_of(settings, router_of(settings))
