"""Keys of `[watch]` and `[notify]` with their descriptions and kinds of value."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from whitestat.config.schema import DURATION, FLAG, PATH, ConfigKey, ValueKind
from whitestat.core.quiet_hours import Quiet
from whitestat.core.units import octets_of, octets_written


def _percent(value: int) -> int:
    if not 1 <= value <= 1000:
        raise ValueError(value)
    return value


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    if not re.fullmatch(r"[0-9]{1,2}:[0-9]{2}", text) or int(hour) > 23 or int(minute) > 59:
        raise ValueError(text)
    return int(hour) * 60 + int(minute)


def _alert(name: str) -> str:
    """Only the form is checked here; `alerting.rules.check_names` has the table of names."""
    if not re.fullmatch("[a-z-]{1,40}", name):
        raise ValueError(name)
    return name


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _quiet(value: str) -> Quiet:
    start, _, end = value.partition("-")
    quiet = Quiet(_minute(start.strip()), _minute(end.strip()))
    if quiet.start == quiet.end:
        raise ValueError(value)
    return quiet


PERCENTS = ValueKind(
    "whole numbers from 1 to 1000", (int,), _percent, lambda percents: json.dumps(list(percents)), many=True
)
PERCENT = ValueKind("a whole number from 1 to 1000", (int,), _percent)
AMOUNT = ValueKind(
    'an amount like "500MB" or "1GiB"', (str,), octets_of, lambda octets: json.dumps(octets_written(octets))
)
ALERTS = ValueKind("names of alerts", (str,), _alert, lambda names: json.dumps(list(names)), many=True)
CLOCK = ValueKind('a time like "07:00"', (str,), _minute, lambda minute: json.dumps(_clock(minute)))
QUIET = ValueKind(
    'times like "22:00-07:00"',
    (str,),
    _quiet,
    lambda quiet: json.dumps(f"{_clock(quiet.start)}-{_clock(quiet.end)}"),
)


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """Alerts; the list of events has all of them."""

    percent: Annotated[
        tuple[int, ...],
        ConfigKey("Percentages of an allowance, or of a person's share, that raise an alert.", PERCENTS),
    ] = (80, 100)
    forecast: Annotated[
        bool, ConfigKey("Whether to alert when an allowance will not last at the current pace.", FLAG)
    ] = True
    burst: Annotated[
        int | None, ConfigKey("Alert when the line carried more than this in an hour.", AMOUNT, example='"500MB"')
    ] = None
    unreachable_s: Annotated[
        int, ConfigKey("Alert when a point could not be read for this long.", DURATION, name="unreachable")
    ] = 600
    coverage: Annotated[
        int,
        ConfigKey("Alert when less than this percentage of an hour's usage could be attributed to devices.", PERCENT),
    ] = 90
    daily: Annotated[
        int | None,
        ConfigKey("Time of the daily summary of the day before; without it none is sent.", CLOCK, example='"07:00"'),
    ] = None
    period: Annotated[bool, ConfigKey("Whether to send a summary of a plan's period when it ends.", FLAG)] = True
    off: Annotated[
        tuple[str, ...],
        ConfigKey("Alerts that are switched off, by the name of their event.", ALERTS, example='["unreachable"]'),
    ] = ()


def _address(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9+]{2,20}://[\x21-\x7e]{1,500}", value):
        raise ValueError("not an address")
    return value


_PAGE_MAY = (
    *("ntfy", "ntfys", "mailto", "mailtos", "tgram", "discord", "gotify", "gotifys", "pover", "matrix", "matrixs"),
    *("signal", "signals", "slack", "pbul"),
)
_READS_FILES = re.compile(r"[?&](?:template|pgpkey|pgp|keyfile|key|attach\w*)=", re.IGNORECASE)
"""Parameters by which Apprise reads files of this machine, or could."""


def _address_of_page(value: str) -> str:
    if _address(value).partition("://")[0].lower() not in _PAGE_MAY or _READS_FILES.search(value):
        raise ValueError("not for the page")
    return value


ADDRESSES = ValueKind(
    "addresses as Apprise takes them, like ntfys://ntfy.sh/my-house",
    (str,),
    _address,
    lambda urls: json.dumps(list(urls)),
    many=True,
)
ADDRESSES_OF_PAGE = ADDRESSES._replace(
    words=f"addresses like ntfys://ntfy.sh/my-house, that begin with {', '.join(_PAGE_MAY)}, without a file in them",
    read=_address_of_page,
)


@dataclass(frozen=True, slots=True)
class NotifyConfig:
    """Recipients of messages."""

    to: Annotated[
        tuple[str, ...],
        ConfigKey(
            "Addresses that messages go to: ntfy, e-mail and others, as Apprise takes them.",
            ADDRESSES,
            example='["ntfys://ntfy.sh/my-house"]',
            hidden=True,
            secret=True,
            narrowed=ADDRESSES_OF_PAGE,
        ),
    ] = field(default=(), repr=False)
    file: Annotated[
        Path | None,
        ConfigKey(
            "A file of Apprise addresses, one per line; only its owner may read it (mode 600).",
            PATH,
            '"/etc/whitestat/notify.urls"',
        ),
    ] = None
    quiet: Annotated[
        Quiet | None,
        ConfigKey(
            "Quiet hours: only urgent messages are sent; the others follow at the end.", QUIET, example='"22:00-07:00"'
        ),
    ] = None
    devices: Annotated[bool, ConfigKey("Whether to send messages about new devices.", FLAG)] = True
