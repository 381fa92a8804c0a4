"""The clock of every test here: what is dated after it is of no day that was."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from whitestat.core.calendar import parse_instant
from whitestat.core.system.clock import SystemClock

NOW_MS = 1000 * parse_instant("2026-12-01T20:00", ZoneInfo("UTC"))


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemClock, "now_ms", lambda self: NOW_MS)
