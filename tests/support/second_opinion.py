"""Capture files read by tshark too, and compared frame by frame (`make captures DIR=folder`).

Of each frame: whether it is IP, its IP octets, both addresses, and the link addresses where the link has them. A
difference is explained by what the frame itself shows, never by the file it is in; one that is not is a fault.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from whitestat.collectors.capture import pcap
from whitestat.collectors.capture.records import Record
from whitestat.collectors.decode import LinkType, Packet, decode
from whitestat.collectors.link_headers import LINK_HEADERS
from whitestat.core.errors import CaptureError

FIELDS = (
    *("frame.protocols", "ip.len", "ipv6.plen", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst"),
    *("eth.src", "eth.dst", "sll.src.eth", "ip.hdr_len", "ip.version"),
)
TSHARK = [
    *("tshark", "-n", "-T", "fields", "-E", "occurrence=f", "-E", "separator=/t"),
    *("-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE"),
    *(word for name in FIELDS for word in ("-e", name)),
]
READ = frozenset(
    (
        *("eth", "ethertype", "vlan", "ieee8021ad", "llc", "pppoes", "ppp", "mpls", "sll", "null", "raw"),
        *("nflog", "chdlc", "enc", "dsa", "edsa", "brcm-tag"),
    )
)
"""What tshark calls the headers that `link_headers` reads."""
COOKED = (LinkType.LINUX_SLL, LinkType.LINUX_SLL2)
FAULTS = {
    r"a packet of \d{7,} octets": "a packet of more octets than any link carries is damage",
    r"pcap version \d+\.\d+ is not known": "a version that libpcap refuses",
}
SHORTER = "the file says that fewer octets were on the wire than captured"


class Opinion(NamedTuple):
    """One frame. Addresses as text; octets of IP, None where it is not IP."""

    octets: int | None = None
    src: str | None = None
    dst: str | None = None
    src_mac: str | None = None
    dst_mac: str | None = None
    protocols: str = ""


class Finding(NamedTuple):
    """A kind of difference; without a `reason` it is a fault of one of both."""

    kind: str
    reason: str | None


class Comparison(NamedTuple):
    """Frames of one file by finding (None: no difference), and the first frame of each."""

    frames: Counter[Finding | None]
    firsts: dict[Finding | None, int]


def ours(path: Path) -> tuple[list[Record | None], str | None]:
    """The records of a file, None for one that is left out, and the fault that ended it."""
    records: list[Record | None] = []
    left_out, read, fault = Counter[int](), 0, None
    with path.open("rb") as stream:
        try:
            for record in pcap.read(stream, left_out):
                records += [None] * (read + left_out.total() - len(records))
                records.append(record)
                read += 1
        except CaptureError as error:
            fault = str(error)
    records += [None] * (read + left_out.total() - len(records))
    return records, fault


def theirs(path: Path) -> tuple[list[dict[str, str]], str]:
    """What tshark says of each frame, and its error where it reads a file up to its damage only."""
    done = subprocess.run([*TSHARK, "-r", path], capture_output=True, check=False)
    lines = done.stdout.decode("utf-8", "replace").split("\n")[:-1]
    return [dict(zip(FIELDS, line.split("\t"), strict=True)) for line in lines], done.stderr.decode("utf-8", "replace")


def our_opinion(packet: Packet) -> Opinion:
    if packet.src is None or packet.dst is None:
        return Opinion(None, None, None, mac_text(packet.src_mac), mac_text(packet.dst_mac))
    src, dst = address_text(packet.src), address_text(packet.dst)
    return Opinion(packet.octets, src, dst, mac_text(packet.src_mac), mac_text(packet.dst_mac))


def their_opinion(fields: dict[str, str]) -> Opinion:
    macs = fields["eth.src"] or fields["sll.src.eth"] or None, fields["eth.dst"] or None, fields["frame.protocols"]
    lengths = {"ip": fields["ip.len"], "ipv6": fields["ipv6.plen"]}
    first = next((name for name in fields["frame.protocols"].split(":") if lengths.get(name)), None)
    if first == "ip":
        return Opinion(int(fields["ip.len"]), fields["ip.src"], fields["ip.dst"], *macs)
    if first == "ipv6":
        return Opinion(int(fields["ipv6.plen"]) + 40, fields["ipv6.src"], fields["ipv6.dst"], *macs)
    return Opinion(None, None, None, *macs)


def address_text(address: bytes) -> str:
    found = ip_address(address)
    return str(found.ipv4_mapped or found) if found.version == 6 else str(found)


def mac_text(mac: bytes | None) -> str | None:
    return mac.hex(":") if mac else None


def finding(record: Record, fields: dict[str, str]) -> Finding | None:
    """The difference of both opinions on a frame, None when there is none."""
    our = our_opinion(decode(record.frame, record.wire_length, record.link))
    their = their_opinion(fields)
    if our.octets is None or their.octets is None:
        if our.octets == their.octets:
            return _of_macs(record, our, their)
        return _of_one(record, fields, our, their)
    available = record.wire_length - LINK_HEADERS[record.link](record.frame).ip
    if our.octets != their.octets:
        if our.octets == available < their.octets:
            return Finding("octets", "the IP header says more than the frame has: the wire counts")
        if our.octets == available and their.octets in (0, 40):
            return Finding("octets", "the IP header leaves the length to the card: the wire counts")
        if our.octets == available and their.octets < 20:
            return Finding("octets", "the IP header says less than itself: the wire counts")
        return Finding("octets", None)
    if (our.src, our.dst) != (their.src, their.dst):
        return Finding("addresses", None)
    return _of_macs(record, our, their)


def _of_macs(record: Record, our: Opinion, their: Opinion) -> Finding | None:
    if record.link is LinkType.ETHERNET and (our.src_mac, our.dst_mac) == (their.src_mac, their.dst_mac):
        return None
    if record.link is not LinkType.ETHERNET and (record.link not in COOKED or our.src_mac == their.src_mac):
        return None
    if their.protocols.startswith("eth:eth:"):
        return Finding("link addresses", "Ethernet inside of Ethernet: the outer addresses count")
    return Finding("link addresses", SHORTER if record.wire_length < len(record.frame) else None)


def _of_one(record: Record, fields: dict[str, str], our: Opinion, their: Opinion) -> Finding:
    """The frame is IP for one of both."""
    path = fields["frame.protocols"].split(":")
    if record.wire_length < len(record.frame):
        return Finding("IP for tshark alone", SHORTER)
    if "ip:ipv6" in fields["frame.protocols"] and our.octets is None and fields["ip.version"] == "6":
        return Finding("IP for tshark alone", "the ethertype says IPv4, the first four bits 6: damaged")
    if their.octets is None:
        return Finding("IP for us alone", None)
    cut = decode(record.frame + bytes(60), max(record.wire_length, len(record.frame) + 60), record.link)
    if cut.src is not None:
        return Finding("IP for tshark alone", "the capture has not the whole IP header")
    above = path[: min(path.index(name) for name in ("ip", "ipv6") if name in path)]
    if tunnel := [name for name in above if name not in READ]:
        return Finding("IP for tshark alone", f"IP inside of {' '.join(tunnel)}, which is not unpacked")
    return Finding("IP for tshark alone", None)


def compare(path: Path) -> Comparison:
    """Both opinions on every frame of a file."""
    records, fault = ours(path)
    told, error = theirs(path)
    frames: Counter[Finding | None] = Counter()
    firsts: dict[Finding | None, int] = {}
    if fault and "link type" in fault:
        records = [None] * len(told)
    for number, each in enumerate(_findings(records, told, fault, error), 1):
        frames[each] += 1
        firsts.setdefault(each, number)
    return Comparison(frames, firsts)


def _findings(
    records: list[Record | None], told: list[dict[str, str]], fault: str | None, error: str
) -> Iterator[Finding | None]:
    for record, fields in zip(records, told, strict=False):
        yield finding(record, fields) if record else Finding("link type not read", "left out and said so")
    reason = next((why for sign, why in FAULTS.items() if re.search(sign, fault or "")), None)
    yield from [Finding("frames for tshark alone", reason)] * (len(told) - len(records))
    reason = "tshark does not read the link type" if "network type" in error else None
    yield from [Finding("frames for us alone", reason)] * (len(records) - len(told))


def captures_of(folder: Path) -> list[Path]:
    """Every file below a folder that begins as a capture does, or is compressed."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            fault = ours_first(path)
            if fault is None or "neither pcap nor pcapng" not in fault:
                found.append(path)
    return found


def ours_first(path: Path) -> str | None:
    """The fault of a file in front of its first packet."""
    with path.open("rb") as stream:
        try:
            next(pcap.read(stream), None)
        except CaptureError as error:
            return str(error)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    paths = captures_of(folder)
    with ThreadPoolExecutor(2) as pool:
        compared = list(zip(paths, pool.map(compare, paths), strict=True))
    print(table(compared))
    unexplained = sum(
        count for _, each in compared for found, count in each.frames.items() if found and not found.reason
    )
    return 1 if unexplained else 0


def table(compared: list[tuple[Path, Comparison]]) -> str:
    """Frames and files of each finding, the largest first, with one frame to look at."""
    frames: Counter[Finding | None] = Counter()
    files: Counter[Finding | None] = Counter()
    where: dict[Finding | None, str] = {}
    for path, each in compared:
        frames.update(each.frames)
        files.update(each.frames.keys())
        for found, number in each.firsts.items():
            where.setdefault(found, f"{path} frame {number}")
    lines = [f"{len(compared)} files, {frames.total()} frames", f"{frames[None]:9} frames: no difference"]
    for found, count in frames.most_common():
        if found:
            reason = found.reason or "NOT EXPLAINED"
            lines.append(f"{count:9} frames, {files[found]} files: {found.kind}: {reason} ({where[found]})")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
