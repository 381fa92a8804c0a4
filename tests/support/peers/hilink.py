"""A Huawei HiLink router.

The facts: elements and their order are those of mobitra's documentation (an E5573Cs-322; MIT), error codes and the
tokens those of the library huawei-lte-api's enumerations and session: GET needs a session and perhaps a login, POST a
token that is used up by it; passwords of type 4 are base64(hex(sha256(user + base64(hex(sha256(pw))) + token))).
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256

from tests.support.peers import Request, reply

USERNAME, PASSWORD = "admin", "Pa ss=wörd"


@dataclass
class HiLinkPeer:
    """Counters go by what was carried since they were cleared, and since the line was connected."""

    down: int = 10_211_903_746
    up: int = 350_674_492
    total_s: int = 175_243
    session_down: int = 9_845_754_134
    session_up: int = 318_170_852
    session_s: int = 170_010
    month: tuple[str, str, str] | None = ("10179248566", "350146232", "2026-11-01")
    needs_login: bool = False
    home_has_tokens: bool = False
    another_user: bool = False
    locked: bool = False
    """After too many tries: the next is answered 108007, whatever it is."""
    tells_lock: bool = False
    """Newer firmware says so before."""
    busy: int = 0
    """So many questions are answered "system busy"."""
    stale: int = 0
    """So many questions are answered "wrong token"."""
    raw: bytes | None = None
    """Sent in place of the traffic."""
    empty: bool = False
    """Totals are empty elements."""
    failures: int = 0
    asked: list[Request] = field(default_factory=list)
    tokens: int = 0
    session: str = ""
    inside: bool = False

    def __call__(self, request: Request) -> bytes:
        self.asked.append(request)
        if request.path == "/":
            self.session = f"s{len(self.asked)}"
            meta = f'<meta name="csrf_token" content="{self.token()}">' if self.home_has_tokens else ""
            head = f"Set-Cookie: SessionID={self.session}; path=/; HttpOnly\r\n"
            return reply(f"<html><head>{meta}</head></html>", head=head, kind="text/html")
        if request.cookies.get("SessionID") != self.session:
            return error(125003)
        name = request.path.removeprefix("/api/")
        if name in ("webserver/token", "user/state-login"):
            return xml(self.state() if name.endswith("login") else f"<token>{self.token()}</token>")
        if request.method == "POST":
            return self.post(name, request)
        return self.get(name)

    def get(self, name: str) -> bytes:
        if self.busy:
            self.busy -= 1
            return error(100004)
        if self.stale and not self.needs_login:
            self.stale -= 1
            return error(125002)
        if self.needs_login and not self.inside:
            return error(100003)
        if name == "monitoring/traffic-statistics":
            return self.raw if self.raw is not None else xml(self.traffic())
        if name == "monitoring/month_statistics" and self.month:
            down, up, since = self.month
            return xml(
                f"<CurrentMonthDownload>{down}</CurrentMonthDownload><CurrentMonthUpload>{up}</CurrentMonthUpload>"
                f"<MonthDuration>175201</MonthDuration><MonthLastClearTime>{since}</MonthLastClearTime>"
            )
        return error(100002)

    def post(self, name: str, request: Request) -> bytes:
        if self.stale or request.headers.get("__requestverificationtoken") != f"t{self.tokens}":
            self.stale = max(0, self.stale - 1)
            return error(125002)
        head = f"__RequestVerificationToken: {self.token()}\r\n"
        if name == "user/logout":
            self.inside = False
            return xml_ok(head)
        if name != "user/login":
            return error(100002)
        if self.locked:
            return error(108007, head)
        if self.another_user:
            return error(108003, head)
        sent = re.search(r"<Password>(.*)</Password>", request.body)
        if sent is None or sent[1] != self.hashed(self.tokens - 1):
            self.failures += 1
            self.locked = self.failures >= 3
            return error(108006, head)
        self.inside = True
        self.failures = 0
        return xml_ok(head)

    def hashed(self, token: int) -> str:
        secret = b64encode(sha256(PASSWORD.encode()).hexdigest().encode()).decode()
        return b64encode(sha256(f"{USERNAME}{secret}t{token}".encode()).hexdigest().encode()).decode()

    def state(self) -> str:
        lock = "<lockstatus>1</lockstatus><remainwaittime>5</remainwaittime>" if self.tells_lock else ""
        return f"<State>{0 if self.inside else -1}</State><Username></Username><password_type>4</password_type>{lock}"

    def traffic(self) -> str:
        down, up = ("", "") if self.empty else (str(self.down), str(self.up))
        return (
            f"<CurrentConnectTime>{self.session_s}</CurrentConnectTime>\n<CurrentUpload>{self.session_up}</CurrentUpload>\n"
            f"<CurrentDownload>{self.session_down}</CurrentDownload>\n<CurrentDownloadRate>996</CurrentDownloadRate>\n"
            f"<CurrentUploadRate>160</CurrentUploadRate>\n<TotalUpload>{up}</TotalUpload> \n"
            f"<TotalDownload>{down}</TotalDownload>\n<TotalConnectTime>{self.total_s}</TotalConnectTime>\n"
            "<showtraffic>1</showtraffic>"
        )

    def token(self) -> str:
        self.tokens += 1
        return f"t{self.tokens}"

    def carry(self, down: int, up: int, seconds: int = 60) -> None:
        self.down, self.session_down = self.down + down, self.session_down + down
        self.up, self.session_up = self.up + up, self.session_up + up
        self.total_s, self.session_s = self.total_s + seconds, self.session_s + seconds


def xml(content: str, head: str = "") -> bytes:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<response>\n{content}\n</response>'
    return reply(text, head=head, kind="text/html")


def xml_ok(head: str) -> bytes:
    return reply('<?xml version="1.0" encoding="UTF-8"?><response>OK</response>', head=head, kind="text/html")


def error(code: int, head: str = "") -> bytes:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<error>\n<code>{code}</code>\n<message></message>\n</error>'
    return reply(text, head=head, kind="text/html")
