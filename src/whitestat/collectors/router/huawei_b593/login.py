"""Logs in to a B593 and out again: three generations of firmware want the password in three ways.

Three wrong passwords in a row lock the router for a minute. This never makes the third: it looks at how many tries
failed before, whoever made them, and one that fails here is the last.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from urllib.parse import urlencode

from whitestat.collectors.http import Http, Reply
from whitestat.collectors.login import Login
from whitestat.collectors.polling import TemporarilyUnavailable
from whitestat.collectors.router.huawei_b593 import pages
from whitestat.collectors.router.protocol import LoginRefused
from whitestat.core.errors import CollectorError

FAILURES_MAX = 2
"""So many failed tries of others leave room for none of ours."""
ANOTHER_USER, NO_COOKIES = 2, 1
_SESSION = re.compile(r"SessionID_R3=([0-9A-Za-z]{1,64})")
_MENU = "FirstMenu=Admin_0; SecondMenu=Admin_0_0; ThirdMenu=Admin_0_0_0"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_PLAIN, _TOKEN = "V100R001", "V200R001"


class RouterSession:
    """One user of the router at a time, as it has room for no more. `firmware` is as configured, None as it shows."""

    def __init__(self, http: Http, login: Login, firmware: str | None) -> None:
        self._http = http
        self._login = login
        self._firmware = firmware
        self._id = "0"

    @property
    def cookie(self) -> str:
        return f"Language=en; SessionID_R3={self._id}; {_MENU}"

    def enter(self) -> None:
        """Log in. Refused, StandBack or CollectorError say why not."""
        front = pages.front(self._ask("/").text)
        if front.failures >= FAILURES_MAX:
            raise TemporarilyUnavailable(
                f"{self._http.url}: {front.failures} tries to log in failed, and the next would lock the router for a "
                "minute: it is not tried here; logging in on its page clears that",
                300.0,
            )
        reply = self._ask("/index/login.cgi", urlencode(self._form(front)).encode(), _FORM)
        match = _SESSION.search(reply.headers.get("set-cookie", ""))
        if match is None or not pages.let_in(reply.text):
            raise self._refusal()
        self._id = match[1]

    def leave(self) -> None:
        """Log out, so that people can log in; of no consequence where we are not in."""
        if self._id != "0":
            with suppress(CollectorError):
                self._ask("/index/logout.cgi", b"", _FORM)
            self._id = "0"

    def _form(self, front: pages.LoginPage) -> dict[str, str]:
        """Username and password as this firmware wants them."""
        username, password = self._login.username, self._login.password
        firmware = self._firmware or (_TOKEN if front.csrf else None)
        if firmware == _PLAIN:
            return {"Username": username, "Password": pages.plain_password(password)}
        key = self._key()
        if firmware == _TOKEN:
            if front.csrf is None or key is None:
                raise CollectorError(f"{self._http.url}: shows no csrf_token and no key, as firmware {_TOKEN} would")
            hashed = pages.hashed_password(username, password, front.csrf)
            return {
                "Username": username,
                "Password": self._encrypted(hashed, key),
                "csrf_param": front.csrf[0],
                "csrf_token": front.csrf[1],
            }
        if key is None:
            if firmware is not None:
                raise CollectorError(f"{self._http.url}: /js/rsa.js has no key, as that of firmware {firmware} would")
            return {"Username": username, "Password": pages.plain_password(password)}
        return {"Username": username, "Password": self._encrypted(password, key)}

    def _encrypted(self, text: str, key: pages.RsaKey) -> str:
        try:
            return pages.encrypted_password(text, key, secrets.token_bytes)
        except ValueError as fault:
            raise CollectorError(f"{self._http.url}: {fault}") from None

    def _key(self) -> pages.RsaKey | None:
        reply = self._ask("/js/rsa.js")
        return pages.rsa_key(reply.text) if reply.status == 200 else None

    def _refusal(self) -> CollectorError:
        """Why we were not let in, which the first page says; a try that failed for no reason told is our last too."""
        front = pages.front(self._ask("/").text)
        if front.cookie_flag == ANOTHER_USER:
            return TemporarilyUnavailable(
                f"{self._http.url}: another user is logged in to the router, which allows one at a time"
            )
        if front.cookie_flag == NO_COOKIES and not front.failures:
            return CollectorError(f"{self._http.url}: says that cookies are switched off")
        if front.failures > FAILURES_MAX:
            return LoginRefused(f"{self._http.url}: is locked for a minute after {front.failures} wrong passwords")
        why = "does not take this name and password" if front.failures else "does not let us in and does not say why"
        return LoginRefused(f"{self._http.url}: {why}")

    def _ask(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Reply:
        reply = self._http.ask(path, body, {"Cookie": self.cookie, "Referer": f"{self._http.url}/", **(headers or {})})
        if reply.status >= 500:
            raise CollectorError(f"{self._http.url}: answers {reply.status} to {path}")
        return reply
