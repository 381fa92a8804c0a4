"""The contract as a Markdown table: promise, limit, measured, darkstat beside it, verdict."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One promise; `met` is None where there is nothing to keep."""

    promise: str
    limit: str
    measured: str
    darkstat: str
    met: bool | None

    @property
    def verdict(self) -> str:
        return "" if self.met is None else "met" if self.met else "MISSED"

    @property
    def line(self) -> str:
        return f"| {' | '.join(self[:4])} | {self.verdict} |"


HEAD = "| promise | limit | measured | darkstat 3.0.719 | verdict |\n|---|---|---|---|---|"
