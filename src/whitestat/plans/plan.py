"""Plans: the usage they count, their period, allowances and tariffs, as text and back; pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, NamedTuple

from whitestat.core.model import Counts
from whitestat.plans.tariff import Tariffs, Window

EVERYTHING = 100
"""The factor of a tariff that counts each octet as one, in percent; 0 is free."""


class Period(NamedTuple):
    """How long a plan's period is and when it begins, on the local clock.

    `every` is day, week, month or days. Weeks begin on `weekday` (0 is Monday), months on `day` (in a shorter month
    the last), and those of `length` days were counted from `since` (YYYYMMDD) on. All begin at `hour`, and so do
    the plan's days.
    """

    every: str = "month"
    day: int = 1
    weekday: int = 0
    length: int = 1
    since: int = 20000101
    hour: int = 0


MONTHS = Period()


class Tariff(NamedTuple):
    """Times of a name. Without an allowance of its own it draws on the plan's; `windows` are tried in their order."""

    name: str
    windows: tuple[Window, ...] = ()
    factor_percent: int = EVERYTHING
    allowance: int | None = None


class Share(NamedTuple):
    """A person's part of each allowance: so many parts of what is shared, or so many octets of the plan's own."""

    person: str
    parts: int = 1
    allowance: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """`otherwise` is what all time is called that is in no window. Octets of an allowance are those counted:
    `direction` is both, in or out, times the tariff's factor. `carry_most` is how much of what is left goes to the
    next period: 0 nothing, None all. `equal`: every person has the same share.
    """

    name: str
    allowance: int | None = None
    period: Period = MONTHS
    direction: str = "both"
    tariffs: tuple[Tariff, ...] = ()
    otherwise: str = "standard"
    carry_most: int | None = 0
    equal: bool = False
    shares: tuple[Share, ...] = ()
    point: str | None = None
    person: str | None = None
    device: str | None = None
    label: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The tariffs by number; 0 is that of all other time."""
        return (self.otherwise, *(tariff.name for tariff in self.tariffs))

    @property
    def pots(self) -> dict[str, int | None]:
        """What there is to draw on by the name of the tariff it belongs to; None where it has no end."""
        own = {tariff.name: tariff.allowance for tariff in self.tariffs if tariff.allowance is not None}
        return {self.otherwise: self.allowance, **own}

    def pot_of(self, tariff: str) -> str:
        """The allowance that a tariff draws on; one that the plan no longer has draws on the plan's own."""
        return tariff if tariff in self.pots else self.otherwise

    def clock(self, zone: tzinfo) -> Tariffs:
        windows = (window for tariff in self.tariffs for window in tariff.windows)
        return Tariffs(windows, zone, self.otherwise)

    def counted(self, tariff: str, counts: Counts) -> int:
        """What the octets of a tariff take of an allowance; those that a meter cannot split count as in."""
        into, out = counts.octets_in + counts.octets_unsplit, counts.octets_out
        octets = {"both": into + out, "in": into, "out": out}[self.direction]
        return octets * self._factor(tariff) // EVERYTHING

    def _factor(self, tariff: str) -> int:
        return next((entry.factor_percent for entry in self.tariffs if entry.name == tariff), EVERYTHING)

    def text(self) -> str:
        """As it is kept in the ledger; the same for the same plan."""
        return json.dumps({name: _cell(getattr(self, name)) for name in self.__slots__}, separators=(",", ":"))

    @classmethod
    def of(cls, text: str) -> Plan:
        """ValueError for what `text` never made. What another release had besides is passed over."""
        try:
            value = json.loads(text)
            fields = {name: _READ.get(name, _same)(value[name]) for name in cls.__slots__ if name in value}
            return cls(**fields)
        except (TypeError, KeyError, IndexError, RecursionError) as error:
            raise ValueError(f"not a plan: {error}") from error


class Terms(NamedTuple):
    """A plan as it held from an instant up to another (UTC seconds; None: still); usage is booked to its number."""

    id: int
    plan_id: int
    from_s: int
    until_s: int | None
    plan: Plan


def _cell(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(value)
    return [_cell(item) for item in value] if isinstance(value, tuple) else value


def _same(value: Any) -> Any:
    return value


def _tariff(row: Sequence[Any]) -> Tariff:
    name, windows, *rest = row
    return Tariff(name, tuple(Window(of, frozenset(days), low, high) for of, days, low, high in windows), *rest)


_READ: dict[str, Any] = {
    "period": lambda row: Period(*row),
    "tariffs": lambda rows: tuple(map(_tariff, rows)),
    "shares": lambda rows: tuple(Share(*row) for row in rows),
}
