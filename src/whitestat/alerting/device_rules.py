"""Conditions to warn about, from the usage and the arrival of devices; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from whitestat.alerting.moment import Moment
from whitestat.alerting.state import Condition
from whitestat.core.units import octets_text

NEW_MS = 3_600_000
"""Age in ms up to which a new device is reported after a restart."""


class User(NamedTuple):
    """Octets of a device in the last hour; `name` is the text shown, empty if unattributed."""

    device: int | None
    name: str
    octets: int


class NewDevice(NamedTuple):
    """A device seen for the first time: the number of its event, its name (may be empty) and the time, UTC ms."""

    event: int
    name: str
    at_ms: int


def burst(users: Sequence[User], limit: int, moment: Moment) -> list[Condition]:
    """Return the condition for more than `limit` octets on the line in the last hour, naming the largest device."""
    octets = sum(user.octets for user in users)
    most = max(users, key=lambda user: user.octets, default=User(None, "", 0))
    largest = f" Most by {most.name or 'unattributed traffic'}: {octets_text(most.octets)}." if octets else ""
    text = f"{octets_text(octets)} in the last hour, more than {octets_text(limit)}.{largest}"
    return [Condition("burst", "burst", octets > limit, octets <= limit // 2, text, device=most.device)]


def new_devices(devices: Sequence[NewDevice], is_on: bool, moment: Moment) -> list[Condition]:
    """Return a condition for each device that is new within the last hour; their events exist already."""
    return [
        Condition(
            f"event/{device.event}",
            "new-device",
            True,
            False,
            f"New device: {device.name or 'without a name'}.",
            is_event=True,
        )
        for device in devices
        if device.at_ms > moment.now_ms - NEW_MS
    ]
