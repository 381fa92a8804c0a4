"""State of alerts: a condition is reported once when it begins, and again only after it ended; pure.

A condition has two edges. It holds above the upper one and is over below the lower one, so that a figure that
wavers about an edge is reported once. Of conditions in one group that begin together (50, 80 and 100 percent after a
week without contact) the one of the highest rank is reported; the others are recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

KEPT_MS = 400 * 86_400_000
"""Age at which alarms without a condition are removed."""


class Condition(NamedTuple):
    """A condition to report. `key` identifies it for good; one that is reported in each period contains the period.

    `text` is the sentence, `device` the device concerned, `urgent` whether it is sent in quiet hours. With `has_title`
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
    """A reported condition; `cleared_ms` is its end, None while it may still hold."""

    raised_ms: int
    cleared_ms: int | None = None


class AlarmStep(NamedTuple):
    """Conditions to report now, and changes to the alarms (None to remove one)."""

    reported: tuple[Condition, ...]
    alarms: Mapping[str, Alarm | None]


def step(alarms: Mapping[str, Alarm], conditions: Iterable[Condition], now_ms: int) -> AlarmStep:
    """Compare the current conditions with the alarms."""
    changed: dict[str, Alarm | None] = {}
    fresh: dict[str, Condition] = {}
    seen = set()
    for condition in conditions:
        seen.add(condition.key)
        alarm = alarms.get(condition.key)
        raised = alarm is not None and alarm.cleared_ms is None
        if condition.holds and not raised:
            changed[condition.key] = Alarm(now_ms)
            group = condition.group or condition.key
            if group not in fresh or fresh[group].rank < condition.rank:
                fresh[group] = condition
        elif raised and alarm is not None and condition.over:
            changed[condition.key] = Alarm(alarm.raised_ms, now_ms)
    for key, alarm in alarms.items():
        if key not in seen and now_ms - max(alarm.raised_ms, alarm.cleared_ms or 0) > KEPT_MS:
            changed[key] = None
    return AlarmStep(tuple(fresh.values()), changed)
