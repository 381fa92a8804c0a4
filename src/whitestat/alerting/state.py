"""When something is told: once when it begins to hold, and again only after it was over; pure.

A condition has two edges. It holds above the upper one and is over below the lower one, so that a figure that
wavers about an edge is told once. Of conditions in one group that begin together (50, 80 and 100 percent after a
week without contact) the one of the highest rank is told; the others are noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

KEPT_MS = 400 * 86_400_000
"""What was raised so long ago, and is asked about no more, is forgotten."""


class Condition(NamedTuple):
    """Something that may be told. `key` names it for good: what is to be told anew each period has that in it.

    `text` is the sentence, `device` whom it is about, `urgent` whether it may be told in quiet hours. With `has_title`
    the first line of the text is the title of its message; `is_event` is whether its event exists already.
    """

    key: str
    kind: str
    holds: bool
    over: bool
    text: str
    group: str = ""
    rank: int = 0
    device: int | None = None
    urgent: bool = False
    has_title: bool = False
    is_event: bool = False


class Alarm(NamedTuple):
    """A condition that was told; `cleared_ms` is when it was over, None while it still may hold."""

    raised_ms: int
    cleared_ms: int | None = None


class AlarmStep(NamedTuple):
    """What is told now, and how what is remembered changes (None: is forgotten)."""

    told: tuple[Condition, ...]
    alarms: Mapping[str, Alarm | None]


def step(alarms: Mapping[str, Alarm], conditions: Iterable[Condition], now_ms: int) -> AlarmStep:
    """Compare what holds now with what was told before."""
    changed: dict[str, Alarm | None] = {}
    fresh: dict[str, Condition] = {}
    seen = set()
    for each in conditions:
        seen.add(each.key)
        held = alarms.get(each.key)
        raised = held is not None and held.cleared_ms is None
        if each.holds and not raised:
            changed[each.key] = Alarm(now_ms)
            group = each.group or each.key
            if group not in fresh or fresh[group].rank < each.rank:
                fresh[group] = each
        elif raised and held is not None and each.over:
            changed[each.key] = Alarm(held.raised_ms, now_ms)
    for key, held in alarms.items():
        if key not in seen and now_ms - max(held.raised_ms, held.cleared_ms or 0) > KEPT_MS:
            changed[key] = None
    return AlarmStep(tuple(fresh.values()), changed)
