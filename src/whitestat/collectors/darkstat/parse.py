"""darkstat's pages to values; pure. Both markup generations (to 3.0.719, from 3.0.720) read alike.

Columns are found by the text of their headers, since MAC and last-seen columns are optional. A page is
cut at its table tags alone: names in it come from the DNS unescaped, and its port tables are
malformed (`<th>Port</td>`), so a cell ends where the next tag of a table begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from html import unescape
from itertools import chain, pairwise
from types import MappingProxyType
from typing import NamedTuple

from whitestat.core.errors import CollectorError
from whitestat.core.model import Address, Counts, Mac
from whitestat.core.units import address_bytes, mac_bytes

LARGEST = (1 << 64) - 1
ROWS_MAX = 200_000
NAME_MAX = 255
"""RFC 1035, section 2.3.4."""


class DarkstatError(CollectorError):
    """A page that is not what darkstat shows; says what is wrong with it."""


class HostTotals(NamedTuple):
    """One address's running totals since darkstat first saw it: octets of IP, in is towards it.

    `mac` is that of the last packet: a router's for every host beyond it. None where it is not shown.
    """

    octets_in: int
    octets_out: int
    mac: Mac | None = None


_NO_NAMES: Mapping[Address, str] = MappingProxyType({})


class Hosts(NamedTuple):
    """The whole table by address; `unreadable` rows were left out. `names` are from the DNS, unchecked."""

    rows: dict[Address, HostTotals]
    unreadable: int = 0
    names: Mapping[Address, str] = _NO_NAMES


class FrontPage(NamedTuple):
    """The front page: `since_s` (UTC) is when darkstat began or was last wiped, and tells its lives apart.

    `octets` and `packets` have passed since then, each packet once; `dropped` is what pcap lost, since the
    process began, and `captured` the frames that pcap took in that time, those it lost included. None where the page
    does not say.
    """

    since_s: int
    octets: int | None = None
    packets: int | None = None
    dropped: int = 0
    version: str = ""
    captured: int | None = None


class PortKey(NamedTuple):
    """One port of a detail page; `protocol` is IANA's number, `remote` a port of the other side."""

    protocol: int
    port: int
    remote: bool


TableKind = tuple[int, bool]
PROTOCOLS: TableKind = -1, False


class HostDetail(NamedTuple):
    """A host's ports and protocols as octets seen from the host: the remote tables are turned round.

    A table holds the 30 largest at most, and darkstat forgets ports all the time. `whole` names the tables that hold
    all there is: as `PortKey` does without a port, or `PROTOCOLS`. `name` is from the DNS, empty without one.
    """

    ports: dict[PortKey, Counts]
    protocols: dict[int, Counts]
    whole: frozenset[TableKind] = frozenset()
    name: str = ""


_TAG = re.compile(r"<(/?)(table|tr|td|th)(?![a-z])[^>]{0,200}>", re.IGNORECASE)
_ANY_TAG = re.compile(r"<[^>]{0,200}>")
_NUMBER = re.compile(r"[0-9]{1,20}|[0-9]{1,3}(?:[,.'\u2019\u00a0 ][0-9]{3}){1,6}")
_NOT_DIGIT = re.compile(r"[^0-9]")
_OF = re.compile(r"\(([0-9]{1,9})-([0-9]{1,9}) of ([0-9]{1,9})\)")
_SINCE = re.compile(r"since</b>\s*(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[^<]{0,20}?([+-])(\d\d)(\d\d)\s*<")
_SPAN = re.compile(r'<span id="(tb|tp|pc|pd)">([^<]{1,40})</span>')
_VERSION = re.compile(r'name="generator" content="darkstat ([0-9A-Za-z.+~-]{1,30})"')
_METRIC = re.compile(r'host_bytes_total\{((?:[a-z_]+="[^"]*",?)+)\} ([0-9]{1,20})')
_LABEL = re.compile(r'([a-z_]+)="([^"]*)"')
_SECTIONS = {
    "tcp ports on this host": (6, False),
    "tcp ports on remote hosts": (6, True),
    "udp ports on this host": (17, False),
    "udp ports on remote hosts": (17, True),
}
_HOSTNAME = re.compile(r"<b>Hostname:</b> ([^\n]{1,300}?)<br>")
_NO_MAC = bytes(6)
"""Shown on links without MACs: loopback, ppp."""


def front(page: str) -> FrontPage:
    """The front page; DarkstatError when it does not say since when it counts."""
    match = _SINCE.search(page)
    if not match:
        raise DarkstatError(f"the front page is not darkstat's: {_excerpt(page)}")
    day, sign, hours, minutes = match.groups()
    try:
        offset = timedelta(hours=int(hours), minutes=int(minutes)) * (1 if sign == "+" else -1)
        since = datetime.strptime(day, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone(offset))
        since_s = int(since.timestamp())
    except (ValueError, OverflowError):
        raise DarkstatError(f"the front page counts since {match[0][9:60]!r}") from None
    figures = {name: _number(text) for name, text in _SPAN.findall(page)}
    version = _VERSION.search(page)
    octets, packets, dropped = figures.get("tb"), figures.get("tp"), figures.get("pd") or 0
    return FrontPage(since_s, octets, packets, dropped, version[1] if version else "", figures.get("pc"))


def hosts(page: str) -> Hosts:
    """The hosts page with `full=yes`; DarkstatError for an error in its place, or a part of the table."""
    cells = _rows(page)
    header = next(cells, None)
    if header is None:
        if "The table is empty." in page:
            return Hosts({})
        raise DarkstatError(f"there is no table of hosts: {_excerpt(page)}")
    places = _places(header, ("ip", "in", "out"))
    mac, total, named = places.get("mac address"), places.get("total"), places.get("hostname")
    columns = places["ip"], places["in"], places["out"]
    rows_by_address: dict[Address, HostTotals] = {}
    names: dict[Address, str] = {}
    rows = unreadable = 0
    for row in cells:
        rows += 1
        if rows > ROWS_MAX:
            raise DarkstatError(f"the table of hosts has more than {ROWS_MAX} rows")
        read = _host(row, columns, mac, total) if len(row) == len(header) else None
        if read is None or read[0] in rows_by_address:
            unreadable += 1
        else:
            rows_by_address[read[0]] = read[1]
            if named is not None and (name := _name(row[named])):
                names[read[0]] = name
    if (range_match := _OF.search(page)) and (
        range_match[1] != "1" or range_match[2] != range_match[3] or int(range_match[3]) != rows
    ):
        raise DarkstatError(f"the page says it has hosts {range_match[0][1:-1]} and holds {rows}")
    if unreadable and not rows_by_address:
        raise DarkstatError(f"none of {unreadable} rows can be read: {_excerpt(page)}")
    return Hosts(rows_by_address, unreadable, names)


def metrics(text: str) -> Hosts:
    """The Prometheus text of darkstat 3.0.720 and later; DarkstatError when it is none."""
    if "host_bytes_total" not in text:
        raise DarkstatError(f"there is no host_bytes_total: {_excerpt(text)}")
    sides: dict[Address, list[int | None]] = {}
    macs: dict[Address, Mac | None] = {}
    unreadable = 0
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        read = _metric(line)
        if read is None:
            unreadable += 1
            continue
        address, mac, outward, octets = read
        sides.setdefault(address, [None, None])[outward] = octets
        macs[address] = mac
        if len(sides) > ROWS_MAX:
            raise DarkstatError(f"there are more than {ROWS_MAX} hosts")
    rows = {
        address: HostTotals(octets[0], octets[1], macs[address])
        for address, octets in sides.items()
        if octets[0] is not None and octets[1] is not None
    }
    return Hosts(rows, unreadable + len(sides) - len(rows))


def detail(page: str) -> HostDetail:
    """A host's own page; DarkstatError when it has no such sections."""
    ports: dict[PortKey, Counts] = {}
    protocols: dict[int, Counts] = {}
    whole: set[TableKind] = set()
    sections = re.split(r"<h3>([^<]{1,60})</h3>", page)
    if len(sections) < 3:
        raise DarkstatError(f"not the page of a host: {_excerpt(page)}")
    for title, body in zip(sections[1::2], sections[2::2], strict=True):
        name = title.strip().lower()
        if name != "ip protocols" and name not in _SECTIONS:
            continue
        if (
            (range_match := _OF.search(body)) and range_match[1] == "1" and range_match[2] == range_match[3]
        ) or "The table is empty." in body:
            whole.add(_SECTIONS.get(name, PROTOCOLS))
        if name in _SECTIONS:
            protocol, remote = _SECTIONS[name]
            for port, counts in _numbered(body, "port", 65_535):
                ports[PortKey(protocol, port, remote)] = counts.turned() if remote else counts
        else:
            protocols.update(_numbered(body, "#", 255))
    range_match = _HOSTNAME.search(sections[0])
    return HostDetail(ports, protocols, frozenset(whole), _name(range_match[1]) if range_match else "")


def _numbered(section: str, column: str, most: int) -> Iterator[tuple[int, Counts]]:
    """Rows of a port or protocol table: the number, and octets as the table has them."""
    cells = _rows(section)
    header = next(cells, None)
    if header is None:
        return
    places = _places(header, (column, "in", "out"))
    for row in cells:
        if len(row) == len(header):
            number, into, out = (_number(_plain(row[places[name]])) for name in (column, "in", "out"))
            if number is not None and number <= most and into is not None and out is not None:
                yield number, Counts(into, out)


def _rows(page: str) -> Iterator[list[str]]:
    """The cells of each row of the first table, markup inside them left as it is."""
    row: list[str] | None = None
    begun = False
    for tag, following in pairwise(chain(_TAG.finditer(page), (None,))):  # one by one: a list of all takes 5 MB
        if tag is None:
            break
        closing, name = tag.groups()
        if name in ("td", "TD", "th", "TH"):
            if row is not None and not closing:
                row.append(page[tag.end() : following.start() if following else None])
        else:
            if row:
                yield row
            row = None
            if name.lower() == "tr":
                row = [] if begun and not closing else None
            elif closing and begun:
                return
            else:
                begun = True
    if row:
        raise DarkstatError("the page ends inside a row")


def _places(header: list[str], needed: tuple[str, ...]) -> dict[str, int]:
    places = {_plain(cell).lower(): at for at, cell in enumerate(header)}
    for name in needed:
        if name not in places:
            raise DarkstatError(f"the table has no column {name!r}, but {', '.join(map(repr, places))[:200]}")
    return places


def _host(
    row: list[str], columns: tuple[int, int, int], mac: int | None, total: int | None
) -> tuple[Address, HostTotals] | None:
    """None where the row contradicts itself or holds what is no address or number."""
    ip, into, out = columns
    octets_in, octets_out = _number(row[into]), _number(row[out])
    try:
        address = address_bytes(_plain(row[ip]))
        seen = mac_bytes(_plain(row[mac])) if mac is not None else None
    except ValueError:
        return None
    if octets_in is None or octets_out is None:
        return None
    if total is not None and _number(row[total]) != (octets_in + octets_out) & LARGEST:
        return None
    return address, HostTotals(octets_in, octets_out, None if seen == _NO_MAC else seen)


def _metric(line: str) -> tuple[Address, Mac | None, bool, int] | None:
    match = _METRIC.fullmatch(line)
    if not match or int(match[2]) > LARGEST:
        return None
    labels: Mapping[str, str] = dict(_LABEL.findall(match[1]))
    try:
        mac = mac_bytes(labels["mac"]) if "mac" in labels else None
        address = address_bytes(labels["ip"])
        outward = ("in", "out").index(labels["dir"])
    except (ValueError, KeyError):
        return None
    return address, None if mac == _NO_MAC else mac, bool(outward), int(match[2])


def _name(cell: str) -> str:
    """Empty for darkstat's own words: (none), (multicast), (resolving...)."""
    if cell in ("", "(none)"):
        return ""
    name = _plain(cell[:NAME_MAX])
    return "" if name.startswith("(") else name


def _number(text: str) -> int | None:
    """A whole number with or without thousands separators; None where it is none, or too large for darkstat."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    number = int(_NOT_DIGIT.sub("", text))
    return number if number <= LARGEST else None


def _plain(cell: str) -> str:
    text = _ANY_TAG.sub("", cell) if "<" in cell else cell
    return (unescape(text) if "&" in text else text).strip()


def _excerpt(page: str) -> str:
    """The beginning of what came instead, safe to print."""
    text = " ".join(_ANY_TAG.sub(" ", page[:2000]).split())
    return repr(text[:80]) if text else "an empty page"
