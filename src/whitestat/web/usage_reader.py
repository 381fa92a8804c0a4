"""Queries that handlers may use: those about what a caller may see, and those about the household as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from whitestat.core.model import Coverage, Episode, Json
from whitestat.ledger.read.gaps import Gaps
from whitestat.ledger.read.queries import AddressTimes, DeviceRow, UsageQuery, UsageResult, UsageRow
from whitestat.ledger.tables.people import EditRow, EventRow, ProposalRow, RowKey, RowValues

if TYPE_CHECKING:
    from whitestat.ledger.read.queries import PlanCells, PlanRow
    from whitestat.plans.status import PlanStatus


class UsageReader(Protocol):
    """Queries about what a caller may see: `Queries` answers about everything, `RestrictedQueries` about one person.

    The methods are described there.
    """

    @property
    def household(self) -> HouseholdReader | None:
        """Queries about the household as a whole; None for a person."""

    def usage(self, question: UsageQuery) -> list[UsageRow]: ...

    def answer(self, question: UsageQuery) -> UsageResult: ...

    def days(self, start_s: int, end_s: int) -> dict[tuple[int, int], tuple[int, int]]: ...

    def coverage(self, start_s: int, end_s: int) -> dict[str, Coverage]: ...

    def plan_statuses(self, now_s: int) -> dict[int, PlanStatus]: ...

    def plan_usage(self, plan: int, start_s: int, end_s: int) -> tuple[PlanRow, PlanCells]: ...

    def points(self) -> list[str]: ...

    def persons(self) -> list[str]: ...

    def devices(self) -> list[DeviceRow]: ...

    def address_times(self, device: int) -> list[AddressTimes]: ...

    def episodes(self) -> list[Episode]: ...

    def picture(self) -> dict[str, dict[RowKey, RowValues]]: ...

    def export(self, device: int) -> dict[str, list[Json]]: ...

    def proposals(self) -> list[ProposalRow]: ...

    def edits(self, most: int = 200) -> list[EditRow]: ...

    def events(self, most: int = 200) -> list[EventRow]: ...


class HouseholdReader(UsageReader, Protocol):
    """Queries about the household as a whole, which do not exist for a person."""

    def held(self, person: str) -> dict[int, tuple[tuple[int, int | None], ...]]: ...

    def gaps(self, start_s: int, end_s: int, now_s: int) -> Gaps: ...

    def since_s(self) -> int | None: ...

    def octets_on_disk(self) -> int: ...

    def octets_free(self) -> int: ...
