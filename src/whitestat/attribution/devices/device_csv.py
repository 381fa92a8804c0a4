"""A CSV of what devices are called and whose they are; also `user-map.csv` of dalla-stats."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import NamedTuple

from whitestat.core.errors import ImportFault
from whitestat.core.model import Mac
from whitestat.core.units import address_bytes, address_text, mac_bytes, mac_text

MOST_OCTETS = 1_000_000
MOST_LINES = 1_000
_MAC = re.compile("(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}[.]){2}[0-9A-Fa-f]{4}|[0-9A-Fa-f]{12}")
_DATE = re.compile("([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")
COLUMNS = ("device", "mac", "address", "name", "person", "from")


class MapLine(NamedTuple):
    """A device by MAC, address or number as answers write it, and what the API takes of it."""

    key: str
    fields: dict[str, str]


def read_map(path: Path, left_out: list[str] | None = None) -> list[MapLine]:
    """The lines of a file. ImportFault names the line and what is wrong; with `left_out` a bad line goes there alone.

    The first line names columns: one of mac, address and device, and some of name, person and from. In a file of two
    columns whose lines end with a MAC it may say anything, or be a line like all others, as in dalla-stats'
    `user-map.csv`, whose names are those of users.
    """
    try:
        raw = path.read_bytes()[: MOST_OCTETS + 1]
    except OSError as fault:
        raise ImportFault(f"{path}: cannot be read: {(fault.strerror or str(fault)).lower()}") from None
    if len(raw) > MOST_OCTETS:
        raise ImportFault(f"{path}: larger than {MOST_OCTETS} octets")
    text = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"").decode("utf-8", "surrogateescape")
    try:
        lines, faults = _lines(path, text)
    except csv.Error as fault:
        raise ImportFault(f"{path}: not CSV: {fault}") from None
    if faults and (left_out is None or not lines):
        raise ImportFault(faults[0])
    if left_out is not None:
        left_out += faults
    return lines


def _lines(path: Path, text: str) -> tuple[list[MapLine], list[str]]:
    """The lines, and what is wrong with others."""
    table = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    rows = [(table.line_num, [cell.strip() for cell in row]) for row in table if any(cell.strip() for cell in row)]
    names = [title.lower() for title in rows[0][1]] if rows else []
    if names == ["name", "mac"] or _is_of_users(names, [row for _, row in rows[1:]] or [names]):
        rows = rows if _has_mac(names) else rows[1:]
        names = ["person", "mac"]
    else:
        _check(path, names)
        rows = rows[1:]
    lines, faults = [], []
    for number, row in rows:
        try:
            if len(row) != len(names):
                raise ValueError(f"has {len(row)} cells, and the first line {len(names)}")
            lines.append(_line(dict(zip(names, row, strict=True))))
        except ValueError as fault:
            faults.append(f"{path}: line {number}: {fault}")
    if len(lines) > MOST_LINES:
        raise ImportFault(f"{path}: more than {MOST_LINES} devices; take several files")
    return lines, faults


def _is_of_users(names: list[str], rows: list[list[str]]) -> bool:
    """Whether every line of a file of other columns is a name and a MAC."""
    known = len(names) == 2 and set(names) <= set(COLUMNS) and len(set(names)) == 2
    return len(names) == 2 and not known and all(map(_has_mac, rows))


def _has_mac(row: list[str]) -> bool:
    return len(row) == 2 and _mac(row[1]) is not None and _mac(row[0]) is None


def _check(path: Path, names: list[str]) -> None:
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or len(set(names)) < len(names):
        raise ImportFault(f"{path}: line 1: must name columns, each once, of {', '.join(COLUMNS)}, got {names}")
    if not {"device", "mac", "address"} & set(names) or not {"name", "person"} & set(names):
        raise ImportFault(f"{path}: line 1: must have mac, address or device, and name or person")


def _line(row: dict[str, str]) -> MapLine:
    """ValueError says what is wrong with it."""
    if any(not cell.isprintable() for cell in row.values()):  # an octet that is not UTF-8 is a lone surrogate
        raise ValueError("is not UTF-8 text")
    fields = {name: row[name] for name in ("name", "person", "from") if row.get(name)}
    if dated := _DATE.fullmatch(fields.get("from", "")):
        fields["from"] = f"{dated[1]}-{int(dated[2]):02}-{int(dated[3]):02}"
    return MapLine(_key(row), fields)


def _key(row: dict[str, str]) -> str:
    try:
        if row.get("mac"):
            return mac_text(_mac(row["mac"]) or mac_bytes(row["mac"]))
        if row.get("address"):
            return address_text(address_bytes(row["address"]))
    except ValueError:
        raise ValueError(f"{row.get('mac') or row.get('address')!r} is no address") from None
    if row.get("device"):
        return row["device"]
    raise ValueError("does not say which device it is about")


def _mac(text: str) -> Mac | None:
    """However its twelve digits are grouped: with colons, dashes or dots, or not at all."""
    return bytes.fromhex(re.sub("[:.-]", "", text)) if _MAC.fullmatch(text) else None
