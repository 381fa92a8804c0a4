"""The household of the web tests, once for all that only read, and a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import CHROMIUM, Browser
from tests.support.household import House, booked, household


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Served all session; for tests that change nothing."""
    with household(tmp_path_factory.mktemp("home"), booked()) as house:
        yield house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A household of its own, for tests that move it."""
    with household(tmp_path, booked()) as each:
        yield each


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs chromium")
    with Browser() as each:
        yield each
