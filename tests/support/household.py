"""A small household in a real ledger, with a live stream the test can move, behind the real server."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import tzinfo
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Send

from tests.support.configuration import configured
from tests.support.recorder import recorder_on
from whitestat.app import build
from whitestat.app.trying import try_point
from whitestat.attribution.devices.edits import Edit
from whitestat.attribution.devices.identity import EditResult, Identity
from whitestat.config.loader import load
from whitestat.config.sections import Config
from whitestat.config.settings_file import SettingsFile
from whitestat.core.calendar import Cycle, instant_text, parse_instant
from whitestat.core.model import Counts, Coverage, Episode, Network, Scope, UsageKey
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.write.writer import DeviceRecord, Flush, Writer
from whitestat.web.app import create_app
from whitestat.web.auth.accounts import Accounts
from whitestat.web.connections import Certificate
from whitestat.web.server import Server, bind_secure, serve
from whitestat.web.sources import Access, Sources, ThrottleControl
from whitestat.web.tls.state import Https

ZONE = ZoneInfo("Europe/Stockholm")
NOON_S = parse_instant("2026-11-21T12:00", ZONE)
MIDNIGHT_S = parse_instant("2026-11-21", ZONE)

CYCLE = Cycle(20, 6)

LAN_POINT: dict[str, object] = {
    "point": "lan",
    "collector": "kernel",
    "interface": "br0",
    "state": "ok",
    "notice": None,
}
PHONE, LAPTOP, EVIL = 1, 2, 3
PHONE_MAC = "02:50:00:00:00:11"
EVIL_NAME = "=cmd|' /C calc'!A0<script>alert(\"x\")</script>"
NAMES = {PHONE: "phone", LAPTOP: "Annas laptop", EVIL: EVIL_NAME}

PEOPLE = {LAPTOP: "Anna", EVIL: "Bo"}


def booked() -> Flush:
    """Phone, laptop and a device of an evil name, all at noon; something nobody could be found for."""
    wan = [
        ((NOON_S, PHONE), Counts(900, 100, 9, 1)),
        ((NOON_S - 3600, PHONE), Counts(90, 10, 9, 1)),
        ((NOON_S, LAPTOP), Counts(5_000, 600, 50, 6)),
        ((NOON_S, EVIL), Counts(0, 0, 0, 0, 77)),
        ((NOON_S, 0), Counts(30, 3, 3, 1)),
        ((NOON_S - 86_400, PHONE), Counts(7_000, 70, 7, 7)),
    ]
    usage = {(at_s, UsageKey(episode, "lan", Scope.WAN)): counts for (at_s, episode), counts in wan}
    usage[NOON_S, UsageKey(LAPTOP, "lan", Scope.LAN)] = Counts(40, 4, 4, 1)
    return Flush(
        usage=usage,
        coverage={(NOON_S, "lan"): Coverage(60_000, 7_000, 7_000, 6_721, 33, 0)},
        devices=[DeviceRecord(id, name, "config", PEOPLE.get(id)) for id, name in NAMES.items()],
        episodes=[Episode(id, id, bytes.fromhex(f"02500000001{id}"), None, NOON_S * 1000) for id in NAMES],
        seen=dict.fromkeys(NAMES, NOON_S * 1000),
    )


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class House:
    """Answers as the sources of the web part; `say` is what the live stream tells next."""

    queries: Queries
    writer: Writer
    health: dict[str, object] = field(default_factory=lambda: {"status": "ok", "points": [LAN_POINT]})
    items: list[dict[str, object]] = field(default_factory=list)
    live_every_s: float = 0.05
    listeners: int = 0
    url: str = ""
    zone: tzinfo = ZONE
    now_s: int = NOON_S
    lan: Sequence[Network] = ()
    editors: Sequence[Network] = (ip_network("127.0.0.0/8"),)
    readers: Sequence[Network] = (ip_network("127.0.0.0/8"),)
    open_v5: Sequence[Network] = ()
    proxies: Sequence[Network] = ()
    names: Sequence[str] = ()
    base: str = ""
    accounts: Accounts = field(default_factory=Accounts)
    certificate: Certificate | None = None
    beside: Certificate | None = None
    https: Https = field(default_factory=Https)
    secure: bool = False
    """Whether there is a socket for HTTPS, which `server` serves later."""
    server: Server | None = None
    loop: asyncio.AbstractEventLoop | None = None
    url_tls: str = ""
    """Address of HTTPS, where the house has a certificate `beside`."""
    trusted: ssl.SSLContext | None = None
    identity: Identity | None = None
    slowing: ThrottleControl | None = None
    settings: Callable[[], SettingsFile] | None = None
    folder: Path | None = None
    """Where the settings are read again after a change; None: they are not."""
    restarts: int = 0
    """How often a change asked for a new start."""
    dns: dict[str, str] = field(default_factory=dict)
    asked_names: list[str] = field(default_factory=list)
    dns_answers: threading.Event = field(default_factory=_set)
    failures: dict[str, int] = field(default_factory=dict)
    """Paths that fail, and the status of their answer."""

    def resolve(self, address: str) -> str | None:
        """The DNS of the house; it answers while `dns_answers` is set."""
        self.asked_names.append(address)
        self.dns_answers.wait(10)
        return self.dns.get(address)

    async def edit(self, edit: Edit, by: str) -> EditResult:
        assert self.identity
        return self.identity.edit(edit, by, self.now_s * 1000)

    async def undo(self, number: int, by: str) -> EditResult:
        assert self.identity
        return self.identity.undo(number, by, self.now_s * 1000)

    async def forget(self, device: int, by: str) -> None:
        assert self.identity
        self.identity.forget(device, by, self.now_s * 1000)

    async def reprice(self, plan: int, from_s: int | None) -> int:
        assert self.identity
        return self.identity.reprice(plan, from_s)

    def sources(self) -> Sources:
        return Sources(
            self.queries,
            self.zone,
            "12.0.0",
            now_ms=lambda: self.now_s * 1000,
            health=lambda: self.health,
            live=self._live,
            lan=self.lan,
            cycle=CYCLE,
            edits=self,
            access=Access(
                accounts=self.accounts,
                open=self.readers,
                edit=self.editors,
                open_v5=self.open_v5,
                proxies=self.proxies,
                names=self.names,
                base=self.base,
                https=self.https,
            ),
            resolve=self.resolve,
            slowing=self.slowing,
            settings=self._settings if self.settings else None,
            restart=self.restart,
            try_point=try_point,
        )

    def _settings(self) -> SettingsFile:
        assert self.settings
        return self.settings()

    def restart(self) -> None:
        """What a new start does for the settings, a moment later, where a test lets it begin."""
        self.restarts += 1
        if self.folder and self.loop:
            self.loop.call_later(0.3, self.start_again, self.folder)

    def start_again(self, folder: Path) -> None:
        """The settings as they are on the disk now are in use."""
        self.settings = build.settings_file(loaded(folder))

    async def _live(self) -> AsyncIterator[dict[str, object]]:
        """The first item tells all there is so far, the others what `say` added."""
        self.listeners += 1
        told = len(self.items)
        try:
            yield _merged(self.items)
            while True:
                await asyncio.sleep(self.live_every_s)
                for item in self.items[told:]:
                    yield item
                told = len(self.items)
        finally:
            self.listeners -= 1

    def say(self, at_s: int, *devices: dict[str, object], **more: object) -> None:
        """One more second of the live stream."""
        self.items.append(item(at_s, *devices, **more))

    def send(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """A request that changes something, as our own page sends it."""
        return self.get(path, method, json.dumps(body or {}), **{"Content_Type": "application/json"} | headers)

    def get(self, path: str, method: str = "GET", body: str | None = None, **headers: str) -> Answer:
        address = urlsplit(self.url)
        line = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
        if self.trusted:
            where = address.hostname or "", address.port
            line = http.client.HTTPSConnection(*where, timeout=10, context=self.trusted)
        with closing(line):
            line.request(method, path, body, headers={k.replace("_", "-"): v for k, v in headers.items()})
            reply = line.getresponse()
            given: dict[str, str] = {}
            for name, text in reply.getheaders():  # each cookie has a line of its own
                given[name.lower()] = f"{given[name.lower()]}\n{text}" if name.lower() in given else text
            return Answer(reply.status, given, reply.read())


def item(at_s: int, *devices: dict[str, object], **more: object) -> dict[str, object]:
    """A live item whose totals are those of its devices, unless told otherwise."""
    totals: dict[str, object] = {
        key: sum(int(str(device[key] or 0)) for device in devices)
        for key in ("octets", "octets_in", "octets_out", "rate_bps", "rate_in_bps", "rate_out_bps")
    }
    return {"at": instant_text(at_s, ZONE), **totals, "coverage": 0.9991, "devices": list(devices), **more}


def device(
    id: int | None,
    name: str | None,
    octets_in: int,
    octets_out: int,
    rate_in: int = 0,
    rate_out: int = 0,
    **more: object,
) -> dict[str, object]:
    """One device of a live item; seen at noon."""
    return {
        "id": id,
        "name": name,
        "mac": f"02:50:00:00:{id // 256:02x}:{id % 256:02x}" if id else None,
        "octets": octets_in + octets_out,
        "octets_in": octets_in,
        "octets_out": octets_out,
        "rate_bps": rate_in + rate_out,
        "rate_in_bps": rate_in,
        "rate_out_bps": rate_out,
        "last_seen": instant_text(NOON_S, ZONE) if id else None,
        **more,
    }


def _merged(items: list[dict[str, object]]) -> dict[str, object]:
    if not items:
        return item(NOON_S, coverage=None)
    known: dict[object, object] = {}
    for each in items:
        for one in each["devices"]:  # type: ignore[attr-defined]
            known[one["id"]] = one
    return items[-1] | {"devices": list(known.values())}


def loaded(path: Path) -> Config:
    """The settings as root's file in the folder and the page's file beside the ledger have them."""
    file = path / "whitestat.toml"
    if not file.exists():
        file.write_text(f'store.path = "{path / "whitestat.db"}"\n')
        file.chmod(0o600)
    return load(file, {}, root=False)


@contextmanager
def household(
    path: Path, *flushes: Flush, zone: tzinfo = ZONE, now_s: int = NOON_S, lan: Sequence[Network] = (), **more: Any
) -> Iterator[House]:
    """The server on a free port of the loopback, with these flushes in its ledger."""
    with closing(Writer(path / "whitestat.db", zone)) as writer:
        for flush in flushes:
            writer.commit(flush)
        with closing(Queries(path / "whitestat.db", zone, CYCLE)) as queries:
            house = House(queries, writer, zone=zone, now_s=now_s, lan=lan, **more)
            house.settings = build.settings_file(loaded(path))
            house.identity = build.identity(configured(path), writer, recorder_on(writer), now_s * 1000)
            with served(house):
                yield house


class _Failing:
    """Answers the paths of `House.failures` with their status."""

    def __init__(self, app: ASGIApp, house: House) -> None:
        self._app, self._house = app, house

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        status = self._house.failures.get(scope.get("path", ""))
        content = {"error": {"field": "path", "reason": "out of order"}}
        await (JSONResponse(content, status) if status else self._app)(scope, receive, send)


@contextmanager
def served(house: House, port: int = 0) -> Iterator[Server]:
    """The web part of a house, in a thread with a loop of its own, until the block ends."""
    app = create_app(house.sources())
    app.add_middleware(_Failing, house=house)
    secure = bind_secure("127.0.0.1", 0) if house.beside or house.secure else None
    server = serve(app, "127.0.0.1", port, None, house.certificate, secure=secure)
    house.server = server
    house.url, house.https.port = server.url, server.secure_port
    house.url_tls = f"https://127.0.0.1:{server.secure_port}/"

    async def run() -> None:
        house.loop = asyncio.get_running_loop()
        if house.beside:
            await server.serve_tls(house.beside)
        await server.run_until_stopped()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    while not server.started and thread.is_alive():  # HTTPS refuses connections until then
        time.sleep(0.002)
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive(), "the server did not stop"
