"""A Huawei B593, in its three generations.

The facts are those of its public clients: `WanStatistics` is written as in the comment of b593-prometheus (real values
there; single quotes, blanks around the colon and before the comma); the login of V100R001C07SP102 (RSA PKCS #1 v1.5
with the key of /js/rsa.js, whose modulus goes on over lines) and its session cookie as in Wolfrax/Traffic; V200R001's
csrf tokens and SHA-256 as in b593s-22-utils; LoginError, Cookieflag and the lock of a minute after three failures as
in a Go client of the E5172.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import parse_qs

from tests.support.peers import Request, reply

USERNAME, PASSWORD = "admin", "Pa ss=wörd"
LIVE_S = 87_921_988
REPLACED = "<html><head><title>replace</title></head><body></body></html>"


def _is_prime(number: int) -> bool:
    """Miller and Rabin's test with fixed witnesses: enough for a key of a test."""
    if any(number % small == 0 for small in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29)):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for witness in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29):
        power = pow(witness, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def _prime(start: int) -> int:
    number = start | 1
    while not _is_prime(number) or (number - 1) % E == 0:
        number += 2
    return number


E = 0x10001
_FIRST, _SECOND = _prime(1 << 511 | 0x5EED), _prime((1 << 511) * 3 // 2)
N = _FIRST * _SECOND
D = pow(E, -1, (_FIRST - 1) * (_SECOND - 1))
"""A key made here: the router's own is in every B593 and in nobody's licence."""


def decrypted(text: str) -> str:
    """What was encrypted, by RFC 8017, section 7.2.2; empty where the padding is not as it must be."""
    size = (N.bit_length() + 7) // 8
    block = pow(int.from_bytes(base64.b64decode(text), "big"), D, N).to_bytes(size, "big")
    padding, zero, message = block[2:].partition(b"\0")
    return message.decode() if block[:2] == b"\0\2" and zero and len(padding) >= 8 else ""


@dataclass
class B593Peer:
    """`firmware` is "plain" (before SP102), "rsa" (SP102) or "token" (V200R001); volumes are in its own unit."""

    firmware: str = "rsa"
    open_page: bool = False
    up: int = 125_004_949_100
    down: int = 1_076_929_187_571
    live_s: int = LIVE_S
    rates: tuple[int, int] = (51_736, 389_680)
    page: str = "/html/status/waninfo.asp"
    """Where the counters are for who is logged in."""
    never_shown: str = ""
    """A page that leads to the login even who is logged in."""
    another_user: bool = False
    stolen: bool = False
    """Each session is taken by somebody else right away."""
    failures: int = 0
    silent: bool = False
    """Whether a failed login is not explained."""
    raw: bytes | None = None
    """Sent in place of the counters."""
    asked: list[Request] = field(default_factory=list)
    session: str = ""
    tokens: int = 0
    locks: int = 0

    def __call__(self, request: Request) -> bytes:
        self.asked.append(request)
        path = request.path.partition("?")[0]
        if path == "/":
            return reply(self.front(), kind="text/html")
        if path == "/js/rsa.js" and self.firmware != "plain":
            return reply(script())
        if path == "/index/login.cgi":
            return self.login({name: values[0] for name, values in parse_qs(request.body).items()})
        if path == "/index/logout.cgi":
            self.session = ""
            return reply("ok")
        if path.endswith(".asp"):
            return self.counters(path, request)
        return reply("", "404 Not Found")

    def counters(self, path: str, request: Request) -> bytes:
        is_open = self.open_page and path == "/html/status/waninforefresh.asp"
        inside = self.session and request.cookies.get("SessionID_R3") == self.session and not self.stolen
        if (not is_open and not inside) or path == self.never_shown:
            return reply(REPLACED, kind="text/html")
        if path != self.page and not is_open:
            return reply("", "404 Not Found")
        return self.raw if self.raw is not None else reply(self.statistics(), kind="text/html")

    def statistics(self) -> str:
        up_rate, down_rate = self.rates
        return (
            f"WanStatistics = {{'uprate' : '{up_rate}' , 'downrate' : '{down_rate}' , 'upvolume' : '{self.up}' , "
            f"'downvolume' : '{self.down}' , 'liveTime' : '{self.live_s}'}};\n"
            "wanIPDNS = {'dataip': '192.0.2.49' , 'datadns': '198.51.100.1'};\n"
        )

    def front(self) -> str:
        lines = ["<html><script>"]
        if self.firmware == "token":
            self.tokens += 1
            lines.append(f'var csrf_param = "p{self.tokens}"; var csrf_token = "t{self.tokens}";')
        if not self.silent:
            lines.append(f'var LoginError = "{self.failures}:108006"; var Cookieflag = {2 * self.another_user};')
        return "\n".join([*lines, "</script></html>"])

    def login(self, form: dict[str, str]) -> bytes:
        if self.another_user:
            return reply("var pageName = '/';")
        if self.failures >= 3 or form.get("Username") != USERNAME or not self.is_right(form):
            self.failures += 1
            self.locks += self.failures >= 3
            return reply("var pageName = '/';")
        self.failures = 0
        self.session = "1234567890"
        head = f"Set-Cookie: SessionID_R3={self.session}; path=/\r\nSet-Cookie: Language=en; path=/\r\n"
        return reply("var pageName = '/html/status/overview.asp';", head=head)

    def is_right(self, form: dict[str, str]) -> bool:
        sent = form.get("Password", "")
        plain = base64.b64encode(PASSWORD.encode()).decode()
        if self.firmware == "plain":
            return sent == plain
        if self.firmware == "rsa":
            return decrypted(sent) == PASSWORD
        param, token = f"p{self.tokens}", f"t{self.tokens}"
        if (form.get("csrf_param"), form.get("csrf_token")) != (param, token):
            return False
        return decrypted(sent) == sha256(f"{USERNAME}{plain}{param}{token}".encode()).hexdigest()


def script() -> str:
    digits = f"{N:X}"
    lines = [digits[at : at + 64] for at in range(0, len(digits), 64)]
    return 'var modulus = "' + '"\n\t\t\t +"'.join(lines) + '";\nvar publicExponent = "10001";\nfunction f() {}\n'
