"""The listener on a real interface: hears what devices say, and nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.support.evidence_frames import announcement, dhcp_message, ipv4, option
from whitestat.attribution.evidence import Evidence
from whitestat.attribution.evidence.listen import EXPRESSION, PROGRAM, SNAP, Listener

PHONE = bytes.fromhex("025000000011")


@pytest.mark.needs("tcpdump")
def test_the_filter_is_what_tcpdump_makes_of_the_expression() -> None:
    command = ["tcpdump", "-y", "EN10MB", "-ddd", "-s", str(SNAP), EXPRESSION]
    compiled = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [tuple(map(int, line.split())) for line in compiled[1:]] == list(PROGRAM)


@pytest.fixture
def pair() -> Iterator[tuple[str, str]]:
    ends = f"wsl{os.getpid() % 100000}a", f"wsl{os.getpid() % 100000}b"
    subprocess.run(["ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1]], check=True)
    for end in ends:
        subprocess.run(["ip", "link", "set", end, "up"], check=True)
    yield ends
    subprocess.run(["ip", "link", "del", ends[0]], check=False)


@pytest.mark.lab
@pytest.mark.needs("ip")
def test_a_listener_hears_names_and_no_other_traffic(pair: tuple[str, str]) -> None:
    listener = Listener([pair[0], "not-there"])
    listener.follow()
    request = dhcp_message(1, option(53, b"\x03") + option(12, b"annas-phone") + b"\xff")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind((pair[1], 0))
        for _ in range(2000):
            sender.send(ipv4(PHONE, "192.168.50.20", 4000, 443, b"x" * 100))
        sender.send(ipv4(PHONE, "0.0.0.0", 68, 67, request))
        sender.send(ipv4(PHONE, "192.168.50.20", 5353, 5353, announcement("tv.local", "192.168.50.20")))
    time.sleep(0.1)
    found = listener.hear(7)
    own = [each for each in found if isinstance(each, Evidence) and each.mac == PHONE]
    assert [each.name for each in own] == ["annas-phone", "tv"]
    assert listener.hear(8) == []
    listener.close()


@pytest.mark.lab
@pytest.mark.needs("ip")
def test_a_listener_follows_an_interface_that_comes_back(pair: tuple[str, str]) -> None:
    listener = Listener([pair[0]])
    listener.follow()
    subprocess.run(["ip", "link", "del", pair[0]], check=True)
    listener.follow()
    assert listener.hear(7) == []
    subprocess.run(["ip", "link", "add", pair[0], "type", "veth", "peer", "name", pair[1]], check=True)
    for end in pair:
        subprocess.run(["ip", "link", "set", end, "up"], check=True)
    listener.follow()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind((pair[1], 0))
        sender.send(ipv4(PHONE, "192.168.50.20", 5353, 5353, announcement("tv.local", "192.168.50.20")))
    time.sleep(0.1)
    assert [each.name for each in listener.hear(8) if isinstance(each, Evidence) and each.mac] == ["tv"]
    listener.close()
