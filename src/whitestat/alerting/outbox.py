"""Messages on their way: kept until each address took them, tried less and less often, never in quiet hours; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from whitestat.core.calendar import DAY_S
from whitestat.ledger.tables.alarms import MessageRow as Message

WAITS_S = (60, 300, 1_800, 7_200, 21_600)
"""After the first failure, the second and so on; the last one again and again."""
GIVEN_UP_S = 3 * DAY_S
BODY_MOST = 4_000


def mark(url: str) -> str:
    """What stands for an address where it must not be read: addresses hold passwords."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]


def due(messages: Iterable[Message], now_ms: int, *, quiet: bool) -> list[Message]:
    """Those to be tried now, the oldest first."""
    return sorted(each for each in messages if each.next_ms <= now_ms and (each.urgent or not quiet))


def joined(messages: Sequence[Message]) -> tuple[str, str]:
    """(title, body) of several that go together, as after a quiet night."""
    if len(messages) == 1:
        return messages[0].title, messages[0].body
    body = "\n\n".join(f"{each.title}\n{each.body}" if each.body else each.title for each in messages)
    return f"{len(messages)} messages from WhiteStat", body[:BODY_MOST]


def after(message: Message, failed: frozenset[str], now_ms: int) -> Message | None:
    """What is left to do after a try: `failed` of the addresses it waited for. None when it is done, or given up."""
    waiting = message.waiting & failed
    if not waiting or now_ms - message.at_ms > GIVEN_UP_S * 1000:
        return None
    wait_s = WAITS_S[min(message.tries, len(WAITS_S) - 1)]
    return message._replace(waiting=waiting, tries=message.tries + 1, next_ms=now_ms + wait_s * 1000)


def results(marks: Mapping[str, str], answers: Sequence[Mapping[str, object]]) -> frozenset[str]:
    """Marks of the addresses that did not take a message; those that nobody answered for did not either."""
    took = {str(each.get("mark")) for each in answers if each.get("ok") is True}
    return frozenset(marks) - took
