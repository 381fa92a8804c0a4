"""Giant packets by what the kernel says beside them, as the kernel program counts them."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.frames import ETHERNET, ipv4, ipv6, ports
from whitestat.collectors.offload import ONE, giant
from whitestat.collectors.packet.ring import knows_giants

TCP, UDP = 16, 6


def beside(size: int, start: int, checksum_at: int, flags: int = 1) -> bytes:
    return pack("=BBHHHH", flags, 1, 0, size, start, checksum_at)


@pytest.mark.parametrize(
    ("network", "start", "transport", "checksum_at"),
    [
        (b"\x08\x00" + ipv4(ports(rest=8) + b"\x50" + bytes(2887), 6), 34, 20, TCP),
        (b"\x08\x00" + ipv4(ports(rest=8) + b"\x80" + bytes(2899), 6), 34, 32, TCP),
        (b"\x86\xdd" + ipv6(ports(rest=8) + b"\x50" + bytes(2887), 6), 54, 20, TCP),
        (b"\x86\xdd" + ipv6(ports(rest=2904), 17), 54, 8, UDP),
    ],
)
def test_every_further_segment_has_all_headers_again(
    network: bytes, start: int, transport: int, checksum_at: int
) -> None:
    frame, headers = ETHERNET + network, start + transport
    size = -(-(len(frame) - headers) // 3)
    found = giant(beside(size, start, checksum_at), frame[:200], len(frame), len(frame) - 14)
    assert found == (3, 2 * headers, 2 * (headers - 14))


@given(st.binary(min_size=10, max_size=10), st.binary(max_size=80), st.integers(0, 600_000), st.integers(0, 600_000))
def test_whatever_is_said_a_packet_is_one_or_more(said: bytes, frame: bytes, wire_length: int, octets: int) -> None:
    found = giant(said, frame, wire_length, min(octets, wire_length))
    assert found.packets >= 1
    assert found == ONE or found.frame_octets >= 0


def test_what_says_nothing_of_its_headers_is_one_packet() -> None:
    assert giant(beside(1000, 34, TCP, flags=0), bytes(200), 3000, 2986) == ONE
    assert giant(beside(1000, 34, TCP), bytes(40), 3000, 2986) == ONE, "the header was not captured"
    assert giant(beside(1448, 34, TCP), bytes(200), 1000, 986) == ONE


def test_the_kernels_that_tell_are_known_by_their_release() -> None:
    assert [knows_giants(each) for each in ("6.1.0-18-amd64", "6.2", "6.18.44", "5.10.0", "10.0.1")] == [
        *(False, True, True),
        *(False, True),
    ]
