"""Keeps the limits in force that plans ask for, and tells who is slowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from whitestat.alerting.state import Condition
from whitestat.app.throttle_place import ThrottlePlace
from whitestat.core.errors import Missing
from whitestat.core.model import Address
from whitestat.core.suggestions import did_you_mean
from whitestat.core.units import address_bytes, rate_text
from whitestat.ledger.read.queries import Queries
from whitestat.throttle.client import ThrottleFault
from whitestat.throttle.limits import Limit
from whitestat.throttle.subjects import Rule, Subject, limits, over

if TYPE_CHECKING:  # loaded where there are plans
    from whitestat.plans.status import PlanStatus

ADDRESSES_MOST = 16
"""Of each device, the latest."""


class LimitSetter(Protocol):
    """Who puts limits in force; ThrottleFault where they are not."""

    def put(self, interfaces: Sequence[str], limits: Sequence[Limit]) -> None: ...


NO_ADDRESS = "none of its devices is known by a link or IP address here"


class Slowed(NamedTuple):
    """Who has nothing left; `key` stands for that in the running period, which ends at `until_s` (UTC seconds).

    `fault` is why its limit is not in force; empty where the limit was put in force, and for one that is lifted.
    """

    subject: Subject
    key: str
    until_s: int
    lifted: bool
    fault: str = ""


class ThrottleReport(NamedTuple):
    """Who has nothing left, with limits and without, and what keeps limits from being in force."""

    found: tuple[Slowed, ...] = ()
    fault: str = ""

    def key(self, name: str) -> str:
        """Return the key of the limit of this name. Raises Missing if there is none."""
        keys = {slowed.subject.name: slowed.key for slowed in self.found}
        if name not in keys:
            raise Missing(
                "name", f"no active limit named {name!r}{did_you_mean(name, keys)}; whitestat throttle lists them"
            )
        return keys[name]


class ThrottleController:
    """Asked with every look at the plans; blocks while limits are put in force."""

    def __init__(
        self,
        queries: Queries,
        client: LimitSetter | None,
        place: Callable[[], ThrottlePlace],
        rules: Mapping[str, Rule],
        why_not: str,
    ) -> None:
        """`place` is read with every look; `rules` by the name of the plan; `why_not` says why there is no client."""
        self._queries, self._client, self._place, self._rules = queries, client, place, rules
        self._why_not = why_not
        self.report = ThrottleReport()

    def look(
        self, plan_statuses: Sequence[PlanStatus], lifted: Callable[[str], bool], text_of: Callable[[int], str]
    ) -> Iterator[Condition]:
        """Put in force what holds now; what is worth telling. `lifted` says of a key whether its limit is."""
        ruled = {each.plan.name: each for each in plan_statuses if each.plan.name in self._rules}
        found = []
        for subject in over(ruled.values(), self._rules):
            key = key_of(subject, text_of(ruled[subject.plan].start_s))
            found.append(Slowed(subject, key, ruled[subject.plan].end_s, lifted(key)))
        limits = self._limits([each.subject for each in found if not each.lifted])
        held = [each for each in limits if each.macs or each.addresses]
        fault = self._put(held, bool(limits))
        names = {each.name for each in held}
        told = [each._replace(fault=self._fault_of(each, names, fault)) for each in found]
        self.report = ThrottleReport(tuple(told), fault)
        faults = list(dict.fromkeys(each.fault for each in told if each.fault))
        text = f"Devices over their allowance are not slowed: {'; '.join(faults) or fault}"
        yield Condition("throttle", "throttle-failed", bool(fault or faults), not (fault or faults), text)
        for each in told:
            if not each.lifted and not each.fault:
                yield Condition(each.key, "slowed", True, False, sentence(each.subject))

    def _fault_of(self, slowed: Slowed, held: set[str], fault: str) -> str:
        if slowed.lifted:
            return ""
        return fault or ("" if slowed.subject.name in held else f"{slowed.subject.name}: {NO_ADDRESS}")

    def _put(self, held: Sequence[Limit], is_wanted: bool) -> str:
        """Make these the limits; why they are not, empty where they are."""
        interfaces, fault = self._place() if is_wanted else ThrottlePlace(())
        if self._client is None:
            return fault or (self._why_not if is_wanted else "")
        limits = [] if fault else held
        try:
            self._client.put(interfaces if limits else (), limits)
        except ThrottleFault as refusal:
            return fault or str(refusal)
        return fault

    def _limits(self, subjects: Sequence[Subject]) -> list[Limit]:
        if not subjects:
            return []
        return limits(subjects, self._queries.episodes(), self._addresses())

    def _addresses(self) -> dict[int, list[Address]]:
        return {
            row.id: [address_bytes(each) for each in row.addresses[:ADDRESSES_MOST]] for row in self._queries.devices()
        }


def key_of(subject: Subject, period: str) -> str:
    """What stands for a subject in a period."""
    return f"slowed/{subject.plan}/{subject.person or ''}/{period}"


def sentence(subject: Subject) -> str:
    rate_bps = subject.rule.rate_bps
    what = "is cut off" if rate_bps is None else f"is slowed to {rate_text(rate_bps)}"
    if subject.person is None:
        return f"{subject.plan}: nothing is left, and everybody it is about {what}."
    return f"{subject.person} has nothing left of {subject.plan}, and {what}."
