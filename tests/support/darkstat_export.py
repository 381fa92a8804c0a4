"""Bars of a darkstat export."""

from __future__ import annotations


def bars(count: int, pos: int, of: dict[int, int]) -> bytes:
    return bytes([count, pos]) + b"".join(of.get(at, 0).to_bytes(8, "big") * 2 for at in range(count))
