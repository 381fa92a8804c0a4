"""Lease files of DHCP servers: dnsmasq, ISC dhcpd, Kea, systemd-networkd and udhcpd; pure.

A file is told by its content, not its name. A line that makes no sense costs itself alone.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from struct import Struct
from typing import Any

from whitestat.attribution.evidence import IDENTITY_MAX, Evidence, first_label, text_of
from whitestat.core.model import Mac
from whitestat.core.units import MAPPED_IPV4, address_bytes, mac_bytes

LEASES_MAX = 8192
FILE_OCTETS_MAX = 4 * 1024 * 1024

_UDHCPD = Struct("!I4s6s20s2x")  # seconds left when written, address, hardware address, name
CLOCK_SET_S = 1_000_000_000
"""September 2001. An earlier end of a lease is of a server whose clock was never set, or that writes how long the lease
is (dnsmasq built with HAVE_BROKEN_RTC): then the lease is in force, and ends so long after it was read."""

_ISC_LINE = re.compile(r'\s*([a-z-]+(?: (?:ethernet|state))?) ("(?:[^"\\]|\\.)*"|[^;]*);')
_ISC_ESCAPE = re.compile(r"\\([0-7]{3}|.)", re.DOTALL)


def read(content: bytes, at_ms: int) -> list[Evidence]:
    """The leases that are in force at `at_ms`, at most LEASES_MAX; ValueError where the file is none we know."""
    content = content[:FILE_OCTETS_MAX]
    if not content.strip():
        return []
    evidence: list[Evidence] = []
    for lease in _reader(content)(content, at_ms):
        if (lease.until_ms is None or lease.until_ms > at_ms) and len(evidence) < LEASES_MAX:
            evidence.append(lease)
    return evidence


def _reader(content: bytes) -> Callable[[bytes, int], Iterator[Evidence]]:
    head = content[:4096]
    if head.lstrip().startswith(b"{"):
        return _networkd
    if head.startswith(b"address,"):
        return _kea
    if re.search(rb"^(lease\s|# The format of this file is documented in the dhcpd)", content[:65536], re.MULTILINE):
        return _isc
    if re.search(rb"^(\d+ \S+ \S+ \S+|duid )", head, re.MULTILINE):
        return _dnsmasq
    if len(content) >= 8 and (len(content) - 8) % _UDHCPD.size == 0:
        return _udhcpd
    raise ValueError("not a lease file of dnsmasq, ISC dhcpd, Kea, systemd-networkd or udhcpd")


def _dnsmasq(content: bytes, at_ms: int) -> Iterator[Evidence]:
    """`expiry mac address name client`; behind a `duid` line `expiry iaid address name duid`."""
    for line in content.decode("utf-8", "replace").splitlines():
        fields = line.split(" ")
        ends_s = _seconds(fields[0])
        if ends_s is None or len(fields) < 4:
            continue
        hardware, address, name = fields[1:4]
        client = fields[4] if len(fields) > 4 else None
        lease = _lease(
            at_ms, address, None if "." not in address else hardware, name, client=client, ends_s=ends_s or None
        )
        if lease:
            yield lease


def _isc(content: bytes, at_ms: int) -> Iterator[Evidence]:
    """The last block of an address counts (dhcpd.leases(5))."""
    blocks: dict[str, dict[str, str]] = {}
    block: dict[str, str] = {}
    for line in content.decode("utf-8", "replace").splitlines():
        fields = line.split()
        if fields[:1] == ["lease"] and fields[2:] == ["{"]:
            block = blocks[fields[1]] = {}
        elif statement := _ISC_LINE.match(line):
            block[statement[1]] = statement[2]
    for address, lines in blocks.items():
        if lines.get("binding state", "active") != "active":
            continue
        uid = lines.get("uid", "")
        client = _isc_octets(uid).hex(":") if uid.startswith('"') else uid
        name = lines.get("client-hostname", "").strip('"')
        ends_s = _isc_time(lines.get("ends", ""))
        lease = _lease(at_ms, address, lines.get("hardware ethernet"), name, client=client, ends_s=ends_s)
        if lease:
            yield lease


def _isc_time(text: str) -> int | None:
    """`3 2026/11/25 08:00:00` (UTC), `epoch 1764057600`, or `never`."""
    fields = text.split()
    if fields[:1] == ["epoch"] and len(fields) > 1:
        return _seconds(fields[1])
    try:
        return int(datetime.strptime(" ".join(fields[1:3]), "%Y/%m/%d %H:%M:%S").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _isc_octets(text: str) -> bytes:
    def plain(escape: re.Match[str]) -> str:
        escaped = escape[1]
        return chr(int(escaped, 8) & 0xFF) if len(escaped) == 3 else escaped

    return _ISC_ESCAPE.sub(plain, text.strip('"')).encode("latin-1", "replace")


def _kea(content: bytes, at_ms: int) -> Iterator[Evidence]:
    """Memfile backend, IPv4 and IPv6; a later line of the same address takes its place."""
    rows: dict[str, dict[str, str]] = {}
    lines = content.decode("utf-8", "replace").replace("\x00", "").splitlines()
    try:
        for row in csv.DictReader(lines):
            rows[row.get("address") or ""] = row
    except csv.Error:
        raise ValueError("not a lease file of Kea") from None
    for row in rows.values():
        ends_s, state = _seconds(row.get("expire") or ""), row.get("state") or "0"
        if state != "0" or ends_s is None:
            continue
        client = row.get("client_id") or row.get("duid")
        lease = _lease(at_ms, row["address"], row.get("hwaddr"), row.get("hostname"), client=client, ends_s=ends_s)
        if lease:
            yield lease


def _networkd(content: bytes, at_ms: int) -> Iterator[Evidence]:
    """JSON of systemd-networkd's server (systemd 256 and newer); octets are lists of numbers."""
    try:
        leases = json.loads(content)["Leases"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("not a lease file of systemd-networkd") from None
    for entry in leases if isinstance(leases, list) else ():
        lease = _networkd_lease(entry, at_ms) if isinstance(entry, dict) else None
        if lease:
            yield lease


def _networkd_lease(entry: Mapping[str, Any], at_ms: int) -> Evidence | None:
    try:
        address, mac, client = (_list(entry.get(key)) for key in ("Address", "HardwareAddress", "ClientId"))
        ends_us = entry.get("ExpirationRealtimeUSec")
        until_ms = _until_ms(at_ms, int(ends_us) // 1_000_000) if ends_us else None
    except (TypeError, ValueError, OverflowError):
        return None
    if len(address) != 4:
        return None
    name = entry.get("Hostname")
    return Evidence(
        "dhcp",
        at_ms,
        mac if len(mac) == 6 else None,
        MAPPED_IPV4 + address,
        _host(name) if isinstance(name, str) else None,
        client[:IDENTITY_MAX] or None,
        until_ms=until_ms,
    )


def _udhcpd(content: bytes, at_ms: int) -> Iterator[Evidence]:
    """BusyBox: the time of writing, then a record for each lease with the seconds it had left."""
    written_s = int.from_bytes(content[:8], "big")
    if written_s > 1 << 40:
        raise ValueError("not a lease file of udhcpd")
    for left_s, address, mac, name in _UDHCPD.iter_unpack(content[8:]):
        if any(address) and any(mac):
            host = _host(text_of(name))
            until_ms = _until_ms(at_ms, written_s + left_s if written_s >= CLOCK_SET_S else left_s)
            yield Evidence("dhcp", at_ms, mac, MAPPED_IPV4 + address, host, until_ms=until_ms)


def _lease(
    at_ms: int, address: str, hardware: str | None, name: str | None, *, client: str | None, ends_s: int | None
) -> Evidence | None:
    try:
        place = address_bytes(address)
    except ValueError:
        return None
    until_ms = None if ends_s is None else _until_ms(at_ms, ends_s)
    return Evidence("dhcp", at_ms, _mac(hardware), place, _host(name), _octets(client), until_ms=until_ms)


def _until_ms(at_ms: int, ends_s: int) -> int:
    return ends_s * 1000 if ends_s >= CLOCK_SET_S else at_ms + ends_s * 1000


def _seconds(text: str) -> int | None:
    """A count of seconds; None for what is none, other scripts' digits and absurd lengths among them."""
    return int(text) if re.fullmatch("[0-9]{1,12}", text) else None


def _list(entry: object) -> bytes:
    """Octets that are a list of numbers; nothing for anything else, as a number alone would make so many octets."""
    return bytes(entry[:IDENTITY_MAX]) if isinstance(entry, list) else b""


def _mac(text: str | None) -> Mac | None:
    try:
        return mac_bytes(text) if text else None
    except ValueError:
        return None


def _host(name: str | None) -> str | None:
    return first_label(name) or None if name and name != "*" else None


def _octets(text: str | None) -> bytes | None:
    try:
        return bytes.fromhex(text.replace(":", ""))[:IDENTITY_MAX] or None if text else None
    except ValueError:
        return None
