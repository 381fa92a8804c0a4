"""Takes the README's picture: `python -m tests.lab.screenshot FILE`, from the lab with a family's evening on it."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.lab.home import DEVICES, INTERNET4, INTERNET6, LAPTOP, PHONE, TV, Device, Home
from tests.lab.machine import Machine
from tests.lab.service import PORT, running, settings
from tests.lab.traffic import iperf_servers
from tests.support.browser import Browser

TABLET, CONSOLE, CAMERA = MORE = (Device("tablet", 14), Device("console", 15), Device("doorbell", 16))
NAMES = {
    PHONE: "Anna's phone",
    LAPTOP: "Work laptop",
    TV: "Living room TV",
    TABLET: "Tablet",
    CONSOLE: "Game console",
    CAMERA: "Doorbell camera",
}
OWNERS = {PHONE: "Anna", LAPTOP: "Bo", CONSOLE: "Cleo"}
EVENING = {
    PHONE: ("-R 4 9 2 6", INTERNET6),
    LAPTOP: ("-R 11 3 14 7", INTERNET4),
    TV: ("-R 22 26 24 28", INTERNET6),
    TABLET: ("-R 1 6 3 2", INTERNET6),
    CONSOLE: ("-R 35 12 48 40", INTERNET4),
    CAMERA: ("  2 3 2 2", INTERNET4),
}
"""Downloads (-R) or uploads at so many Mbit/s, twenty seconds each."""


def main(target: Path) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        home = stack.enter_context(Home())
        for device in MORE:
            home.join(device)
        service = stack.enter_context(running(home.gateway, folder, _settings(folder)))
        stack.enter_context(iperf_servers(home.internet, tuple(5200 + each.number for each in NAMES)))
        for device, (rates, address) in EVENING.items():
            _busy(home[device], rates, address, 5200 + device.number)
        browser = stack.enter_context(Browser(prefix=home.gateway.command()))
        page = browser.open(f"http://127.0.0.1:{service.port}/")
        page.viewport(1240, 1250)
        page.wait_for("document.querySelectorAll('.devices tbody tr').length >= 6")
        time.sleep(72)  # the minute of the small graph, and the last rates in it
        page.screenshot(target)
        if page.problems:
            raise SystemExit(f"the page complained: {page.problems}")


def _settings(folder: Path) -> str:
    text = settings(folder, port=PORT)
    for device in DEVICES:
        text = text.replace(f'name = "{device.name}"', f'name = "{NAMES[device]}"')
    more = "".join(f'[[device]]\nmac = "{each.mac}"\nname = "{NAMES[each]}"\n' for each in MORE)
    for device, person in OWNERS.items():
        name = f'name = "{NAMES[device]}"\n'
        text, more = (each.replace(name, f'{name}person = "{person}"\n') for each in (text, more))
    return f'{text}{more}[[plan]]\nname = "line"\nallowance = "2GB"\nperiod = "month"\n'


def _busy(machine: Machine, rates: str, address: str, port: int) -> None:
    way, *steps = rates.split() if rates.startswith("-R") else ("", *rates.split())
    script = "; ".join(f"iperf3 -c {address} -p {port} {way} -t 20 -w 96K -b {step}M" for step in steps)
    machine.start("sh", "-c", script, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
