"""Skips the lab where it cannot be built, with the reason in a sentence."""

from __future__ import annotations

import pytest

from tests.lab.machine import TRAFFIC_TOOLS, missing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("lab")]
    if marked and (reason := missing(*TRAFFIC_TOOLS)):
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=reason))
