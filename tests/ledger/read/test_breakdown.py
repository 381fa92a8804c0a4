"""Questions about services, protocols and peers: whatever the step and the edges, nothing is told twice or left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.flushes import CLOCKS_BACK_S, MEMORY, NOON_S, STOCKHOLM, ZONES, Row, key, summed
from tests.support.ledger import CYCLE, DEVICES, PEOPLE, opened, step_start
from whitestat.core.calendar import day_bounds, day_of, hour_start
from whitestat.core.errors import QueryError
from whitestat.core.model import OTHER_PEER, OTHER_SERVICE, PROTOCOL_OTHER, Counts, PeerKey, ServiceKey
from whitestat.core.units import address_bytes
from whitestat.ledger.read import breakdown
from whitestat.ledger.read.queries import Queries, TimeStep, UsageQuery
from whitestat.ledger.write.writer import Flush, Writer

HOUR_S, DAY_S = 3_600, 86_400
PEERS = [address_bytes(each) for each in ("192.0.2.1", "198.51.100.7", "2001:db8::1")]
ALWAYS = (NOON_S - 40 * DAY_S, NOON_S + 40 * DAY_S)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[tuple[Writer, Queries]]:
    with opened(tmp_path / "whitestat.db") as each:
        each[0].commit(DEVICES)
        yield each


def flow(minute_s: int, zone: ZoneInfo, episode: int = 1, octets: int = 10, **about: Any) -> Flush:
    """Usage of a minute, and what it was on as far as it is said."""
    usage, counts, hour_s = key(episode), Counts(octets, octets // 3, 2, 1), hour_start(minute_s, zone)
    services, peers = {}, {}
    if "service" in about:
        services[hour_s, ServiceKey(usage, about.get("protocol", 6), about["service"])] = counts
    if "peer" in about:
        peers[hour_s, PeerKey(usage, about["peer"])] = counts
    return Flush(usage={(minute_s, usage): counts}, services=services, peers=peers)


def told(queries: Queries, question: UsageQuery) -> dict[tuple[object, ...], Row]:
    return summed(
        ((row.start_s, row.device and row.device.id, row.person, row.protocol, row.service, row.peer), row.counts)
        for row in queries.usage(question)
    )


flows = st.fixed_dictionaries(
    {
        "minute_s": st.integers(-35 * 1440, 35 * 1440).map(lambda minute: CLOCKS_BACK_S + 60 * minute),
        "episode": st.integers(0, 4),
        "octets": st.integers(1, 2**40),
    },
    optional={"service": st.sampled_from([0, 53, 443]), "peer": st.sampled_from(PEERS)},
)
instants = st.integers(-40 * DAY_S, 40 * DAY_S).map(lambda seconds: CLOCKS_BACK_S + seconds)
spans = st.tuples(instants, instants).filter(lambda span: span[0] != span[1]).map(sorted)
words = st.sets(st.sampled_from(["device", "person"])).map(sorted)


def expected(
    done: list[dict[str, Any]], question: UsageQuery, zone: ZoneInfo, about: str
) -> dict[tuple[object, ...], Row]:
    """By the plainest way; the span is one of whole days, the step none that is finer than what is kept."""
    return summed(
        (
            (
                step_start(question.step, each["minute_s"], question, zone),
                each["episode"] or None if "device" in question.by else None,
                PEOPLE.get(each["episode"]) if "person" in question.by else None,
                None,
                each.get("service") if about == "service" else None,
                each.get("peer") if about == "peer" else None,
            ),
            Counts(each["octets"], each["octets"] // 3, 2, 1),
        )
        for each in done
        if question.start_s <= each["minute_s"] < question.end_s
    )


@pytest.mark.slow
@examples(80)
@given(
    st.lists(flows, max_size=12),
    st.lists(st.integers(0, 11), max_size=3),
    spans,
    st.sampled_from([step for step in TimeStep if step not in {TimeStep.SECOND, TimeStep.MINUTE}]),
    words,
    st.sampled_from(["service", "peer"]),
    st.sampled_from(ZONES),
)
def test_answers_equal_those_of_a_plain_model(
    done: list[dict[str, Any]],
    folds: list[int],
    span: list[int],
    step: TimeStep,
    by: list[str],
    about: str,
    zone: ZoneInfo,
) -> None:
    if step is TimeStep.HOUR and about == "peer":
        step = TimeStep.DAY
    if step is TimeStep.CYCLE and about == "peer":  # begins within a day, which peers are kept by
        step = TimeStep.MONTH
    day = [day_bounds(day_of(at_s, zone), zone) for at_s in span]
    question = UsageQuery(day[0][0], day[1][1], step, (*by, about))
    with TemporaryDirectory(dir=MEMORY) as folder, opened(Path(folder) / "whitestat.db", zone) as (writer, queries):
        writer.commit(DEVICES)
        for number, each in enumerate(done):
            writer.commit(flow(zone=zone, **each))
            if number in folds:
                writer.fold_details()
        assert told(queries, question) == expected(done, question, zone, about)
        total = sum(row.counts.octets for row in queries.usage(replace(question, by=())))
        for top in (1, 2):
            rows = queries.usage(replace(question, top=top))
            assert sum(row.counts.octets for row in rows) == total
            assert len({row[1:4] + row[6:] for row in rows if not row.rest}) <= top


def test_what_nobody_knows_is_a_row_of_its_own(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    writer.commit(flow(NOON_S, STOCKHOLM, octets=90, service=443))
    writer.commit(flow(NOON_S, STOCKHOLM, octets=30))
    rows = queries.usage(UsageQuery(*ALWAYS, by=("service",)))
    assert [(row.service, row.counts.octets) for row in rows] == [(443, 120), (None, 40)]


def test_the_top_is_of_what_is_told_apart_and_all_else_one_rest(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    for octets, peer in ((500, OTHER_PEER), (300, PEERS[0]), (200, PEERS[1]), (100, PEERS[2])):
        writer.commit(flow(NOON_S, STOCKHOLM, octets=octets, peer=peer))
    writer.commit(flow(NOON_S, STOCKHOLM, octets=1_000))
    rows = queries.usage(UsageQuery(*ALWAYS, TimeStep.MONTH, ("peer",), top=2))
    assert [(row.peer, row.rest, row.counts.octets_in) for row in rows] == [
        (PEERS[0], False, 300),
        (PEERS[1], False, 200),
        (None, True, 1_600),
    ]


@pytest.mark.parametrize(
    ("narrowed", "octets"),
    [
        ({"services": (443,)}, 3),
        ({"services": (443, 53), "protocols": (17,)}, 6),
        ({"protocols": (6,), "devices": (1,)}, 1),
        ({"services": (0,)}, 24),
        ({"peers": (PEERS[2],)}, 64),
        ({"peers": tuple(PEERS), "devices": (3,)}, 96),
    ],
)
def test_an_answer_is_narrowed_to_services_protocols_and_peers(
    ledger: tuple[Writer, Queries], narrowed: dict[str, Any], octets: int
) -> None:
    writer, queries = ledger
    several: list[tuple[int, dict[str, Any]]] = [
        (1, {"service": 443}),
        (2, {"service": 443, "protocol": 17}),
        (2, {"service": 53, "protocol": 17}),
        (2, {"service": 0, "protocol": 1}),
        (2, {"service": 0x806, "protocol": PROTOCOL_OTHER}),
        (3, {"peer": PEERS[1]}),
        (3, {"peer": PEERS[2]}),
    ]
    for number, (episode, about) in enumerate(several):
        each = flow(NOON_S, STOCKHOLM, episode, 1, **about)
        plain = Counts(2**number)
        writer.commit(
            replace(
                each,
                usage=dict.fromkeys(each.usage, plain),
                services=dict.fromkeys(each.services, plain),
                peers=dict.fromkeys(each.peers, plain),
            )
        )
    if "services" in narrowed and narrowed["services"] == (443, 53):
        octets = 2 + 4
    rows = queries.usage(UsageQuery(*ALWAYS, by=(), **narrowed))
    assert sum(row.counts.octets for row in rows) == octets


def test_what_is_not_told_apart_in_the_ledger_is_other(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    writer.commit(flow(NOON_S, STOCKHOLM, protocol=OTHER_SERVICE[0], service=OTHER_SERVICE[1]))
    rows = queries.usage(UsageQuery(*ALWAYS, by=("service", "protocol")))
    assert [(row.protocol, row.service) for row in rows] == [OTHER_SERVICE]


def test_finer_than_what_is_kept_is_answered_by_what_is_and_says_so(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    writer.commit(flow(NOON_S, STOCKHOLM, service=443, peer=PEERS[0]))
    span = NOON_S - 90 * 60, NOON_S + 90 * 60
    answer = queries.answer(UsageQuery(*span, TimeStep.MINUTE, ("service",)))
    assert answer.step is TimeStep.HOUR
    assert answer.notice is not None
    assert answer.notice.startswith("services are kept by the hour, so each row is an hour, start moved back to ")
    answer = queries.answer(UsageQuery(*span, TimeStep.MINUTE, ("peer",)))
    assert answer.step is TimeStep.DAY
    assert [(row.start_s, row.peer) for row in answer.rows()] == [(day_bounds(20261121, STOCKHOLM)[0], PEERS[0])]
    assert answer.notice is not None
    assert "end moved to 2026-11-22T00:00:00+01:00" in answer.notice


def test_what_has_aged_out_is_answered_by_the_day_and_the_month(tmp_path: Path) -> None:
    kept_s = {"service_hour": 2 * DAY_S, "service_day": 70 * DAY_S, "peer_day": 2 * DAY_S, "peer_month": None}
    path = tmp_path / "whitestat.db"
    with closing(Writer(path, STOCKHOLM, kept_s)) as writer, closing(Queries(path, STOCKHOLM, CYCLE)) as queries:
        for ago in (0, 40, 200):
            writer.commit(flow(NOON_S - ago * DAY_S, STOCKHOLM, service=443, peer=PEERS[0]))
        writer.fold()
        writer.fold_details()
        writer.expire(NOON_S)
        end_s = NOON_S + HOUR_S
        answer = queries.answer(UsageQuery(NOON_S - 50 * DAY_S, end_s, TimeStep.HOUR, ("service",)))
        assert answer.step is TimeStep.DAY
        assert [row.service for row in answer.rows()] == [443, 443]
        answer = queries.answer(UsageQuery(NOON_S - 50 * DAY_S, end_s, TimeStep.WEEK, ("peer",)))
        assert answer.step is TimeStep.MONTH
        assert "peers of each day are kept since 2026-11-01" in (answer.notice or "")
        assert [row.peer for row in answer.rows()] == [PEERS[0]] * 2
        answer = queries.answer(UsageQuery(NOON_S - 300 * DAY_S, end_s, TimeStep.TOTAL, ("service",)))
        assert [row.service for row in answer.rows()] == [443, None]  # of 200 days ago nobody knows it any more
        assert "services are kept since" in (answer.notice or "")


def test_peers_follow_the_day_a_device_changes_hands(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    for ago in (1, 2):
        writer.commit(flow(NOON_S - ago * DAY_S, STOCKHOLM, episode=4, octets=9, peer=PEERS[0]))
    with writer.transaction("giving") as connection:
        connection.execute("INSERT INTO person VALUES (1, 'Cleo'), (2, 'Dan')")
        connection.execute("INSERT INTO ownership VALUES (4, 0, 1, 20261120), (4, 20261120, 2, NULL)")
    writer.fold_details()
    rows = queries.usage(UsageQuery(*ALWAYS, by=("person", "peer")))
    assert sorted((row.person, row.peer, row.counts.octets) for row in rows) == [
        ("Cleo", PEERS[0], 12),
        ("Dan", PEERS[0], 12),
    ]


def test_peers_of_a_month_in_which_a_device_changed_hands_are_told_to_neither_owner(tmp_path: Path) -> None:
    path = tmp_path / "whitestat.db"
    kept_s = {"peer_day": 2 * DAY_S}
    with closing(Writer(path, STOCKHOLM, kept_s)) as writer, closing(Queries(path, STOCKHOLM, CYCLE)) as queries:
        writer.commit(DEVICES)
        for ago in (0, 60, 70, 95):  # 2026-11-21, 2026-09-22, 2026-09-12, 2026-08-18
            writer.commit(flow(NOON_S - ago * DAY_S, STOCKHOLM, episode=4, octets=9, peer=PEERS[0]))
        with writer.transaction("giving") as connection:
            connection.execute("INSERT INTO person VALUES (1, 'Cleo'), (2, 'Dan')")
            connection.execute("INSERT INTO ownership VALUES (4, 0, 1, 20260917), (4, 20260917, 2, NULL)")
        writer.fold()
        writer.fold_details()
        writer.expire(NOON_S)
        span = NOON_S - 100 * DAY_S, NOON_S + DAY_S
        rows = queries.usage(UsageQuery(*span, by=("person", "peer")))
        assert sorted((row.person or "", row.peer, row.counts.octets) for row in rows) == [
            ("", PEERS[0], 24),
            ("Cleo", PEERS[0], 12),
            ("Dan", PEERS[0], 12),
        ]
        for person in ("Cleo", "Dan"):
            (row,) = queries.usage(UsageQuery(*span, by=("peer",), persons=(person,)))
            assert (row.peer, row.counts.octets) == (PEERS[0], 12)


def test_pages_of_detail_make_up_the_whole(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    for number in range(30):
        writer.commit(flow(NOON_S + number * HOUR_S, STOCKHOLM, octets=number + 1, service=443 + number % 3))
    for step in (TimeStep.HOUR, TimeStep.DAY, TimeStep.TOTAL):
        answer = queries.answer(UsageQuery(NOON_S - HOUR_S // 2, NOON_S + 3 * DAY_S, step, ("service",)))
        rows, cursor = answer.page(2)
        while cursor:
            more, cursor = answer.page(2, cursor)
            rows += more
        assert rows == list(answer.rows())


def test_the_tag_changes_with_what_is_handed_in(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    question = UsageQuery(*ALWAYS, by=("service",))
    tags = []
    for _ in range(2):
        writer.commit(flow(NOON_S, STOCKHOLM))
        tags += [queries.answer(question).tag, queries.answer(question).tag]
        hour_s = hour_start(NOON_S, STOCKHOLM)
        writer.commit(Flush(services={(hour_s, ServiceKey(key(), 6, 443)): Counts(1)}))
        tags += [queries.answer(question).tag, queries.answer(question).tag]
    assert tags[::2] == tags[1::2]
    assert len(set(tags)) == 4


def test_too_many_things_to_tell_apart_are_refused(
    ledger: tuple[Writer, Queries], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breakdown, "KINDS_MAX", 5)
    writer, queries = ledger
    for port in range(1, 8):
        writer.commit(flow(NOON_S, STOCKHOLM, service=port))
    with pytest.raises(QueryError, match="tells 7 things apart, more than 5"):
        queries.answer(UsageQuery(*ALWAYS, by=("service",)))
    assert len(queries.usage(UsageQuery(*ALWAYS, by=("service",), top=3))) == 4


def test_peers_and_services_are_not_asked_for_at_once() -> None:
    for by, peers in ((("service", "peer"), ()), (("protocol",), (PEERS[0],))):
        with pytest.raises(QueryError, match="peers are kept apart"):
            UsageQuery(*ALWAYS, by=by, peers=peers)


def test_usage_that_is_less_than_its_detail_is_never_told_below_zero(ledger: tuple[Writer, Queries]) -> None:
    writer, queries = ledger
    each = flow(NOON_S, STOCKHOLM, service=443)
    writer.commit(replace(each, usage={}))
    rows = queries.usage(UsageQuery(*ALWAYS, by=("service",)))
    assert [(row.service, row.counts.octets) for row in rows] == [(443, 13)]
