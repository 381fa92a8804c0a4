"""What is measured beside the household: the packet collector's rate, forged addresses, a capture file."""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench import process
from bench.stage import HOUSEHOLD, Stage
from bench.table import Row
from tests.lab.home import GATEWAY_MAC, PHONE
from tests.lab.service import environment
from tests.lab.traffic import forge

MB = 1_000_000
FALLBACK_RATE, FALLBACK_S = 150_000, 8
REPLAY_RATE, REPLAYED = 250_000, 1_000_000
FORGED = 5_000_000


def fallback(runs: int) -> list[Row]:
    """The `packet` collector and darkstat on one bridge: the rate, what each lost of it, and its CPU."""
    found = [_fallback() for _ in range(runs)]
    rate = median(each.rate for each in found)
    lost, packets = max(each.lost for each in found), sum(each.packets for each in found)
    promise = f"`packet` collector, packets lost at {rate / 1000:.0f} k packets/s"
    said = f"{lost} of {packets:,}, for {median(each.cpu for each in found):.0%} of a core"
    theirs = median(each.darkstat_lost / each.packets for each in found)
    met = lost == 0 and rate >= FALLBACK_RATE * 0.99
    return [Row(promise, f"0 at >= {FALLBACK_RATE // 1000} k", said, f"{theirs:.1%}", met)]


class Fallback(NamedTuple):
    rate: int
    packets: int
    lost: int
    cpu: float
    darkstat_lost: int


def _fallback() -> Fallback:
    with Stage("packet", flush="5s") as stage:
        stage.settle()
        counted, seen, used = stage.counted(), stage.darkstat.seen(), process.use(stage.service.pid)
        began = time.monotonic()
        packets, rate = stage.send(HOUSEHOLD, FALLBACK_RATE, FALLBACK_S)
        busy = time.monotonic() - began
        stage.settle()
        cpu = process.use(stage.service.pid).minus(used).cpu_s / busy
        theirs = stage.darkstat.seen().minus(seen)
        return Fallback(rate, packets, packets - (stage.counted() - counted), cpu, packets - theirs.packets)


class Forged(NamedTuple):
    """Of one flood: resident octets before and at the most, octets off, the slowest answer meanwhile."""

    before: int
    peak: int
    darkstat_peak: int
    off: int
    slowest_s: float
    took_s: float


def forged(runs: int) -> list[Row]:
    """Five million packets, an address each, at the phone's port of the bridge."""
    found = [_forged() for _ in range(runs)]
    before, peak = (median(each[at] for each in found) / MB for at in (0, 1))
    theirs = median(each.darkstat_peak for each in found) / MB
    off = max((each.off for each in found), key=abs)
    rate = median(FORGED / each.took_s for each in found) / 1000
    slowest = max(each.slowest_s for each in found)
    flood = f"flood of {FORGED // 10**6} million forged addresses, {rate:.0f} k packets/s"
    return [
        Row(f"{flood}: octets off", "0", f"{off}", "-", off == 0),
        Row(f"{flood}: peak memory", "bounded", f"{peak:.1f} MB ({before:.1f} before)", f"{theirs:.1f} MB", None),
        Row(f"{flood}: slowest answer", "<= 1 s", f"{slowest:.2f} s", "-", slowest <= 1),
    ]


def _forged() -> Forged:
    with Stage(flush="5s") as stage:
        (carried, booked), pid = stage.service.at_rest(), stage.service.pid
        before = process.resident(pid)
        for each in (pid, stage.darkstat.pid):
            process.forget_peak(each)
        began = time.monotonic()
        sender = threading.Thread(target=forge, args=(stage.home[PHONE], GATEWAY_MAC, FORGED))
        sender.start()
        slowest = 0.0
        while sender.is_alive():
            asked = time.monotonic()
            stage.service.get("/api/v1/health")
            slowest = max(slowest, time.monotonic() - asked)
            time.sleep(0.1)
        took_s = time.monotonic() - began
        after, booked_after = stage.service.at_rest()
        off = booked_after - booked - (after[0] - carried[0])
        peaks = process.peak(pid), process.peak(stage.darkstat.pid)
        return Forged(before, *peaks, off, slowest, took_s)


def replayed(runs: int) -> list[Row]:
    """`whitestat replay` of a million packets of fifty devices, from its start to its end."""
    with TemporaryDirectory(prefix="whitestat-bench-") as folder:
        capture = Path(folder) / "home.pcap"
        with capture.open("wb") as stream:
            stream.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
            stream.writelines(_packets())
        took = [_replay(capture) for _ in range(runs)]
    rate = REPLAYED / median(took)
    promise, limit = f"`replay` of {REPLAYED:,} packets", f">= {REPLAY_RATE // 1000} k packets/s"
    return [Row(promise, limit, f"{rate / 1000:.0f} k packets/s", "-", rate >= REPLAY_RATE)]


def _replay(capture: Path) -> float:
    began = time.monotonic()
    words = [sys.executable, "-m", "whitestat", "replay", str(capture), "--json"]
    subprocess.run(words, check=True, env=environment(), cwd=capture.parent, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def _packets() -> Iterator[bytes]:
    """Records of a capture: out and in, both families, TCP and UDP, one in ten with a VLAN tag."""
    for number in range(REPLAYED):
        device, peer = number % 50, number // 50 % 40
        ours, port = bytes((0x02, 0x50, 0, 0, 1, device)), (443, 53, 80, 123)[peer % 4]
        protocol, length = (6, 1200) if peer % 3 else (17, 200)
        if device % 2:
            addresses = bytes.fromhex("20010db8005000000000000000000000")[:15] + bytes((device,))
            addresses += bytes.fromhex("20010db8cafe00000000000000000000")[:15] + bytes((peer,))
            network = b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, length - 40, protocol, 64) + addresses
        else:
            addresses = bytes((192, 168, 50, device, 203, 0, 113, peer))
            network = b"\x08\x00" + struct.pack("!BBHIBBH", 0x45, 0, length, 0, 64, protocol, 0) + addresses
        tag = b"\x81\x00\x00\x07" if number % 10 == 0 else b""
        frame = bytes.fromhex("025000000001") + ours + tag + network + struct.pack("!HH", 50_000, port) + bytes(16)
        at = 1_800_000_000 + number // 100_000
        yield struct.pack("<IIII", at, number % 100_000, len(frame), 14 + len(tag) + length) + frame
