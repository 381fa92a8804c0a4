"""Plans as objects of JSON, for the API and the commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, tzinfo
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

from whitestat.core.calendar import instant_text
from whitestat.core.model import Counts, Json
from whitestat.plans.forecast import Forecast
from whitestat.plans.spans import bounds
from whitestat.plans.status import Allowance, Owner, PersonPart, PlanStatus, Pricing, UsageCell

if TYPE_CHECKING:
    from whitestat.ledger.read.queries import PlanCells, PlanRow


def plan_fields(id: int, at: PlanStatus, zone: tzinfo, names: Mapping[int, str | None]) -> Json:
    """Return a plan as an object of JSON; amounts are octets, null if unlimited."""
    plan, persons = at.plan, [_person(person) for person in at.persons]
    totals: Json = {name: at.total(name) for name in ("used", "available", "left")}
    octets: object = sum(tariff.octets for tariff in at.tariffs)
    left = [pot.left for pot in at.pots]
    if at.own:
        totals, octets = {name: persons[0][name] for name in totals}, persons[0]["octets"]
        left = [part.left for part in at.persons[0].parts]
    return {
        "id": id,
        "name": plan.name,
        "of": {"point": plan.point, "person": plan.person, "device": plan.device, "label": plan.label},
        "direction": plan.direction,
        "start": instant_text(at.start_s, zone),
        "end": instant_text(at.end_s, zone),
        "period": plan.period.every if plan.period.every != "days" else f"{plan.period.length}d",
        "elapsed": _ratio(at.now_s - at.start_s, at.end_s - at.start_s),
        "days_left": at.days_left,
        "tariff": at.tariff_now,
        "octets": octets,
        **totals,
        "over": any(octets_left is not None and octets_left < 0 for octets_left in left),
        "own": at.own,
        "allowances": [_pot(pot, zone) for pot in at.pots],
        "tariffs": [
            {
                "name": tariff.name,
                "allowance": tariff.pot,
                "factor_percent": tariff.factor_percent,
                "octets": tariff.octets,
                "used": tariff.used,
            }
            for tariff in at.tariffs
        ],
        "persons": persons,
        "devices": [
            {
                "id": device.device,
                "name": names.get(device.device) if device.device is not None else None,
                "person": device.person,
                "octets": device.octets,
                "used": device.used,
            }
            for device in at.devices
        ],
        "days": [{"start": instant_text(day.start_s, zone), "octets": day.octets, "used": day.used} for day in at.days],
        "topups": [
            {"id": topup.id, "at": instant_text(topup.at_s, zone), "allowance": topup.pot, "octets": topup.octets}
            for topup in at.topups
        ],
        "notices": _notices(at),
    }


class PlanQuery(NamedTuple):
    """What rows tell apart (tariff, device, person), how long each is (day, period, total), and the span's start."""

    by: Sequence[str]
    step: str
    start_s: int


def usage_rows(row: PlanRow, usage: PlanCells, zone: tzinfo, query: PlanQuery) -> Iterator[tuple[Json, Owner]]:
    """Usage by step and what it is told apart by; `used` of the rows adds up to what all of them took.

    A step begins where the plan's day or period does, `total` at the start of the span.
    """
    by, plan = query.by, row.terms[-1].plan
    plans = {terms.id: terms.plan for terms in row.terms}
    groups: dict[tuple[int, str, Owner], list[tuple[UsageCell, Counts]]] = {}
    for (cell, who), counts in usage.items():
        at_s = {"day": cell.day_s, "period": bounds(plan.period, cell.day_s, zone)[0], "total": query.start_s}[
            query.step
        ]
        tariff = plans[cell.terms].names[cell.tariff] if "tariff" in by else ""
        known = Owner(who.device if "device" in by else None, who.person if "person" in by else None)
        groups.setdefault((at_s, tariff, known), []).append((cell, counts))
    ordered = sorted(groups.items(), key=lambda item: (item[0][:2], item[0][2].device or 0, item[0][2].person or ""))
    taken = Pricing(plan, plans).apart([group for _, group in ordered])
    for ((at_s, tariff, who), group), used in zip(ordered, taken, strict=True):
        counts = sum_of(counts for _, counts in group)
        split = not counts.octets_unsplit
        yield (
            {
                "start": instant_text(at_s, zone),
                **({"tariff": tariff} if "tariff" in by else {}),
                **({"person": who.person} if "person" in by else {}),
                "octets": counts.octets,
                "octets_in": counts.octets_in if split else None,
                "octets_out": counts.octets_out if split else None,
                "used": sum(used.values()),
            },
            who,
        )


def sum_of(several: Iterable[Counts]) -> Counts:
    return reduce(Counts.plus, several, Counts())


def _pot(pot: Allowance, zone: tzinfo) -> Json:
    return {
        "name": pot.name,
        "tariffs": list(pot.tariffs),
        "allowance": pot.allowance,
        "carried": pot.carried,
        "topped_up": pot.topped_up,
        "available": pot.available,
        "used": pot.used,
        "left": pot.left,
        "even": pot.even,
        "today": {"used": pot.today.used, "may": pot.today.may, "left": pot.today.left},
        "forecast": _forecast(pot.forecast),
    }


def _forecast(expected: Forecast | None) -> Json | None:
    if expected is None:
        return None
    return {
        "octets": expected.octets,
        "low": expected.low,
        "high": expected.high,
        "runs_out": _day(expected.runs_out),
        "earliest": _day(expected.earliest),
        "latest": _day(expected.latest),
    }


def _person(person: PersonPart) -> Json:
    available = (
        None if any(part.available is None for part in person.parts) else sum(p.available or 0 for p in person.parts)
    )
    used = sum(part.used for part in person.parts)
    return {
        "person": person.person,
        "octets": person.octets,
        "used": used,
        "available": available,
        "left": None if available is None else available - used,
        "allowances": [
            {"name": part.name, "used": part.used, "available": part.available, "left": part.left}
            for part in person.parts
        ],
    }


def _notices(at: PlanStatus) -> list[str]:
    if at.unsplit and at.plan.direction != "both":
        return [f"{at.unsplit} octets were counted without direction; they count as in"]
    return []


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 4)
