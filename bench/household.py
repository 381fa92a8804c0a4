"""A home that never was, from a seed: who is in the house when, what they use, with whom; pure.

Phones go out on weekdays, laptops are off at night, screens are busy in the evening and later at weekends, cameras
and plugs chat day and night; guests come for two months, devices are bought and after some years replaced. Of services
and peers few take nearly all. Addresses are those for benchmarks (RFC 2544) and documentation (RFC 3849).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from random import Random
from typing import NamedTuple, TypeVar

from whitestat.core.model import Address, Counts, Episode, PeerKey, Scope, ServiceKey, UsageKey

T = TypeVar("T")

POINT = "lan"
DAY_S, HOUR_S = 86_400, 3_600
MEGABYTE = 1_000_000


class Kind(NamedTuple):
    """A sort of device. The digits are its busyness in each hour of a day: 0 is asleep, 1 is chatter alone."""

    name: str
    share: float
    megabytes: float  # of a day in the middle
    upload: float
    weekday: str
    weekend: str
    services: int
    peers: int


KINDS = (
    Kind("phone", 0.30, 700, 0.12, "111111245333443334567742", "211111112345555555667753", 10, 400),
    Kind("laptop", 0.16, 1_500, 0.10, "000000013666566655456520", "000000001344444444556631", 14, 500),
    Kind("tablet", 0.10, 600, 0.06, "111111122111111234566411", "111111113444333345566421", 8, 250),
    Kind("tv", 0.08, 4_500, 0.02, "111111111111111233589841", "211111112333333456789974", 6, 120),
    Kind("console", 0.04, 2_500, 0.08, "111111111111111245667641", "311111112455555567888864", 8, 150),
    Kind("camera", 0.10, 250, 0.85, "444444455555555555555544", "444444455555555555555544", 3, 6),
    Kind("plug", 0.14, 3, 0.50, "111111111111111111111111", "111111111111111111111111", 3, 4),
    Kind("speaker", 0.05, 90, 0.05, "111111352222223234443211", "111111124444443444443221", 4, 40),
    Kind("server", 0.03, 900, 0.60, "373333333333333335555443", "373333333333333335555443", 16, 300),
)
SERVICES = (443, 53, 80, 123, 993, 5228, 5223, 8883, 3478, 853, 22, 587, 1935, 5222, 8443, 143, 4500, 51820)
QUIC_SHARE, MORE_SERVICES = 0.45, 400


@dataclass(frozen=True, slots=True)
class Resident:
    """A device and the days (numbers since the first) it is in the house: from `first` up to and without `last`."""

    id: int
    kind: Kind
    first: int
    last: int
    scale: float
    services: tuple[tuple[int, int], ...]
    peers: tuple[Address, ...]

    @property
    def mac(self) -> bytes:
        return bytes((0x02, 0x5A)) + self.id.to_bytes(4, "big")

    @property
    def address(self) -> Address:
        return bytes(10) + b"\xff\xff" + bytes((192, 168)) + (2_560 + self.id).to_bytes(2, "big")

    def usage(self, scope: Scope) -> UsageKey:
        return UsageKey(self.id, POINT, scope)

    def episode(self, start_s: int) -> Episode:
        return Episode(self.id, self.id, self.mac, self.address, start_s * 1000)


class Traffic(NamedTuple):
    """What was counted in a span: usage, and the same of the wide area by service and by peer."""

    usage: dict[UsageKey, Counts]
    services: dict[ServiceKey, Counts]
    peers: dict[PeerKey, Counts]


class Household:
    """So many devices in the house at any time; day numbers count from `first_day`, a local date."""

    def __init__(self, devices: int, first_day: date, days: int, zone: tzinfo, seed: int = 7) -> None:
        self.devices = devices
        self._first_day = first_day
        self._zone = zone
        self._seed = seed
        random = Random(f"{seed} residents")
        self.residents = tuple(_residents(random, devices, days))
        self._hours = lru_cache(2 * devices + 50)(self._drawn_hours)

    def start_s(self, day: int) -> int:
        """Where a day begins, UTC seconds."""
        return int(datetime.combine(self._first_day + timedelta(day), datetime.min.time(), self._zone).timestamp())

    def day_of(self, at_s: int) -> int:
        return (datetime.fromtimestamp(at_s, self._zone).date() - self._first_day).days

    def there(self, day: int) -> list[Resident]:
        return [each for each in self.residents if each.first <= day < each.last]

    def days(self, day: int) -> Iterator[tuple[Resident, list[Counts]]]:
        """Each resident of the day with its wide-area counts by hour of the clock."""
        for each in self.there(day):
            yield each, self._hours(each, day)

    def hour(self, day: int, hour: int) -> dict[UsageKey, Counts]:
        """Usage of one hour of the clock."""
        found: dict[UsageKey, Counts] = {}
        for resident, hours in self.days(day):
            if hours[hour].octets:
                found[resident.usage(Scope.WAN)] = hours[hour]
                found[resident.usage(Scope.LAN)] = _local(hours[hour])
        return found

    def minutes(self, day: int, hour: int, start_s: int) -> dict[tuple[int, UsageKey], Counts]:
        """Usage of each minute of an hour, by its start, UTC seconds."""
        random = Random(f"{self._seed} {start_s} minutes")
        found: dict[tuple[int, UsageKey], Counts] = {}
        for resident, hours in self.days(day):
            wan, lan = resident.usage(Scope.WAN), resident.usage(Scope.LAN)
            for minute_s in range(start_s, start_s + HOUR_S, 60):
                counts = _burst(random, hours[hour], 60, restless=False)
                if counts.octets:
                    found[minute_s, wan] = counts
                    if random.random() < 0.3:
                        found[minute_s, lan] = _local(counts)
        return found

    def detail(self, resident: Resident, counts: Counts, mark: str, services: int, peers: int) -> Traffic:
        """A wide-area sum, shared out over so many of its services and of its peers at most."""
        random = Random(f"{self._seed} {resident.id} {mark}")
        key = resident.usage(Scope.WAN)
        on = dict.fromkeys(_favourite(random, resident.services) for _ in range(services))
        with_whom = dict.fromkeys(_favourite(random, resident.peers) for _ in range(peers))
        by_service = zip((ServiceKey(key, *each) for each in on), _shares(random, counts, len(on)), strict=True)
        by_peer = zip((PeerKey(key, each) for each in with_whom), _shares(random, counts, len(with_whom)), strict=True)
        return Traffic({key: counts}, dict(by_service), dict(by_peer))

    def span(self, start_s: int, length_s: int, *, restless: bool = False) -> Traffic:
        """What passed in a span within an hour: a device that sleeps says nothing, one that idles something at
        times. `restless` ones speak every time."""
        day, hour = self.day_of(start_s), datetime.fromtimestamp(start_s, self._zone).hour
        found = Traffic({}, {}, {})
        random = Random(f"{self._seed} {start_s}")
        for resident, hours in self.days(day):
            counts = _burst(random, hours[hour], length_s, restless=restless)
            if not counts.octets:
                continue
            busy = min(12, 1 + hours[hour].octets // 12_000_000)  # a film is one peer, a page of news a dozen
            usage, services, peers = self.detail(resident, counts, str(start_s // 300), min(4, busy), busy)
            found.usage.update(usage)
            found.services.update(services)
            found.peers.update(peers)
            if restless or random.random() < 0.3:
                found.usage[resident.usage(Scope.LAN)] = _local(counts)
        return found

    def _drawn_hours(self, resident: Resident, day: int) -> list[Counts]:
        """A day's counts by hour of the clock: the busyness of the hour, times the luck of the day and the hour."""
        random = Random(f"{self._seed} {resident.id} {day}")
        kind = resident.kind
        digits = kind.weekend if (self._first_day + timedelta(day)).weekday() >= 5 else kind.weekday
        luck = resident.scale * random.lognormvariate(0, 0.6) * kind.megabytes * MEGABYTE
        weights = [0.02 if digit == "1" else int(digit) ** 1.5 for digit in digits]
        if kind.name == "phone" and digits == kind.weekday and random.random() < 0.6:
            weights[8:17] = [0.0] * 9  # out with its owner
        whole = sum(weights)
        return [_counts(int(luck * each / whole * random.lognormvariate(0, 0.5)), kind.upload) for each in weights]


def _residents(random: Random, devices: int, days: int) -> Iterator[Resident]:
    """For each place in the house one device after the other; every 25th place is for guests."""
    number = 0
    for place in range(devices):
        guests = place % 25 == 24
        kind = KINDS[0] if guests else random.choices(KINDS, [each.share for each in KINDS])[0]
        day = 0
        while day < days:
            number += 1
            stays = max(1, int(random.expovariate(1 / 900)) + 60)
            if guests:
                stays = 60
            services = tuple(_services(random, kind))
            peers = tuple(_peer(random) for _ in range(kind.peers))
            yield Resident(number, kind, day, min(days, day + stays), random.lognormvariate(0, 0.5), services, peers)
            day += stays


def _services(random: Random, kind: Kind) -> Iterator[tuple[int, int]]:
    """The usual ones first, and a few that this device alone has."""
    yield 17, 443
    for port in random.sample(SERVICES, min(kind.services - 1, len(SERVICES))):
        yield (17 if port in (53, 123, 3478, 51820) else 6), port
    yield 6, 10_000 + random.randrange(MORE_SERVICES)


def _peer(random: Random) -> Address:
    """Of a pool that the home shares, so that devices meet at the same peers; every other one is IPv6."""
    number = int(20_000 * random.random() ** 2)
    if number % 2:
        return bytes.fromhex("20010db8") + (number * 2_654_435_761 % 2**96).to_bytes(12, "big")
    return bytes(10) + b"\xff\xff" + bytes((198, 18)) + number.to_bytes(2, "big")


def _favourite(random: Random, of: tuple[T, ...]) -> T:
    return of[int(len(of) * random.random() ** 3)]


def _shares(random: Random, counts: Counts, parts: int) -> Iterator[Counts]:
    """The counts in so many parts, half of the rest in each; they add up."""
    if not parts:
        return
    rest = counts
    for _ in range(parts - 1):
        share = random.uniform(0.3, 0.7)
        part = Counts(*(int(each * share) for each in rest))
        rest = Counts(*(each - less for each, less in zip(rest, part, strict=True)))
        yield part
    yield rest


def _burst(random: Random, of_hour: Counts, length_s: int, *, restless: bool) -> Counts:
    """A span's part of an hour: traffic comes in bursts, the more octets an hour has the more of them."""
    if not of_hour.octets:
        return of_hour
    mean = of_hour.octets * length_s / HOUR_S
    chance = 1.0 if restless else min(0.97, 0.25 + mean / 200_000)
    if random.random() > chance:
        return Counts()
    octets = int(mean / chance * random.expovariate(1)) + random.randrange(66, 4_000)
    return _counts(octets, of_hour.octets_out / of_hour.octets)


def _counts(octets: int, upload: float) -> Counts:
    if not octets:
        return Counts()
    out = int(octets * upload)
    packets = octets // 900 + 1
    return Counts(octets - out, out, packets, packets * 2 // 3 + 1)


def _local(counts: Counts) -> Counts:
    """What a device says to others in the house: discovery, and a little of the rest."""
    octets = 300 + counts.octets // 50
    return Counts(octets // 3, octets - octets // 3, octets // 400 + 1, octets // 300 + 1)
