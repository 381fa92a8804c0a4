"""Who is slowed now: whoever has nothing left of what is drawn on now; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from whitestat.core.model import Address, Episode, Network
from whitestat.throttle.limits import MOST, Limit

if TYPE_CHECKING:  # loaded where there are plans
    from whitestat.plans.status import PlanStatus


class Rule(NamedTuple):
    """What happens to who went over a plan: a rate in bits per second, or (None) nothing passes but to `spared`."""

    rate_bps: int | None
    spared: tuple[Network, ...] = ()


class Subject(NamedTuple):
    """Who is slowed under a plan: `person` None is all that the plan is about."""

    plan: str
    person: str | None
    devices: frozenset[int]
    rule: Rule

    @property
    def name(self) -> str:
        return f"{self.person} ({self.plan})" if self.person else self.plan


def over(plan_statuses: Iterable[PlanStatus], rules: Mapping[str, Rule]) -> list[Subject]:
    """Those who have nothing left in the tariff that holds now, under plans that slow (by name in `rules`).

    A plan with shares slows each person by what is left of the person's own; any other all that it is about.
    """
    return [
        subject for each in plan_statuses if each.plan.name in rules for subject in _over(each, rules[each.plan.name])
    ]


def limits(
    subjects: Iterable[Subject], episodes: Sequence[Episode], addresses: Mapping[int, Sequence[Address]]
) -> list[Limit]:
    """As many as there may be. `episodes` are those of all devices, `addresses` are those seen at devices lately.

    A device under several plans is slowed by the first of them.
    """
    found: list[Limit] = []
    taken: set[int] = set()
    for subject in subjects:
        devices = subject.devices - taken
        taken |= devices
        own = [each for each in episodes if each.device in devices]
        found_by = {each.address for each in own if each.mac is None and each.address}
        if subject.rule.rate_bps is None:
            found_by |= {address for device in devices for address in addresses.get(device, ())}
        macs = tuple(sorted({each.mac for each in own if each.mac}))
        found.append(Limit(subject.name, macs, tuple(sorted(found_by)), *subject.rule))
    return found[:MOST]


def _over(plan_status: PlanStatus, rule: Rule) -> Iterator[Subject]:
    pot = plan_status.plan.pot_of(plan_status.tariff_now)
    if plan_status.plan.equal or plan_status.plan.shares:
        for person in plan_status.persons:
            left = next((part.left for part in person.parts if part.name == pot), None)
            if person.person is not None and left is not None and left <= 0:
                devices = frozenset(
                    each.device for each in plan_status.devices if each.device and each.person == person.person
                )
                yield Subject(plan_status.plan.name, person.person, devices, rule)
        return
    left = next((each.left for each in plan_status.pots if each.name == pot), None)
    if left is not None and left <= 0:
        yield Subject(
            plan_status.plan.name, None, frozenset(each.device for each in plan_status.devices if each.device), rule
        )
