"""A try of one point with settings that are not saved: whether the router answers, and what it says."""

from __future__ import annotations

from typing import NamedTuple

from whitestat.app import build
from whitestat.app.collectors import open_collectors, points_of
from whitestat.app.commands.check import look
from whitestat.app.local_network import locality
from whitestat.config.sections import Config
from whitestat.core.errors import Missing, WhiteStatError
from whitestat.core.system.collector_plugins import spec_of


class Trial(NamedTuple):
    """Whether a point works, and what it said."""

    works: bool
    report: str


def try_point(config: Config, name: str) -> Trial:
    """Read a router or another program as the point would; up to 45 s. Raises Missing for a point that there is not.

    A point that counts at an interface takes rights that a running service has given up.
    """
    point = next((point for point in points_of(config) if point.name == name), None)
    if point is None:
        raise Missing("point", f"there is no point {name!r}")
    if not spec_of(point.collector).is_polled:
        return Trial(False, "this kind of point is tried by the new start; if it fails, the old settings come back")
    attributor, lines = build.attributor(locality(config, [point])), list[str]()
    try:
        collectors, _ = open_collectors([point], attributor.is_local)
        try:
            works = all(look(collector, attributor, lines.append) for collector in collectors)
        finally:
            for collector in collectors:
                collector.close()
    except WhiteStatError as error:
        return Trial(False, str(error))
    return Trial(works, "; ".join(lines))
