"""The maker of a network card by its MAC (IEEE OUI), from the offline table of aiooui."""

from __future__ import annotations

import asyncio
import threading

import aiooui


def vendor(mac: str) -> str | None:
    """The name the IEEE holds for the first three octets of `mac`; None when it is not listed."""
    if not aiooui.is_loaded():
        _load()
    return aiooui.get_vendor(mac)


def _load() -> None:
    """Map the table, of under a megabyte. The library offers that to an event loop alone: it gets one of its own."""
    thread = threading.Thread(target=lambda: asyncio.run(aiooui.async_load()), name="vendors")
    thread.start()
    thread.join()
