"""Statements that read rows of services and peers: series, conditions and the columns to group by."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from whitestat.core.model import PROTOCOL_OTHER
from whitestat.ledger.read.answer import Group
from whitestat.ledger.tables import details
from whitestat.ledger.tables.cuts import SEEKS_MAX, TablePart, chunked
from whitestat.ledger.usage_query import UsageQuery

COLUMNS = {
    "protocol": "protocol",
    "service": f"iif(protocol = {PROTOCOL_OTHER}, 0, service)",  # an EtherType is no port
    "peer": "peer",
}


def told_apart(question: UsageQuery) -> list[str]:
    """Return the columns that the query splits by, of protocol, service and peer, in the order of COLUMNS."""
    return [name for name in COLUMNS if name in question.by]


def told(group: Group, by: Iterable[str], about: Iterable[Any]) -> Group:
    """The group with what a row says of these words."""
    words = dict(zip(by, about, strict=True))
    if "peer" in words:
        words["peer"] = details.address(words["peer"])
    return group._replace(**words)


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of the question's detail: of series in groups that have numbers, and, where `only` is not None, of no
    other services and peers than some of these groups have."""

    question: UsageQuery
    groups: Mapping[Group, Sequence[int]]
    numbers: Mapping[Group, int]
    only: Collection[Group] | None = None

    def sql(self, part: TablePart, expression: str, columns: str) -> tuple[str, tuple[object, ...]]:
        """The sums of a part by the expression, the group's number and what is told apart; and what to bind."""
        table, piece = part
        series = [number_of_series for several in self.groups.values() for number_of_series in several]
        chunks, bound = chunked(table, piece, len(series))
        source, number = table, str(next(iter(self.numbers.values()), 0))
        first: tuple[str, ...] = ()
        if len(self.numbers) > 1:
            source = f"""{table} JOIN (SELECT json_extract(value, '$[0]') AS whose,
                json_extract(value, '$[1]') AS number FROM json_each(?)) ON whose = series"""  # noqa: S608
            pairs = [
                (number_of_series, self.numbers[group])
                for group, several in self.groups.items()
                for number_of_series in several
            ]
            number, first = "number", (json.dumps(pairs),)
        conditions, values = self._conditions()
        if len(self.numbers) == 1 or len(series) <= SEEKS_MAX:
            conditions = ["series IN (SELECT value FROM json_each(?))", *conditions]
            values = [json.dumps(series), *values]
        where = " AND ".join(["bucket >= ? AND bucket < ?", *conditions])
        names = "".join(f", {COLUMNS[name]}" for name in told_apart(self.question))
        sql = f"""SELECT {expression} AS step, {number} AS number, {columns} FROM {source}
            WHERE {chunks} {where} GROUP BY step, number{names}"""  # noqa: S608 - words of this module
        return sql, (*first, *bound, piece.low, piece.high, *values)

    def _conditions(self) -> tuple[list[str], list[object]]:
        """What narrows services and peers, as parts of a condition, and their values."""
        query, only = self.question, self.only or ()
        values_by_name: list[tuple[str, Sequence[Any]]] = [
            ("service", query.services),
            ("protocol", query.protocols),
            ("peer", [details.stored(peer) for peer in query.peers]),
            ("service", sorted({group.service for group in only if group.service is not None})),
            ("protocol", sorted({group.protocol for group in only if group.protocol is not None})),
            ("peer", sorted({details.stored(group.peer) for group in only if group.peer is not None})),
        ]
        parts = [
            (f"{COLUMNS[word]} IN ({', '.join('?' * len(values))})", values)
            for word, values in values_by_name
            if values
        ]
        return [condition for condition, _ in parts], [value for _, values in parts for value in values]
