"""Pages to log in, to log out and to set a password, without a script."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from whitestat.core.calendar import instant_text
from whitestat.core.errors import EditError, LedgerError
from whitestat.query.parameters import Parameter
from whitestat.web.auth import passwords
from whitestat.web.auth.accounts import CONFIRMED_MS, LONGEST_MS, OWNER
from whitestat.web.auth.browsers import browser_of
from whitestat.web.auth.file import Account
from whitestat.web.auth.passwords import LEAST_LETTERS, digest
from whitestat.web.auth.principal import SESSION, ClientAddress, cookie_name, sender
from whitestat.web.auth.roles import Principal
from whitestat.web.auth.same_origin import require_same_origin
from whitestat.web.auth.throttle import Failures, LoginQueue, TooManyAttempts, source_of
from whitestat.web.handlers.html_forms import read_form
from whitestat.web.request_bodies import Field
from whitestat.web.responses import json_answer, refused
from whitestat.web.route import AsyncHandler, RequestContext
from whitestat.web.sources import Sources

if TYPE_CHECKING:
    from jinja2 import Template

T = TypeVar("T")

_log = logging.getLogger("whitestat")


KNOWN = "whitestat-known"
"""Cookie: mark of a browser that logged in before."""

KNOWN_S = 400 * 86_400

NEXT = Parameter("next", "Path to show after the log-in.")
KEY = Parameter("key", "Secret of a one-time link.")
CONFIRM = (Field("password", "The password of the session's account.", ("text",), required=True),)
_TITLES = {"login": "Log in", "first": "Set a password", "password": "Change the password"}


@cache
def template() -> Template:
    """Return the template of all these pages. Jinja takes 2 MB and is loaded with the first request for one."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        autoescape=True, loader=PackageLoader("whitestat.web"), trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("login.html")


def is_for_people(request: Request) -> bool:
    """Return whether a browser requests a page to show it."""
    return request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")


def redirect(request: Request) -> Response:
    """Return a redirect to the log-in, which leads back to the requested address."""
    base, path = request.scope.get("root_path", ""), request.url.path
    query = "" if path == f"{base}/" else f"?next={quote(path + (request.url.query and f'?{request.url.query}'))}"
    return RedirectResponse(f"{base}/login{query}", 303, {"cache-control": "no-store"})


class LoginPages:
    """The pages. Passwords are checked one at a time in a separate thread: each check takes 4 MiB and a while."""

    def __init__(self, sources: Sources) -> None:
        self._accounts = sources.access.accounts
        self._access = sources.access
        self._now_ms = sources.now_ms
        self._thread = ThreadPoolExecutor(1, "passwords")
        self._queue = LoginQueue(self._thread)
        self._failures = Failures()

    async def show_login(self, context: RequestContext) -> Response:
        return self._page(context.request, "login", next=_own_address(context.texts.get("next", "")))

    async def log_in(self, context: RequestContext) -> Response:
        request = context.request
        given = await read_form(request)
        name, after = given.get("name", OWNER), _own_address(given.get("next", ""))
        account = self._accounts.named(name)
        try:
            is_right = await self._is_right(request, account, given.get("password", ""), name)
        except TooManyAttempts as soon:
            answer = self._page(request, "login", 429, name=name, next=after, fault=f"{soon}.")
            answer.headers["retry-after"] = str(soon.after_s)
            return answer
        if account is None or not is_right:
            fault = "The name or the password is wrong."
            return self._page(request, "login", 403, name=name, next=after, fault=fault)
        return await self._logged_in(request, account, after)

    async def log_out(self, context: RequestContext) -> Response:
        request = context.request
        require_same_origin(request)
        await self._do(lambda: self._accounts.end(request.cookies.get(cookie_name(request, SESSION), "")))
        answer = self._to(request, "login")
        self._delete(request, answer, SESSION)
        return answer

    async def show_first(self, context: RequestContext) -> Response:
        """Show the form of a link. Only sending it uses the link up: previews and prefetching browsers send none."""
        key = context.texts.get("key", "")
        name = self._accounts.name_of_link(key, self._now_ms())
        return self._page(context.request, "first", name=name, key=key) if name else self._no_link(context.request)

    async def set_first(self, context: RequestContext) -> Response:
        request = context.request
        given = await read_form(request)
        key = given.get("key", "")
        name = self._accounts.name_of_link(key, self._now_ms())
        if name is None:
            return self._no_link(request)

        def change(hashed: str) -> Account | None:
            return self._accounts.set_by_link(key, hashed, self._now_ms())

        account, fault = await self._new_password(name, given, change)
        if fault:
            return self._page(request, "first", 400, name=name, key=key, fault=fault)
        return await self._logged_in(request, account, "") if account else self._no_link(request)

    async def show_password(self, context: RequestContext) -> Response:
        account = self._own(context.principal)
        return self._page(context.request, "password", name=account.name)

    async def change_password(self, context: RequestContext) -> Response:
        request, account = context.request, self._own(context.principal)
        given = await read_form(request)
        try:
            is_right = await self._is_right(request, account, given.get("old", ""))
        except TooManyAttempts as soon:
            return self._page(request, "password", 429, name=account.name, fault=f"{soon}.")
        if not is_right:
            return self._page(request, "password", 403, name=account.name, fault="The current password is wrong.")

        def change(hashed: str) -> Account:
            self._accounts.set_password(account.id, hashed)
            return account

        _, fault = await self._new_password(account.name, given, change)
        if fault:
            return self._page(request, "password", 400, name=account.name, fault=fault)
        return await self._logged_in(request, account, "")

    async def confirm(self, context: RequestContext, password: str) -> str:
        """Confirm the session by its password. Return what is wrong, an empty text if nothing is."""
        principal = context.principal
        account = self._own(principal)
        try:
            is_right = await self._is_right(context.request, account, password)
        except TooManyAttempts as soon:
            return str(soon)
        if not is_right or principal is None or principal.session is None:
            return "the password is wrong"
        self._accounts.confirm(principal.session, self._now_ms())
        return ""

    async def _is_right(self, request: Request, account: Account | None, password: str, name: str = "") -> bool:
        """Check a password. Raises TooManyAttempts; a known browser is not slowed by failures of others."""
        known = request.cookies.get(cookie_name(request, KNOWN), "")
        is_known = account is not None and self._accounts.knows(known, account.id)
        source = digest(known) if is_known else source_of(sender(request, self._access).address)
        self._failures.check(source, time.monotonic())
        stored = account.password if account else None
        rank = -1 if is_known else self._failures.count(source, time.monotonic())
        # A running check counts as a failure, so that many at once do not count as one.
        self._failures.failed(source, time.monotonic())
        try:
            is_right = await self._queue.check(rank, lambda: passwords.matches(password, stored))
        except TooManyAttempts:  # the password was not checked
            self._failures.forgive(source)
            raise
        if not is_right:
            _log_failure(sender(request, self._access), account.name if account else name)
            return False
        self._failures.succeeded(source)
        return True

    async def _new_password(
        self, name: str, given: dict[str, str], change: Callable[[str], Account | None]
    ) -> tuple[Account | None, str]:
        """Set a new password of the account `name` by `change`. Return its result, and what is wrong if it was not."""
        password = given.get("password", "")
        if password != given.get("again", ""):
            return None, "The two passwords differ."
        try:
            hashed = await self._do(lambda: passwords.kept(password, name))
            return await self._do(lambda: change(hashed)), ""
        except EditError as fault:
            return None, f"The password {fault.reason}."
        except LedgerError as fault:
            return None, f"The password could not be saved: {fault}."

    async def _logged_in(self, request: Request, account: Account, after: str) -> Response:
        address = str(sender(request, self._access).address or "")
        browser = browser_of(request.headers.get("user-agent", ""))
        session = await self._do(lambda: self._accounts.begin(account.id, self._now_ms(), address, browser))
        answer = self._to(request, after)
        self._set(request, answer, SESSION, session, LONGEST_MS // 1000)
        if not self._accounts.knows(request.cookies.get(cookie_name(request, KNOWN), ""), account.id):
            _log.info("%s logged in with a browser that is new: %s, %s", json.dumps(account.name), browser, address)
            known = await self._do(lambda: self._accounts.know(account.id))
            self._set(request, answer, KNOWN, known, KNOWN_S)
        return answer

    async def _do(self, function: Callable[[], T]) -> T:
        """Run in the thread: writing the file through to an SD card takes a while."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    def _own(self, principal: Principal | None) -> Account:
        if principal is None or principal.account is None:
            raise HTTPException(403, "no account is logged in; log in first")
        return self._accounts.account(principal.account)

    def _no_link(self, request: Request) -> Response:
        return self._page(request, "first", 403, spent=True)

    def _page(self, request: Request, kind: str, status: int = 200, **words: object) -> Response:
        values = {
            "kind": kind,
            "title": _TITLES[kind],
            "base": self._access.base,
            "https": bool(self._access.https.authority),
            "has_owner": self._accounts.has_owner,
            "fault_of_file": self._accounts.fault,
            "least": LEAST_LETTERS,
            "name": OWNER,
        }
        return HTMLResponse(template().render(values | words), status, {"cache-control": "no-store"})

    def _to(self, request: Request, where: str) -> Response:
        address = where if where.startswith("/") else f"{self._access.base}/{where}"
        return RedirectResponse(address, 303, {"cache-control": "no-store"})

    @property
    def _path(self) -> str:
        return self._access.base or "/"

    def _set(self, request: Request, answer: Response, name: str, text: str, seconds: int) -> None:
        answer.set_cookie(
            cookie_name(request, name),
            text,
            max_age=seconds,
            path=self._path,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )

    def _delete(self, request: Request, answer: Response, name: str) -> None:
        """Browsers take no cookie of the prefix `__Secure-` without `Secure`, not even one that deletes it."""
        is_secure = request.url.scheme == "https"
        answer.delete_cookie(cookie_name(request, name), path=self._path, secure=is_secure, httponly=True)


def _log_failure(client: ClientAddress, name: str) -> None:
    """Log a wrong password, as `packaging/fail2ban/whitestat.conf` reads it: the name cannot look like an address.

    The queue of log-ins bounds how many lines there are.
    """
    _log.warning("log-in failed from %s: wrong password for %s", client.address or "unknown", json.dumps(name[:100]))


def _own_address(text: str) -> str:
    """Return a path of this server, an empty text for any other address (no open redirect)."""
    parts = urlsplit(text)
    is_own = not parts.scheme and not parts.netloc and text[:1] == "/" and text[1:2] not in ("/", "\\")
    return text if is_own and text.isprintable() and "\\" not in text else ""


async def confirm(context: RequestContext) -> Response:
    """Confirm the session by its password. 403 for a wrong one."""
    pages: LoginPages = context.request.app.state.login
    if fault := await pages.confirm(context, context.body["password"]):
        return refused("password", fault, 403)
    until_ms = context.sources.now_ms() + CONFIRMED_MS
    return json_answer({"until": instant_text(until_ms // 1000, context.sources.zone)})


def _handler(method: Callable[[LoginPages, RequestContext], Awaitable[Response]]) -> AsyncHandler:
    """Return a handler that calls a method of the application's LoginPages."""

    async def handler(context: RequestContext) -> Response:
        return await method(context.request.app.state.login, context)

    return handler


show_login, log_in, log_out = map(_handler, (LoginPages.show_login, LoginPages.log_in, LoginPages.log_out))
show_first, set_first = map(_handler, (LoginPages.show_first, LoginPages.set_first))
show_password, change_password = map(_handler, (LoginPages.show_password, LoginPages.change_password))
