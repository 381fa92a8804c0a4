"""What a collector is built from: one point of the configuration, and what the service knows about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from whitestat.core.model import Address, CounterReading, Point

if TYPE_CHECKING:
    from whitestat.collectors.login import Login  # loads OpenSSL's hashes where there is a password


def _everywhere(address: Address) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class PointSettings:
    """The keys of a `[[point]]`; what its collector needs by its specification is there.

    `login` has the password wherever it was kept, None without one. `is_local` says which addresses are of the home.
    `readings` are the marks of this point that the last process left in the ledger at the path `ledger`.
    """

    point: Point
    url: str = ""
    listen: str = ""
    interval_s: int = 30
    login: Login | None = None
    only: str | None = None
    firmware: str | None = None
    unit: str | None = None
    flows: int = 65_536
    devices: int = 4_096
    promiscuous: bool = False
    is_local: Callable[[Address], bool] = _everywhere
    readings: Sequence[CounterReading] = ()
    ledger: Path | None = None
