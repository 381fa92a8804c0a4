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
    faults: list[RuntimeError] = []

    async def load() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # what it would log is raised
        await aiooui.async_load()

    def run() -> None:
        try:
            asyncio.run(load())
        except RuntimeError as fault:  # the library starts another thread, which the system may refuse
            faults.append(fault)

    thread = threading.Thread(target=run, name="vendors")
    thread.start()
    thread.join()
    if faults:
        raise faults[0]
