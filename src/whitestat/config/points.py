"""What `[[point]]` may hold: each key with its sentence."""

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
    NAME,
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
"""Variables of the environment that begin so hold the password of the point whose name follows, in capitals."""


@dataclass(frozen=True, slots=True)
class PointConfig:
    """Where octets are counted."""

    name: Annotated[str, ConfigKey("What the point is called.", NAME, '"lan"')]
    collector: Annotated[str, ConfigKey("How it counts.", COLLECTOR, '"kernel"')]
    interface: Annotated[
        str | None,
        ConfigKey("The network interface; kernel, packet and interface cannot do without.", TEXT, '"br0"'),
    ] = None
    counts: Annotated[bool, ConfigKey("Whether it counts people's usage; false for a referee.", FLAG)] = True
    url: Annotated[
        str | None, ConfigKey("Where a router or a darkstat answers.", URL, '"http://192.168.1.1"', hidden=True)
    ] = None
    listen: Annotated[
        str | None,
        ConfigKey("Where a collector of another package receives figures.", LISTEN, '"0.0.0.0:2055"'),
    ] = None
    interval_s: Annotated[int, ConfigKey("How often a router or a darkstat is asked.", DURATION, name="interval")] = 30
    only: Annotated[
        str | None,
        ConfigKey(
            "Leave out hosts in whose IP address this pattern is not found; darkstat alone.",
            PATTERN,
            r"'^192\.168\.1\.'",
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
            "The password itself, in a file that its owner alone may read; WHITESTAT_PASSWORD_NAME of the environment "
            "goes before it.",
            TEXT,
            '"as on the label"',
            hidden=True,
        ),
    ] = field(default=None, repr=False)
    firmware: Annotated[
        str | None,
        ConfigKey("Which firmware a huawei-b593 has.", FIRMWARE, '"V100R001C07SP102"', otherwise="as its pages tell"),
    ] = None
    unit: Annotated[
        str | None,
        ConfigKey(
            "What a huawei-b593 counts in; kB are 1,024 octets.",
            UNIT,
            '"kB"',
            otherwise="kB for firmware V100R001, bytes for V200R001",
        ),
    ] = None
    flows: Annotated[int, ConfigKey("Flows the kernel can tell apart at once.", SIZE)] = 65_536
    wait: Annotated[
        bool, ConfigKey("Whether to wait for an interface that is not there when the service starts.", FLAG)
    ] = False
    promiscuous: Annotated[
        bool, ConfigKey("Whether to take frames meant for others too: for a mirror port (kernel and packet).", FLAG)
    ] = False
    devices: Annotated[int, ConfigKey("Devices it can tell apart once its flows are full.", SIZE)] = 4_096


def missing(number: int, row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the place and the fault of each key that the collector of the `number`th point needs and has not.

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
