"""Input of a reader of old data: the path, the options, and the ledger's time zone and networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any, NamedTuple

from whitestat.core.errors import ImportFault
from whitestat.core.model import Address

MOST_OCTETS = 256 * 1024 * 1024
"""Larger files are no export, no day log and no JSON of these programs."""


class ImportSource(NamedTuple):
    """Old data to read.

    `zone` is the zone of the ledger's days, `is_local` whether an address is of the local network, `now_s` the time
    now. `options` are values of the reader's own options by `ReaderOption.key`, without those that were not given.
    """

    path: Path
    zone: tzinfo
    is_local: Callable[[Address], bool]
    now_s: int
    options: Mapping[str, Any]

    def content(self) -> bytes:
        """Return the whole file; raises ImportFault if it is a folder, too large or unreadable."""
        try:
            if self.path.is_dir():
                raise ImportFault(f"{self.path}: cannot be read: is a directory; name the file in it")
            if self.path.stat().st_size > MOST_OCTETS:
                raise ImportFault(f"{self.path}: larger than {MOST_OCTETS >> 20} MiB, which no such file is")
            return self.path.read_bytes()
        except OSError as error:
            raise ImportFault(f"{self.path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
