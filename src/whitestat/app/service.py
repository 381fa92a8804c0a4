"""The running service: its phases `open`, `drop_privileges`, `start` and `stop`, until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NoReturn

from whitestat.app import build, https, restart
from whitestat.app.alerting import AlertService
from whitestat.app.banner import address, announce, metered
from whitestat.app.collectors import points_of
from whitestat.app.control import close_control, control_socket
from whitestat.app.ledger import follow_plans, open_ledger
from whitestat.app.legacy_v5_files import make_files
from whitestat.app.local_time import zone_found, zone_of
from whitestat.app.own_place import prepare
from whitestat.app.restart import FileWatch, reason
from whitestat.app.takeover import import_old
from whitestat.app.throttle_place import notices as throttle_notices
from whitestat.attribution.devices.vendors import vendor
from whitestat.config.sections import Config
from whitestat.core.errors import WhiteStatError
from whitestat.core.system import privileges, syscall_filter
from whitestat.core.system.memory import one_heap
from whitestat.core.system.service_manager import ServiceManager
from whitestat.core.system.service_user import ROOT, ServiceUser, acting_as, as_root, throttle_user
from whitestat.ledger.files.inspection import Inspection
from whitestat.ledger.read.queries import Queries
from whitestat.web.app import create_app
from whitestat.web.preload import deferred_files, load_all
from whitestat.web.server import serve

if TYPE_CHECKING:
    from whitestat.app.csv_logs import CsvLogs
    from whitestat.web.auth.accounts import Accounts
    from whitestat.web.sources import PointTrial

log = logging.getLogger("whitestat")

ACCOUNTS_CHECK_S = 30.0
"""How often the accounts file is looked for, in seconds."""

STOP_S = 1.0
"""How long a stop waits for limits to be removed (their process removes them when ours has ended, too), and for a
query of the ledger that is under way."""


def run(config: Config) -> NoReturn:
    """Run the service until SIGTERM or SIGINT, then end the process.

    Threads may wait for a name server or a network for a minute, and the interpreter would wait for them: when
    usage is written and the ledger closed, nothing is waited for.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # inherited by children; closing the terminal ends nothing
    one_heap()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="whitestat: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # anyone can send what is not HTTP: not worth a line
    for notice in config.notices:
        log.info("%s", notice)
    manager = ServiceManager.of(os.environ)
    rights, is_managed = os.geteuid(), restart.is_started_again(os.environ)
    execs = not is_managed and restart.execs_itself()
    user = prepare(config, os.environ)
    with acting_as(user):
        make_files(config, os.environ)
        import_old(config, zone_of(config), user)
    vendor("")  # loads by threads of its own, which have ended when privileges are dropped: those are per thread
    with asyncio.Runner() as runner:
        try:
            is_ended = runner.run(_serve(config, user, manager, again=is_managed or execs))
        except WhiteStatError as error:
            if restart.take_back(config, error) and not is_managed and os.geteuid() == rights:
                restart.begin_again()
            raise
        if execs and not is_ended:
            restart.begin_again()
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(0)


async def _serve(config: Config, user: ServiceUser | None, manager: ServiceManager, *, again: bool) -> bool:
    """Serve until a signal, which is True, or until changed settings need a new start, if that is possible."""
    stopped, changed = asyncio.Event(), asyncio.Event()

    loop = asyncio.get_running_loop()

    def change() -> None:
        """Any thread may call it."""
        changed.set()
        loop.call_soon_threadsafe(loop.call_later, restart.ANSWER_S, stopped.set)

    def end() -> None:
        changed.clear()
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    service = Service(config, user, manager, change if again else None)
    with acting_as(user):
        service.open()
    service.drop_privileges()
    await service.start()
    await asyncio.to_thread(restart.keep_good, config)
    try:
        service.announce()
        await service.run_until(stopped)
    finally:
        await service.stop()
    return not changed.is_set()


class Service:
    """All parts of one run. Its phases: `open`, `drop_privileges`, `start`, `run_until` and `stop`, in this order."""

    def __init__(
        self,
        config: Config,
        user: ServiceUser | None = None,
        manager: ServiceManager | None = None,
        restart: Callable[[], None] | None = None,
    ) -> None:
        """`user` is the one to become, as `prepare` says; it opens files with that user's rights already.

        `restart` begins a new start, from any thread; None where there is none.
        """
        self._config, self._user, self._manager = config, user, manager or ServiceManager()
        self._restart = restart
        self._tasks: list[asyncio.Task[None]] = []
        self._https: https.HttpsKeeper | None = None

    def open(self) -> None:
        """Open everything that needs privileges: ledger, collectors, sockets. Raises WhiteStatError.

        Root opens what needs root (`as_root`), its user everything else: a link in the user's folder opens nothing that
        the user could not open.
        """
        config = self._config
        https.check_keys(config)
        self._zone, doubt = zone_found(config)
        points = points_of(config)
        ledger = open_ledger(config, self._zone)
        follow_plans(ledger[0], config)
        metering = build.metering(config, points, ledger, self._zone, filter(None, (doubt, reason(config))))
        self._engine, self._collectors, self._notices = metering
        self._queries = build.queries(config, self._zone, self._engine, ledger[0])
        with as_root():
            self._alerts = AlertService(config, points, throttle_user(self._user))
        self._notices.extend(throttle_notices(config, points))
        sources = build.sources(
            config,
            points,
            zone=self._zone,
            engine=self._engine,
            queries=self._queries,
            throttle=self._alerts,
            restart=self._restart,
            try_point=_try_point,
        )
        self._settings = sources.settings
        self._access = sources.access
        if self._access.accounts.fault:
            self._notices.append(f"log-in is not possible: {self._access.accounts.fault}")
        self._control = control_socket(config.store.path)
        app = create_app(sources)
        with as_root():
            self._certificate = build.certificate(config)
            secure = https.bind(config, self._notices)
            beside = None if secure else self._certificate  # TLS alone, at `listen`
            self._web = serve(app, config.web.host, config.web.port, self._control, beside, secure=secure)
        self._access.https.port = self._web.secure_port
        if secure:
            self._https = https.HttpsKeeper(config, self._web, self._access.https, self._notices)
        self._csv_logs = build.csv_logs(config, self._zone, self._engine)
        self._inspection = Inspection(config.store.path, self._engine.damaged)

    def drop_privileges(self) -> None:
        """Give up root for good. What answers need later is loaded before only where it could not be read afterwards:
        a home of another user than root is closed to root without capabilities."""
        numbers = self._user and (self._user.uid, self._user.gid)
        if self._user == ROOT and not privileges.reads_afterwards(numbers, deferred_files()):
            load_all()
        if self._user:
            for pins in [fact.pins for fact in (collector.facts() for collector in self._collectors) if fact.pins]:
                os.chown(pins, self._user.uid, self._user.gid, follow_symlinks=False)
        privileges.drop(numbers)
        syscall_filter.install()

    async def start(self) -> None:
        """Take the first readings, and begin to check the ledger, to write CSV logs and to watch for alerts."""
        await asyncio.gather(self._engine.start(), self._start_https())
        self._inspection.start()
        if self._csv_logs:
            running = self._csv_logs.run(self._engine, self._config.csv.every_s, self._notices)
            self._tasks.append(asyncio.create_task(running))
        self._tasks.append(asyncio.create_task(watch_accounts(self._access.accounts, self._notices)))
        if self._config.layers and self._settings:
            settings = self._settings
            watch = FileWatch(self._config.layers.page_file, lambda: settings().fault(), self._restart)
            self._tasks.append(asyncio.create_task(watch.run(self._notices)))
        self._alerts.start(self._engine, self._queries, self._zone)
        self._tasks.append(asyncio.create_task(self._manager.feed(self._engine.is_alive)))

    async def _start_https(self) -> None:
        if self._https:
            await self._https.start(self._certificate)
            if self._certificate is None:
                self._tasks.append(asyncio.create_task(self._https.run()))

    def announce(self) -> None:
        """Print what is metered and the page's address."""
        user = self._user.name if self._user else privileges.own_name()
        url = self._web.page_url(tls=self._access.https.only)
        page = address(url, self._access, self._engine.now_ms())
        more = https.lines(self._config, self._access.https, f"{url.rstrip('/')}{self._access.base}/")
        announce(self._config, page, self._collectors, self._notices, user, more=more)
        self._manager.ready(f"Counts {metered(self._collectors)}; page at {url}")

    async def run_until(self, stopped: asyncio.Event) -> None:
        """Serve until the event, or until the server ends by itself; answers and limits end at the same time."""
        ends = [asyncio.create_task(self._web.run_until_stopped()), asyncio.create_task(stopped.wait())]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        self._manager.stopping()
        self._web.stop()
        await asyncio.gather(ends[0], _within(STOP_S, self._alerts.stop()))
        ends[1].cancel()

    async def stop(self) -> None:
        """Remove limits, write what is counted and close the ledger.

        The writer closes last: the last connection to close makes one file of the ledger.
        """
        for task in self._tasks:
            task.cancel()
        self._inspection.stop()
        await _within(STOP_S, self._alerts.stop())
        close_control(self._config.store.path, self._control)
        await _close_readers(self._queries, self._csv_logs)
        await self._engine.stop()


def _try_point(config: Config, name: str) -> PointTrial:
    """Try a point; its code is loaded with the first use."""
    from whitestat.app.trying import try_point

    return try_point(config, name)


async def watch_accounts(accounts: Accounts, notices: list[str], every_s: float = ACCOUNTS_CHECK_S) -> None:
    """Check the accounts file until cancelled; `notices` has the latest notice about it, if there is one."""
    before: str | None = None
    while True:
        await asyncio.sleep(every_s)
        notice = await asyncio.to_thread(accounts.check_file)
        if notice != before:
            if before:
                notices.remove(before)
            if notice:
                notices.append(notice)
                log.error("%s", notice)
            before = notice


async def _close_readers(*readers: Queries | CsvLogs | None) -> None:
    for reader in readers:
        if reader:
            await _within(STOP_S, asyncio.to_thread(reader.close))


async def _within(limit_s: float, ending: Coroutine[Any, Any, None]) -> None:
    """Wait this long at most; what has not ended by then ends with the process. Raises what `ending` raises."""
    done, _ = await asyncio.wait({asyncio.create_task(ending)}, timeout=limit_s)
    for task in done:
        task.result()
