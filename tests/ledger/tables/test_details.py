"""Services and peers in the ledger: folded or not, kept as long as told, and never an octet more or less."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.details import stored
from tests.support.examples import examples
from tests.support.flushes import FILES, MEMORY, NOON_S, STOCKHOLM, key
from whitestat.core.errors import LedgerError
from whitestat.core.model import Counts, PeerKey, ServiceKey
from whitestat.core.units import address_bytes
from whitestat.ledger.files.database import open_for_reading
from whitestat.ledger.resolutions import Resolution
from whitestat.ledger.tables import details
from whitestat.ledger.tables.details import KINDS, PEER, SERVICE
from whitestat.ledger.write.writer import Flush, Writer

HOUR_S, DAY_S = 3_600, 86_400
PEERS = [address_bytes(each) for each in ("192.0.2.1", "198.51.100.7", "2001:db8::1")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "whitestat.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    with closing(Writer(path, STOCKHOLM)) as each:
        yield each


def services(several: dict[tuple[int, int], int]) -> Flush:
    """Octets by hours ago and port."""
    return Flush(
        services={
            (NOON_S - ago * HOUR_S, ServiceKey(key(), 6, port)): Counts(octets)
            for (ago, port), octets in several.items()
        }
    )


several = st.lists(
    st.tuples(
        st.dictionaries(st.tuples(st.integers(0, 80), st.integers(0, 5)), st.integers(1, 10**9), max_size=6),
        st.booleans(),
    ),
    max_size=5,
)


@pytest.mark.slow
@examples(40)
@given(several)
def test_folded_or_not_a_service_has_all_its_octets(flushes: list[tuple[dict[tuple[int, int], int], bool]]) -> None:
    expected: Counter[tuple[int, int]] = Counter()
    with TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "whitestat.db"
        with closing(Writer(path, STOCKHOLM)) as writer:
            for found, folded in flushes:
                writer.commit(services(found))
                for (_, port), octets in found.items():
                    expected[6, port] += octets
                if folded:
                    writer.fold_details()
            assert stored(path, SERVICE, NOON_S - 100 * HOUR_S, NOON_S + HOUR_S) == expected


def test_a_reader_follows_what_is_handed_in_and_folded(writer: Writer, path: Path) -> None:
    with closing(open_for_reading(path)) as connection:
        tail = details.DetailTail(connection, STOCKHOLM)
        seen = []
        for step in (1, 2, 3):
            writer.commit(services({(0, 443): step}))
            if step == 2:
                writer.fold_details()
            tail.follow()
            seen.append(connection.execute("SELECT coalesce(sum(octets_in), 0) FROM tail_service").fetchone()[0])
    assert seen == [1, 0, 3]


def test_peers_of_both_families_are_kept_by_day_and_by_month(writer: Writer, path: Path) -> None:
    writer.commit(Flush(peers={(NOON_S, PeerKey(key(), peer)): Counts(7) for peer in PEERS}))
    for folded in (False, True):
        if folded:
            writer.fold_details()
        found = stored(path, PEER, NOON_S, NOON_S + DAY_S)
        assert {details.address(peer) for (peer,) in found if isinstance(peer, bytes)} == set(PEERS)
        assert set(found.values()) == {7}


def test_of_many_the_largest_stay_and_all_others_are_one(writer: Writer, path: Path) -> None:
    writer.commit(services({(0, port): port for port in range(1, 301)}))
    writer.fold_details()
    writer.commit(services({(0, 1): 1_000}))
    writer.fold_details()
    found = stored(path, SERVICE, NOON_S, NOON_S + HOUR_S)
    assert len(found) == SERVICE.most + 1
    assert found[6, 300] == 300
    assert found[6, 1] == 1_000
    assert sum(found.values()) == sum(range(1, 301)) + 1_000


def test_detail_is_kept_as_long_as_it_is_told(path: Path) -> None:
    kept_s = {"service_hour": 2 * DAY_S, "service_day": 70 * DAY_S, "peer_day": 40 * DAY_S, "peer_month": None}
    with closing(Writer(path, STOCKHOLM, kept_s)) as writer:
        for days in (0, 10, 100):
            hour_s = NOON_S - days * DAY_S
            service, peer = ServiceKey(key(), 6, 443), PeerKey(key(), PEERS[0])
            flush = Flush(
                usage={(hour_s, key()): Counts(1)},
                services={(hour_s, service): Counts(1)},
                peers={(hour_s, peer): Counts(1)},
            )
            writer.commit(flush)
        writer.fold()
        writer.fold_details()
        writer.expire(NOON_S)
    with closing(sqlite3.connect(path)) as connection:
        rows = {
            kind.table(resolution): connection.execute(f"SELECT count(*) FROM {kind.table(resolution)}").fetchone()[0]
            for kind in KINDS.values()
            for resolution in (kind.fine, kind.coarse)
        }
    assert rows == {"service_hour": 1, "service_day": 2, "peer_day": 2, "peer_month": 2}
    with closing(open_for_reading(path)) as connection:
        old_s = NOON_S - 10 * DAY_S
        kept = details.kept(connection, STOCKHOLM, SERVICE)
        assert kept.floor(old_s, STOCKHOLM) == Resolution.DAY.floor(old_s, STOCKHOLM)


def test_damaged_detail_is_told(writer: Writer, path: Path) -> None:
    writer.commit(services({(0, 443): 1}))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE detail SET content = x'00'")
        connection.commit()
    with pytest.raises(LedgerError, match="detail is damaged"):
        writer.fold_details()


happenings = st.lists(
    st.one_of(
        st.dictionaries(st.tuples(st.integers(0, 80), st.sampled_from([53, 443])), st.integers(1, 2**40), max_size=4),
        st.sampled_from(["fold", "reopen", "cut off"]),
    ),
    max_size=10,
)


@pytest.mark.slow
@examples(30)
@given(happenings)
def test_detail_survives_folds_reopening_and_power_cuts_whole(
    sequence: list[dict[tuple[int, int], int] | str],
) -> None:
    """A power cut is a copy of the files as they are; what was committed is in it once."""
    committed, writers = 0, []
    with TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "whitestat.db"
        writers.append(Writer(path, STOCKHOLM))
        for step in sequence:
            if isinstance(step, dict):
                assert writers[-1].commit(services(step))
                committed += sum(step.values())
            elif step == "fold":
                writers[-1].fold_details()
            elif step == "reopen":
                writers.pop().close()
                writers.append(Writer(path, STOCKHOLM))
            else:
                copy = Path(folder) / str(len(writers))
                copy.mkdir()
                for name in FILES:
                    shutil.copy(path.with_name(name), copy)
                path = copy / "whitestat.db"
                writers.append(Writer(path, STOCKHOLM))
            assert sum(stored(path, SERVICE, NOON_S - 9 * DAY_S, NOON_S + DAY_S).values()) == committed
        for writer in writers:
            writer.close()
