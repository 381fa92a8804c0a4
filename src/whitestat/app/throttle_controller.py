"""Controller that keeps the limits of plans in force, and reports slowed subjects."""

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
    """Installer of limits; raises ThrottleFault on failure."""

    def put(self, interfaces: Sequence[str], limits: Sequence[Limit]) -> None: ...


NO_ADDRESS = "none of its devices is known by a link or IP address here"


class Slowed(NamedTuple):
    """A subject with nothing left; `key` identifies it in the current period, which ends at `until_s` (UTC seconds).

    `fault` is why its limit is not in force; empty if it is in force or lifted.
    """

    subject: Subject
    key: str
    until_s: int
    lifted: bool
    fault: str = ""


class ThrottleReport(NamedTuple):
    """Subjects with nothing left, and the fault that keeps limits from being in force."""

    subjects: tuple[Slowed, ...] = ()
    fault: str = ""

    def key(self, name: str) -> str:
        """Return the key of the limit of this name. Raises Missing if there is none."""
        keys = {slowed.subject.name: slowed.key for slowed in self.subjects}
        if name not in keys:
            raise Missing(
                "name", f"no active limit named {name!r}{did_you_mean(name, keys)}; whitestat throttle lists them"
            )
        return keys[name]


class ThrottleController:
    """Controller, run with every look at the plans; blocks while limits are put in force."""

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
        """Put the current limits in force and yield conditions to report. `lifted` returns whether a key is lifted."""
        ruled = {
            plan_status.plan.name: plan_status for plan_status in plan_statuses if plan_status.plan.name in self._rules
        }
        slowed = []
        for subject in over(ruled.values(), self._rules):
            key = key_of(subject, text_of(ruled[subject.plan].start_s))
            slowed.append(Slowed(subject, key, ruled[subject.plan].end_s, lifted(key)))
        limits = self._limits([subject.subject for subject in slowed if not subject.lifted])
        addressed = [limit for limit in limits if limit.macs or limit.addresses]
        fault = self._put(addressed, bool(limits))
        names = {limit.name for limit in addressed}
        rows = [row._replace(fault=self._fault_of(row, names, fault)) for row in slowed]
        self.report = ThrottleReport(tuple(rows), fault)
        faults = list(dict.fromkeys(row.fault for row in rows if row.fault))
        text = f"Devices over their allowance are not slowed: {'; '.join(faults) or fault}"
        yield Condition("throttle", "throttle-failed", bool(fault or faults), not (fault or faults), text)
        for row in rows:
            if not row.lifted and not row.fault:
                yield Condition(row.key, "slowed", True, False, sentence(row.subject))

    def _fault_of(self, slowed: Slowed, names: set[str], fault: str) -> str:
        if slowed.lifted:
            return ""
        return fault or ("" if slowed.subject.name in names else f"{slowed.subject.name}: {NO_ADDRESS}")

    def _put(self, addressed: Sequence[Limit], is_wanted: bool) -> str:
        """Make these the limits; return the fault, empty if they are in force."""
        interfaces, fault = self._place() if is_wanted else ThrottlePlace(())
        if self._client is None:
            return fault or (self._why_not if is_wanted else "")
        limits = [] if fault else addressed
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
            row.id: [address_bytes(text) for text in row.addresses[:ADDRESSES_MOST]] for row in self._queries.devices()
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
