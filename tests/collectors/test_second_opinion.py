"""A second opinion on captures: the octets that tshark reads out of the same packets."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from struct import pack

import pytest

from tests.support.captures import LINK_TYPES, block, classic, enhanced, pcapng
from tests.support.frames import LABELS, SESSION, SNAP, extension, ipv4, ipv6, link_header, ports
from tests.support.second_opinion import Finding, captures_of, compare, finding, table, theirs
from whitestat.collectors.capture import pcap
from whitestat.collectors.capture.records import Record
from whitestat.collectors.decode import LinkType

pytestmark = pytest.mark.needs("tshark")

PACKETS = 400
SWITCHED = (LinkType.DSA, LinkType.EDSA, LinkType.BRCM, LinkType.BRCM_PREPEND)
"""Links that this tshark does not read; tcpdump does (test_pcap.py)."""


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


def framed(link: LinkType, version: int, octets: int, rng: Random) -> bytes:
    """What stands in front of the packet."""
    header = link_header(link, version, octets)
    if link is not LinkType.ETHERNET:
        return header
    ppp = b"\x00\x21" if version == 4 else b"\x00\x57"
    tags = rng.choice((b"", b"", b"\x81\x00\x00\x07", b"\x88\xa8\x00\x09\x81\x00\x00\x07"))
    session = b"\x88\x64" + SESSION[:4] + pack("!H", octets + 2) + ppp
    snap = pack("!H", octets + 8) + SNAP + header[12:]
    return header[:12] + tags + rng.choice((header[12:], session, snap, b"\x88\x47" + LABELS))


def capture(link: LinkType) -> list[Record]:
    rng = Random(str(link))
    records = []
    for number in range(PACKETS):
        version, content = packet(rng)
        frame = framed(link, version, len(content), rng) + content
        if link is LinkType.ETHERNET:
            frame = frame.ljust(60, b"\0")  # padding is no part of the packet
        records.append(Record(number * 10**6, link, len(frame), frame))
    return records


FORMS: dict[str, Callable[[list[Record], LinkType], bytes]] = {
    "pcap": lambda records, link: classic(records, link_type=LINK_TYPES[link]),
    "pcapng": lambda records, _: pcapng(records),
    "pcap.gz": lambda records, link: gzip.compress(classic(records, link_type=LINK_TYPES[link])),
}


@pytest.mark.parametrize("link", [link for link in LinkType if link not in SWITCHED])
def test_a_capture_of_every_link_has_the_octets_that_tshark_reads(link: LinkType, tmp_path: Path) -> None:
    records = capture(link)
    octets = set()
    for name, form in FORMS.items():
        path = tmp_path / f"capture.{name}"
        path.write_bytes(form(records, link))
        with path.open("rb") as stream:
            octets.add(sum(delta.counts.octets for delta in pcap.deltas(stream, name)))
        assert compare(path).frames == {None: PACKETS}, table([(path, compare(path))])
    assert len(octets) == 1


def test_a_difference_is_a_finding_and_one_that_the_frame_does_not_explain_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcapng"
    records = capture(LinkType.ETHERNET)
    path.write_bytes(pcapng(records))
    told, _ = theirs(path)
    for record, fields in zip(records, told, strict=True):
        assert finding(record, fields) is None
        length = "ip.len" if fields["ip.len"] else "ipv6.plen"
        shorter = {**fields, length: str(int(fields[length]) - 1)}
        assert finding(record, shorter) == Finding("octets", None)
        assert finding(record, {**fields, "eth.dst": "02:00:00:00:00:77"}) == Finding("link addresses", None)
        assert finding(record, {**fields, "ip.src": "192.0.2.1", "ipv6.src": "::"}) == Finding("addresses", None)
    whole = Finding("octets", "the IP header says more than the frame has: the wire counts")
    packet = ipv4(ports(), 17, total=4000)
    frame = link_header(LinkType.ETHERNET, 4, len(packet)) + packet
    path.write_bytes(pcapng([Record(0, LinkType.ETHERNET, len(frame), frame)]))
    assert compare(path).frames == {whole: 1}


def test_a_folder_is_compared_and_its_status_says_whether_all_is_explained(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a.pcap").write_bytes(classic(capture(LinkType.RAW)[:9], link_type=101))
    (tmp_path / "notes.txt").write_text("no capture")
    other = pcapng(capture(LinkType.NULL)[:3]) + block(1, pack("<HHI", 249, 0, 0)) + enhanced(0, 8, bytes(8), number=1)
    (tmp_path / "b.pcapng").write_bytes(other)
    assert captures_of(tmp_path) == [tmp_path / "b.pcapng", tmp_path / "below" / "a.pcap"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.second_opinion", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 files, 13 frames" in done.stdout
    assert "1 frames, 1 files: link type not read" in done.stdout
