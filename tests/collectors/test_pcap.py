"""Capture files of every dialect, whole, cut off and damaged; tcpdump as a second opinion."""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import subprocess
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import captures, frames
from whitestat.collectors.capture import pcap, pcapng
from whitestat.collectors.capture.records import LINKS, PACKET_MAX, Record
from whitestat.collectors.decode import LinkType, decode
from whitestat.core.errors import CaptureError
from whitestat.core.model import PROTOCOL_OTHER, Counts, Delta, FlowKey

NOON_NS = 1_795_435_200 * 10**9
ETHERNET_IPV4 = frames.ETHERNET + b"\x08\x00"
FRAME = ETHERNET_IPV4 + frames.ipv4(frames.ports())


needs_tcpdump = pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump is not installed")


def tcpdump(data: bytes, *arguments: str) -> bytes:
    """What tcpdump says of a capture; it reads from a pipe, so that its own user need not see our files."""
    done = subprocess.run(
        ["tcpdump", "-nn", "-r", "-", *arguments], input=data, capture_output=True, timeout=30, check=True
    )
    return done.stdout


def record(at_ns: int = NOON_NS, frame: bytes = FRAME, link: LinkType = LinkType.ETHERNET) -> Record:
    return Record(at_ns, link, len(frame), frame)


def readable(data: bytes) -> tuple[list[Record], str | None]:
    """What can be read of a file, and the fault that ended it."""
    found = []
    try:
        for each in pcap.read(io.BytesIO(data)):
            found.append(each)
    except CaptureError as error:
        return found, str(error)
    return found, None


def fault(data: bytes) -> str:
    found = readable(data)[1]
    assert found is not None
    return found


@st.composite
def records(draw: st.DrawFn, links: tuple[LinkType, ...] = (LinkType.ETHERNET,)) -> list[Record]:
    """Records of whole microseconds, some of them cut."""
    found = []
    for sample in draw(st.lists(frames.samples(links), max_size=6)):
        captured = draw(st.integers(0, len(sample.frame)))
        at_ns = draw(st.integers(0, 2**32 - 1)) * 10**9 + draw(st.integers(0, 999_999)) * 1000
        found.append(Record(at_ns, sample.front.link, len(sample.frame), sample.frame[:captured]))
    return found


@given(records(), st.sampled_from("<>"), st.booleans())
def test_a_pcap_file_is_read_as_it_was_written(written: list[Record], order: str, nanoseconds: bool) -> None:
    assert readable(captures.classic(written, order=order, nanoseconds=nanoseconds)) == (written, None)


versions = st.sampled_from((*captures.TURNED, (2, 3), (2, 4)))


@given(records(), st.sampled_from("<>"), versions)
def test_a_pcap_file_of_an_old_version_is_read_as_it_was_written(
    written: list[Record], order: str, version: tuple[int, int]
) -> None:
    assert readable(captures.classic(written, order=order, version=version)) == (written, None)


@given(records(tuple(LinkType)), st.sampled_from("<>"), st.sampled_from((6, 7, 9)))
def test_a_pcapng_file_is_read_as_it_was_written(written: list[Record], order: str, resolution: int) -> None:
    assert readable(captures.pcapng(written, order=order, resolution=resolution)) == (written, None)


@given(records())
def test_compressed_files_are_read_like_plain_ones(written: list[Record]) -> None:
    for data in (captures.classic(written), captures.pcapng(written)):
        half = len(data) // 2
        for packed in (
            gzip.compress(data, mtime=0),
            gzip.compress(data[:half], mtime=0) + gzip.compress(data[half:]),
            gzip.compress(data, mtime=0) + bytes(512),
        ):
            assert readable(packed) == (written, None)


@pytest.mark.parametrize("number", sorted(LINKS))
def test_every_link_type_of_the_list_is_known(number: int) -> None:
    (found,) = pcap.read(io.BytesIO(captures.classic([record()], link_type=number | 0xF4000000)))
    same = {14: 101, 228: 101, 229: 101, 108: 0, 13: 109, 50: 9, 104: 9}
    assert captures.LINK_TYPES.get(found.link) == same.get(number, number)


def test_times_keep_their_nanoseconds() -> None:
    written = [record(NOON_NS + 123_456_789)]
    assert readable(captures.classic(written, nanoseconds=True))[0] == written
    assert readable(captures.classic(written))[0][0].at_ns == NOON_NS + 123_456_000
    assert readable(captures.pcapng(written, resolution=9))[0] == written


@pytest.mark.parametrize(
    ("options", "units", "at_ns"),
    [
        (b"", 1_500_000, 1_500_000_000),
        (captures.option(9, b"\x00"), 3, 3_000_000_000),
        (captures.option(9, b"\x8a"), 1536, 1_500_000_000),
        (captures.option(9, b"\x7f"), 10**18, 0),
        (captures.option(14, pack("<q", 3600)), 1, 3_600_000_001_000),
        (captures.option(14, pack("<q", -1)), 1_000_001, 1000),
        (captures.option(2, b"eth0.7") + captures.option(9, b"\x03"), 7, 7_000_000),
        (captures.option(0, b"") + captures.option(9, b"\x03"), 7, 7_000),
        (captures.option(9, b"\x03\x03"), 7, 7_000),
    ],
)
def test_pcapng_times_follow_the_interface_options(options: bytes, units: int, at_ns: int) -> None:
    data = captures.section() + captures.interface(options=options) + captures.enhanced(units, 46, FRAME)
    assert readable(data) == ([record(at_ns)], None)


def test_each_section_has_its_own_byte_order_and_interfaces() -> None:
    raw = frames.ipv4(frames.ports())
    data = (
        captures.pcapng([record()])
        + captures.pcapng([record(frame=raw, link=LinkType.RAW)], order=">")
        + captures.pcapng([record()])
    )
    assert readable(data) == ([record(), record(frame=raw, link=LinkType.RAW), record()], None)
    undescribed = captures.pcapng([record()]) + captures.section(">") + captures.enhanced(0, 46, FRAME, ">")
    assert readable(undescribed)[0] == [record()]
    assert fault(undescribed) == "octet 168: a packet of interface 0, which was not described"


def test_a_simple_packet_takes_the_snap_length_and_the_time_before_it() -> None:
    data = captures.section() + captures.interface(snap_length=40)
    data += captures.simple(46, FRAME[:40]) + captures.enhanced(NOON_NS // 1000, 46, FRAME)
    data += captures.simple(46, FRAME[:40]) + captures.simple(30, FRAME[:30])
    cut = Record(NOON_NS, LinkType.ETHERNET, 46, FRAME[:40])
    short = Record(NOON_NS, LinkType.ETHERNET, 30, FRAME[:30])
    assert readable(data) == ([cut._replace(at_ns=0), record(), cut, short], None)
    uncut = captures.section() + captures.interface() + captures.simple(46, FRAME)
    assert readable(uncut) == ([record(0)], None)


def test_version_1_2_is_version_1_0() -> None:
    data = captures.section(version=(1, 2)) + captures.interface() + captures.enhanced(NOON_NS // 1000, 46, FRAME)
    assert readable(data) == ([record()], None)


def test_the_packet_block_of_the_first_draft_is_read() -> None:
    data = captures.section() + captures.interface() + captures.obsolete(NOON_NS // 1000, 46, FRAME)
    assert readable(data) == ([record()], None)


def test_blocks_of_other_kinds_are_passed_over() -> None:
    data = captures.section() + captures.interface() + captures.block(5, bytes(40))
    data += captures.block(0x0BAD, bytes(300_000)) + captures.enhanced(NOON_NS // 1000, 46, FRAME)
    assert readable(data) == ([record()], None)


def test_packets_of_an_unknown_link_type_are_left_out_and_counted_and_the_others_read() -> None:
    data = captures.section() + captures.interface(249) + captures.interface() + captures.interface(189)
    data += captures.enhanced(0, 46, FRAME) + captures.enhanced(NOON_NS // 1000, 46, FRAME, number=1)
    data += captures.obsolete(0, 46, FRAME) + captures.simple(46, FRAME) + captures.enhanced(0, 46, FRAME, number=2)
    data += captures.enhanced(NOON_NS // 1000, 46, FRAME, number=1)
    left_out = Counter[int]()
    assert list(pcap.read(io.BytesIO(data), left_out)) == [record(), record()]
    assert left_out == {249: 3, 189: 1}
    assert readable(data) == ([record(), record()], None)
    assert sum(each.counts.packets_out for each in pcap.deltas(io.BytesIO(data), "lan", left_out)) == 2
    assert left_out == {249: 6, 189: 2}


def old(version: tuple[int, int], captured: int, wire_length: int, *, turned: bool, order: str = "<") -> bytes:
    """A capture of an old version with one packet; `turned` has the octets on the wire in front of those captured."""
    lengths = (wire_length, captured) if turned else (captured, wire_length)
    head = captures.classic([], version=version, order=order)
    return head + pack(order + "IIII", NOON_NS // 10**9, 0, *lengths) + FRAME[:captured]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [(2, 0), (2, 1), (2, 2), (2, 3), (2, 4), (543, 0)])
def test_old_versions_have_their_lengths_the_other_way_round(version: tuple[int, int], order: str) -> None:
    cut = Record(NOON_NS, LinkType.ETHERNET, 46, FRAME[:40])
    for turned in (True, False) if version == (2, 3) else (version != (2, 4),):
        assert readable(old(version, 40, 46, turned=turned, order=order)) == ([cut], None)


@needs_tcpdump
@pytest.mark.parametrize("version", [(2, 0), (2, 3)])
def test_tcpdump_reads_old_versions_alike(version: tuple[int, int]) -> None:
    made = tcpdump(old(version, 40, 46, turned=True), "-w", "-")
    assert readable(made)[0] == readable(old(version, 40, 46, turned=True))[0]


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_longer_packet_header_is_read_past(order: str) -> None:
    head = pack(order + "I", 0xA1B2CD34) + captures.classic([], order=order)[4:]
    packet = pack(order + "IIIIIHBx", NOON_NS // 10**9, 0, 46, 46, 3, 8, 0) + FRAME
    assert readable(head + packet * 2) == ([record(), record()], None)
    assert fault(head + packet + packet[:20]) == "octet 94: the capture is cut off: 20 of 24 octets are there"


@pytest.mark.parametrize("body", [FRAME, b"\x45" + FRAME[15:], pack(">I", 2) + FRAME[14:], pack("<I", 2) + FRAME[14:]])
def test_link_type_12_is_ip_alone_or_openbsds_loopback(body: bytes) -> None:
    (delta,) = pcap.deltas(io.BytesIO(captures.classic([record(frame=body)], link_type=12)), "lan")
    ours = body[:1] == b"\x45" or body[:4] == pack(">I", 2)
    assert (delta.key.protocol == 17) == ours


def peak(data: bytes) -> int:
    """Octets that the reader held at most, the input not counted."""
    tracemalloc.start()
    try:
        readable(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data",
    [
        captures.section() + pack("<II", 6, 0xFFFF_FFFC) + bytes(64),
        captures.section() + pack("<II", 0x0BAD, pcapng.BLOCK_MAX) + bytes(64),
        captures.section() + captures.interface() + captures.enhanced(0, 0xFFFF_FFFF, FRAME),
        captures.section() + captures.interface(options=pack("<HH", 2, 0xFFFF)),
        captures.classic([]) + pack("<IIII", 0, 0, 0xFFFF_FFFF, 0xFFFF_FFFF) + bytes(64),
        captures.classic([], version=(2, 2)) + pack("<IIII", 0, 0, 0, 0xFFFF_FFFF) + bytes(64),
    ],
)
def test_no_length_in_a_file_makes_the_reader_hold_more_than_there_is(data: bytes) -> None:
    assert fault(data)
    assert peak(data) < 1 << 20


@pytest.mark.slow
def test_sections_and_interfaces_without_end_do_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    sections = (captures.section() + captures.interface() * 3) * 20_000
    assert readable(sections) == ([], None)
    assert peak(sections) < 2 << 20
    monkeypatch.setattr(pcapng, "INTERFACES_MAX", 10)
    assert readable(captures.section() + captures.interface() * 10)[1] is None
    assert "more than 10 interfaces" in fault(captures.section() + captures.interface() * 11)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "octet 0: the file is empty"),
        (b"\xd4", "octet 0: the capture is cut off: 1 of 2 octets are there"),
        (b"SQLite format 3\0", "octet 0: neither pcap nor pcapng: it begins with 53 51 4c 69"),
        (gzip.compress(b"hello", mtime=0), "octet 0: neither pcap nor pcapng: it begins with 68 65 6c 6c"),
        (captures.classic([])[:20], "octet 0: the capture is cut off: 20 of 24 octets are there"),
        (captures.classic([], version=(2, 5)), "octet 0: pcap version 2.5 is not known"),
        (captures.classic([], version=(1, 2)), "octet 0: pcap version 1.2 is not known"),
        (captures.classic([], link_type=105), "octet 0: link type 105 is not known"),
        (captures.classic([record()])[:-1], "octet 24: the capture is cut off: 61 of 62 octets are there"),
        (
            captures.classic([record()]) + pack("<IIII", 0, 0, PACKET_MAX + 1, 60),
            "octet 86: a packet of 60 octets, 1048577 captured",
        ),
        (
            captures.classic([record(), Record(0, LinkType.ETHERNET, 4_000_000_000, FRAME), record()]),
            "octet 86: a packet of 4000000000 octets, 46 captured",
        ),
        (captures.section(version=(2, 0)), "octet 0: pcapng version 2.0 is not known"),
        (captures.section(version=(1, 1)), "octet 0: pcapng version 1.1 is not known"),
        (
            b"\x0a\x0d\x0d\x0a" + bytes(24),
            "octet 0: a section of unknown byte order: 00 00 00 00",
        ),
        (captures.section() + pack("<III", 5, 8, 8), "octet 28: a block of 8 octets"),
        (captures.section() + pack("<III", 5, 14, 14), "octet 28: a block of 14 octets"),
        (captures.section() + pack("<III", 5, 1 << 30, 0), "octet 28: a block of 1073741824 octets"),
        (captures.section() + pack("<III", 5, 12, 16), "octet 28: a block of 12 octets ends as one of 16"),
        (captures.section() + captures.block(1, bytes(4)), "octet 28: an interface block of 16 octets"),
        (captures.section() + captures.block(6, bytes(16)), "octet 28: a packet block of 28 octets"),
        (captures.section() + captures.block(3, b""), "octet 28: a packet block of 12 octets"),
        (
            captures.section() + captures.interface(options=pack("<HH", 9, 8)),
            "octet 28: option 9 of 8 octets is longer than its block",
        ),
        (
            captures.section()
            + captures.interface(options=captures.option(14, pack("<q", -1)))
            + captures.enhanced(0, 46, FRAME),
            "octet 60: a packet -1000000000 ns after 1970",
        ),
        (
            captures.section() + captures.interface() + captures.enhanced(1 << 63, 46, FRAME),
            "octet 48: a packet 9223372036854775808000 ns after 1970",
        ),
        (
            captures.section() + captures.interface() + captures.block(6, pack("<IIIII", 0, 0, 0, 9, 9) + bytes(8)),
            "octet 48: a packet of 9 octets, 9 captured, in a block of 40",
        ),
    ],
)
def test_a_damaged_file_names_the_octet_and_what_is_wrong(data: bytes, reason: str) -> None:
    assert fault(data) == reason


@given(records(tuple(LinkType)), st.booleans(), st.data())
def test_a_file_that_is_cut_off_yields_what_was_whole(
    written: list[Record], classic: bool, data: st.DataObject
) -> None:
    whole = captures.classic(written) if classic else captures.pcapng(written)
    expected = readable(whole)[0]
    cut = data.draw(st.integers(0, len(whole) - 1))
    found, reason = readable(whole[:cut])
    assert found == expected[: len(found)]
    assert (reason is None) == (found == expected[: len(found)] and ends_on_a_boundary(whole, cut))


def ends_on_a_boundary(whole: bytes, cut: int) -> bool:
    """Whether `cut` octets are whole headers and records or blocks, found without the reader."""
    classic = whole[:4] != b"\x0a\x0d\x0d\x0a"
    at = 24 if classic else 28
    while at < cut:
        at += (
            16 + int.from_bytes(whole[at + 8 : at + 12], "little")
            if classic
            else int.from_bytes(whole[at + 4 : at + 8], "little")
        )
    return at == cut


@given(records(), st.booleans(), st.integers(0, 10_000), st.integers(0, 10_000))
def test_compressed_files_that_are_cut_off_or_damaged_yield_what_was_readable(
    written: list[Record], flip: bool, place: int, bit: int
) -> None:
    packed = bytearray(gzip.compress(captures.classic(written), mtime=0))
    place %= len(packed)
    if flip:
        packed[place] ^= 1 << bit % 8
    else:
        del packed[place:]
    found, reason = readable(bytes(packed))
    if not flip:
        assert found == written[: len(found)]
        assert reason is not None


@pytest.mark.parametrize("count", [3, 3000])
def test_all_that_lies_before_the_damage_of_a_compressed_file_is_read(count: int) -> None:
    written = [record(NOON_NS + number * 1000, os.urandom(300)) for number in range(count)]
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(captures.classic(written)) + packer.flush(zlib.Z_FULL_FLUSH)
    reason = f"octet {len(packed)} of the compressed file: Error -3 while decompressing data: invalid block type"
    assert readable(packed + b"\xff" * 99) == (written, reason)


def test_a_compressed_file_with_a_wrong_checksum_yields_all_and_says_so() -> None:
    packed = bytearray(gzip.compress(captures.classic([record()])))
    packed[-5] ^= 1
    found, reason = readable(bytes(packed))
    assert found == [record()]
    assert reason is not None
    assert "incorrect" in reason


@given(
    records(tuple(LinkType)),
    st.none() | versions,
    st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=5),
)
def test_a_damaged_file_raises_nothing_but_a_capture_error(
    written: list[Record], version: tuple[int, int] | None, damage: list[tuple[int, int]]
) -> None:
    data = bytearray(captures.classic(written, version=version) if version else captures.pcapng(written))
    for place, value in damage:
        data[place % len(data)] = value
    found, _ = readable(bytes(data))
    assert all(each.wire_length <= PACKET_MAX for each in found)


class Trickle(io.RawIOBase):
    """A stream that cannot seek and gives a few octets at a time, as a pipe may."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = io.BytesIO(data), size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, self._size) if size >= 0 else self._size)


@given(records(), st.integers(1, 40))
def test_a_stream_may_come_in_pieces_of_any_size(written: list[Record], size: int) -> None:
    for data in (
        captures.classic(written),
        captures.pcapng(written),
        gzip.compress(captures.pcapng(written)),
    ):
        assert list(pcap.read(Trickle(data, size))) == written  # type: ignore[arg-type]


def test_a_stream_that_fails_is_a_capture_error() -> None:
    class Failing(Trickle):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(CaptureError, match="octet 0 of the file: Input/output error"):
        next(pcap.read(Failing(b"", 1)))  # type: ignore[arg-type]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file() -> None:
    frame = ETHERNET_IPV4 + frames.ipv4(frames.ports(rest=1400))
    packed = gzip.compress(captures.classic([record(frame=frame)] * 30_000), 1)
    tracemalloc.start()
    try:
        assert sum(delta.counts.packets_out for delta in pcap.deltas(io.BytesIO(packed), "lan")) == 30_000
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def deltas(written: Iterable[Record]) -> list[Delta]:
    return list(pcap.deltas(io.BytesIO(captures.pcapng(written, resolution=9)), "lan"))


KEY = FlowKey("lan", frames.PHONE, frames.SRC4, frames.ROUTER, frames.DST4, 17, 443)


def test_packets_of_one_key_and_minute_become_one_delta_of_what_the_sender_sent() -> None:
    written = [record(NOON_NS + second * 10**9) for second in (0, 1, 59)]
    counts = Counts(octets_out=96, packets_out=3)
    assert deltas(written) == [Delta(KEY, counts, NOON_NS // 10**6, NOON_NS // 10**6 + 60_000)]


def test_each_minute_has_its_own_deltas() -> None:
    written = [record(NOON_NS - 1), record(NOON_NS), record(NOON_NS + 60 * 10**9), record(NOON_NS - 1)]
    minutes = [delta.start_ms - NOON_NS // 10**6 for delta in deltas(written)]
    assert minutes == [-60_000, 0, 60_000, -60_000]


def test_both_directions_and_what_is_not_ip_have_their_own_keys() -> None:
    arp = record(frame=frames.ETHERNET + b"\x08\x06" + bytes(46))
    tagged = record(frame=frames.ETHERNET + b"\x81\x00\x00\x05\x08\x00" + frames.ipv4(frames.ports()))
    turned = record(frame=FRAME[6:12] + FRAME[:6] + FRAME[12:26] + FRAME[30:34] + FRAME[26:30] + FRAME[34:])
    back = FlowKey("lan", frames.ROUTER, frames.DST4, frames.PHONE, frames.SRC4, 17, 443)
    assert {delta.key: delta.counts.octets for delta in deltas([record(), arp, tagged, turned])} == {
        KEY: 32,
        KEY._replace(vlan=5): 32,
        back: 32,
        FlowKey("lan", frames.PHONE, None, frames.ROUTER, None, PROTOCOL_OTHER, 0x0806): 46,
    }


@given(records(tuple(LinkType)))
def test_deltas_add_up_to_the_packets(written: list[Record]) -> None:
    packets = [decode(each.frame, each.wire_length, each.link) for each in written]
    total = Counts()
    for delta in deltas(written):
        total = total.plus(delta.counts)
    assert total == Counts(0, sum(packet.octets for packet in packets), 0, len(packets))


def test_a_flood_of_keys_is_counted_in_a_bounded_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcap, "KEYS_MAX", 10)
    written = [record(frame=FRAME[:26] + pack("!I", number) + FRAME[30:]) for number in range(35)]
    found = deltas(written * 2)
    assert sum(delta.counts.octets_out for delta in found) == 70 * 32
    assert Counter(delta.key for delta in found) == Counter({delta.key: 2 for delta in found})


def test_what_was_readable_is_added_up_before_the_error() -> None:
    found: list[Delta] = []
    with pytest.raises(CaptureError, match="octet 86: the capture is cut off: 8 of 16 octets are there"):
        found.extend(pcap.deltas(io.BytesIO(captures.classic([record()]) + bytes(8)), "lan"))
    reading = pcap.deltas(io.BytesIO(captures.classic([record()]) + bytes(8)), "lan")
    assert next(reading).counts == Counts(octets_out=32, packets_out=1)


def all_kinds(link: LinkType) -> Iterator[bytes]:
    """Frames of a link with lengths that both programs must agree on."""
    for size in (0, 8, 100, 1400):
        payload = frames.ports(40000, 5555, size) + bytes(4)
        for protocol in (6, 17, 33, 132, 47):
            for version, packet in (
                (4, frames.ipv4(payload, protocol)),
                (4, frames.ipv4(payload, protocol, fragment=0x2003, options=b"\x01" * 8)),
                (6, frames.ipv6(payload, protocol)),
                (6, frames.ipv6(frames.extension(60, protocol, 1) + payload, 60)),
            ):
                yield frames.link_header(link, version, len(packet)) + packet
    if link is LinkType.ETHERNET:
        for tag in (b"\x81\x00\x00\x07", b"\x88\xa8\x00\x07\x81\x00\x00\x08"):
            yield frames.ETHERNET + tag + b"\x08\x00" + frames.ipv4(frames.ports())
            yield frames.ETHERNET + tag + b"\x86\xdd" + frames.ipv6(frames.ports())
        yield frames.ETHERNET + b"\x08\x00" + frames.ipv4(b"\0" * 6) + bytes(20)
        yield frames.ETHERNET + b"\x88\x64\x11\x00\x00\x07\x00\x22\x00\x21" + frames.ipv4(frames.ports())


@needs_tcpdump
@pytest.mark.parametrize("link", list(LinkType))
@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_tcpdump_reads_the_same_lengths(link: LinkType, form: str) -> None:
    written = [record(NOON_NS + place * 1000, frame, link) for place, frame in enumerate(all_kinds(link))]
    data = (
        captures.classic(written, link_type=captures.LINK_TYPES[link]) if form == "pcap" else captures.pcapng(written)
    )
    text = tcpdump(data, "-v", "-tt").decode()
    four = re.findall(r"IP .*?\((\d+)\), length (\d+)", text)
    six = re.findall(r"IP6 .*? \((\d+)\) payload length: (\d+)\)", text)
    packets = [decode(each.frame, each.wire_length, each.link) for each in pcap.read(io.BytesIO(data))]
    v4 = [packet for packet in packets if packet.src == frames.SRC4]
    assert len(packets) == len(written) == len(four) + len(six)
    assert [(packet.protocol, packet.octets) for packet in v4] == [(int(a), int(b)) for a, b in four]
    assert [packet.octets for packet in packets if packet.src == frames.SRC6] == [int(b) + 40 for _, b in six]
    assert text.count(f"{NOON_NS // 10**9}.0000") == len(written)


@needs_tcpdump
@pytest.mark.parametrize("form", ["plain", "compressed"])
def test_what_tcpdump_makes_of_a_pcapng_file_is_what_we_make_of_it(form: str) -> None:
    written = [record(NOON_NS + place * 1000, frame) for place, frame in enumerate(all_kinds(LinkType.ETHERNET))]
    data = captures.pcapng(written, order=">")
    made = tcpdump(data, "-w", "-")
    assert made[:4] == b"\xd4\xc3\xb2\xa1"[:: 1 if made[0] == 0xD4 else -1]
    assert readable(gzip.compress(made, mtime=0) if form == "compressed" else made) == (written, None)
