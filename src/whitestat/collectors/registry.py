"""Builds collectors from their specifications; each module is loaded when its collector is built, not before."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from whitestat.collectors import Collector
from whitestat.collectors.settings import PointSettings
from whitestat.core.collector_specs import CollectorSpec
from whitestat.core.errors import ConfigError


def build(spec: CollectorSpec, *points: PointSettings) -> Collector:
    """Return the collector of the points, inert until it is opened: of one point, or of all if the kind is shared.

    Raises ConfigError if an optional package is missing, or the collector cannot be made of these settings.
    """
    module, _, name = spec.build.partition(":")
    try:
        loaded: Any = import_module(module)
    except ModuleNotFoundError as error:
        if not spec.extra:
            raise
        raise ConfigError(
            f"point {points[0].point.name!r}: collector {spec.name!r} needs the package {error.name}, which is not "
            f"installed: pip install 'whitestat[{spec.extra}]'"
        ) from None
    collector: Collector = getattr(loaded, name)(*points)
    return collector
