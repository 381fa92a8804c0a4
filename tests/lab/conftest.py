"""Skips the lab where it cannot be built, with the reason in a sentence."""

from __future__ import annotations

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
