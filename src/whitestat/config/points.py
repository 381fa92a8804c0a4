"""Keys of `[[point]]` with their descriptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from whitestat.config.schema import (
    COLLECTOR,
    DURATION,
    FIRMWARE,
    FLAG,
    LISTEN,
    LISTEN_UNPRIVILEGED,
    NAME,
    OWN_COLLECTOR,
    PATH,
    PATTERN,
    SIZE,
    TEXT,
    UNIT,
    URL,
    ConfigKey,
)
from whitestat.core.system.collector_plugins import spec_of

PASSWORD = "WHITESTAT_PASSWORD_"  # noqa: S105 - the beginning of a name
"""Prefix of the environment variables with passwords; the point's name follows in capitals."""


@dataclass(frozen=True, slots=True)
class PointConfig:
    """A place where usage is counted."""

    name: Annotated[str, ConfigKey("Name of the point.", NAME, '"lan"')]
    collector: Annotated[str, ConfigKey("Method of counting.", COLLECTOR, '"kernel"', narrowed=OWN_COLLECTOR)]
    interface: Annotated[
        str | None,
        ConfigKey("The network interface; kernel, packet and interface need it.", TEXT, '"br0"'),
    ] = None
    counts: Annotated[
        bool, ConfigKey("Whether it counts people's usage; false only compares it with other points.", FLAG)
    ] = True
    url: Annotated[
        str | None, ConfigKey("Address of the router or the darkstat.", URL, '"http://192.168.1.1"', hidden=True)
    ] = None
    listen: Annotated[
        str | None,
        ConfigKey(
            "Address and port on which a collector of another package receives figures.",
            LISTEN,
            '"0.0.0.0:2055"',
            narrowed=LISTEN_UNPRIVILEGED,
        ),
    ] = None
    interval_s: Annotated[int, ConfigKey("How often a router or a darkstat is read.", DURATION, name="interval")] = 30
    only: Annotated[
        str | None,
        ConfigKey(
            "Only hosts with this pattern in their IP address; darkstat only.",
            PATTERN,
            r"'^192\.168\.1\.'",
            roots=True,
        ),
    ] = None
    username: Annotated[
        str | None, ConfigKey("The name to log in with.", TEXT, '"admin"', otherwise="`admin`", hidden=True)
    ] = None
    password_file: Annotated[
        Path | None,
        ConfigKey("The file that holds the password.", PATH, '"/etc/whitestat/router.password"', hidden=True),
    ] = None
    password: Annotated[
        str | None,
        ConfigKey(
            "The password, if only its owner may read this file; the environment variable WHITESTAT_PASSWORD_NAME "
            "takes precedence.",
            TEXT,
            '"as on the label"',
            hidden=True,
            secret=True,
        ),
    ] = field(default=None, repr=False)
    firmware: Annotated[
        str | None,
        ConfigKey("Firmware of a huawei-b593.", FIRMWARE, '"V100R001C07SP102"', otherwise="read from its pages"),
    ] = None
    unit: Annotated[
        str | None,
        ConfigKey(
            "Unit of the figures of a huawei-b593; 1 kB is 1,024 octets.",
            UNIT,
            '"kB"',
            otherwise="kB for firmware V100R001, bytes for V200R001",
        ),
    ] = None
    flows: Annotated[int, ConfigKey("Number of flows that the kernel counts separately at a time.", SIZE)] = 65_536
    wait: Annotated[
        bool, ConfigKey("Whether to wait for an interface that is missing when the service starts.", FLAG)
    ] = False
    promiscuous: Annotated[
        bool, ConfigKey("Whether to count frames for other machines: for a mirror port (kernel and packet).", FLAG)
    ] = False
    devices: Annotated[int, ConfigKey("Number of devices counted separately once the flows are full.", SIZE)] = 4_096


def missing(number: int, row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the place and the fault of each missing key that the collector of the `number`th point needs.

    Raises ConfigError if the collector's package is broken.
    """
    spec, where = spec_of(str(row["collector"])), f"point[{number}]"
    for need in sorted(spec.needs):
        key = "password_file" if need == "password" else need
        if key in row or need in row:
            continue
        more = f", or {variable_of(str(row.get('name', 'NAME')))} in the environment" if need == "password" else ""
        yield f"{where}.{key}", f"is missing: collector {spec.name!r} needs it{more}"


def variable_of(name: str) -> str:
    """Return the variable of the environment that may hold the password of the point of that name."""
    return PASSWORD + name.upper().replace("-", "_")
