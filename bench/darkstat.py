"""Debian's darkstat on the same bridge: started, asked for its totals, ended."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from shutil import which
from typing import NamedTuple

from tests.lab.machine import LabError, Machine, end

PORT = 6677


class Seen(NamedTuple):
    """What darkstat accounted for: octets and packets, since it began; packets libpcap says it dropped."""

    octets: int
    packets: int
    dropped: int

    def minus(self, earlier: Seen) -> Seen:
        return Seen(*(now - then for now, then in zip(self, earlier, strict=True)))


class Darkstat:
    """One darkstat in `machine`, with the names it would look up left alone; `options` are more of its own."""

    def __init__(self, machine: Machine, folder: Path, link: str = "br0", options: Sequence[str] = ()) -> None:
        program = which("darkstat") or "/usr/sbin/darkstat"
        if not Path(program).exists():
            raise LabError("darkstat is not installed (Debian: darkstat)")
        folder.chmod(0o755)
        words = (program, "-i", link, "-p", str(PORT), "-b", "127.0.0.1", "--no-daemon", "--no-dns")
        more = ("--no-promisc", "--user", "nobody", "--chroot", str(folder))
        self._machine = machine
        self._log = (folder / "darkstat.log").open("w")
        self._process = machine.start(*words, *more, *options, stdout=self._log.fileno(), stderr=subprocess.STDOUT)
        self.pid = self._process.pid
        self._wait()

    def seen(self) -> Seen:
        page = self._get("/graphs.xml")
        packets, octets, dropped = (int(_one(rf'{name}="(\d+)"', page)) for name in ("tp", "tb", "pd"))
        return Seen(octets, packets, dropped)

    def host(self, address: str) -> tuple[int, int]:
        """Octets in and out of one address, as darkstat sees them; nothing where it has not seen it."""
        page = self._get(f"/hosts/{address}/").replace(",", "")
        if "404 Not Found" in page:
            return 0, 0
        return int(_one(r"<b>In:</b> (\d+)", page)), int(_one(r"<b>Out:</b> (\d+)", page))

    def page(self, path: str) -> str:
        return self._get(path)

    def tell(self, number: int) -> None:
        """Send a signal: SIGUSR1 exports and wipes, SIGUSR2 exports."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a crash would: nothing is exported."""
        self._process.kill()
        self._process.wait()
        self.close()

    def close(self) -> None:
        end(self._process)
        self._log.close()

    def _wait(self) -> None:
        for _ in range(100):
            try:
                self.seen()
            except OSError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.05)
            else:
                return
        raise LabError(f"darkstat did not answer: {Path(self._log.name).read_text()}")

    def _get(self, path: str) -> str:
        """Darkstat answers from the loop it captures in, so an answer may take its time."""
        connection = HTTPConnection("127.0.0.1", PORT, timeout=30)
        connection.sock = self._machine.connect("127.0.0.1", PORT, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode("ascii", "replace")
        except HTTPException as error:
            raise LabError(f"darkstat: {path}: {error!r}") from error
        finally:
            connection.close()


def _one(pattern: str, page: str) -> str:
    found = re.search(pattern, page)
    if not found:
        raise LabError(f"darkstat: no {pattern} in {page[:300]!r}")
    return found[1]
