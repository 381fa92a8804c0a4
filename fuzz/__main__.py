"""Throws damaged packets, captures, messages, lease files and routers' pages at every reader of them (`make fuzz`).

Coverage-guided (atheris, libFuzzer): each reader for a part of the time, one process each. A reader may refuse with
its own error and nothing else; whatever else it raises is printed with the input, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import gzip
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from struct import pack

import atheris

with atheris.instrument_imports(include=["whitestat"]):
    from whitestat.attribution.evidence import frame, leases
    from whitestat.collectors.capture import pcap
    from whitestat.collectors.capture.records import Record
    from whitestat.collectors.darkstat import parse as darkstat
    from whitestat.collectors.decode import LinkType, decode
    from whitestat.collectors.link_addresses import completed
    from whitestat.collectors.router import archer_c20
    from whitestat.collectors.router.huawei_b593 import pages
    from whitestat.core.errors import WhiteStatError
    from whitestat.core.model import Delta

from tests.support import captures, frames


def decoded(octets: bytes) -> None:
    link = tuple(LinkType)[octets[0] % len(LinkType)] if octets else LinkType.RAW
    length = int.from_bytes(octets[1:3], "big")
    packet = decode(octets[3:], length, link)
    assert 0 <= packet.octets <= max(length, 0), packet
    assert 0 <= packet.service < 65536 and 0 <= packet.vlan < 4096, packet


def captured(octets: bytes) -> None:
    """Every octet that is read is there when link addresses are filled in, damaged as the file may be."""
    read: list[Delta] = []
    refused: list[WhiteStatError] = []

    def readable() -> Iterator[Delta]:
        try:
            for delta in pcap.deltas(BytesIO(octets), "fuzz"):
                assert delta.counts.octets >= 0, delta
                read.append(delta)
                yield delta
        except WhiteStatError as error:
            refused.append(error)

    total = sum(delta.counts.octets for delta in completed(readable()))
    assert total == sum(delta.counts.octets for delta in read)
    if refused:
        raise refused[0]


def overheard(octets: bytes) -> None:
    frame.decode(octets, 0)


def leased(octets: bytes) -> None:
    try:
        leases.read(octets, 0)
    except ValueError as error:
        assert "lease file" in str(error), error


def scraped(octets: bytes) -> None:
    for read in (darkstat.hosts, darkstat.detail):
        read(octets.decode("utf-8", "replace"))


def polled(octets: bytes) -> None:
    text = octets.decode("utf-8", "replace")
    pages.front(text)
    pages.rsa_key(text)
    pages.let_in(text)
    for read in (archer_c20.blocks_of, pages.statistics):
        try:
            read(text)
        except ValueError as error:
            assert str(error)


READERS: dict[str, Callable[[bytes], None]] = {
    "decode": decoded,
    "captures": captured,
    "evidence": overheard,
    "leases": leased,
    "darkstat": scraped,
    "routers": polled,
}


def headed(link: LinkType) -> list[bytes]:
    """A packet of both versions of IP behind a link's header."""
    packets = {4: frames.ipv4(frames.ports()), 6: frames.ipv6(frames.ports())}
    return [frames.link_header(link, version, len(packet)) + packet for version, packet in packets.items()]


def seeds(reader: str) -> Iterable[bytes]:
    """Whole inputs to begin with."""
    if reader == "decode":
        return [
            *(bytes([0]) + len(each).to_bytes(2, "big") + each for each in frames.mixed()),
            *(
                bytes([n]) + len(each).to_bytes(2, "big") + each
                for n, link in enumerate(LinkType)
                for each in headed(link)
            ),
        ]
    if reader == "evidence":
        return frames.mixed()[:20]
    if reader == "captures":
        records = [Record(n, LinkType.ETHERNET, len(each), each) for n, each in enumerate(frames.mixed()[:9])]
        several = [Record(n, link, len(each), each) for n, link in enumerate(LinkType) for each in headed(link)]
        old = [(2, 0), (2, 3), (543, 0)]
        return [
            *(captures.classic(records), captures.pcapng(records), captures.pcapng(several, order=">")),
            *(captures.classic(records, version=version) for version in old),
            pack("<I", 0xA1B2CD34) + captures.classic(records)[4:],
            captures.pcapng(records) + captures.interface(249) + captures.enhanced(0, 8, bytes(8), number=1),
            gzip.compress(captures.pcapng(several)),
        ]
    if reader == "leases":
        return [
            b"1760003600 02:50:00:00:00:11 192.168.50.17 phone 01:02:50:00:00:00:11\n",
            b"lease 192.168.50.17 {\n}\n",
        ]
    if reader == "routers":
        table = b"[0,0,0,0,0,0]0\nenable=1\n[1,0,0,0,0,0]1\nipAddress=3232235786\ntotalBytes=5\n[error]0"
        line = b"WanStatistics = {'uprate' : '1' , 'upvolume' : '2' , 'downvolume' : '3' , 'liveTime' : '4'};"
        front = b'var csrf_param = "p"; var csrf_token = "t"; var LoginError = "1:5"; var Cookieflag = 2;'
        return [table, line, front, b'var modulus = "BE"\n\t\t\t +"EF";']
    return [b"<table><tr><th>IP</th><th>In</th></tr><tr><td>192.168.50.17</td><td>1,000</td></tr></table>"]


def one(reader: str, seconds: int) -> None:
    """Does not return: libFuzzer ends the process."""
    read = READERS[reader]

    def attempt(octets: bytes) -> None:
        try:
            read(octets)
        except WhiteStatError:
            return

    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds(reader)):
            (Path(folder) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], f"-max_total_time={seconds}", "-max_len=65536", "-timeout=10", folder], attempt)
        atheris.Fuzz()


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=300, help="for all readers together")
    options.add_argument("--reader", choices=READERS)
    chosen = options.parse_args()
    if chosen.reader:
        one(chosen.reader, chosen.seconds)
        return 0
    share = max(1, chosen.seconds // len(READERS))
    command = [sys.executable, "-m", "fuzz", "--seconds", str(share), "--reader"]
    failed = [reader for reader in READERS if subprocess.run([*command, reader], check=False).returncode]
    print("all readers held" if not failed else f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
