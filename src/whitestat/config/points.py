"""What `[[point]]` may hold: each key with its sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from whitestat.config.schema import COLLECTOR, DURATION, FIRMWARE, FLAG, NAME, PATH, PATTERN, SIZE, TEXT, UNIT, URL, Key

PASSWORD = "WHITESTAT_PASSWORD_"  # noqa: S105 - the beginning of a name
"""Variables of the environment that begin so hold the password of the point whose name follows, in capitals."""

ON_AN_INTERFACE = ("kernel", "packet", "interface")
"""The collectors that cannot do without `interface`."""


@dataclass(frozen=True, slots=True)
class PointConfig:
    """Where octets are counted."""

    name: Annotated[str, Key("What the point is called.", NAME, '"lan"')]
    collector: Annotated[str, Key("How it counts.", COLLECTOR, '"kernel"')]
    interface: Annotated[
        str | None,
        Key("The network interface; kernel, packet and interface cannot do without.", TEXT, '"br0"'),
    ] = None
    counts: Annotated[bool, Key("Whether it counts people's usage; false for a referee.", FLAG)] = True
    url: Annotated[
        str | None, Key("Where a router or a darkstat answers.", URL, '"http://192.168.1.1"', hidden=True)
    ] = None
    interval_s: Annotated[int, Key("How often a router or a darkstat is asked.", DURATION, name="interval")] = 30
    only: Annotated[
        str | None,
        Key(
            "Leave out hosts in whose IP address this pattern is not found; darkstat alone.",
            PATTERN,
            r"'^192\.168\.1\.'",
        ),
    ] = None
    username: Annotated[
        str | None, Key("The name to log in with.", TEXT, '"admin"', otherwise="`admin`", hidden=True)
    ] = None
    password_file: Annotated[
        Path | None,
        Key("The file that holds the password.", PATH, '"/etc/whitestat/router.password"', hidden=True),
    ] = None
    password: Annotated[
        str | None,
        Key(
            "The password itself, in a file that its owner alone may read; WHITESTAT_PASSWORD_NAME of the environment "
            "goes before it.",
            TEXT,
            '"as on the label"',
            hidden=True,
        ),
    ] = field(default=None, repr=False)
    firmware: Annotated[
        str | None,
        Key("Which firmware a huawei-b593 has.", FIRMWARE, '"V100R001C07SP102"', otherwise="as its pages tell"),
    ] = None
    unit: Annotated[
        str | None,
        Key(
            "What a huawei-b593 counts in; kB are 1,024 octets.",
            UNIT,
            '"kB"',
            otherwise="kB for firmware V100R001, bytes for V200R001",
        ),
    ] = None
    flows: Annotated[int, Key("Flows the kernel can tell apart at once.", SIZE)] = 65_536
    wait: Annotated[bool, Key("Whether to wait for an interface that is not there when the service starts.", FLAG)] = (
        False
    )
    promiscuous: Annotated[
        bool, Key("Whether to take frames meant for others too: for a mirror port (kernel and packet).", FLAG)
    ] = False
    devices: Annotated[int, Key("Devices it can tell apart once its flows are full.", SIZE)] = 4_096
