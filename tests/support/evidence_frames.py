"""Frames in which devices tell their names and addresses: DHCP, mDNS and neighbour discovery."""

from __future__ import annotations

from struct import pack

from whitestat.core.units import address_bytes

PHONE = bytes.fromhex("025000000011")
ROUTER = bytes.fromhex("025000000001")
ALL = b"\xff" * 6


def ipv4(sender: bytes, source: str, from_port: int, to_port: int, content: bytes, receiver: bytes = ALL) -> bytes:
    udp = pack("!HHHH", from_port, to_port, 8 + len(content), 0) + content
    ip = pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
    return receiver + sender + b"\x08\x00" + ip + address_bytes(source)[12:] + b"\xff\xff\xff\xff" + udp


def ipv6(sender: bytes, source: str, following: int, content: bytes, hops: int = 255, receiver: bytes = ALL) -> bytes:
    ip = pack("!IHBB", 0x60000000, len(content), following, hops)
    return receiver + sender + b"\x86\xdd" + ip + address_bytes(source) + address_bytes("ff02::1") + content


def dhcp_message(op: int, options: bytes, given: str = "0.0.0.0", file: bytes = b"") -> bytes:
    head = pack("!BBBBIHH", op, 1, 6, 0, 0x1234, 0, 0) + bytes(4) + address_bytes(given)[12:] + bytes(8)
    return head + PHONE + bytes(10) + bytes(64) + file.ljust(128, b"\0") + bytes.fromhex("63825363") + options


def option(code: int, value: bytes) -> bytes:
    return bytes([code, len(value)]) + value


def labels(name: str) -> bytes:
    return b"".join(bytes([len(each)]) + each.encode() for each in name.split(".")) + b"\0"


def announcement(name: str, *addresses: str, lives_s: int = 120) -> bytes:
    records = b""
    for each in addresses:
        packed = address_bytes(each)
        kind, value = (28, packed) if ":" in each else (1, packed[12:])
        records += labels(name) + pack("!HHIH", kind, 0x8001, lives_s, len(value)) + value
    return pack("!HHHHHH", 0, 0x8400, 0, len(addresses), 0, 0) + records
