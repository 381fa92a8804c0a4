"""How commands reach devices and people: through the service where one runs, else in the ledger itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import Any

from starlette.types import ASGIApp, Message

from whitestat.app import build
from whitestat.app.control_client import ControlConnection
from whitestat.app.local_network import locality
from whitestat.app.local_time import cycle_of, zone_of
from whitestat.attribution.devices.edits import Edit
from whitestat.attribution.devices.identity import EditResult, Identity
from whitestat.config.sections import Config
from whitestat.core.errors import LedgerError, QueryError, WhiteStatError
from whitestat.core.system.clock import SystemClock
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.write.writer import Writer

Call = Callable[[str, str, object], Any]
"""Method, path and body of a request to the answer's content; WhiteStatError where it is refused."""


@contextmanager
def asked(config: Config) -> Iterator[Call]:
    """The service over its control socket; without one its answers come from here, and the ledger is ours meanwhile."""
    if not config.store.path.exists():
        raise LedgerError(f"{config.store.path}: no usage is kept here yet; start whitestat run first")
    line = ControlConnection(config.store.path)
    try:
        line.connect()
    except OSError:
        with _app(config) as app:
            yield lambda method, path, body: _content(*asyncio.run(_answer(app, method, path, _dumps(body))))
        return
    with closing(line):
        yield lambda method, path, body: _content(*_request(line, method, path, _dumps(body)))


def _dumps(body: object) -> bytes:
    return b"" if body is None else json.dumps(body).encode()


def _request(line: ControlConnection, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    try:
        line.request(method, path, body, {"content-type": "application/json"})
        reply = line.getresponse()
        return reply.status, reply.read()
    except OSError as fault:
        raise WhiteStatError(f"the service does not answer over its control socket: {fault}") from None


def _content(status: int, body: bytes) -> Any:
    content = json.loads(body)
    if status == 200:
        return content
    field, reason = content["error"]["parameter"], content["error"]["reason"]
    raise QueryError(field, reason) if field else WhiteStatError(reason)


async def _answer(app: ASGIApp, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    """One request of the application in this process, as the control socket would bring it."""
    sent: list[Message] = []
    received: list[bool] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "server": ("command", None),
        "client": None,
    }

    async def receive() -> Message:
        if received:  # the client never leaves
            await asyncio.get_running_loop().create_future()
        received.append(True)
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


class _Direct:
    """Edits made here and now, while no service holds the ledger."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def edit(self, edit: Edit, by: str) -> EditResult:
        return self._identity.edit(edit, by, SystemClock().now_ms())

    async def undo(self, number: int, by: str) -> EditResult:
        return self._identity.undo(number, by, SystemClock().now_ms())

    async def forget(self, device: int, by: str) -> None:
        self._identity.forget(device, by, SystemClock().now_ms())

    async def reprice(self, plan: int, from_s: int | None) -> int:
        return self._identity.reprice(plan, from_s)


@contextmanager
def _app(config: Config) -> Iterator[ASGIApp]:
    from whitestat.web.app import create_app

    zone = zone_of(config)
    with (
        closing(Writer(config.store.path, zone, asdict(config.retention))) as writer,
        closing(Queries(config.store.path, zone, cycle_of(config))) as queries,
    ):
        local = locality(config, config.points)
        devices = build.attribution(config, writer.state(), local)
        recorder = build.recorder(config, writer, devices, zone=zone, local=lambda: local)
        edits = _Direct(build.identity(config, writer, recorder, SystemClock().now_ms()))
        yield create_app(build.sources_without_service(config, zone, queries, edits))
        recorder.flush(last=True)
