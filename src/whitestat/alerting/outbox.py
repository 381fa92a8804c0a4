"""Queue rules for messages: retried with growing pauses until each address accepted, never in quiet hours; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from whitestat.core.calendar import DAY_S
from whitestat.ledger.tables.alarms import MessageRow as Message

WAITS_S = (60, 300, 1_800, 7_200, 21_600)
"""Pauses after the first failure, the second and so on; the last one repeats."""
GIVEN_UP_S = 3 * DAY_S
BODY_MOST = 4_000


def mark(url: str) -> str:
    """Return an identifier of an address that reveals nothing of it: addresses contain passwords."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]


def due(messages: Iterable[Message], now_ms: int, *, quiet: bool) -> list[Message]:
    """Return the messages to send now, oldest first."""
    return sorted(message for message in messages if message.next_ms <= now_ms and (message.urgent or not quiet))


def joined(messages: Sequence[Message]) -> tuple[str, str]:
    """Return (title, body) of several messages sent as one, as after quiet hours."""
    if len(messages) == 1:
        return messages[0].title, messages[0].body
    body = "\n\n".join(f"{message.title}\n{message.body}" if message.body else message.title for message in messages)
    return f"{len(messages)} messages from WhiteStat", body[:BODY_MOST]


def after(message: Message, failed: frozenset[str], now_ms: int) -> Message | None:
    """Return the message after an attempt that failed for the addresses `failed`; None if sent to all or given up."""
    waiting = message.waiting & failed
    if not waiting or now_ms - message.at_ms > GIVEN_UP_S * 1000:
        return None
    wait_s = WAITS_S[min(message.tries, len(WAITS_S) - 1)]
    return message._replace(waiting=waiting, tries=message.tries + 1, next_ms=now_ms + wait_s * 1000)


def results(marks: Mapping[str, str], answers: Sequence[Mapping[str, object]]) -> frozenset[str]:
    """Return the marks of the addresses that did not accept a message, those without an answer included."""
    took = {str(answer.get("mark")) for answer in answers if answer.get("ok") is True}
    return frozenset(marks) - took
