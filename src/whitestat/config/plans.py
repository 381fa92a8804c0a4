"""Keys of `[[plan]]` with their descriptions and kinds of value, and the plan made from them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any

from whitestat.config.schema import HOUR, NAME, NETWORKS, TEXT, ConfigKey, ValueKind
from whitestat.core.units import FASTEST_BPS, SLOWEST_BPS, octets_of, octets_written, rate_of, rate_written
from whitestat.plans.plan import Period, Plan, Share, Tariff
from whitestat.plans.tariff import MINUTES_A_DAY, Window

PLANS_MAX, TARIFFS_MAX, SHARES_MAX = 16, 16, 64
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT = tuple(day[:3] for day in DAYS)
_FACTORS = {"free": 0, "half": 50, "full": 100, "double": 200}
_WHEN = re.compile(
    r"(?:(?P<days>[a-z,\- ]+?))?\s*(?:(?P<low>[0-9]{1,2}:[0-9]{2})\s*-\s*(?P<high>[0-9]{1,2}:[0-9]{2}))?"
)


def _word(*words: str) -> ValueKind:
    def read(value: str) -> str:
        if value not in words:
            raise ValueError(value)
        return value

    return ValueKind(f"one of {', '.join(words)}", (str,), read)


def _period(value: str) -> tuple[str, int]:
    match = re.fullmatch(r"([0-9]{1,3})d", value)
    if match and 1 <= int(match[1]) <= 400:
        return "days", int(match[1])
    if value not in ("day", "week", "month"):
        raise ValueError(value)
    return value, 1


def _begins(value: str | int | date) -> int | str | date:
    if isinstance(value, int) and 1 <= value <= 31:
        return value
    if type(value) is date and 1970 <= value.year < 2200:
        return value
    if value in DAYS:
        return value
    return _begins(date.fromisoformat(str(value)))


def _owner(value: str) -> tuple[str, str]:
    kind, _, name = value.partition(" ")
    if (kind, name) == ("everyone", ""):
        return kind, name
    if kind not in ("person", "device", "label") or not name.strip():
        raise ValueError(value)
    return kind, str(TEXT.read(name.strip()))


def _carry(value: str) -> int | None:
    return {"none": 0, "all": None}[value] if value in ("none", "all") else octets_of(value)


def _factor(value: str) -> int:
    match = re.fullmatch(r"([0-9]{1,4})\s*%", value)
    percent = int(match[1]) if match else _FACTORS.get(value, -1)
    if not 0 <= percent <= 1000:
        raise ValueError(value)
    return percent


def _parts(value: int) -> int:
    if not 1 <= value <= 1000:
        raise ValueError(value)
    return value


def _weekday(word: str) -> int:
    word = word.strip()
    return DAYS.index(word) if word in DAYS else _SHORT.index(word)


def _weekdays(text: str) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        low = _weekday(first)
        high = _weekday(last) if "-" in part else low
        yield from ((low + offset) % 7 for offset in range((high - low) % 7 + 1))


def _minute(text: str, most: int) -> int:
    hour, _, minute = text.partition(":")
    minutes = int(hour) * 60 + int(minute)
    if int(minute) > 59 or minutes > most:
        raise ValueError(text)
    return minutes


def _when(value: str) -> Window:
    """`mon-fri 22:00-06:00`, `sat,sun` or `00:00-06:00`; a window over midnight belongs to the day it began on."""
    match = _WHEN.fullmatch(value.strip().lower())
    if not match or not match[0]:
        raise ValueError(value)
    days = frozenset(_weekdays(match["days"])) if match["days"] else frozenset(range(7))
    if not match["low"]:
        return Window("", days, 0, MINUTES_A_DAY)
    low, high = _minute(match["low"], MINUTES_A_DAY - 1), _minute(match["high"], MINUTES_A_DAY)
    if low == high:
        raise ValueError(value)
    return Window("", days, low, high)


AMOUNT = ValueKind(
    'an amount like "400GB" or "40GiB"',
    (str,),
    octets_of,
    lambda octets: json.dumps(octets_written(octets)),
)
PERIOD = ValueKind(
    'day, week, month, or days like "30d"',
    (str,),
    _period,
    lambda value: json.dumps(value[0] if value[0] != "days" else f"{value[1]}d"),
)
BEGINS = ValueKind(
    "a whole number from 1 to 31, a weekday like monday, or a date like 2026-11-01",
    (int, str, date),
    _begins,
    lambda value: json.dumps(value if isinstance(value, int | str) else value.isoformat()),
)
OWNER = ValueKind(
    'everyone, "person Anna", "device phone" (its MAC, address or name) or "label kids"',
    (str,),
    _owner,
    lambda value: json.dumps(" ".join(value).strip()),
)
DIRECTION = _word("both", "in", "out")
SHARES = _word("none", "equal")
CARRY = ValueKind(
    '"none", "all", or at most an amount like "20GB"',
    (str,),
    _carry,
    lambda octets: json.dumps("all" if octets is None else octets_written(octets) if octets else "none"),
)
FACTOR = ValueKind(
    '"free", "half", "full", "double" or a percentage like "25%"',
    (str,),
    _factor,
    lambda percent: json.dumps(next((word for word, value in _FACTORS.items() if value == percent), f"{percent}%")),
)
PARTS = ValueKind("a whole number from 1 to 1000", (int,), _parts)
WHEN = ValueKind('times like "mon-fri 22:00-06:00", "sat,sun" or "00:00-06:00"', (str,), _when, many=True)


def _when_over(value: str) -> int | None:
    """Bits per second; 0 cuts off, None does nothing."""
    if value in ("nothing", "block"):
        return None if value == "nothing" else 0
    rate_bps = rate_of(value)
    if not SLOWEST_BPS <= rate_bps <= FASTEST_BPS:
        raise ValueError(value)
    return rate_bps


WHEN_OVER = ValueKind(
    '"nothing", a rate like "1Mbit/s" (from 8kbit/s to 100Gbit/s) or "block"',
    (str,),
    _when_over,
    lambda rate: json.dumps("nothing" if rate is None else rate_written(rate) if rate else "block"),
)


@dataclass(frozen=True, slots=True)
class TariffConfig:
    """Times of a plan that have their own allowance or factor."""

    name: Annotated[str, ConfigKey("Name of the tariff.", NAME, '"off-peak"')]
    when: Annotated[
        tuple[Window, ...],
        ConfigKey(
            "Weekdays, local hours, or both; a window over midnight belongs to the day that it begins on.",
            WHEN,
            '["22:00-06:00", "sat,sun"]',
        ),
    ]
    allowance: Annotated[
        int | None,
        ConfigKey(
            "Allowance of a period in these times; without it they use the plan's allowance.", AMOUNT, '"1000GB"'
        ),
    ] = None
    factor: Annotated[int, ConfigKey("Factor by which usage in these times counts.", FACTOR)] = 100


@dataclass(frozen=True, slots=True)
class ShareConfig:
    """A person's share of a plan."""

    person: Annotated[str, ConfigKey("Person who has the share.", TEXT, '"Anna"')]
    parts: Annotated[int, ConfigKey("Number of parts of the shared allowance.", PARTS)] = 1
    allowance: Annotated[
        int | None, ConfigKey("A fixed amount of the plan's own allowance instead of parts.", AMOUNT, '"10GB"')
    ] = None


@dataclass(frozen=True, slots=True)
class PlanConfig:
    """An allowance of data in a period."""

    name: Annotated[str, ConfigKey("Name of the plan.", NAME, '"line"')]
    allowance: Annotated[
        int | None,
        ConfigKey(
            "Allowance of a period; 1 GB is 1000 MB, 1 GiB 1024 MiB; without it usage is only counted.",
            AMOUNT,
            '"400GB"',
        ),
    ] = None
    period: Annotated[tuple[str, int], ConfigKey("Length of a period.", PERIOD)] = ("month", 1)
    begins: Annotated[
        int | str | date,
        ConfigKey(
            "First day of the period: a day of the month (31 is the last), a weekday, or a date for days.", BEGINS
        ),
    ] = 1
    hour: Annotated[int, ConfigKey("The local hour at which periods and the plan's days begin.", HOUR)] = 0
    direction: Annotated[str, ConfigKey("Direction that counts: in is download, out is upload.", DIRECTION)] = "both"
    otherwise: Annotated[str, ConfigKey("Name of the time outside all tariffs.", NAME)] = "standard"
    carry_over: Annotated[int | None, ConfigKey("How much of the unused allowance goes to the next period.", CARRY)] = 0
    shares: Annotated[
        str, ConfigKey("Whether all people have equal shares; `[[plan.share]]` sets other shares.", SHARES)
    ] = "none"
    point: Annotated[str | None, ConfigKey("Only usage counted at this point.", NAME, '"lan"')] = None
    of: Annotated[tuple[str, str], ConfigKey("Person, device or label that the plan applies to.", OWNER)] = (
        "everyone",
        "",
    )
    when_over: Annotated[
        int | None,
        ConfigKey(
            "Action of this gateway when nothing is left: for each share, or without shares for all devices.",
            WHEN_OVER,
            '"block"',
            otherwise='`"nothing"`',
        ),
    ] = None
    spare: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        ConfigKey("Networks that stay reachable for blocked devices.", NETWORKS, '["203.0.113.0/24"]'),
    ] = ()
    tariffs: tuple[TariffConfig, ...] = ()
    given: tuple[ShareConfig, ...] = ()


def plan_of(config: PlanConfig) -> Plan:
    kind, whose = config.of
    tariffs = (
        Tariff(
            tariff.name,
            tuple(window._replace(tariff=tariff.name) for window in tariff.when),
            tariff.factor,
            tariff.allowance,
        )
        for tariff in config.tariffs
    )
    return Plan(
        config.name,
        config.allowance,
        _period_of(config),
        config.direction,
        tuple(tariffs),
        config.otherwise,
        config.carry_over,
        config.shares == "equal",
        tuple(Share(share.person, share.parts, share.allowance) for share in config.given),
        config.point,
        **({} if kind == "everyone" else {kind: whose}),
    )


def _period_of(config: PlanConfig) -> Period:
    (every, length), begins = config.period, config.begins
    period = Period(every, length=length, hour=config.hour)
    if isinstance(begins, date):
        return period._replace(since=begins.year * 10_000 + begins.month * 100 + begins.day)
    if isinstance(begins, str):
        return period._replace(weekday=DAYS.index(begins))
    return period._replace(day=begins)


def faults(row: Mapping[str, Any], points: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each contradiction in the values of a plan as its key and the fault."""
    yield from _begins_faults(row)
    point = row.get("point")
    if point and points and point not in points:
        yield "point", f"there is no [[point]] named {point!r}; there are: {', '.join(points)}"
    otherwise = row.get("otherwise", "standard")
    if otherwise in [tariff.get("name") for tariff in row["tariffs"]]:
        yield "otherwise", f"{otherwise!r} is the name of a [[plan.tariff]] too"
    if row.get("spare") and row.get("when_over") != 0:
        yield "spare", 'has a meaning only where when_over is "block"'
    if row["given"] and row.get("shares") == "equal":
        yield "shares", "cannot be equal where [[plan.share]] sets shares"
    fixed = sum(share.get("allowance") or 0 for share in row["given"])
    if row.get("allowance") and fixed > row["allowance"]:
        yield "share", f"the fixed shares are {octets_written(fixed)}, more than the plan's allowance"
    for key, name, most in (("tariffs", "tariff", TARIFFS_MAX), ("given", "share", SHARES_MAX)):
        if len(row[key]) > most:
            yield name, f"there may be at most {most}, got {len(row[key])}"


_BEGIN_WITH: dict[str, tuple[type, str] | None] = {
    "day": None,
    "week": (str, "a weekday like monday"),
    "month": (int, "a day of the month"),
    "days": (date, "a date like 2026-11-01"),
}


def _begins_faults(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    period = row.get("period", ("month", 1))
    expected = _BEGIN_WITH[period[0]]
    if expected is None:
        if "begins" in row:
            yield "begins", "has no meaning for a period of a day; `hour` sets its beginning"
    elif "begins" in row and not isinstance(row["begins"], expected[0]):
        yield "begins", f"must be {expected[1]} where the period is {_period_words(period)}"
    elif period[0] == "days" and "begins" not in row:
        yield "begins", f"is missing: a period of {_period_words(period)} needs a first day, {expected[1]}"


def _period_words(period: tuple[str, int]) -> str:
    return f"{period[1]}d" if period[0] == "days" else f"a {period[0]}"
