"""A day of a home in fast motion: leases swap, a phone changes its MAC, a laptop has two, and no octet is lost by it.

Two services watch the same day: one meters in the kernel and sees MACs, one reads a darkstat that shows addresses
alone. Every octet must end with the right device and the right person at both.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bench.darkstat import PORT as DARKSTAT_PORT
from bench.darkstat import Darkstat
from tests.lab.family import Member, dnsmasq, send, surf, wait_for
from tests.lab.home import INTERNET4, INTERNET6, Home, Links
from tests.lab.referee import Octets
from tests.lab.service import Service, running
from tests.lab.shapes import HOSTS, attic

pytestmark = [pytest.mark.lab, pytest.mark.needs("dnsmasq", "udhcpc", "avahi-daemon", "darkstat")]

PHONE, LAPTOP, TABLET, TV, GUEST = "annas-phone", "annas-laptop", "bos-tablet", "living-room-tv", "guests-phone"
PHONE_MACS = [f"02:50:00:00:0a:{number}" for number in (11, 12, 13, 14)]
SAME_IDENTITY = "both gave the same DHCP identity"
DUID = "00030001025000000b01"
DOCKED, UNDOCKED = f"0x3d:ff00000001{DUID}", f"0x3d:ff00000002{DUID}"


def settings(folder: Path, leases: Path, port: int, point: str) -> str:
    folder.mkdir()
    return f"""timezone = "UTC"
[web]
listen = "127.0.0.1:{port}"
open = ["127.0.0.1/32"]
edit = ["127.0.0.1/32"]
[store]
path = "{folder / "whitestat.db"}"
flush = "1s"
[lan]
networks = ["192.168.0.0/16", "2001:db8:50::/64"]
leases = ["{leases}"]
{point}"""


KERNEL = '[[point]]\nname = "lan"\ncollector = "kernel"\ninterface = "br0"\n'
TABLE = f"""[[point]]
name = "table"
collector = "darkstat"
url = "http://127.0.0.1:{DARKSTAT_PORT}"
interval = "1s"
"""


class Day:
    """The home, both services, and what each device should have used by its name."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.folder = folder
        self.home = stack.enter_context(Home(Links.CUT))
        leases = stack.enter_context(dnsmasq(self.home.gateway, folder))
        peer = Darkstat(
            self.home.gateway,
            _open(folder / "darkstat"),
            options=("--no-macs", "-f", f"host {INTERNET4} or host {INTERNET6}"),
        )
        stack.callback(peer.close)
        self.services: list[Service] = []
        for port, name, point in ((7777, "kernel", KERNEL), (7778, "table", TABLE)):
            config = settings(folder / name, leases, port, point)
            self.services.append(stack.enter_context(running(self.home.gateway, folder / name, config, port)))
        self.used: Counter[tuple[str, str]] = Counter()

    def member(self, name: str, mac: str, *asks: str) -> Member:
        return Member(self.home, self.folder, name, mac, *asks)

    def surf(self, name: str, member: Member, **how: Any) -> None:
        """The member uses the Internet; it is counted as that of the device of this name."""
        self.add(name, surf(member.machine, **how))

    def add(self, name: str, octets: Octets) -> None:
        self.used.update({(name, field): amount for field, amount in octets._asdict().items()})

    def settle(self) -> None:
        """Until both services have all that passed, whoever they think it is of."""
        wanted = self.total()
        wait_for(lambda: all(whole(each) >= wanted for each in self.services), f"{wanted} octets are booked", 20)

    def total(self) -> int:
        return sum(amount for (_, field), amount in self.used.items() if field == "octets_in")

    def expected(self) -> dict[str, Octets]:
        return {name: Octets(self.used[name, "octets_in"], self.used[name, "octets_out"]) for name, _ in self.used}

    def agree(self, limit_s: float = 15) -> None:
        """Until both services say of each device what it used, and of nobody else anything."""
        until = time.monotonic() + limit_s
        for service in self.services:
            while (found := usage(service)) != self.expected() and time.monotonic() < until:
                time.sleep(0.2)
            assert found == self.expected(), f"{service.log}\n{service.get('/api/v1/devices').body.decode()}"

    def send(self, service: Service, method: str, path: str, body: object = None) -> Any:
        return send(self.home.gateway, service.port, method, path, body)

    def give(self, service: Service, name: str, person: str) -> None:
        (device,) = (each for each in service.get("/api/v1/devices").json["devices"] if each["name"] == name)
        self.send(service, "PATCH", f"/api/v1/devices/{device['id']}", {"person": person})


def _open(folder: Path) -> Path:
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def usage(service: Service) -> dict[str, Octets]:
    """By device; the second of a name is the name with its number, so that no device is doubled unseen."""
    found: dict[str, Octets] = {}
    for row in service.rows(by="device", scope="wan"):
        device = row["device"] or {"name": "nobody", "id": 0}
        name = device["name"] if device["name"] not in found else f"{device['name']} {device['id']}"
        found[name] = Octets(row["octets_in"], row["octets_out"])  # darkstat counts no packets
    return found


def octets_by_id(service: Service) -> dict[int, tuple[int, int]]:
    """Return octets in and out by number of the device."""
    rows = service.rows(by="device", scope="wan")
    return {row["device"]["id"]: (row["octets_in"], row["octets_out"]) for row in rows if row["device"]}


def wait_for_octets(service: Service, wanted: dict[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """Wait until these devices have these octets; return those of all devices."""
    wait_for(lambda: wanted.items() <= octets_by_id(service).items(), f"{wanted} by device", 20)
    return octets_by_id(service)


def whole(service: Service) -> int:
    """Octets in, of all devices and of nobody."""
    return sum(row["octets_in"] for row in service.rows(by="", scope="wan"))


def persons(service: Service) -> dict[str | None, int]:
    return {row["person"]: row["octets"] for row in service.rows(by="person", scope="wan")}


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    folder = tmp_path_factory.mktemp("family")
    folder.chmod(0o755)
    with ExitStack() as stack:
        yield Day(stack, folder)


def test_every_octet_of_a_day_ends_with_the_right_device_and_the_right_person(day: Day) -> None:
    phone = day.member("phone", PHONE_MACS[0], "-x", f"hostname:{PHONE}", "-V", "android-dhcp-14")
    laptop = day.member("laptop", "02:50:00:00:0b:01", "-x", f"hostname:{LAPTOP}")
    tablet = day.member("tablet", "02:50:00:00:0c:01", "-x", f"hostname:{TABLET}")
    tv = day.member("tv", "02:50:00:00:0d:01")
    phone.lease()
    laptop.lease("-C", "-x", DOCKED)
    leases = {tablet: tablet.lease(), tv: tv.lease()}
    tv.announces(TV)
    for name, member in ((PHONE, phone), (LAPTOP, laptop), (TABLET, tablet), (TV, tv)):
        day.surf(name, member)
    day.settle()
    day.agree()
    for service in day.services:
        for owner, name in (("Anna", PHONE), ("Anna", LAPTOP), ("Bo", TABLET)):
            day.give(service, name, owner)

    # Two devices take over each other's address.
    for member in leases:
        member.release()
    assert tv.lease(wants=leases[tablet]) == leases[tablet]
    assert tablet.lease(wants=leases[tv]) == leases[tv]
    for name, member in ((TABLET, tablet), (TV, tv)):
        day.surf(name, member, four=20)
    day.settle()

    # The laptop leaves its dock, ten addresses of IPv6 are one tablet, a guest comes.
    laptop.leave()
    laptop.machine.ip("link set eth0 down")
    laptop.plug("wlan0", "02:50:00:00:0b:02")
    laptop.lease("-C", "-x", UNDOCKED, link="wlan0")
    docked = day.expected()[LAPTOP]
    day.surf(LAPTOP, laptop, four=30)
    undocked = Octets(*(after - before for after, before in zip(day.expected()[LAPTOP], docked, strict=True)))
    for number in range(1, 11):
        address = f"2001:db8:50::c:{number:x}"
        tablet.machine.ip(f"address add {address}/64 dev eth0 nodad")
        day.surf(TABLET, tablet, four=0, six=number, source=address)
    guest = day.member("guest", "02:50:00:00:0e:01", "-x", f"hostname:{GUEST}")
    guest.lease()
    day.surf(GUEST, guest)

    # The phone is somebody else three times.
    for mac in PHONE_MACS[1:]:
        phone.change_mac(mac)
        phone.lease()
        day.surf(PHONE, phone)
    day.settle()
    for service in day.services:
        questions = wait_for_questions(service, 4)
        (shared,) = (row for row in questions if row["reasons"] == [SAME_IDENTITY])
        wanted = {shared["into"]["id"]: docked[:2], shared["device"]["id"]: undocked[:2]}  # two devices until then
        parts = wait_for_octets(service, wanted)
        others = sum(sum(parts[row["device"]["id"]]) for row in questions)
        assert persons(service)["Anna"] == sum(octets_of(day, (LAPTOP, PHONE))) - others
        confirm_all(day, service, questions)
    day.agree()
    anna, bo = (sum(octets_of(day, each)) for each in ((PHONE, LAPTOP), (TABLET,)))
    nobody = sum(octets_of(day, (TV, GUEST)))
    for service in day.services:
        assert persons(service) == {"Anna": anna, "Bo": bo, None: nobody}


def octets_of(day: Day, names: tuple[str, ...]) -> list[int]:
    found = day.expected()
    return [found[each].octets_in + found[each].octets_out for each in names]


def wait_for_questions(service: Service, wanted: int) -> list[dict[str, Any]]:
    """Return the open proposals: those of the phone by its name, and one of the laptop, by its DHCP identity."""

    def proposed() -> list[dict[str, Any]]:
        found = service.get("/api/v1/proposals").json["proposals"]
        return [row for row in found if row["state"] == "open"]

    wait_for(lambda: len(proposed()) >= wanted, f"{wanted} proposals", 20)
    questions = proposed()
    assert len(questions) == wanted
    for row in questions:
        assert row["reasons"] == [SAME_IDENTITY] or f"both call themselves {PHONE}" in row["reasons"], row
    return questions


def confirm_all(day: Day, service: Service, questions: list[dict[str, Any]]) -> None:
    """Confirm each proposal, as a user does."""
    for row in questions:
        day.send(service, "POST", f"/api/v1/proposals/{row['id']}", {"answer": "confirm"})


def test_hosts_behind_a_second_router_are_devices_of_their_own(day: Day) -> None:
    machine = attic(day.home)
    before: dict[str, Octets] = {}
    for host in HOSTS:  # the first of them tell that there is a router
        day.add("the first hosts", surf(machine, six=0, source=host))
    day.settle()
    before = usage(day.services[0])
    for host in HOSTS:
        day.add(host, surf(machine, six=0, source=host))
    day.settle()
    assert [whole(each) for each in day.services] == [day.total()] * 2
    kernel, table = map(usage, day.services)
    for host in HOSTS:
        once = day.expected()[host].octets_in
        assert table[host].octets_in == 2 * once
        assert kernel[host].octets_in - before.get(host, Octets()).octets_in == once


def test_merges_and_undo_leave_every_sum_as_it_is(day: Day) -> None:
    for service in day.services:
        before, people = usage(service), persons(service)
        octets = whole(service)
        made = [each["id"] for each in service.get("/api/v1/edits").json["edits"] if each["undone_by"] is None]
        for number in made:
            day.send(service, "POST", f"/api/v1/edits/{number}/undo")
            assert sum(row["octets_in"] for row in service.rows(by="device", scope="wan")) == octets
        assert persons(service) == {None: sum(people.values())}
        assert len(service.rows(by="device", scope="wan")) >= len(before) + 3
        undone = service.get("/api/v1/edits").json["edits"][: len(made)]
        for edit in undone:
            day.send(service, "POST", f"/api/v1/edits/{edit['id']}/undo")
        assert (usage(service), persons(service)) == (before, people)
