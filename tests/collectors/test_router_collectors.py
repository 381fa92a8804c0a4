"""Routers from their page to the ledger, and what `whitestat check` says of each that cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.built import collector_of
from tests.support.engine import FOR_EVER, FakeClock
from tests.support.peers import Answer, hosting, reply, wait_until
from tests.support.peers.archer import PASSWORD, USERNAME, Archer, Row
from tests.support.peers.b593 import B593Peer
from tests.support.peers.hilink import HiLinkPeer
from tests.support.recorder import ZONE, built_recorder
from whitestat.app.collectors import point_of
from whitestat.app.main import run_command
from whitestat.attribution.devices.identity import Identity
from whitestat.attribution.locality import Locality
from whitestat.config.points import PointConfig
from whitestat.core.model import Counts
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.write.writer import Writer
from whitestat.metering.engine import Engine

A = "02:50:00:00:00:0a"


class Service:
    """An engine on a real ledger that asks one router, a hundred times a second."""

    def __init__(self, path: Path, url: str, kind: str, clock: FakeClock) -> None:
        config = PointConfig("router", kind, url=url, username=USERNAME, password=PASSWORD, unit="bytes")
        writer = Writer(path, ZONE)
        state = writer.state()
        self.collector = collector_of(config, state.readings)
        self.collector._interval_s = 0
        self.collector.open(state.receipts)
        recorder = built_recorder(writer, Locality, [point_of(config)])
        self.clock = clock
        identity = Identity(writer, recorder, clock.now_ms())
        self.engine = Engine([self.collector], writer, recorder, flush_s=30, clock=clock, identity=identity)
        self.queries = Queries(path, ZONE)

    def tick(self) -> None:
        self.clock.run(30_000)
        self.engine.tick()

    def rows(self) -> dict[str | None, Counts]:
        found = self.queries.usage(replace(FOR_EVER, by=("device",)))
        return {row.device.name if row.device else None: row.counts for row in found}

    def close(self) -> None:
        asyncio.run(self.engine.stop())
        self.queries.close()


def ticking_until(service: Service, true: Callable[[], bool]) -> None:
    def done() -> bool:
        service.tick()
        return true()

    wait_until(done)


def octets_of(service: Service, name: str | None) -> int:
    return service.rows().get(name, Counts()).octets


def test_a_router_with_a_table_gives_devices_with_names_and_totals_without_directions(tmp_path: Path) -> None:
    peer = Archer([Row("192.168.1.10", A, 4_294_967_000, 4_300_000)], names={A: "annas-phone"})
    clock = FakeClock()
    with hosting(peer) as url:
        with closing(Service(tmp_path / "w.db", url, "archer-c20", clock)) as service:
            ticking_until(service, lambda: bool(service.collector.facts().progress))
            peer.rows[0].carry(5_000_000)
            ticking_until(service, lambda: octets_of(service, "annas-phone") > 0)
            assert service.rows() == {"annas-phone": Counts(octets_unsplit=5_000_000)}
        peer.rows[0].carry(77)  # while no service runs
        with closing(Service(tmp_path / "w.db", url, "archer-c20", clock)) as service:
            ticking_until(service, lambda: octets_of(service, "annas-phone") > 5_000_000)
            assert service.rows() == {"annas-phone": Counts(octets_unsplit=5_000_077)}


def test_a_router_that_knows_no_devices_gives_the_lines_usage_as_nobodys(tmp_path: Path) -> None:
    peer = B593Peer()
    with hosting(peer) as url, closing(Service(tmp_path / "w.db", url, "huawei-b593", FakeClock())) as service:
        ticking_until(service, lambda: bool(service.collector.facts().progress))
        peer.down, peer.up = peer.down + 4000, peer.up + 300
        ticking_until(service, lambda: octets_of(service, None) > 0)
        assert service.rows() == {None: Counts(4000, 300)}
        coverage = service.queries.coverage(FOR_EVER.start_s, FOR_EVER.end_s)
        assert coverage["router"].octets_unattributed == 4300
        assert service.engine.health()["status"] == "ok"


SAYS: list[tuple[str, Answer, str, str, int]] = [
    ("archer-c20", Archer([Row("192.168.1.10", A, 5_000_000, 10)]), PASSWORD, "1 devices with 5.0 MB on", 0),
    ("archer-c20", Archer(), "wrong", "does not take this name and password", 1),
    ("archer-c20", Archer(busy=True), PASSWORD, "another user is logged in to the router", 1),
    ("archer-c20", Archer(enabled=False), PASSWORD, "statistics are switched off in the router", 1),
    ("archer-c20", Archer(raw=reply("[error]71234")), PASSWORD, "firmware is newer than those supported", 1),
    ("huawei-b593", B593Peer(firmware="token"), PASSWORD, "stand at 1.1 TB down and 125.0 GB up", 0),
    ("huawei-b593", B593Peer(), PASSWORD, "unit 'kB' cannot be right", 1),
    ("huawei-b593", B593Peer(), "wrong", "does not take this name and password", 1),
    ("huawei-b593", B593Peer(failures=2), PASSWORD, "the next would lock the router for a minute", 1),
    ("huawei-b593", B593Peer(another_user=True), PASSWORD, "another user is logged in to the router", 1),
    ("huawei-b593", B593Peer(raw=reply("x")), PASSWORD, "is it a B593?", 1),
    ("hilink", HiLinkPeer(), PASSWORD, "stand at 10.2 GB down and 350.7 MB up", 0),
    ("hilink", HiLinkPeer(needs_login=True), "wrong", "does not take this name and password (error 108006)", 1),
    ("hilink", HiLinkPeer(needs_login=True, locked=True), PASSWORD, "is locked after too many wrong passwords", 1),
    (
        "hilink",
        HiLinkPeer(needs_login=True, another_user=True),
        PASSWORD,
        "another user is logged in (error 108003)",
        1,
    ),
    ("hilink", HiLinkPeer(busy=9), PASSWORD, "is busy", 1),
]


@pytest.mark.parametrize(("kind", "peer", "password", "said", "status"), SAYS)
def test_check_says_in_a_sentence_how_it_stands_with_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, peer: Answer, password: str, said: str, status: int
) -> None:
    if kind == "hilink":
        pytest.importorskip("huawei_lte_api", reason="needs the extra [hilink]")
    secret, file = tmp_path / "password", tmp_path / "whitestat.toml"
    secret.touch(0o600)
    secret.write_text(password + "\n")
    with hosting(peer) as url:
        file.write_text(
            f'[store]\npath = "w.db"\n[[point]]\nname = "router"\ncollector = "{kind}"\nurl = "{url}"\n'
            f'username = "{USERNAME}"\npassword_file = "password"\n'
        )
        done = run_command(["check", "--config", str(file)])
    told = capsys.readouterr().out
    [line] = [each for each in told.splitlines() if each.startswith("point router")]
    assert line.startswith(f"point router ({kind} at {url}): ")
    assert said in line
    assert done == status, told
    assert password not in told
