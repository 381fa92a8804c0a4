"""Skips the lab where it cannot be built, with the reason in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.machine import SLOWER, TRAFFIC_TOOLS, missing

TIMEOUT_S = 900


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("lab")]
    if config.getoption("timeout") is None:  # a soak has none
        for item in marked:
            item.add_marker(pytest.mark.timeout(TIMEOUT_S * SLOWER))
    if marked and (reason := missing(*TRAFFIC_TOOLS)):
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def tmp_path(tmp_path: Path) -> Path:
    """A folder called whitestat: the service gives it to its user, whatever tests put beside the ledger."""
    folder = tmp_path / "whitestat"
    folder.mkdir()
    return folder
