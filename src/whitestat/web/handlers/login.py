"""The pages to log in, to set a password and to log out: made here, without a script, since nobody is known yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from whitestat.core.errors import EditError, LedgerError
from whitestat.query.parameters import Parameter
from whitestat.web.auth import passwords
from whitestat.web.auth.accounts import LONGEST_MS, OWNER, TICKET_MS
from whitestat.web.auth.file import Account
from whitestat.web.auth.passwords import LEAST_LETTERS, digest
from whitestat.web.auth.principal import SESSION, sender
from whitestat.web.auth.roles import Permission, Principal
from whitestat.web.auth.same_origin import from_our_pages
from whitestat.web.auth.throttle import Failures, LoginQueue, TooManyAttempts, source_of
from whitestat.web.handlers.html_forms import read_form
from whitestat.web.responses import Texts
from whitestat.web.routes import Route
from whitestat.web.sources import Sources

if TYPE_CHECKING:
    from jinja2 import Template

T = TypeVar("T")


TICKET, KNOWN = "whitestat-password", "whitestat-known"
"""The cookies that let a password be set, and that tell a browser by which somebody logged in before."""

KNOWN_S = 400 * 86_400

_NEXT = Parameter("next", "Where to go once logged in, an address of ours.")
_KEY = Parameter("key", "The secret of a one-time link.")
_TITLES = {"login": "Log in", "first": "Set a password", "password": "Change the password"}


class Page(NamedTuple):
    """A path that people's browsers ask for; not part of the API."""

    route: Route
    answer: Callable[[Request, Texts, Principal | None], Awaitable[Response]]
    methods: Sequence[str] = ("GET",)


@cache
def template() -> Template:
    """The one page; what makes it takes 2 MB, and is loaded when the first one is asked for."""
    from jinja2 import Environment, PackageLoader

    made = Environment(autoescape=True, loader=PackageLoader("whitestat.web"), trim_blocks=True, lstrip_blocks=True)
    return made.get_template("login.html")


def is_for_people(request: Request) -> bool:
    """Whether a page is asked for, as a browser asks for one that somebody looks at."""
    return request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")


def first(request: Request) -> Response:
    """To the log-in, and from there to what was asked for."""
    base, path = request.scope.get("root_path", ""), request.url.path
    asked = "" if path == f"{base}/" else f"?next={quote(path + (request.url.query and f'?{request.url.query}'))}"
    return RedirectResponse(f"{base}/login{asked}", 303, {"cache-control": "no-store"})


def pages(sources: Sources) -> list[Page]:
    doors = _Doors(sources)
    return [
        Page(Route("/login", "", None, Permission.ANYBODY, (_NEXT,)), doors.show_login),
        Page(Route("/login", "", None, Permission.ANYBODY), doors.log_in, ("POST",)),
        Page(Route("/logout", "", None, Permission.ANYBODY), doors.log_out, ("POST",)),
        Page(Route("/first", "", None, Permission.ANYBODY, (_KEY,)), doors.show_first),
        Page(Route("/first", "", None, Permission.ANYBODY), doors.set_first, ("POST",)),
        Page(Route("/password", "", None, Permission.PEOPLE), doors.show_password),
        Page(Route("/password", "", None, Permission.PEOPLE), doors.change_password, ("POST",)),
    ]


class _Doors:
    """Checks passwords one at a time, in a thread of their own: each takes 4 MiB and a while."""

    def __init__(self, sources: Sources) -> None:
        self._accounts = sources.access.accounts
        self._access = sources.access
        self._now_ms = sources.now_ms
        self._thread = ThreadPoolExecutor(1, "passwords")
        self._turnstile = LoginQueue(self._thread)
        self._failures = Failures()

    async def show_login(self, request: Request, texts: Texts, principal: Principal | None) -> Response:
        return self._page(request, "login", next=_own_address(texts.get("next", "")))

    async def log_in(self, request: Request, texts: Texts, principal: Principal | None) -> Response:
        given = await read_form(request)
        name, after = given.get("name", OWNER), _own_address(given.get("next", ""))
        account = self._accounts.named(name)
        try:
            is_right = await self._is_right(request, account, given.get("password", ""))
        except TooManyAttempts as soon:
            answer = self._page(request, "login", 429, name=name, next=after, fault=f"{soon}.")
            answer.headers["retry-after"] = str(soon.after_s)
            return answer
        if account is None or not is_right:
            fault = "The name or the password is wrong."
            return self._page(request, "login", 403, name=name, next=after, fault=fault)
        return await self._logged_in(request, account, after)

    async def log_out(self, request: Request, texts: Texts, principal: Principal | None) -> Response:
        from_our_pages(request)
        await self._do(lambda: self._accounts.end(request.cookies.get(SESSION, "")))
        answer = self._to(request, "login")
        answer.delete_cookie(SESSION, path=self._path)
        return answer

    async def show_first(self, request: Request, texts: Texts, principal: Principal | None) -> Response:
        """The secret of a link is used up at once: the address that stays in the browser's list has none."""
        if "key" not in texts:
            account = self._accounts.ticket(request.cookies.get(TICKET, ""), self._now_ms())
            return self._page(request, "first", name=account.name) if account else self._no_link(request)
        if request.method == "HEAD":  # who only looks at what is there must not use the link up
            return Response(None, 204)
        ticket = await self._do(lambda: self._accounts.open_link(texts["key"], self._now_ms()))
        if ticket is None:
            return self._no_link(request)
        answer = self._to(request, "first")
        self._set(request, answer, TICKET, ticket, TICKET_MS // 1000)
        return answer

    async def set_first(self, request: Request, texts: Texts, principal: Principal | None) -> Response:
        given = await read_form(request)
        account = self._accounts.ticket(request.cookies.get(TICKET, ""), self._now_ms())
        if account is None:
            return self._no_link(request)
        fault = await self._new_password(account, given)
        if fault:
            return self._page(request, "first", 400, name=account.name, fault=fault)
        answer = await self._logged_in(request, account, "")
        answer.delete_cookie(TICKET, path=self._path)
        return answer

    async def show_password(self, request: Request, texts: Texts, principal: Principal | None) -> Response:
        account = self._own(principal)
        return self._page(request, "password", name=account.name)

    async def change_password(self, request: Request, texts: Texts, principal: Principal | None) -> Response:
        given, account = await read_form(request), self._own(principal)
        try:
            is_right = await self._is_right(request, account, given.get("old", ""))
        except TooManyAttempts as soon:
            return self._page(request, "password", 429, name=account.name, fault=f"{soon}.")
        if not is_right:
            return self._page(request, "password", 403, name=account.name, fault="The present password is wrong.")
        fault = await self._new_password(account, given)
        if fault:
            return self._page(request, "password", 400, name=account.name, fault=fault)
        return await self._logged_in(request, account, "")

    async def _is_right(self, request: Request, account: Account | None, password: str) -> bool:
        """TooSoon where too many were wrong. Failures of others slow nobody whose browser logged in before."""
        known = request.cookies.get(KNOWN, "")
        is_known = account is not None and self._accounts.knows(known, account.id)
        source = digest(known) if is_known else source_of(sender(request, self._access).address)
        self._failures.check(source, time.monotonic())
        held = account.password if account else None
        rank = -1 if is_known else self._failures.count(source, time.monotonic())
        # What is under way counts as wrong until it is known to be right: else many at once would be tried for one.
        self._failures.failed(source, time.monotonic())
        try:
            is_right = await self._turnstile.check(rank, lambda: passwords.matches(password, held))
        except TooManyAttempts:  # sent away untried
            self._failures.forgive(source)
            raise
        if not is_right:
            return False
        self._failures.succeeded(source)
        return True

    async def _new_password(self, account: Account, given: dict[str, str]) -> str:
        """What is wrong with it, empty where it is set."""
        password = given.get("password", "")
        if password != given.get("again", ""):
            return "The two are not the same."
        try:
            hashed = await self._do(lambda: passwords.kept(password))
            await self._do(lambda: self._accounts.set_password(account.id, hashed))
        except EditError as fault:
            return f"The password {fault.reason}."
        except LedgerError as fault:
            return f"It could not be kept: {fault}."
        return ""

    async def _logged_in(self, request: Request, account: Account, after: str) -> Response:
        session = await self._do(lambda: self._accounts.begin(account.id, self._now_ms()))
        answer = self._to(request, after)
        self._set(request, answer, SESSION, session, LONGEST_MS // 1000)
        if not self._accounts.knows(request.cookies.get(KNOWN, ""), account.id):
            known = await self._do(lambda: self._accounts.know(account.id))
            self._set(request, answer, KNOWN, known, KNOWN_S)
        return answer

    async def _do(self, what: Callable[[], T]) -> T:
        """In the thread: the file is written through to the disk, which takes a while on a card."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, what)

    def _own(self, principal: Principal | None) -> Account:
        if principal is None or principal.account is None:
            raise HTTPException(403, "has no password of its own; log in first")
        return self._accounts.account(principal.account)

    def _no_link(self, request: Request) -> Response:
        return self._page(request, "first", 403, spent=True)

    def _page(self, request: Request, kind: str, status: int = 200, **words: object) -> Response:
        told = {
            "kind": kind,
            "title": _TITLES[kind],
            "base": self._access.base,
            "has_owner": self._accounts.has_owner,
            "fault_of_file": self._accounts.fault,
            "least": LEAST_LETTERS,
            "name": OWNER,
        }
        return HTMLResponse(template().render(told | words), status, {"cache-control": "no-store"})

    def _to(self, request: Request, where: str) -> Response:
        address = where if where.startswith("/") else f"{self._access.base}/{where}"
        return RedirectResponse(address, 303, {"cache-control": "no-store"})

    @property
    def _path(self) -> str:
        return self._access.base or "/"

    def _set(self, request: Request, answer: Response, name: str, text: str, seconds: int) -> None:
        answer.set_cookie(
            name,
            text,
            max_age=seconds,
            path=self._path,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )


def _own_address(text: str) -> str:
    """An address of ours without its host; empty for any other: nobody is sent elsewhere by a link to the log-in."""
    parts = urlsplit(text)
    is_own = not parts.scheme and not parts.netloc and text[:1] == "/" and text[1:2] not in ("/", "\\")
    return text if is_own and text.isprintable() and "\\" not in text else ""
