"""The live stream: items as they come, and an end at once when the program stops."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests.support.household import NOON_S, PHONE, ZONE, House, booked, device, household, served
from whitestat.core.calendar import instant_text
from whitestat.web.auth.roles import Role
from whitestat.web.handlers.live import MOST_EACH, MOST_STREAMS


@contextmanager
def listening(house: House, query: str = "", **headers: str) -> Iterator[http.client.HTTPResponse]:
    address = urlsplit(house.url)
    line = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    line.request("GET", f"/api/v1/live{query}", headers={k.replace("_", "-"): v for k, v in headers.items()})
    reply = line.getresponse()
    try:
        yield reply
    finally:
        reply.close()
        line.close()


def events(reply: http.client.HTTPResponse) -> Iterator[dict[str, object]]:
    for line in reply:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def soon(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_items_arrive_as_events(house: House) -> None:
    house.say(NOON_S, device(PHONE, "phone\n\ndata: forged", 900, 100))
    with listening(house) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["cache-control"] == "no-store"
        items = events(reply)
        assert next(items) == house.items[0]
        house.say(NOON_S + 1, device(PHONE, "phone", 1900, 100, 8000))
        assert next(items) == house.items[1]


def test_the_source_is_let_go_when_the_listener_leaves(house: House) -> None:
    with listening(house) as reply:
        next(events(reply))
        assert house.listeners == 1
    assert soon(lambda: house.listeners == 0)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[House]:
    """A household of many accounts."""
    with household(tmp_path, booked(), readers=(), editors=()) as house:
        yield house


def tokens(house: House, count: int) -> list[str]:
    """Headers of so many accounts."""
    made = [house.accounts.add_token(f"screen {n}", Role.VIEWER, None, 0)[1] for n in range(count)]
    return [f"Bearer {text}" for text in made]


def test_streams_of_one_account_are_bounded_and_leave_room_for_others(shared: House) -> None:
    first, second = tokens(shared, 2)
    with ExitStack() as stack:
        replies = [stack.enter_context(listening(shared, Authorization=first)) for _ in range(MOST_EACH)]
        assert {reply.status for reply in replies} == {200}
        refused = shared.get("/api/v1/live", Authorization=first)
        assert refused.status == 503
        assert "16 live streams of one account" in refused.text
        assert stack.enter_context(listening(shared, Authorization=second)).status == 200
    assert soon(lambda: shared.listeners == 0)
    with listening(shared, Authorization=first) as reply:
        assert reply.status == 200


def test_of_all_streams_the_account_with_most_loses_its_oldest_for_a_new_account(shared: House) -> None:
    greedy = tokens(shared, MOST_STREAMS // MOST_EACH + 1)
    newcomer = greedy.pop()
    with ExitStack() as stack:
        replies = [
            stack.enter_context(listening(shared, Authorization=text)) for text in greedy for _ in range(MOST_EACH)
        ]
        assert {reply.status for reply in replies} == {200}
        assert soon(lambda: shared.listeners == MOST_STREAMS)
        items = events(stack.enter_context(listening(shared, Authorization=newcomer)))
        assert next(items)["devices"] == []
        assert soon(lambda: shared.listeners == MOST_STREAMS)
        ended = events(replies[0])
        next(ended)
        assert list(ended) == []


def test_streams_end_at_once_when_the_server_stops(house: House) -> None:
    house.live_every_s = 3600
    with served(house) as server, listening(house) as reply:
        next(events(reply))
        server.stop()
        assert list(events(reply)) == []  # the next item is an hour away


def test_a_source_that_fails_ends_the_stream_and_is_told(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.say(NOON_S)
    with listening(house) as reply:
        items = events(reply)
        next(items)
        house.items.append({"at": object()})
        assert list(items) == []
    assert "the live stream ended" in caplog.text
    assert house.get("/api/v1/health").status == 200


def test_events_are_named_and_who_names_the_last_one_is_told_what_came_after(house: House) -> None:
    seconds = [{"at": instant_text(NOON_S + each, ZONE)} for each in range(3)]
    house.say(NOON_S + 3, missed=seconds)
    with listening(house) as reply:
        assert f"id: {instant_text(NOON_S + 3, ZONE)}\n".encode() in [next(reply) for _ in range(3)]
    for asking in ({"Last_Event_ID": seconds[1]["at"]}, {"query": f"?last={quote(seconds[1]['at'])}"}):
        with listening(house, **asking) as reply:
            assert next(events(reply))["missed"] == [seconds[2]]
    with listening(house, Last_Event_ID="nonsense") as reply:
        assert next(events(reply))["missed"] == seconds
    assert house.get("/api/v1/live?since=1").status == 400
