"""The same traffic captured by tcpdump on the interface and on all of them: the same devices, the same octets."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import AF_INET, SO_BROADCAST, SOCK_DGRAM, SOL_SOCKET, socket

import pytest

from tests.lab.home import INTERNET4, INTERNET6, LAN4, LAN6, LAPTOP, PHONE, Home
from tests.lab.machine import SLOWER, Machine
from tests.lab.traffic import echo
from whitestat.app.commands.replay import replay
from whitestat.collectors.capture import pcap
from whitestat.config import loader
from whitestat.core.errors import CaptureError

pytestmark = [pytest.mark.lab, pytest.mark.needs("tcpdump")]

KINDS = {
    "ethernet": ("-i", "eth0"),
    "cooked": ("-i", "any", "-y", "LINUX_SLL"),
    "cooked-2": ("-i", "any", "-y", "LINUX_SLL2"),
}
TRAFFIC = "(icmp or icmp6[0] == 128 or icmp6[0] == 129 or udp port 9) and not host 127.0.0.1 and not host ::1"
PACKETS = 4 * 2 * 10 + 3


@contextmanager
def captured(machine: Machine, folder: Path) -> Iterator[dict[str, Path]]:
    """Captures of each kind while the block runs, whole at its end."""
    paths = {kind: folder / f"{kind}.pcap" for kind in KINDS}
    running: list[subprocess.Popen[str]] = []
    for kind, words in KINDS.items():
        room = ("-s", "2000", "-B", "16384", "--immediate-mode")
        tcpdump = machine.start("tcpdump", *words, *room, "-U", "-w", str(paths[kind]), TRAFFIC)
        assert tcpdump.stdout
        while "listening" not in tcpdump.stdout.readline():
            assert tcpdump.poll() is None
        running.append(tcpdump)
    yield paths
    until = time.monotonic() + 10 * SLOWER
    while min(map(packets, paths.values())) < PACKETS and time.monotonic() < until:
        time.sleep(0.1)
    for tcpdump in running:
        tcpdump.send_signal(signal.SIGINT)
        tcpdump.communicate(timeout=10 * SLOWER)


def packets(path: Path) -> int:
    found = 0
    with path.open("rb") as stream, suppress(CaptureError):
        for delta in pcap.deltas(stream, "lan"):
            found += delta.counts.packets_out
    return found


def test_a_capture_on_all_interfaces_has_the_devices_of_one_on_the_interface(tmp_path: Path) -> None:
    (tmp_path / "whitestat.toml").write_text(f'[lan]\nnetworks = ["{LAN4}", "{LAN6}"]\n')
    loaded = loader.load(tmp_path / "whitestat.toml", {}, root=False)
    with Home() as home:
        phone = home[PHONE]
        with captured(phone, tmp_path) as paths:
            for address in (INTERNET4, INTERNET6, LAPTOP.ipv4, LAPTOP.ipv6):
                echo(phone, address, count=10, payload=700)
            with home[LAPTOP].inside(), socket(AF_INET, SOCK_DGRAM) as heard:
                heard.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
                heard.sendto(bytes(100), ("192.168.50.255", 9))
            with phone.inside(), socket(AF_INET, SOCK_DGRAM) as sent:
                sent.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
                for address in ("192.168.50.255", "255.255.255.255"):
                    sent.sendto(bytes(100), (address, 9))
        found = {kind: sorted(replay(path, loaded).lines, key=str) for kind, path in paths.items()}
    assert {(line.mac, line.scope) for line in found["ethernet"]} == {
        (PHONE.mac, "wan"),
        (PHONE.mac, "lan"),
        (LAPTOP.mac, "lan"),
    }
    assert sum(line.counts.packets_out for line in found["ethernet"] if line.mac == PHONE.mac) == 4 * 10 + 2
    assert found["cooked"] == found["cooked-2"] == found["ethernet"]
