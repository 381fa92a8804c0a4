"""What is left without the rights to meter, and what a killed process leaves behind."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.home import DEVICES, GATEWAY_MAC, INTERNET4, LAPTOP, PHONE, Home, Links
from tests.lab.referee import Referee
from tests.lab.service import STAYS_ROOT, Service, running, settings
from tests.lab.traffic import flood, forge

pytestmark = pytest.mark.lab

KILLS = int(os.environ.get("WHITESTAT_KILLS", "8"))
"""How often the service is killed under traffic; `make soak` asks for 200."""
FORGED = int(os.environ.get("WHITESTAT_FORGED", "300000"))
"""Packets with an address each; `make soak` asks for five million."""
RATE = 20_000
NOISE = 2_000


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


def test_without_capabilities_totals_are_counted_and_one_sentence_says_what_is_missing(
    home: Home, tmp_path: Path
) -> None:
    service = Service(home.gateway, tmp_path, settings(tmp_path, more=STAYS_ROOT))
    service.prefix = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
    try:
        service.start()
        flood(home[PHONE], INTERNET4, packets=1000, payload=1000)
        service.settle()
        usage = service.usage("wan")
        assert set(usage) == {"unattributed"}
        assert usage["unattributed"].octets_out >= 1000 * 1028
        assert service.log.count("the kernel meter needs root") == 2  # in the log and beside the address
        health = service.get("/api/v1/health").json
        assert health["status"] == "ok"
        assert "needs root" in health["notices"][0]
        assert service.stop() == 0
    finally:
        service.end()


def test_killed_at_any_moment_under_traffic_nothing_metered_is_lost_or_doubled(home: Home, tmp_path: Path) -> None:
    """Every packet is the phone's or unattributed, and all of them together are the interface's, to the octet."""
    service = Service(home.gateway, tmp_path, settings(tmp_path)).start()
    referee = Referee(home)
    try:
        (before, booked_before), carried_before = service.at_rest(), referee.read()
        seconds = KILLS * 1.6 + 1
        sender = threading.Thread(
            target=flood, args=(home[PHONE], INTERNET4), kwargs={"packets": int(RATE * seconds), "rate": RATE}
        )
        sender.start()
        for poll in range(KILLS):
            time.sleep(0.1 + poll * 0.37 % 1)
            service.kill()
            service.start()
        sender.join()
        flood(home[LAPTOP], INTERNET4, packets=100)
        (after, booked), carried = service.at_rest(), referee.read()[PHONE].minus(carried_before[PHONE]).wan
        usage = service.usage("wan")
        missed = usage.get("unattributed")
        # ARP and neighbour discovery that nobody metered are unattributed too.
        assert 0 <= usage["phone"].octets_out + (missed.octets_out if missed else 0) - carried.octets_out < NOISE
        assert 0 < usage["phone"].octets_out < carried.octets_out
        assert booked - booked_before == after[0] - before[0]
        print(f"{KILLS} kills: {missed.packets_out if missed else 0} of {carried.packets_out} packets unmetered")
        assert service.stop() == 0, service.log
    finally:
        service.end()


def test_forged_addresses_cost_detail_never_octets_or_memory(home: Home, tmp_path: Path) -> None:
    with running(home.gateway, tmp_path) as service:
        (before, booked_before), resident = service.at_rest(), memory(service)
        slowest = 0.0
        sender = threading.Thread(target=forge, args=(home[PHONE], GATEWAY_MAC, FORGED))
        sender.start()
        while sender.is_alive():
            began = time.monotonic()
            assert service.get("/api/v1/health").status == 200
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.1)
        after, booked = service.at_rest()
        assert after[1] - before[1] >= FORGED
        assert booked - booked_before == after[0] - before[0]
        assert len(service.get("/api/v1/devices").json["devices"]) <= 4096 + len(DEVICES)
        (point,) = service.get("/api/v1/health").json["points"]
        assert "more flows at once than the table holds" in point["notice"]
        print(
            f"{FORGED} forged packets: {memory(service) / 1e6:.1f} MB resident ({resident / 1e6:.1f} before), "
            f"slowest answer {slowest:.2f} s"
        )
        assert memory(service) < resident + 40_000_000
        assert slowest < 5


def test_a_new_phone_is_a_device_soon_after_forged_addresses_filled_the_table(home: Home, tmp_path: Path) -> None:
    with running(home.gateway, tmp_path) as service:
        before, booked_before = service.at_rest()
        forge(home[PHONE], GATEWAY_MAC, 20_000)
        service.settle()
        service.settle()
        flood(home[LAPTOP], INTERNET4, packets=100, payload=1000)
        after, booked = service.at_rest()
        assert after[1] - before[1] >= 20_100
        assert booked - booked_before == after[0] - before[0]
        usage = service.usage("wan")
        assert usage["laptop"].octets_out >= 100 * 1028
        assert usage["unattributed"].packets_out > 16_000
        devices = len(service.get("/api/v1/devices").json["devices"])
        assert devices < 4096
        health = service.get("/api/v1/health").json
        assert health["status"] == "ok"
        assert any("sends with forged addresses" in each for each in health["notices"])
        print(f"20,000 forged frames: {devices} devices, {memory(service) / 1e6:.1f} MB resident")


def test_tables_as_small_as_configured_tell_less_apart_and_count_every_octet(home: Home, tmp_path: Path) -> None:
    config = settings(tmp_path).replace('interface = "br0"', 'interface = "br0"\nflows = 64\ndevices = 16')
    with running(home.gateway, tmp_path, config) as service:
        before, booked_before = service.at_rest()
        forge(home[PHONE], GATEWAY_MAC, 3000)
        after, booked = service.at_rest()
        assert after[1] - before[1] >= 3000
        assert booked - booked_before == after[0] - before[0]
        health = service.get("/api/v1/health").json
        assert "more flows at once than the table holds" in health["points"][0]["notice"]
        assert health["memory_kernel_octets"] < 100_000  # of which the default takes 22 MB
        # Of each flush the tables' rows alone have a device, and there are a handful of flushes.
        assert len(service.get("/api/v1/devices").json["devices"]) < 1000


def memory(service: Service) -> int:
    return int(service.get("/api/v1/health").json["memory_resident_octets"])
