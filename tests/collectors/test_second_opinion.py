"""A second opinion on captures: the octets that tshark reads out of the same packets."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from random import Random
from struct import pack

import pytest

from tests.collectors.captures import LINK_TYPES, classic, pcapng
from tests.collectors.frames import ETHERNET, PHONE, extension, ipv4, ipv6, ports
from whitestat.collectors import pcap
from whitestat.collectors.capture import Record
from whitestat.collectors.decode import Link

PACKETS = 400
TSHARK = [
    "tshark",
    *("-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE"),
    *("-T", "fields", "-E", "occurrence=f", "-E", "separator=,", "-e", "ip.len", "-e", "ipv6.plen"),
]


def packet(rng: Random) -> tuple[int, bytes]:
    """A well-formed IP packet of any length with its version."""
    protocol = rng.choice((1, 6, 17, 17, 47, 50, 132))
    payload = ports(rng.randrange(1, 65536), rng.choice((53, 80, 443, 5353)), rng.randrange(16, 1400))
    if rng.random() < 0.5:
        options = rng.choice((b"", b"\x01" * 4, b"\x94\x04\0\0"))
        fragment = rng.choice((0, 0, 0x4000, 0x2000, 0x2007))
        return 4, ipv4(payload, protocol, fragment=fragment, options=options)
    if rng.random() < 0.5:
        return 6, ipv6(payload, protocol)
    kind = rng.choice((0, 43, 44, 60))
    return 6, ipv6(extension(kind, protocol, offset=rng.choice((0, 1)) if kind == 44 else 0) + payload, kind)


def framed(link: Link, version: int, rng: Random) -> bytes:
    """What stands in front of the packet."""
    ppp = b"\x00\x21" if version == 4 else b"\x00\x57"
    ethertype = b"\x08\x00" if version == 4 else b"\x86\xdd"
    tags = rng.choice((b"", b"", b"\x81\x00\x00\x07", b"\x88\xa8\x00\x09\x81\x00\x00\x07"))
    session = b"\x11\x00\x00\x07\x00\x22" + ppp
    return {
        Link.ETHERNET: ETHERNET + tags + rng.choice((ethertype, b"\x88\x64" + session)),
        Link.RAW: b"",
        Link.NULL: pack("<I", 2 if version == 4 else 24),
        Link.PPP: b"\xff\x03" + ppp,
        Link.PPP_ETHER: session,
        Link.LINUX_SLL: pack("!HHH8s", 0, 1, 6, PHONE + b"\0\0") + ethertype,
        Link.LINUX_SLL2: ethertype + pack("!HIHBB8s", 0, 3, 1, 0, 6, PHONE + b"\0\0"),
    }[link]


def capture(link: Link) -> list[Record]:
    rng = Random(str(link))
    records = []
    for number in range(PACKETS):
        version, content = packet(rng)
        frame = framed(link, version, rng) + content
        if link is Link.ETHERNET:
            frame = frame.ljust(60, b"\0")  # padding is no part of the packet
        records.append(Record(number * 10**6, link, len(frame), frame))
    return records


def tsharks_octets(path: Path) -> int:
    answer = subprocess.run([*TSHARK, "-r", path], capture_output=True, text=True, check=True).stdout
    octets = 0
    for line in answer.splitlines():
        four, six = line.split(",")
        octets += int(four) if four else int(six) + 40
    return octets


FORMS: dict[str, Callable[[list[Record], Link], bytes]] = {
    "pcap": lambda records, link: classic(records, link_type=LINK_TYPES[link]),
    "pcapng": lambda records, _: pcapng(records),
    "pcap.gz": lambda records, link: gzip.compress(classic(records, link_type=LINK_TYPES[link])),
}


@pytest.mark.needs("tshark")
@pytest.mark.parametrize("link", Link)
def test_a_capture_of_every_link_has_the_octets_that_tshark_reads(link: Link, tmp_path: Path) -> None:
    records = capture(link)
    octets = set()
    for name, form in FORMS.items():
        content = form(records, link)
        octets.add(sum(delta.counts.octets for delta in pcap.deltas(BytesIO(content), name)))
    path = tmp_path / "capture.pcapng"
    path.write_bytes(FORMS["pcapng"](records, link))
    assert octets == {tsharks_octets(path)}
