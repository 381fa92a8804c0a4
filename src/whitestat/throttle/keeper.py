"""Keeps the limits in force that plans ask for, and tells who is slowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from whitestat.ledger.queries import Queries
from whitestat.model import Address
from whitestat.throttle.client import ThrottleFault
from whitestat.throttle.limits import Limit
from whitestat.throttle.subjects import Rule, Subject, limits, over
from whitestat.units import address_bytes, rate_text
from whitestat.watch.rules import Condition

if TYPE_CHECKING:  # loaded where there are plans
    from whitestat.plans.standing import Standing

ADDRESSES_MOST = 16
"""Of each device, the latest."""


class Putting(Protocol):
    """Who puts limits in force; ThrottleFault where they are not."""

    def put(self, interfaces: Sequence[str], limits: Sequence[Limit]) -> None: ...


class Slowed(NamedTuple):
    """Who has nothing left; `key` stands for that in the running period, which ends at `until_s` (UTC seconds)."""

    subject: Subject
    key: str
    until_s: int
    lifted: bool


class Report(NamedTuple):
    """Who has nothing left, with limits and without, and what keeps limits from being in force."""

    found: tuple[Slowed, ...] = ()
    fault: str = ""


class Keeper:
    """Asked with every look at the plans; blocks while limits are put in force."""

    def __init__(
        self,
        queries: Queries,
        client: Putting | None,
        interfaces: Sequence[str],
        rules: Mapping[str, Rule],
        why_not: str,
    ) -> None:
        """`rules` by the name of the plan; `why_not` says why there is no client."""
        self._queries, self._client, self._interfaces, self._rules = queries, client, tuple(interfaces), rules
        self._why_not = why_not
        self.report = Report()

    def look(
        self, standings: Sequence[Standing], lifted: Callable[[str], bool], text_of: Callable[[int], str]
    ) -> Iterator[Condition]:
        """Put in force what holds now; what is worth telling. `lifted` says of a key whether its limit is."""
        ruled = {each.plan.name: each for each in standings if each.plan.name in self._rules}
        found = []
        for subject in over(ruled.values(), self._rules):
            key = key_of(subject, text_of(ruled[subject.plan].start_s))
            found.append(Slowed(subject, key, ruled[subject.plan].end_s, lifted(key)))
        kept = [each for each in found if not each.lifted]
        fault = self._put([each.subject for each in kept])
        self.report = Report(tuple(found), fault)
        text = f"Who went over is not slowed: {fault}"
        yield Condition("throttle", "throttle-failed", bool(fault), not fault, text)
        for each in kept if not fault else ():
            yield Condition(each.key, "slowed", True, False, sentence(each.subject))

    def _put(self, subjects: Sequence[Subject]) -> str:
        if self._client is None:
            return self._why_not if subjects else ""
        try:
            self._client.put(self._interfaces if subjects else (), self._limits(subjects))
        except ThrottleFault as fault:
            return str(fault)
        return ""

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
