"""The maker of a network card by its MAC (IEEE OUI), from the offline table of aiooui."""

from __future__ import annotations

import asyncio

import aiooui


def vendor(mac: str) -> str | None:
    """The name the IEEE holds for the first three octets of `mac`; None when it is not listed."""
    if not aiooui.is_loaded():
        # The table is a mapped file of under a megabyte; the library offers to load it from a loop alone.
        asyncio.run(aiooui.async_load())
    return aiooui.get_vendor(mac)
