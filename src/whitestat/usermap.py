"""A CSV of what devices are called and whose they are; also `user-map.csv` of dalla-stats."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

from whitestat.errors import ImportFault
from whitestat.units import address_bytes, address_text, mac_bytes, mac_text

MOST_OCTETS = 1_000_000
MOST_LINES = 1_000
COLUMNS = ("device", "mac", "address", "name", "person", "from")


class MapLine(NamedTuple):
    """A device by MAC, address or number as answers write it, and what the API takes of it."""

    key: str
    fields: dict[str, str]


def read_map(path: Path) -> list[MapLine]:
    """The lines of a file. ImportFault names the line and what is wrong.

    The first line names columns: one of mac, address and device, and some of name, person and from. With name and mac
    alone it is dalla-stats', whose name is that of the user; its MAC addresses have dashes.
    """
    try:
        raw = path.read_bytes()[: MOST_OCTETS + 1]
        text = raw.decode("utf-8-sig")
    except OSError as fault:
        raise ImportFault(f"{path}: cannot be read: {(fault.strerror or str(fault)).lower()}") from None
    except UnicodeDecodeError as fault:
        raise ImportFault(f"{path}: not UTF-8 text at octet {fault.start}") from None
    if len(raw) > MOST_OCTETS:
        raise ImportFault(f"{path}: larger than {MOST_OCTETS} octets")
    try:
        return _lines(path, text)
    except csv.Error as fault:
        raise ImportFault(f"{path}: not CSV: {fault}") from None


def _lines(path: Path, text: str) -> list[MapLine]:
    table = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    names = [each.strip().lower() for each in next(table, [])]
    if names == ["name", "mac"]:
        names = ["person", "mac"]
    _check(path, names)
    found = []
    for row in table:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(names):
            raise ImportFault(f"{path}: line {table.line_num}: has {len(row)} cells, and the first line {len(names)}")
        found.append(_line(path, table.line_num, dict(zip(names, (cell.strip() for cell in row), strict=True))))
        if len(found) > MOST_LINES:
            raise ImportFault(f"{path}: more than {MOST_LINES} devices; take several files")
    return found


def _check(path: Path, names: list[str]) -> None:
    unknown = [each for each in names if each not in COLUMNS]
    if unknown or len(set(names)) < len(names):
        raise ImportFault(f"{path}: line 1: must name columns, each once, of {', '.join(COLUMNS)}, got {names}")
    if not {"device", "mac", "address"} & set(names) or not {"name", "person"} & set(names):
        raise ImportFault(f"{path}: line 1: must have mac, address or device, and name or person")


def _line(path: Path, number: int, row: dict[str, str]) -> MapLine:
    key = _key(path, number, row)
    return MapLine(key, {name: row[name] for name in ("name", "person", "from") if row.get(name)})


def _key(path: Path, number: int, row: dict[str, str]) -> str:
    try:
        if row.get("mac"):
            return mac_text(mac_bytes(row["mac"]))
        if row.get("address"):
            return address_text(address_bytes(row["address"]))
    except ValueError:
        raise ImportFault(f"{path}: line {number}: {row.get('mac') or row.get('address')!r} is no address") from None
    if row.get("device"):
        return row["device"]
    raise ImportFault(f"{path}: line {number}: does not say which device it is about")
