"""Time zone and billing cycle of a configuration."""

from __future__ import annotations

from datetime import tzinfo

from whitestat.config.sections import Config
from whitestat.core.calendar import Cycle
from whitestat.core.system.time_zone import Zone, system_zone, zone_named


def zone_of(config: Config) -> tzinfo:
    """Return the configured zone, else the system's."""
    return zone_found(config).zone


def zone_found(config: Config) -> Zone:
    """Return the zone of `zone_of`, with a notice where it is a guess."""
    return Zone(zone_named(config.timezone)) if config.timezone else system_zone()


def cycle_of(config: Config) -> Cycle:
    """Return the billing cycle."""
    return Cycle(config.billing.day, config.billing.hour)
