"""The loop: it reads all collectors in time and books the results in one flush; its only catch-all is here.

All booking runs in one thread of its own, so the web's event loop never waits for a meter or a disk.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from whitestat import __version__
from whitestat.attribution.devices.edits import Edit
from whitestat.attribution.devices.identity import EditResult, Identity
from whitestat.attribution.devices.names import ShownName, by_dns, resolve
from whitestat.attribution.evidence import Evidence
from whitestat.attribution.gather import EvidenceGatherer
from whitestat.collectors import Collector
from whitestat.core.errors import CollectorError, DamagedLedger, LedgerError
from whitestat.core.model import PointState
from whitestat.core.system.clock import Clock
from whitestat.core.system.memory import give_back, resident_octets
from whitestat.ledger.tables.unflushed import Unflushed
from whitestat.ledger.write.writer import Place, Writer
from whitestat.metering.poll import PollSpan, PollState
from whitestat.metering.recorder import Recorder
from whitestat.metering.timekeeper import ClockState, Correction, Timekeeper
from whitestat.metering.today import LiveUsage

log = logging.getLogger("whitestat")

LOG_EVERY_MS = 60_000
NAME_EVERY_S = 2
EXPIRE_EVERY_S = 3600
PROVE_EVERY_S = 60
TEND_EVERY_S = 1
IDENTIFY_EVERY_MS = 60_000
IDENTIFY_SOON_MS = 5_000
"""When something was heard for the first time, which is rare: whoever waits for a proposal sees it in seconds."""
ANSWER_S = 2.0
"""How long a flush waits for the slowest collector; what comes later goes with the next one."""
LAST_ANSWER_S = 1.0
"""The same at the end, which has three seconds for all."""
CLOSE_S = 0.7
"""How long the end waits for collectors: a router that answers is logged out of, one that hangs is left."""
UNFLUSHED_EVERY_MS = 1_000
"""Answers look into the meters once a second at most."""
UNFLUSHED_WAIT_S = 0.2
"""How long an answer waits for that."""
NAME_AGAIN_MS = 6 * 3600 * 1000

T = TypeVar("T")


class Engine:
    """Runs collectors and the ledger from `start` to `stop`; answers for health and the live view."""

    def __init__(
        self,
        collectors: Sequence[Collector],
        writer: Writer,
        recorder: Recorder,
        *,
        flush_s: int,
        clock: Clock,
        notices: Sequence[str] = (),
        identity: Identity | None = None,
        gatherer: EvidenceGatherer | None = None,
        resolver: Callable[[str], str | None] = resolve,
        boot: str = "",
        synchronised: Callable[[], bool] = bool,
    ) -> None:
        """`boot` is the boot whose monotonic clock it is, `synchronised` whether the system calls its wall clock so."""
        self._polls = tuple(PollState(collector) for collector in collectors)
        self._writer = writer
        self._recorder = recorder
        self._flush_ms = flush_s * 1000
        self._clock = clock
        self._notices = notices  # the caller may add to them
        self._identity = identity
        self._gatherer = gatherer
        self._tended_ms = clock.monotonic_ms()
        self._resolver = resolver
        self._thread = ThreadPoolExecutor(1, "booking")
        self._readers = ThreadPoolExecutor(max(1, len(collectors)), "reading")
        self._boot = boot
        self._synchronised = synchronised
        self._timeline = Timekeeper(
            recorder.newest_ms,
            clock.now_ms(),
            clock.monotonic_ms(),
            boot=boot,
            hold=writer.hold,
            synchronised=synchronised(),
        )
        self._told = ClockState.SET, 0
        self._unwritten: tuple[int, str] | None = None  # since when, and why
        self._damage: str | None = None  # what cannot be set aside
        self._errors = 0
        self._unflushed: Unflushed | None = None
        self._unflushed_ms: int | None = None  # when meters were last looked into
        self._logged_at: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._turn = asyncio.Event()  # the meters were looked after once more
        self._started_ms = clock.monotonic_ms()

    async def start(self) -> None:
        """Take the first reading of every collector, then go on in the background."""
        await self._in_booking_thread(self.tick)
        await self._in_booking_thread(self._add_people)
        self._tasks = [
            asyncio.create_task(self._poll()),
            asyncio.create_task(self._name_devices()),
            asyncio.create_task(self._expire()),
            asyncio.create_task(self._maintain()),
        ]

    async def stop(self) -> None:
        """Book what the meters hold, then release them and the ledger; nothing that hangs is waited for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # A poll that is under way ends while the rest is booked: what was polled is held until it is read.
        polled = [poll.collector for poll in self._polls if poll.collector.facts().is_polled]
        others = [poll.collector for poll in self._polls if not poll.collector.facts().is_polled]
        closing = _closing(polled)
        await self._in_booking_thread(self.tick, True)
        closing += _closing(others)
        await self._in_booking_thread(self._close, closing)
        self._thread.shutdown(wait=False)

    async def is_alive(self) -> bool:
        """Whether no loop has ended, once the booking thread has looked after the meters; that is every second."""
        self._turn.clear()
        await self._turn.wait()
        return not any(task.done() for task in self._tasks)

    def now_ms(self) -> int:
        """The instant that usage is booked to now, UTC milliseconds."""
        return self._timeline.at(self._clock.monotonic_ms())

    @property
    def clock_is_held(self) -> bool:
        """Whether usage waits for the clock to be right."""
        return self._timeline.held

    async def edit(self, edit: Edit, by: str) -> EditResult:
        """Change devices or people, at once; EditError for what cannot be, LedgerError where it cannot be kept."""
        return await self._in_booking_thread(self._known().edit, edit, by, self.now_ms())

    async def undo(self, number: int, by: str) -> EditResult:
        """Take an edit back; errors as those of `edit`."""
        return await self._in_booking_thread(self._known().undo, number, by, self.now_ms())

    async def forget(self, device: int, by: str) -> None:
        """Remove the names, addresses and owner of a device; errors as those of `edit`."""
        await self._in_booking_thread(self._known().forget, device, by, self.now_ms())

    async def reprice(self, plan: int, from_s: int | None) -> int:
        """Class a plan's usage anew; returns from when on (UTC seconds); errors as those of `edit`."""
        return await self._in_booking_thread(self._known().reprice, plan, from_s)

    async def write(self, work: Callable[[Writer], T]) -> T:
        """Run a function with the writer in the booking thread, the one that may use it."""
        return await self._in_booking_thread(work, self._writer)

    def points(self) -> list[dict[str, object]]:
        """Every point with its state, as the health report has them."""
        return [row for poll in self._polls for row in poll.points()]

    def _known(self) -> Identity:
        if self._identity is None:
            raise LedgerError("devices cannot be edited here")
        return self._identity

    def unflushed(self, *, afresh: bool = False) -> Unflushed | None:
        """What is counted and not written yet, at most a second old, or made now. Not for the booking thread.

        Where that is busy for longer than a moment it is what was shown last: none of it can be gone.
        """
        made_ms = self._unflushed_ms
        if afresh or made_ms is None or self._clock.monotonic_ms() - made_ms >= UNFLUSHED_EVERY_MS:
            with suppress(RuntimeError):  # it has stopped
                wait((self._thread.submit(self._look, made_ms),), UNFLUSHED_WAIT_S)
        return self._unflushed

    def _look(self, made_ms: int | None) -> None:
        """Look into the meters, unless that was done since."""
        if self._unflushed_ms == made_ms:
            booked = self._recorder.is_booked
            self._show(
                [
                    poll.collector
                    for poll in self._polls
                    if not poll.failure and not poll.busy and not (poll.receipt and booked(poll.receipt))
                ]
            )
            self._unflushed_ms = self._clock.monotonic_ms()

    def _show(self, readable: Sequence[Collector] = ()) -> None:
        """Show counts that are not in the ledger yet in answers."""
        with self._guarded("what is not written yet"):
            self._unflushed = self._recorder.unflushed(readable, self.now_ms(), dated=not self._timeline.held)

    async def today(self) -> LiveUsage:
        """Usage of the local day by device, what the meters still hold included, and that of the last polls."""
        counting = {point.name for poll in self._polls for point in poll.collector.points if point.counts}
        return await self._in_booking_thread(self._today, counting)

    def _today(self, counting: set[str]) -> LiveUsage:
        readable = [poll.collector for poll in self._polls if not poll.failure and not poll.busy]
        devices = self._recorder.live(readable, counting, self.now_ms())
        every = [poll.collector for poll in self._polls]
        return LiveUsage(devices, self._recorder.spreads(every, counting, self.now_ms()))

    def health(self) -> dict[str, object]:
        """The engine's part of /api/v1/health; `status` is ok once every collector was read and all is booked.

        While the clock is not trusted it is `degraded`, yet `healthy`: nothing is lost, and a restart would not help.
        """
        waiting = any(poll.read_ms is None for poll in self._polls)
        points = self.points()
        full = self._identity is not None and self._identity.is_full
        failing = any(point["state"] == PointState.FAILED for point in points) or bool(self._unwritten)
        return {
            "status": "starting" if waiting else "degraded" if failing or self._timeline.held or full else "ok",
            "healthy": not waiting and not failing,
            "version": __version__,
            "uptime_s": (self._clock.monotonic_ms() - self._started_ms) // 1000,
            "memory_resident_octets": resident_octets(),
            "memory_kernel_octets": sum(poll.collector.memory() for poll in self._polls),
            "cpu_seconds": round(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), 3),
            "clock": str(self._timeline.state),
            "flushes": self._recorder.tally.flushes,
            "flushed_octets": self._writer.octets_written,
            "unwritten_octets": self._recorder.unwritten_octets,
            "errors": self._errors,
            "discarded": {str(quality): n for quality, n in self._recorder.tally.deltas_discarded.items()},
            "notices": [*self._notices, *self._writer.notices, *self._troubles(), *self._recorder.notices],
            "points": points,
        }

    def _troubles(self) -> Iterator[str]:
        """What keeps usage from being booked, or from being that of devices, now, in sentences."""
        clock = self._timeline.notice(self._clock.monotonic_ms())
        if clock:
            yield clock
        if self._damage:
            yield self._damage
        if self._unwritten:
            since_ms, reason = self._unwritten
            minutes = (self._clock.monotonic_ms() - since_ms) // 60_000
            yield f"usage of the last {minutes + 1} min is kept in memory until it can be written: {reason}"
        if self._identity:
            yield from self._identity.notices(self.now_ms())

    async def _poll(self) -> None:
        while True:
            # Aligned to the wall clock, so that a flush does not straddle two minutes.
            await asyncio.sleep((self._flush_ms - self.now_ms() % self._flush_ms) / 1000)
            await self._in_booking_thread(self.tick)

    def tick(self, last: bool = False) -> None:
        """Read all collectors at once and write what they yield in one flush.

        A meter that handed out counts that could not be written counts on meanwhile: it is read once more.
        """
        self.look()
        self._hear()  # who has been given an address is known before what passed there is booked
        with self._guarded("addresses of this machine"):
            self._recorder.locate()
        if last:
            self._halt()
        held_back = self._read(self._polls, last=last)
        if self._flush(last) and held_back:
            self._read(held_back, last=last)
            self._flush(last)
        if not last and not self._timeline.held and not self._unwritten:
            self._make_room()
        if self._unflushed:
            self._show()

    def _make_room(self) -> None:
        """A new device finds room in the table of devices at the next flush."""
        if self._identity:
            with self._guarded("room for new devices"):
                self._identity.make_room(self.now_ms())

    def _halt(self) -> None:
        """Let the meters count nothing more, so that what is read next is all that they counted."""
        for poll in self._polls:
            with self._guarded(poll.name, poll, mends=False):
                if not poll.busy:
                    poll.collector.halt()

    def look(self) -> None:
        """Take both clocks; what is not written yet moves when the clock was set."""
        ticks_ms = self._clock.monotonic_ms()
        before_ms = self._timeline.at(ticks_ms)
        correction = self._timeline.look(self._clock.now_ms(), ticks_ms, synchronised=self._synchronised())
        now_ms = self._timeline.at(ticks_ms)
        if correction or now_ms < before_ms:
            self._recorder.move(correction or Correction(before_ms, 0), now_ms)
        if self._timeline.news != self._told:
            self._told = self._timeline.news
            log.warning("%s", self._timeline.notice(ticks_ms) or "the clock is right again")
        if not self._timeline.held:
            with self._guarded("usage that was held"):
                if self._recorder.release(self._boot, self._timeline.offset_ms, now_ms) and self._unflushed:
                    self._show()

    def identify(self) -> None:
        """Read the names that devices announce; once a minute report new devices and look for devices to merge."""
        self._hear()
        if self._identity is None:
            return
        now_ms, ticks_ms = self.now_ms(), self._clock.monotonic_ms()
        with self._guarded("devices that are one"):
            every_ms = IDENTIFY_SOON_MS if self._identity.is_curious else IDENTIFY_EVERY_MS
            if ticks_ms - self._tended_ms >= every_ms and not self._timeline.held:
                self._tended_ms = ticks_ms
                self._identity.maintain(now_ms)

    def _add_people(self) -> None:
        if self._identity:
            with self._guarded("people of the configuration"):
                self._identity.add_people(self.now_ms())

    def _hear(self) -> None:
        if self._identity is None:
            return
        now_ms = self.now_ms()
        with self._guarded("names of devices"):
            if self._gatherer:
                eager = self._identity.wonders(now_ms)
                self._identity.hear(self._gatherer.gather(now_ms, self._clock.monotonic_ms(), eager=eager))
            self._identity.follow(now_ms)

    def _read(self, polls: Sequence[PollState], *, last: bool = False) -> list[PollState]:
        """One read of each; returns those that handed out once more what is gathered already."""
        for poll in polls:
            poll.begin(self._span(poll), self._readers)
        until_ms = self._clock.monotonic_ms() + int((LAST_ANSWER_S if last else ANSWER_S) * 1000)
        held_back = []
        for poll in polls:
            with self._guarded(poll.name, poll):
                left_s = max(0, until_ms - self._clock.monotonic_ms()) / 1000
                if not self._gather(poll, left_s):
                    held_back.append(poll)
        return held_back

    def _span(self, poll: PollState) -> PollSpan:
        ticks_ms = self._clock.monotonic_ms()
        now_ms = self._timeline.at(ticks_ms)
        poll.begun_ms = poll.begun_ms or ticks_ms
        observed_ms = ticks_ms - (poll.begun_ms if poll.read_ms is None else poll.read_ms)
        since_ms = now_ms - observed_ms
        if poll.read_ms is None:  # what is found now may have been counted since the last process looked
            since_ms = min(self._recorder.last_read_ms(poll.collector) or since_ms, since_ms)
        return PollSpan(since_ms, now_ms, observed_ms, ticks_ms)

    def _gather(self, poll: PollState, limit_s: float) -> bool:
        """Add the collector's result to the flush; return False if it is there already."""
        result, span = poll.end(limit_s)
        gathered = self._recorder.gather(poll.collector, result, span.observed_ms)
        if gathered:
            poll.read_ms = span.ticks_ms
            if result.hosts and self._identity:
                evidence = [Evidence("dhcp", span.now_ms, host.mac, host.address, host.name) for host in result.hosts]
                self._identity.hear(evidence)
        poll.receipt = result.receipt
        self._acknowledge(poll)
        return gathered

    def _flush(self, last: bool = False) -> bool:
        try:
            self._write(last)
        except (LedgerError, OSError) as error:
            self._errors += 1
            self._unwritten = (self._unwritten or (self._clock.monotonic_ms(),))[0], str(error)
            self._log_once(str(error))
            return False
        if self._unwritten:
            log.info("usage is written again")
        self._unwritten = None
        for poll in self._polls:
            with self._guarded(poll.name, poll, mends=False):
                self._acknowledge(poll)
        give_back()
        return True

    def _write(self, last: bool) -> None:
        hold = self._timeline.hold if self._timeline.held else None
        try:
            self._recorder.flush(last=last, hold=hold)
        except DamagedLedger as damage:
            self._errors += 1
            self._writer.set_aside(str(damage), self.now_ms())
            self._recorder.flush(last=last, hold=hold)

    def damaged(self, reason: str, place: Place | None) -> None:
        """A question or the inspection, in whichever thread, came across damage in the file at the place."""
        with suppress(RuntimeError):  # the service stops
            self._thread.submit(self._replace, reason, place)

    def _replace(self, reason: str, place: Place | None) -> None:
        if place != self._writer.place:
            return  # another ledger goes on already
        try:
            self._writer.set_aside(reason, self.now_ms())
            self._damage = None
        except (LedgerError, OSError) as error:
            self._errors += 1
            self._damage = str(error)
            self._log_once(self._damage)

    def _acknowledge(self, poll: PollState) -> None:
        """Let the meter forget what is booked."""
        if poll.receipt and not poll.busy and self._recorder.is_booked(poll.receipt):
            poll.collector.acknowledge(poll.receipt)
            poll.receipt = None

    @contextmanager
    def _guarded(self, name: str, poll: PollState | None = None, *, mends: bool = True) -> Iterator[None]:
        """Report a failure inside, to be tried again, without delay of other work."""
        try:
            yield
        except (CollectorError, LedgerError, OSError) as error:
            self._fail(name, poll, str(error))
        except Exception as error:  # the one catch-all: metering outlives any fault in one harvest
            log.debug("%s", error, exc_info=True)
            self._fail(name, poll, f"{type(error).__name__}: {error}")
        else:
            if poll and poll.failure and mends:
                poll.failure = None
                log.info("%s: works again", name)

    def _fail(self, name: str, poll: PollState | None, reason: str) -> None:
        if poll:
            poll.failure = reason
        self._errors += 1
        self._log_once(f"{name}: {reason}")

    def _log_once(self, text: str) -> None:
        """Each sentence at most once a minute."""
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._logged_at.get(text, -LOG_EVERY_MS) >= LOG_EVERY_MS:
            self._logged_at[text] = now_ms
            log.error("%s", text)

    async def _name_devices(self) -> None:
        """Query the DNS for one device at a time, each again after hours."""
        asked_ms: dict[int, int] = {}
        while True:
            await asyncio.sleep(NAME_EVERY_S)
            now_ms = self._clock.monotonic_ms()
            unnamed = await self._in_booking_thread(self._recorder.known.unnamed)
            due = [row for row in unnamed if asked_ms.get(row[0], -NAME_AGAIN_MS) + NAME_AGAIN_MS <= now_ms]
            if not due:
                continue
            device, address = due[0]
            asked_ms[device] = now_ms
            name = await asyncio.to_thread(by_dns, address, self._resolver)
            if name:
                await self._in_booking_thread(self._name, device, name)

    def _name(self, device: int, name: ShownName) -> None:
        if self._identity:
            self._identity.resolved(device, name, self.now_ms())
        else:
            self._recorder.known.rename(device, name)

    async def _maintain(self) -> None:
        while True:
            await asyncio.sleep(TEND_EVERY_S)
            await self._in_booking_thread(self.maintain)
            self._turn.set()

    def maintain(self) -> None:
        """Look at the clock, and let collectors follow interfaces that come and go, once a second."""
        self.look()
        self.identify()
        for poll in self._polls:
            try:
                if not poll.busy:
                    poll.collector.maintain()
            except (CollectorError, OSError) as error:
                self._log_once(f"{poll.name}: {error}")

    async def _expire(self) -> None:
        """Drop what is past its retention, once an hour; by no clock that may have to be set yet."""
        while True:
            if not self._timeline.is_proven(self._clock.monotonic_ms()) and not self._synchronised():
                await asyncio.sleep(PROVE_EVERY_S)
                continue
            try:
                await self._in_booking_thread(self._writer.expire, self.now_ms() // 1000)
            except LedgerError as error:
                if isinstance(error, DamagedLedger):
                    self.damaged(str(error), self._writer.place)
                self._log_once(str(error))
            await asyncio.sleep(EXPIRE_EVERY_S)

    async def _in_booking_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _close(self, closing: Sequence[threading.Thread]) -> None:
        self._readers.shutdown(wait=False, cancel_futures=True)
        until_s = time.monotonic() + CLOSE_S
        for thread in closing:
            thread.join(max(0.0, until_s - time.monotonic()))
        if self._gatherer:
            self._gatherer.close()
        if self._identity:
            with self._guarded("names of devices"):
                self._identity.keep()
        self._writer.close()


def _closing(collectors: Iterable[Collector]) -> list[threading.Thread]:
    """Return the threads that close the collectors, all at once; one that hangs ends with the process."""
    threads = [threading.Thread(target=collector.close, name="closing", daemon=True) for collector in collectors]
    for thread in threads:
        thread.start()
    return threads
