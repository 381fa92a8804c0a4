"""Octets, rates, durations and addresses to text and back; figures are rounded here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_network

from whitestat.core.model import Address, Mac, Network

MAPPED_IPV4 = bytes(10) + b"\xff\xff"
"""The first twelve octets of an IPv4-mapped address (RFC 4291, section 2.5.5.2)."""

_MAC = re.compile(r"[0-9a-f]{2}(?:(?P<mark>[:-])[0-9a-f]{2})(?:(?P=mark)[0-9a-f]{2}){4}", re.IGNORECASE)
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}

_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_AMOUNT = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,3}))?\s*([kKMGTP]i?B)")
_RATE = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,3}))?\s*([kMG])bit/s")
SLOWEST_BPS, FASTEST_BPS = 8_000, 100_000_000_000
"""Allowed rates, bits per second."""

_RATES = ("bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s")


@lru_cache(maxsize=8192)
def mac_text(mac: Mac) -> str:
    """`02:50:00:00:00:11` for the six octets of a link address."""
    return mac.hex(":")


def mac_bytes(text: str) -> Mac:
    """The six octets of a link address written with colons or dashes, in any case; else ValueError."""
    if not _MAC.fullmatch(text):
        raise ValueError(f"not a MAC address: {text!r}")
    return bytes.fromhex(text.replace(":", "").replace("-", ""))


@lru_cache(maxsize=8192)
def address_text(address: Address) -> str:
    """Sixteen octets as people write them (RFC 5952); an IPv4-mapped address as plain IPv4."""
    if address[:12] == MAPPED_IPV4:
        return str(IPv4Address(address[12:]))
    return str(IPv6Address(address))


def address_bytes(text: str) -> Address:
    """The sixteen octets of an IPv4 or IPv6 address; ValueError for all else, a zone (`%eth0`) included."""
    if "%" in text:  # The zone is a matter of one machine (RFC 4007) and no part of the address.
        raise ValueError(f"not an IP address: {text!r}")
    try:
        return IPv6Address(text).packed if ":" in text else MAPPED_IPV4 + IPv4Address(text).packed
    except AddressValueError:
        raise ValueError(f"not an IP address: {text!r}") from None


def network_of(text: str, *, strict: bool = True) -> Network:
    """The network of a text; ValueError for all else, a zone (`%eth0`) included: IPv6Network lets any text through
    there, lines and braces too, and writes it again."""
    if "%" in text:
        raise ValueError(f"not a network: {text!r}")
    return ip_network(text, strict=strict)


def octets_text(octets: int, *, binary: bool = False) -> str:
    """`1.2 GB` in steps of 1000, or `1.1 GiB` in steps of 1024; whole below the first step."""
    return _scaled(octets, 1024 if binary else 1000, _BINARY if binary else _DECIMAL)


def kb_text(octets: int) -> str:
    """`14.93`: KB of 1024 octets with two decimals, a tie to the even one, as WhiteStat v5 rounded."""
    hundredths, rest = divmod(octets * 100, 1024)
    hundredths += rest > 512 or (rest == 512 and hundredths % 2)
    return f"{hundredths // 100}.{hundredths % 100:02}"


def kb_texts(octets: Sequence[int]) -> list[str]:
    """`kb_text` of many, faster: below 2^53 a float holds the quotient exactly, and is rounded from that."""
    if max(octets, default=0) >= 1 << 53:
        return [kb_text(value) for value in octets]
    return [f"{value / 1024:.2f}" for value in octets]


def kb_octets(kilobytes: float) -> int:
    """The octets that some KB stand for, to the nearest; ValueError below zero and for what is no number."""
    if not 0 <= kilobytes < 1 << 53:  # above that a float skips whole KB
        raise ValueError(f"not an amount of KB: {kilobytes!r}")
    return round(kilobytes * 1024)


def octets_of(text: str) -> int:
    """The octets of `400GB` (of 1000 each) or `1.5 GiB` (of 1024): more than none, whole ones; else ValueError."""
    match = _AMOUNT.fullmatch(text.strip())
    if not match:
        raise ValueError(f"not an amount like 400GB or 40GiB: {text!r}")
    whole, part, unit = match.groups(default="")
    binary = unit[1:2] == "i"
    size: int = (1024 if binary else 1000) ** ("kKMGTP".index(unit[0]) or 1)
    octets = (int(whole) * 1000 + int(part.ljust(3, "0"))) * size // 1000
    if not 0 < octets < 1 << 60:
        raise ValueError(f"not an amount like 400GB or 40GiB: {text!r}")
    return octets


def octets_written(octets: int) -> str:
    """The shortest text that `octets_of` reads back as these octets, or the octets where there is none."""
    for step, names in ((1000, _DECIMAL), (1024, _BINARY)):
        for power in range(5, 0, -1):
            if octets and octets % step**power == 0:
                return f"{octets // step**power}{names[power]}"
    return f"{octets} B"


def rate_text(rate_bps: int) -> str:
    """`12.3 Mbit/s` for bits per second."""
    return _scaled(rate_bps, 1000, _RATES)


def rate_of(text: str) -> int:
    """Bits per second of `512kbit/s` or `1.5 Mbit/s`: whole ones, more than none; else ValueError."""
    match = _RATE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"not a rate like 1.5Mbit/s: {text!r}")
    whole, part, unit = match.groups(default="")
    size: int = 1000 ** "kMG".index(unit)
    rate_bps = (int(whole) * 1000 + int(part.ljust(3, "0"))) * size
    if not rate_bps:
        raise ValueError(f"not a rate like 1.5Mbit/s: {text!r}")
    return rate_bps


def rate_written(rate_bps: int) -> str:
    """The shortest text that `rate_of` reads back as this rate, for whole kilobits per second."""
    for power, name in ((3, "Gbit/s"), (2, "Mbit/s"), (1, "kbit/s")):
        if rate_bps % 1000**power == 0:
            return f"{rate_bps // 1000**power}{name}"
    return f"{rate_bps / 1000:.3f}kbit/s"


def duration_seconds(text: str) -> int:
    """Seconds in `30s`, `5m`, `1h` or `7d`: one whole number and one unit; else ValueError."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"not a duration like 30s, 5m, 1h or 7d: {text!r}")
    return int(match[1]) * _SECONDS[match[2]]


def duration_text(seconds: int) -> str:
    """The shortest text that `duration_seconds` reads back as these seconds."""
    unit = next((unit for unit, size in _SECONDS.items() if seconds and seconds % size == 0), "s")
    return f"{seconds // _SECONDS[unit]}{unit}"


def _scaled(figure: int, step: int, names: tuple[str, ...]) -> str:
    """One decimal, rounded half up in integers: a float would be off by then for large figures."""
    sign, figure = ("-", -figure) if figure < 0 else ("", figure)
    if figure < step:
        return f"{sign}{figure} {names[0]}"
    size = step
    for name in names[1:]:
        tenths = (figure * 10 + size // 2) // size
        if tenths < step * 10 or name == names[-1]:
            break
        size *= step
    return f"{sign}{tenths // 10}.{tenths % 10} {name}"
