"""Table of the readers of old data: what `whitestat import` calls each, its options, and the function that reads.

A new reader is one line of `READERS`. The line names its function as text, so the table loads no reader.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from whitestat.importers.history import ImportedHistory
    from whitestat.importers.source import ImportSource


class ReaderOption(NamedTuple):
    """Option of the command for the files of one program; `arguments` are keywords of argparse's `add_argument`."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Name of the value in the parsed options and in `ImportSource.options`: `month_rotate`."""
        return self.name.removeprefix("--").replace("-", "_")


class Reader(NamedTuple):
    """One program whose data can be imported.

    `title` is the program as users know it, and `files` what to give as FILE; the help of the command has both.
    `read` is "module:function"; the function takes an `importers.source.ImportSource` and returns an
    `importers.history.ImportedHistory`, or raises ImportFault.
    """

    name: str
    title: str
    files: str
    read: str
    options: tuple[ReaderOption, ...] = ()

    def load(self) -> Callable[[ImportSource], ImportedHistory]:
        """Return the function that reads, after importing its module."""
        module, _, name = self.read.partition(":")
        function: Callable[[ImportSource], ImportedHistory] = getattr(import_module(module), name)
        return function


def _day_of_month(text: str) -> int:
    if not re.fullmatch("[0-9]{1,2}", text) or not 1 <= int(text) <= 28:
        raise argparse.ArgumentTypeError(f"must be a day from 1 to 28, got {text[:20]!r}")
    return int(text)


_VNSTAT_OPTIONS = (
    ReaderOption("--interface", {"metavar": "NAME", "help": "The interface to import, if vnStat has several."}),
    ReaderOption(
        "--lan", {"action": "store_true", "help": "The interface faces the LAN, so what vnStat received is upload."}
    ),
    ReaderOption(
        "--month-rotate",
        {
            "type": _day_of_month,
            "metavar": "DAY",
            "help": "The day on which vnStat's months begin, MonthRotate in vnstat.conf. Default: 1.",
        },
    ),
)
_TRAFFIC_OPTIONS = (
    ReaderOption("--unit", {"choices": ["kB", "bytes"], "help": "The unit of Traffic's volumes. Default: kB."}),
)

READERS = (
    Reader(
        "whitestat",
        "WhiteStat 1 to 11",
        "WhiteStat.db, or the folder it is in",
        "whitestat.importers.whitestat_folder:read_source",
    ),
    Reader("darkstat", "darkstat", "an export or a day log of darkstat", "whitestat.importers.darkstat:read_source"),
    Reader("vnstat", "vnStat", "vnstat --json > FILE", "whitestat.importers.vnstat:read_source", _VNSTAT_OPTIONS),
    Reader("dalla-stats", "dalla-stats", "dalla-stats' folder of logs", "whitestat.importers.dalla_stats:read_source"),
    Reader(
        "traffic",
        "Traffic",
        "Traffic's CSV or what mongoexport wrote",
        "whitestat.importers.traffic:read_source",
        _TRAFFIC_OPTIONS,
    ),
)
BY_NAME = {reader.name: reader for reader in READERS}
