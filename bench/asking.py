"""How long the dashboard's questions take: warm, and with the file out of the page cache."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.filling import NOW, NOW_S, ZONE
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.usage_query import BY_WORDS
from whitestat.query.parse import Now, usage_question

TIMES = 15


class Asked(NamedTuple):
    """A question's name, its limit (ms), how many rows it has, and how long it took (ms, medians)."""

    name: str
    limit_ms: float
    rows: int
    warm_ms: float
    cold_ms: float

    @property
    def met(self) -> bool:
        return self.warm_ms <= self.limit_ms


YEAR = {"start": f"{NOW.year - 1}-06-24", "end": "today"}
MONTH = {"start": "2026-05-24", "end": "today"}
QUESTIONS: dict[str, tuple[float, dict[str, str]]] = {
    "total of three years by device": (50, {"start": "2023-06-25", "end": "today", "step": "total", "by": "device"}),
    "months of three years by device": (50, {"start": "2023-06-25", "end": "today", "step": "month", "by": "device"}),
    "days of a year by device, top 20": (50, {**YEAR, "step": "day", "by": "device", "top": "20"}),
    "a week by hour and device, top 20": (50, {"start": "week", "step": "hour", "by": "device", "top": "20"}),
    "today by hour": (50, {"start": "today", "step": "hour", "by": "scope"}),
    "a month of minutes for one device": (30, {**MONTH, "step": "minute", "device": "{phone}"}),
    "a year's peers, top 20": (100, {**YEAR, "step": "total", "by": "peer", "top": "20"}),
}
"""What each may take, ms, and its parameters as in an address; `{phone}` is that of somebody who stayed."""


def ask_all(ledger: Path, phone: int) -> list[Asked]:
    """Each question, cold by a fresh connection after the file has left the page cache, warm by one that stays.

    Call it in a process without another connection to the ledger: closing the file drops SQLite's locks.
    """
    found = []
    for name, (limit_ms, texts) in QUESTIONS.items():
        words = {key: text.format(phone=phone) for key, text in texts.items()}
        if words.get("by", "device") not in BY_WORDS:
            continue
        cold = []
        for _ in range(3):
            _evict(ledger)
            queries = Queries(ledger, ZONE)
            cold.append(_took_ms(queries, words)[0])
            queries.close()
        queries = Queries(ledger, ZONE)
        _took_ms(queries, words)
        warm = [_took_ms(queries, words) for _ in range(TIMES)]
        queries.close()
        found.append(Asked(name, limit_ms, warm[0][1], median(ms for ms, _ in warm), median(cold)))
    return found


def _took_ms(queries: Queries, words: dict[str, str]) -> tuple[float, int]:
    """From the address's words to the last row, and how many rows."""
    began = time.monotonic()
    question = usage_question(words, Now(NOW_S, ZONE), queries)
    rows = sum(1 for _ in queries.answer(question).rows())
    return (time.monotonic() - began) * 1000, rows


def _evict(ledger: Path) -> None:
    """Out of the page cache, as far as this kernel's is concerned: a disk behind it may have one of its own."""
    file = os.open(ledger, os.O_RDONLY)
    try:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)
