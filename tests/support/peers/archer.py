"""A TP-Link Archer C20 of the first years.

The facts are those of its public clients: the statistics answer is written as in tplinkstat's README (fields in this
order, LF between lines, `[error]0` last without one); the raw Authorization cookie, the Referer, the logout, and the
page of status 500 while somebody else is logged in are as in dalla-stats; 32 bits from both.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from tests.support.peers import Request, reply

USERNAME, PASSWORD = "admin", "Pa ss=wörd"
BUSY = (
    "<html><head><title>500 Internal Server Error</title></head><body><center>"
    "<h1>500 Internal Server Error</h1></center></body></html>"
)
LOGIN_PAGE = '<!DOCTYPE html><html><body><input type="password" id="pcPassword"></body></html>'
ROUND = 1 << 32
STACK = "#0,0,0,0,0,0#0,0,0,0,0,0]"


@dataclass
class Row:
    address: str
    mac: str
    octets: int = 0
    packets: int = 0

    def carry(self, octets: int) -> None:
        """Both counters go on, and round at 2^32."""
        self.octets = (self.octets + octets) % ROUND
        self.packets = (self.packets + (octets + 999) // 1000) % ROUND


@dataclass
class Archer:
    """Answers as the router would; `rows` is its table."""

    rows: list[Row] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    enabled: bool = True
    busy: bool = False
    login_page: bool = False
    cut: int | None = None
    """The statistics answer is cut off here."""
    raw: bytes | None = None
    """Sent in place of the statistics answer."""
    asked: list[Request] = field(default_factory=list)
    inside: bool = False
    """Whether we are logged in."""

    def __call__(self, request: Request) -> bytes:
        self.asked.append(request)
        if not request.headers.get("referer", "").startswith(f"http://{request.headers['host']}/"):
            return reply("", "403 Forbidden")
        if self.busy:
            return reply(BUSY, "500 Internal Server Error", kind="text/html")
        secret = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        if request.headers.get("cookie") != f"Authorization=Basic {secret}":
            return reply(LOGIN_PAGE, kind="text/html") if self.login_page else reply("", "401 Unauthorized")
        self.inside = request.path != "/cgi?8"
        if request.path == "/cgi?8" and request.body == f"[/cgi/logout{STACK}0,0\r\n":
            return reply("[cgi]0\n[error]0")
        if request.path == "/cgi?1&5" and request.body == f"[STAT_CFG{STACK}0,0\r\n[STAT_ENTRY{STACK}1,0\r\n":
            return self.raw if self.raw is not None else reply(self.statistics()[: self.cut])
        if request.path == "/cgi?5" and request.body.startswith(f"[LAN_HOST_ENTRY{STACK}0,4\r\n"):
            return reply(self.hosts())
        return reply("[error]71234")

    def statistics(self) -> str:
        lines = ["[0,0,0,0,0,0]0", f"enable={int(self.enabled)}", "interval=10", "action=0"]
        for number, row in enumerate(self.rows, 1):
            lines += [
                f"[{number},0,0,0,0,0]1",
                f"ipAddress={int(IPv4Address(row.address))}",
                f"macAddress={row.mac.upper()}",
                f"totalPkts={row.packets}",
                f"totalBytes={row.octets}",
                *("currPkts=13", "currBytes=1843", "currIcmp=0", "currUdp=6", "currSyn=0"),
                *("currIcmpMax=1", "currUdpMax=10927", "currSynMax=98"),
            ]
        return "\n".join([*lines, "[error]0"])

    def hosts(self) -> str:
        lines = []
        for number, (mac, name) in enumerate(self.names.items(), 1):
            lines += [
                f"[{number},0,0,0,0,0]0",
                "leaseTimeRemaining=3600",
                f"MACAddress={mac.upper()}",
                f"hostName={name}",
                "IPAddress=192.168.1.10",
            ]
        return "\n".join([*lines, "[error]0"])

    def reboot(self) -> None:
        self.rows.clear()
        self.inside = False
