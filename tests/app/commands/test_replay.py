"""`whitestat replay`: devices of a capture file, and what is said of one that cannot be read."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path
from struct import pack

import pytest

from tests.support import captures, frames
from tests.support.frames import PHONE, ROUTER, ipv4, ipv6, ports
from whitestat.app.commands.replay import replay
from whitestat.app.main import run_command
from whitestat.collectors.capture.records import Record
from whitestat.collectors.decode import LinkType
from whitestat.config import loader

LAPTOP = bytes.fromhex("025000000022")
TO_ALL = b"\xff" * 6
NOON_NS = 1_795_435_200 * 10**9


def four(src: str, dst: str, octets: int = 1000) -> bytes:
    packet = ipv4(ports(rest=octets - 24), 17)
    return packet[:12] + bytes(map(int, src.split("."))) + bytes(map(int, dst.split("."))) + packet[20:]


def six(src: bytes, dst: bytes, octets: int = 1000) -> bytes:
    packet = ipv6(ports(rest=octets - 44), 17)
    return packet[:8] + src + dst + packet[40:]


GLOBAL = bytes.fromhex("fd00000000000000000000000000aa07")
FAR = frames.DST6
HOUSEHOLD = [  # sender, receiver, packet: what comes in stands first
    (ROUTER, PHONE, four("203.0.113.9", "192.168.50.7", 900)),
    (PHONE, ROUTER, four("192.168.50.7", "203.0.113.9", 100)),
    (ROUTER, PHONE, six(FAR, GLOBAL, 800)),
    (PHONE, ROUTER, six(GLOBAL, FAR, 200)),
    (PHONE, LAPTOP, four("192.168.50.7", "192.168.50.22", 300)),
    (LAPTOP, PHONE, four("192.168.50.22", "192.168.50.7", 400)),
    (LAPTOP, TO_ALL, four("0.0.0.0", "255.255.255.255", 340)),
    (LAPTOP, TO_ALL, four("192.168.50.22", "192.168.50.255", 240)),
    (LAPTOP, TO_ALL, four("192.168.50.22", "192.168.50.63", 140)),
    (LAPTOP, bytes.fromhex("01005e0000fb"), four("192.168.50.22", "224.0.0.251", 120)),
]


def cooked(link: LinkType, sender: bytes, receiver: bytes, packet: bytes) -> bytes:
    """As the kernel hands it over on `-i any`: the sender's address, and whether it was sent to all."""
    kind = 1 if receiver == TO_ALL else 2 if receiver[0] & 1 else 3
    ethertype = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
    if link is LinkType.LINUX_SLL:
        return pack("!HHH8s", kind, 1, 6, sender) + ethertype + packet
    return ethertype + pack("!HIHBB8s", 0, 3, 1, kind, 6, sender) + packet


def framed(link: LinkType, sender: bytes, receiver: bytes, packet: bytes) -> bytes:
    if link is LinkType.ETHERNET:
        return receiver + sender + (b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd") + packet
    return cooked(link, sender, receiver, packet)


def written(path: Path, link: LinkType, packets: Iterable[bytes]) -> Path:
    records = [Record(NOON_NS + place * 10**9, link, len(each), each) for place, each in enumerate(packets)]
    path.write_bytes(captures.pcapng(records))
    return path


def devices(path: Path) -> dict[tuple[str | None, str | None], tuple[int, int]]:
    """Octets in and out by device (its MAC where one is seen) and scope."""
    lines = replay(path, loader.load(None, {}, root=False)).lines
    found = {(line.mac or line.device, line.scope): (line.counts.octets_in, line.counts.octets_out) for line in lines}
    assert len(found) == len(lines)
    return found


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("link", [LinkType.LINUX_SLL, LinkType.LINUX_SLL2])
def test_a_cooked_capture_has_the_devices_of_an_ethernet_capture(
    link: LinkType, backwards: bool, tmp_path: Path
) -> None:
    packets = HOUSEHOLD[::-1] if backwards else HOUSEHOLD
    expected = devices(
        written(tmp_path / "e", LinkType.ETHERNET, (framed(LinkType.ETHERNET, *each) for each in packets))
    )
    assert devices(written(tmp_path / "c", link, (framed(link, *each) for each in packets))) == expected
    assert expected == {
        ("02:50:00:00:00:ff", "wan"): (1700, 300),
        ("02:50:00:00:00:ff", "lan"): (400, 300),
        ("02:50:00:00:00:22", "lan"): (300, 1240),
    }


def test_without_link_addresses_a_host_is_its_address_and_a_broadcast_is_none(tmp_path: Path) -> None:
    packets = [
        four("203.0.113.9", "10.8.0.2", 900),
        four("10.8.0.2", "203.0.113.9", 100),
        four("10.8.0.2", "10.8.0.255", 200),
        four("10.8.0.2", "255.255.255.255", 50),
        four("0.0.0.0", "255.255.255.255", 340),
        four("10.8.0.2", "239.255.255.250", 60),
    ]
    assert devices(written(tmp_path / "raw", LinkType.RAW, packets)) == {
        ("10.8.0.2", "wan"): (900, 100),
        ("10.8.0.2", "lan"): (0, 310),
        (None, "wan"): (0, 340),
    }


def test_a_host_that_ends_in_255_and_sends_is_a_host(tmp_path: Path) -> None:
    packets = [four("10.8.0.255", "203.0.113.9", 100), four("203.0.113.9", "10.8.0.255", 900)]
    assert devices(written(tmp_path / "raw", LinkType.RAW, packets)) == {("10.8.0.255", "wan"): (900, 100)}


@pytest.mark.parametrize("link", [LinkType.NULL, LinkType.LINUX_SLL2])
def test_loopback_is_one_device(link: LinkType, tmp_path: Path) -> None:
    own = bytes(15) + b"\x01"
    packets = [four("127.0.0.1", "127.0.0.53", 100), four("127.0.0.53", "127.0.0.1", 200), six(own, own, 400)]
    headers = {
        LinkType.NULL: (pack("<I", 2), pack("<I", 30)),
        LinkType.LINUX_SLL2: tuple(
            kind + pack("!HIHBB8s", 0, 1, 772, 0, 6, bytes(8)) for kind in (b"\x08\0", b"\x86\xdd")
        ),
    }[link]
    path = written(tmp_path / "lo", link, (headers[packet[0] >> 4 == 6] + packet for packet in packets))
    assert devices(path) == {("127.0.0.1", "lan"): (700, 700)}


UNREAD = captures.section() + captures.interface(249) + captures.enhanced(0, 46, bytes(46)) * 3
PACKET = frames.link_header(LinkType.ETHERNET, 4, 100) + four("192.168.50.7", "203.0.113.9", 100)
READ = captures.interface() + captures.enhanced(NOON_NS // 1000, len(PACKET), PACKET, number=1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "No such file or directory"),
        (b"", "the file is empty"),
        (b"SQLite format 3\0", "neither pcap nor pcapng"),
        (captures.classic([], link_type=249), "link type 249 is not known"),
        (captures.classic([])[:20], "cut off"),
        (captures.classic([]) + b"\xff" * 40, "octet 24"),
        (UNREAD, "packets left out, of link types that are not read: 3 of link type 249"),
        (gzip.compress(captures.classic([]))[:12], "cut off"),
        (captures.section() + pack("<III", 5, 8, 8), "a block of 8 octets"),
    ],
    ids=["absent", "empty", "database", "link-type", "header", "record", "link-types", "gzip", "block"],
)
@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_a_file_that_cannot_be_read_is_told_in_one_line_and_nothing_else(
    data: bytes | None, reason: str, form: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "home.pcap"
    if data is not None:
        path.write_bytes(data)
    assert run_command(["replay", *form, str(path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"whitestat: {path}: ") and reason in said.err and said.err.count("\n") == 1


def test_a_folder_is_no_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["replay", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"whitestat: {tmp_path}: Is a directory\n"


def test_what_was_left_out_is_said_beside_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "home.pcapng"
    path.write_bytes(UNREAD + READ)
    assert run_command(["replay", str(path)]) == 0
    said = capsys.readouterr()
    assert "02:50:00:00:00:ff" in said.out
    assert said.err == (f"whitestat: {path}: packets left out, of link types that are not read: 3 of link type 249\n")
    path.write_bytes(UNREAD + READ + b"\0" * 40)
    assert run_command(["replay", str(path)]) == 1
    said = capsys.readouterr()
    assert "02:50:00:00:00:ff" in said.out and "3 of link type 249" in said.err and "a block of 0 octets" in said.err


def test_a_capture_without_packets_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "home.pcap"
    path.write_bytes(captures.classic([]))
    assert run_command(["replay", str(path)]) == 0
    assert capsys.readouterr().out == f"No packets in {path}.\n"
