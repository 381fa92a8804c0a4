"""Devices to slow now: those with nothing left of the allowance that is in use now; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from whitestat.core.model import Address, Episode, Network
from whitestat.throttle.limits import MOST, Limit

if TYPE_CHECKING:  # loaded where there are plans
    from whitestat.plans.status import PlanStatus


class Rule(NamedTuple):
    """Action when a plan is used up: a rate in bits per second, or None to block all but `spared`."""

    rate_bps: int | None
    spared: tuple[Network, ...] = ()


class Subject(NamedTuple):
    """Devices slowed under a plan: those of `person`, or if None all devices of the plan."""

    plan: str
    person: str | None
    devices: frozenset[int]
    rule: Rule

    @property
    def name(self) -> str:
        return f"{self.person} ({self.plan})" if self.person else self.plan


def over(plan_statuses: Iterable[PlanStatus], rules: Mapping[str, Rule]) -> list[Subject]:
    """Return the subjects with nothing left in the current tariff, of plans with a rule (by name in `rules`).

    A plan with shares applies to each person's own share; any other plan to all its devices.
    """
    return [
        subject
        for plan_status in plan_statuses
        if plan_status.plan.name in rules
        for subject in _over(plan_status, rules[plan_status.plan.name])
    ]


def limits(
    subjects: Iterable[Subject], episodes: Sequence[Episode], addresses: Mapping[int, Sequence[Address]]
) -> list[Limit]:
    """Return the limits, at most MOST. `episodes` are those of all devices, `addresses` the recent ones of each device.

    A device under several plans is slowed by the first of them.
    """
    result: list[Limit] = []
    taken: set[int] = set()
    for subject in subjects:
        devices = subject.devices - taken
        taken |= devices
        own = [episode for episode in episodes if episode.device in devices]
        device_addresses = {episode.address for episode in own if episode.mac is None and episode.address}
        if subject.rule.rate_bps is None:
            device_addresses |= {address for device in devices for address in addresses.get(device, ())}
        macs = tuple(sorted({episode.mac for episode in own if episode.mac}))
        result.append(Limit(subject.name, macs, tuple(sorted(device_addresses)), *subject.rule))
    return result[:MOST]


def _over(plan_status: PlanStatus, rule: Rule) -> Iterator[Subject]:
    pot = plan_status.plan.pot_of(plan_status.tariff_now)
    if plan_status.plan.equal or plan_status.plan.shares:
        for person in plan_status.persons:
            left = next((part.left for part in person.parts if part.name == pot), None)
            if person.person is not None and left is not None and left <= 0:
                devices = frozenset(
                    row.device for row in plan_status.devices if row.device and row.person == person.person
                )
                yield Subject(plan_status.plan.name, person.person, devices, rule)
        return
    left = next((allowance.left for allowance in plan_status.pots if allowance.name == pot), None)
    if left is not None and left <= 0:
        yield Subject(
            plan_status.plan.name, None, frozenset(row.device for row in plan_status.devices if row.device), rule
        )
