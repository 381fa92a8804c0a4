"""Collectors as the service builds them from their points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from whitestat.app.collectors import NOTHING_BEFORE, settings_of
from whitestat.collectors.registry import build
from whitestat.config.points import PointConfig
from whitestat.core.model import Address, CounterReading
from whitestat.core.system.collector_plugins import spec_of


def collector_of(
    config: PointConfig, kept: Sequence[CounterReading] = (), is_local: Callable[[Address], bool] = lambda _: True
) -> Any:
    """Return the collector of a point, not open yet; `kept` are the marks of the last process."""
    before = NOTHING_BEFORE._replace(readings=kept)
    return build(spec_of(config.collector), settings_of(config, is_local, before))
