"""A real darkstat through restarts, wipes and imports, with a second opinion on what it showed of each device."""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.darkstat import PORT, Darkstat
from tests.lab.home import DEVICES, Home
from tests.lab.service import Service

URL = f"http://127.0.0.1:{PORT}"
_ROW = re.compile(r'<a href="\./([^/]+)/">.*?<tt>([0-9a-f:]{17})</tt>.*?"num">([\d,]+)<.*?"num">([\d,]+)<', re.DOTALL)
_LOCAL = re.compile(r"192\.168\.50\.|2001:db8:50::|fe80::")

Octets = dict[str, tuple[int, int]]
"""Octets in and out by a device's name."""


def settings(folder: Path, *, flush: str = "1s", interval: str = "1s", base: str = "") -> str:
    """A household that reads darkstat alone; `base` is the path it is under."""
    devices = "".join(f'[[device]]\nmac = "{each.mac}"\nname = "{each.name}"\n' for each in DEVICES)
    return f"""timezone = "UTC"
[web]
listen = "127.0.0.1:7777"
open = ["127.0.0.1/32"]
edit = ["127.0.0.1/32"]
[store]
path = "{folder / "whitestat.db"}"
flush = "{flush}"
detail = "1s"
[lan]
networks = ["192.168.50.0/24", "2001:db8:50::/64"]
[[point]]
name = "darkstat"
collector = "darkstat"
url = "{URL}{base}"
interval = "{interval}"
{devices}"""


class Row(NamedTuple):
    """A host as darkstat shows it: whose it is, octets in and out."""

    device: str
    octets_in: int
    octets_out: int


Rows = dict[str, Row]


class Watched:
    """One darkstat on the gateway's bridge that may end and begin again; `expected` adds up what it showed.

    Figures are taken with a pattern of our own from the page, not with the program's parser.
    """

    def __init__(self, home: Home, folder: Path, *options: str) -> None:
        self._home = home
        self._folder = folder
        self._options = options
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)  # darkstat exports as nobody
        self._peer = Darkstat(home.gateway, folder, options=options)
        self._ended: Counter[tuple[str, int]] = Counter()
        self._last: Rows = {}
        self._base: Rows = {}
        self.begin()

    def begin(self) -> None:
        """What is shown by now is no traffic of ours."""
        self._base = self.shown()

    def stirred(self) -> bool:
        """Whether anything passed since `begin`."""
        return self.shown() != self._base

    def shown(self) -> Rows:
        """The rows of the household's devices, by address."""
        names = {each.mac: each.name for each in DEVICES}
        return {
            ip: Row(names[mac], int(into.replace(",", "")), int(out.replace(",", "")))
            for ip, mac, into, out in _ROW.findall(self._peer.page("/hosts/?full=yes&sort=in"))
            if mac in names and _LOCAL.match(ip)
        }

    def expected(self) -> Octets:
        """What the devices had in all lives so far. A row that went, or fell, is one that was pruned."""
        now = self.shown()
        for ip, last in self._last.items():
            row = now.get(ip)
            if row is None or row.octets_in < last.octets_in or row.octets_out < last.octets_out:
                self._end_row(ip, last)
        self._last = now
        total = Counter(self._ended)
        for ip, row in now.items():
            _add(total, row, self._base.get(ip))
        names = sorted({name for name, _ in total})
        return {name: (total[name, 0], total[name, 1]) for name in names if total[name, 0] or total[name, 1]}

    def seen_by(self, service: Service, limit_s: float = 12) -> Octets:
        """The service's figures, once they are what darkstat shows, or when the time is up."""
        self.quiet()
        until = time.monotonic() + limit_s
        known = {device.name for device in DEVICES}
        while True:
            expected = self.expected()
            usage = service.usage("wan").items()
            found = {name: (each.octets_in, each.octets_out) for name, each in usage if name in known}
            if found == expected or time.monotonic() > until:
                return found
            time.sleep(0.1)

    def quiet(self) -> None:
        """Wait until darkstat has counted what passed: it looks into its ring now and then."""
        last, since = self._peer.seen().packets, time.monotonic()
        while time.monotonic() - since < 0.7:
            time.sleep(0.05)
            packets = self._peer.seen().packets
            if packets != last:
                last, since = packets, time.monotonic()

    def wipe(self) -> None:
        """SIGUSR1: export, then forget everything."""
        self._end_life()
        self._peer.tell(signal.SIGUSR1)
        self._base = {}
        time.sleep(0.1)  # it looks at the signal when the next packet or request comes

    def dropped(self) -> int:
        """Packets that pcap dropped, by darkstat's word."""
        return self._peer.seen().dropped

    @contextmanager
    def halted(self) -> Iterator[None]:
        """It looks into its ring no more, as on a machine that has no time for it."""
        self._peer.tell(signal.SIGSTOP)
        try:
            yield
        finally:
            self._peer.tell(signal.SIGCONT)

    def export(self) -> None:
        """SIGUSR2."""
        self._peer.tell(signal.SIGUSR2)
        self._peer.seen()
        time.sleep(0.1)

    def restart(self, *, crash: bool = False) -> None:
        """End it and begin it again."""
        self.end(crash=crash)
        self.start()

    def start(self) -> None:
        """Begin it again. What it shows at once was imported."""
        self._peer = Darkstat(self._home.gateway, self._folder, options=self._options)
        self.begin()

    def end(self, *, crash: bool = False) -> None:
        self._end_life()
        if crash:
            self._peer.kill()
        else:
            self._peer.close()

    def close(self) -> None:
        self._peer.close()

    def _end_life(self) -> None:
        self.expected()
        for ip, row in self._last.items():
            self._end_row(ip, row)
        self._last = {}

    def _end_row(self, ip: str, row: Row) -> None:
        _add(self._ended, row, self._base.pop(ip, None))


def _add(total: Counter[tuple[str, int]], row: Row, base: Row | None) -> None:
    total[row.device, 0] += row.octets_in - (base.octets_in if base else 0)
    total[row.device, 1] += row.octets_out - (base.octets_out if base else 0)
