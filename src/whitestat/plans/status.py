"""What is used and left of a plan, by allowance, tariff and person, and how it will go on; pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, tzinfo
from itertools import pairwise
from typing import NamedTuple

from whitestat.core.model import Counts
from whitestat.plans.forecast import Forecast, forecast
from whitestat.plans.plan import Plan, Terms
from whitestat.plans.spans import bounds, day_of, day_start, days

HABIT_DAYS = 84
"""How many past days the forecast learns from."""


class UsageCell(NamedTuple):
    """Where usage is booked: the start of the plan's day (UTC seconds), the terms that held and the tariff's number."""

    day_s: int
    terms: int
    tariff: int


class Owner(NamedTuple):
    """Owner of usage: a device (None if unattributed), and its person on that day."""

    device: int | None
    person: str | None


class TopUp(NamedTuple):
    """More octets, or fewer, for the period that holds the instant (UTC seconds)."""

    id: int
    at_s: int
    pot: str
    octets: int


@dataclass(frozen=True, slots=True)
class PlanUsage:
    """All that is known of a plan's usage.

    `daily` is of all owners it applies to, as far back as matters; `usage` of the running period by owner, where all
    days may be one. `since_s` is from where on usage is classed, and `watched` are starts of days with any usage
    (None: all): the usage of other days is unknown.
    """

    terms: Sequence[Terms]
    since_s: int
    daily: Mapping[UsageCell, Counts]
    usage: Mapping[tuple[UsageCell, Owner], Counts]
    topups: Sequence[TopUp] = ()
    persons: Sequence[str] = ()
    watched: Collection[int] | None = None


class TodayShare(NamedTuple):
    """The plan's day: `used` of an allowance, and `may` be used in all so that the rest lasts (None: no end)."""

    used: int
    may: int | None

    @property
    def left(self) -> int | None:
        return None if self.may is None else self.may - self.used


class Allowance(NamedTuple):
    """An allowance: `available` is what the plan gives, `carried` and `topped_up`; None where it has no end.

    `left` may be below zero. `even` is what would be used by now at an even pace.
    """

    name: str
    tariffs: tuple[str, ...]
    allowance: int | None
    carried: int
    topped_up: int
    used: int
    even: int | None
    today: TodayShare
    forecast: Forecast | None

    @property
    def available(self) -> int | None:
        return None if self.allowance is None else self.allowance + self.carried + self.topped_up

    @property
    def left(self) -> int | None:
        return None if self.available is None else self.available - self.used


class InTariff(NamedTuple):
    """Octets that flowed in a tariff, and what they took of the allowance it draws on."""

    name: str
    pot: str
    factor_percent: int
    octets: int
    used: int


class AllowanceShare(NamedTuple):
    """A person's share of one allowance; None where the plan has no shares or the allowance no end."""

    name: str
    used: int
    available: int | None

    @property
    def left(self) -> int | None:
        return None if self.available is None else self.available - self.used


class PersonPart(NamedTuple):
    """A person of the plan; `person` None is usage without an owner."""

    person: str | None
    octets: int
    parts: tuple[AllowanceShare, ...]


class DevicePart(NamedTuple):
    device: int | None
    person: str | None
    octets: int
    used: int


class Day(NamedTuple):
    start_s: int
    octets: int
    used: int


@dataclass(frozen=True, slots=True)
class PlanStatus:
    """Where a plan stands at an instant: its period (UTC seconds), allowances, tariffs, people, devices and days."""

    plan: Plan
    terms: Terms
    now_s: int
    start_s: int
    end_s: int
    today_s: int
    tariff_now: str
    days_left: int
    pots: tuple[Allowance, ...]
    tariffs: tuple[InTariff, ...]
    persons: tuple[PersonPart, ...]
    devices: tuple[DevicePart, ...]
    days: tuple[Day, ...]
    topups: tuple[TopUp, ...]
    unsplit: int = 0
    """Octets that the meter could not tell apart into in and out."""
    own: bool = False
    """Whether it is one person's part alone: then it has no allowances, and the person's are shares of them."""

    def total(self, name: str) -> int | None:
        """The sum of a figure over all allowances, None where one of them has no end."""
        figures = [getattr(pot, name) for pot in self.pots]
        return None if None in figures else sum(figures)


def own_part(status: PlanStatus, person: str) -> PlanStatus | None:
    """What a plan tells one person: all of a plan of the person's own, a share of others, nothing of the house."""
    if (status.plan.person or "").casefold() == person.casefold():
        return status
    parts = tuple(part for part in status.persons if part.person and part.person.casefold() == person.casefold())
    if not parts:
        return None
    return replace(status, pots=(), tariffs=(), persons=parts, devices=(), days=(), topups=(), unsplit=0, own=True)


@dataclass(frozen=True, slots=True)
class Pricing:
    """What usage takes of each allowance: each octet was in one tariff, under the terms of its time."""

    plan: Plan
    by_id: Mapping[int, Plan] = field(default_factory=dict)

    def of(self, cells: Iterable[tuple[UsageCell, Counts]]) -> dict[str, int]:
        """By allowance; rounded once for each terms and tariff."""
        return self._by_pot(self._sums(cells))

    def tariffs(self, cells: Iterable[tuple[UsageCell, Counts]]) -> dict[str, tuple[int, int]]:
        """Octets, and what they took, by tariff."""
        sums: dict[str, tuple[int, int]] = {}
        for (terms, tariff), counts in self._sums(cells).items():
            plan = self.by_id[terms]
            name = plan.names[tariff]
            octets, used = sums.get(name, (0, 0))
            sums[name] = octets + counts.octets, used + plan.counted(name, counts)
        return sums

    def apart(self, groups: Sequence[Sequence[tuple[UsageCell, Counts]]]) -> list[dict[str, int]]:
        """As `of` for each group, such that the groups add up to all of them together, to the octet."""
        upto: dict[tuple[int, int], Counts] = {}
        steps = [self._by_pot(upto)]
        for group in groups:
            for key, counts in self._sums(group).items():
                upto[key] = upto[key].plus(counts) if key in upto else counts
            steps.append(self._by_pot(upto))
        return [{name: after[name] - before[name] for name in after} for before, after in pairwise(steps)]

    def _sums(self, cells: Iterable[tuple[UsageCell, Counts]]) -> dict[tuple[int, int], Counts]:
        sums: dict[tuple[int, int], Counts] = {}
        for cell, counts in cells:
            key = cell.terms, cell.tariff
            sums[key] = sums[key].plus(counts) if key in sums else counts
        return sums

    def _by_pot(self, sums: Mapping[tuple[int, int], Counts]) -> dict[str, int]:
        used = dict.fromkeys(self.plan.pots, 0)
        for (terms, tariff), counts in sums.items():
            plan = self.by_id[terms]
            used[self.plan.pot_of(plan.pot_of(plan.names[tariff]))] += plan.counted(plan.names[tariff], counts)
        return used


def plan_status(books: PlanUsage, now_s: int, zone: tzinfo) -> PlanStatus:
    """`books.terms` are those of one plan, the latest last, which holds."""
    terms = books.terms[-1]
    plan = terms.plan
    start_s, end_s = bounds(plan.period, now_s, zone)
    today = day_of(now_s, zone, plan.period.hour)
    today_s = day_start(today, zone, plan.period.hour)
    pricing = Pricing(plan, {row.id: row.plan for row in books.terms})
    own = [(cell, counts) for cell, counts in books.daily.items() if start_s <= cell.day_s < end_s]
    days_left = sum(1 for _ in days(today_s, end_s, zone, plan.period.hour))
    view = _View(books, plan, pricing, zone, now_s, (start_s, end_s), (today, today_s), days_left)
    topups = tuple(topup for topup in books.topups if start_s <= topup.at_s < end_s)
    pots = view.pots(own, topups)
    return PlanStatus(
        plan=plan,
        terms=terms,
        now_s=now_s,
        start_s=start_s,
        end_s=end_s,
        today_s=today_s,
        tariff_now=plan.clock(zone).at(now_s),
        days_left=days_left,
        pots=pots,
        tariffs=_tariffs(plan, pricing, own),
        persons=_persons(plan, pricing, books, pots),
        devices=_devices(pricing, books),
        days=view.days(own),
        topups=topups,
        unsplit=sum(counts.octets_unsplit for _, counts in own),
    )


class _View(NamedTuple):
    """A plan at an instant, while its figures are worked out."""

    books: PlanUsage
    plan: Plan
    pricing: Pricing
    zone: tzinfo
    now_s: int
    span: tuple[int, int]
    today: tuple[date, int]
    days_left: int

    def pots(self, own: Sequence[tuple[UsageCell, Counts]], topups: Sequence[TopUp]) -> tuple[Allowance, ...]:
        used = self.pricing.of(own)
        today = self.pricing.of((cell, counts) for cell, counts in own if cell.day_s >= self.today[1])
        carried = carried_into(self.books, self.pricing, self.span[0], self.zone)
        past = self._past()
        extra = {
            name: (carried.get(name, 0), sum(topup.octets for topup in topups if self.plan.pot_of(topup.pot) == name))
            for name in self.plan.pots
        }
        return tuple(
            self._pot(name, (used[name], today[name]), extra[name], {day: usage[name] for day, usage in past.items()})
            for name in self.plan.pots
        )

    def _pot(self, name: str, use: tuple[int, int], extra: tuple[int, int], past: Mapping[date, int]) -> Allowance:
        """`use` is that of the period and that of today, `extra` what was carried over and topped up."""
        allowance, (start_s, end_s), (used, today) = self.plan.pots[name], self.span, use
        available = None if allowance is None else allowance + sum(extra)
        even = None if available is None else available * (self.now_s - start_s) // (end_s - start_s)
        may = None if available is None else max(0, available - used + today) // max(1, self.days_left)
        day, day_s = self.today
        following_s = day_start(date.fromordinal(day.toordinal() + 1), self.zone, self.plan.period.hour)
        expected = forecast(
            past,
            used,
            day,
            today_part=(self.now_s - day_s) / max(1, following_s - day_s),
            end=day_of(end_s, self.zone, self.plan.period.hour),
            allowance=available,
        )
        tariffs = tuple(tariff for tariff in self.plan.names if self.plan.pot_of(tariff) == name)
        return Allowance(name, tariffs, allowance, *extra, used, even, TodayShare(today, may), expected)

    def _past(self) -> dict[date, dict[str, int]]:
        """What each whole day took of each allowance, of those since usage is classed that the forecast learns from."""
        hour, (today, today_s) = self.plan.period.hour, self.today
        first = date.fromordinal(today.toordinal() - HABIT_DAYS)
        since_s = max(self.books.since_s, day_start(first, self.zone, hour))
        watched = None if self.books.watched is None else {day_of(at_s, self.zone, hour) for at_s in self.books.watched}
        by_day: dict[date, list[tuple[UsageCell, Counts]]] = {}
        for day in days(since_s, today_s, self.zone, hour):
            if day_start(day, self.zone, hour) >= since_s and (watched is None or day in watched):
                by_day[day] = []
        for cell, counts in self.books.daily.items():
            day = day_of(cell.day_s, self.zone, hour)
            if day in by_day:
                by_day[day].append((cell, counts))
        return {day: self.pricing.of(cells) for day, cells in by_day.items()}

    def days(self, own: Sequence[tuple[UsageCell, Counts]]) -> tuple[Day, ...]:
        """Every day of the period so far."""
        hour = self.plan.period.hour
        starts = [day_start(day, self.zone, hour) for day in days(self.span[0], self.now_s + 1, self.zone, hour)]
        groups: dict[int, list[tuple[UsageCell, Counts]]] = {at_s: [] for at_s in starts}
        for cell, counts in own:
            at_s = day_start(day_of(cell.day_s, self.zone, hour), self.zone, hour)
            groups.setdefault(max(at_s, self.span[0]), []).append((cell, counts))
        ordered = sorted(groups.items())
        taken = self.pricing.apart([group for _, group in ordered])
        return tuple(
            Day(at_s, sum(counts.octets for _, counts in group), sum(used.values()))
            for (at_s, group), used in zip(ordered, taken, strict=True)
        )


def _tariffs(plan: Plan, pricing: Pricing, own: Sequence[tuple[UsageCell, Counts]]) -> tuple[InTariff, ...]:
    """Those of the plan, and those of earlier terms that were used in the period."""
    tariff_usage = pricing.tariffs(own)
    factors = {tariff.name: tariff.factor_percent for tariff in plan.tariffs}
    names = dict.fromkeys([*plan.names, *tariff_usage])
    return tuple(
        InTariff(name, plan.pot_of(name), factors.get(name, 100), *tariff_usage.get(name, (0, 0))) for name in names
    )


def _persons(plan: Plan, pricing: Pricing, books: PlanUsage, pots: Sequence[Allowance]) -> tuple[PersonPart, ...]:
    by_person: dict[str | None, list[tuple[UsageCell, Counts]]] = {}
    sharing = _weights(plan, books.persons)
    for name in sharing:
        by_person[name] = []
    for (cell, who), counts in books.usage.items():
        by_person.setdefault(_spelled(who.person, sharing), []).append((cell, counts))
    ordered = sorted(by_person.items(), key=lambda item: (item[0] is None, item[0] or ""))
    taken = pricing.apart([group for _, group in ordered])
    available = {pot.name: _shared(pot, plan, sharing) for pot in pots}
    return tuple(
        PersonPart(
            name,
            sum(counts.octets for _, counts in group),
            tuple(AllowanceShare(pot, octets, available[pot].get(name or "")) for pot, octets in used.items()),
        )
        for (name, group), used in zip(ordered, taken, strict=True)
    )


def _spelled(person: str | None, sharing: Iterable[str]) -> str | None:
    """As the plan spells the name."""
    if person is None:
        return None
    return next((spelling for spelling in sharing if spelling.casefold() == person.casefold()), person)


def _weights(plan: Plan, persons: Sequence[str]) -> dict[str, int]:
    """Return the people with a share, and their parts of the shared allowance."""
    if plan.equal:
        return dict.fromkeys(persons, 1)
    return {share.person: 0 if share.allowance is not None else share.parts for share in plan.shares}


def _shared(pot: Allowance, plan: Plan, weights: Mapping[str, int]) -> dict[str, int]:
    """Each one's part of an allowance; they add up to it, to the octet. Fixed amounts are of the plan's own."""
    if pot.available is None:
        return {}
    own = pot.name == plan.otherwise
    fixed = {share.person: share.allowance for share in plan.shares if share.allowance is not None and own}
    rest, total = max(0, pot.available - sum(fixed.values())), sum(weights.values())
    shares, upto = {}, 0
    for name, parts in weights.items():
        before, upto = upto, upto + parts
        shares[name] = fixed.get(name, rest * upto // max(1, total) - rest * before // max(1, total))
    return shares


def _devices(pricing: Pricing, books: PlanUsage) -> tuple[DevicePart, ...]:
    """The one that used most first."""
    by_device: dict[int | None, list[tuple[UsageCell, Counts]]] = {}
    person_of: dict[int | None, tuple[int, str | None]] = {}
    for (cell, who), counts in books.usage.items():
        by_device.setdefault(who.device, []).append((cell, counts))
        person_of[who.device] = max(person_of.get(who.device, (0, None)), (cell.day_s, who.person), key=lambda e: e[0])
    groups = list(by_device.items())
    taken = pricing.apart([group for _, group in groups])
    parts = (
        DevicePart(device, person_of[device][1], sum(counts.octets for _, counts in group), sum(used.values()))
        for (device, group), used in zip(groups, taken, strict=True)
    )
    return tuple(sorted(parts, key=lambda part: (-part.octets, part.device or 0)))


def carried_into(books: PlanUsage, pricing: Pricing, start_s: int, zone: tzinfo) -> dict[str, int]:
    """Octets by allowance that periods before the one of this start left to it, each under the terms of its end.

    A period that was not watched from its start leaves nothing: what was used in it is not known.
    """
    if books.terms[-1].plan.carry_most == 0:
        return {}
    carried: dict[str, int] = {}
    cells = sorted(books.daily.items())
    starts = [cell.day_s for cell, _ in cells]
    for low_s, high_s, terms in _periods(books, start_s, zone):
        used = Pricing(terms.plan, pricing.by_id).of(cells[bisect_left(starts, low_s) : bisect_left(starts, high_s)])
        topups = [topup for topup in books.topups if low_s <= topup.at_s < high_s]
        carried = _left(terms.plan, used, topups, carried)
    return carried


def _periods(books: PlanUsage, start_s: int, zone: tzinfo) -> list[tuple[int, int, Terms]]:
    """Those before that were watched from their start, the first one first."""
    intervals: list[tuple[int, int, Terms]] = []
    while True:
        terms = terms_at(books.terms, start_s - 1)
        low_s = bounds(terms.plan.period, start_s - 1, zone)[0]
        if low_s < books.since_s:
            return intervals[::-1]
        intervals.append((low_s, start_s, terms))
        start_s = low_s


def terms_at(terms: Sequence[Terms], at_s: int) -> Terms:
    """What held then; before all of them, the first."""
    return next((row for row in reversed(terms) if row.from_s <= at_s), terms[0])


def _left(plan: Plan, used: Mapping[str, int], topups: Iterable[TopUp], carried: Mapping[str, int]) -> dict[str, int]:
    remaining = {}
    for name, allowance in plan.pots.items():
        if allowance is not None:
            topped_up = sum(topup.octets for topup in topups if plan.pot_of(topup.pot) == name)
            left = max(0, allowance + carried.get(name, 0) + topped_up - used[name])
            remaining[name] = left if plan.carry_most is None else min(left, plan.carry_most)
    return remaining
