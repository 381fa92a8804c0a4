"""What hosts' usage was on, by their own pages; pure.

Usage comes from the table of hosts alone. A page is compared with the one before of the same host, and what grew is
said of usage that was handed out in the same quarter of an hour, never more than that: so the services of an hour
never exceed its usage in any time zone, and what they do not explain is unknown. Nothing is compared over a restart
or a wipe: a page counts once the table read after it is of the same life as the one before it.

Ports are forgotten all the time (`--ports-max`), which is no reset: one that fell has begun again after the page
before, one that is new began at zero where the page before had all ports; else its beginning is unknown, and it is
left out.

A packet is in the table of ports here and in that of remote ports. Its service is the lower of the two, as in our own
meter; which two belong together is not shown. So the lowest port goes first, up to what its protocol had in all, and
ports from which systems take those of the asking side are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from whitestat.collectors.darkstat.parse import PROTOCOLS, HostDetail
from whitestat.core.model import Address, Counts, Mac
from whitestat.core.sums import add_to

QUARTER_MS = 900_000
"""Hours begin at a quarter of one in every time zone."""
EPHEMERAL = 32_768
"""Linux takes the asking side's port from here on, others from 49152 (RFC 6335, section 6)."""
HOSTS_MAX = 128
"""Hosts whose last page is remembered: 20 kB of each at most."""
WITH_PORTS = (6, 17)

HostKey = tuple[Mac | None, Address | None]
K = TypeVar("K")


class UsedService(NamedTuple):
    """What usage was on: the IP protocol and the lower of the two ports, 0 where it has none."""

    protocol: int
    port: int


class Services:
    """Host whose page is due, and what the pages read so far said."""

    def __init__(self) -> None:
        self._due: dict[Address, None] = {}
        self._looks: dict[Address, HostDetail] = {}
        self._pages: dict[Address, HostDetail] = {}
        self._found: dict[Address, dict[UsedService, Counts]] = {}
        self._unexplained: dict[HostKey, Counts] = {}
        self._quarter = 0

    def due(self) -> Address | None:
        """Hosts whose pages are to be looked at next; those that waited longest go first."""
        for address in self._due:
            del self._due[address]
            return address
        return None

    def looked(self, address: Address, page: HostDetail) -> None:
        """The page, not to be believed before `polled`."""
        self._looks[address] = page

    def polled(self, moved: Iterable[Address], *, same_life: bool) -> None:
        """The table was read: `moved` had traffic. Pages looked at since the last read count if its life goes on."""
        if not same_life:
            self.forget()
        for address, page in self._looks.items():
            before = self._pages.pop(address, None)
            if before:
                _add_all(self._found.setdefault(address, {}), services(before, page))
            self._pages[address] = page
            if len(self._pages) > HOSTS_MAX:
                del self._pages[next(iter(self._pages))]
        self._looks.clear()
        self._due.update(dict.fromkeys(moved))

    def forget(self) -> None:
        """Nothing seen so far is compared with what comes."""
        for memory in (self._looks, self._pages, self._found, self._unexplained):
            memory.clear()

    def explain(
        self, usage: Mapping[HostKey, Counts], start_ms: int, end_ms: int
    ) -> dict[tuple[HostKey, UsedService], Counts]:
        """What usage of this span and of those before it was on; `usage` is all that is handed out now."""
        first, last = start_ms // QUARTER_MS, max(start_ms, end_ms - 1) // QUARTER_MS
        if first != last or first != self._quarter:
            self.forget()
        self._quarter = last
        if first != last:
            return {}
        _add_all(self._unexplained, usage)
        explained: dict[tuple[HostKey, UsedService], Counts] = {}
        for host in self._unexplained:
            rest = self._found.get(host[1], {}) if host[1] else {}
            for on in sorted(rest, key=lambda used: used.port):
                part = _least(rest[on], self._unexplained[host])
                if part.octets:
                    explained[host, on] = part
                    self._unexplained[host] = _minus(self._unexplained[host], part)
                    rest[on] = _minus(rest[on], part)
        return explained


def services(before: HostDetail, now: HostDetail) -> dict[UsedService, Counts]:
    """What a host had between two looks at its page, as far as it can be told: never more than there was."""
    protocols = {
        number: _grown(before.protocols.get(number), counts, PROTOCOLS in before.whole)
        for number, counts in now.protocols.items()
    }
    explained = {UsedService(number, 0): counts for number, counts in protocols.items() if number not in WITH_PORTS}
    ports: dict[UsedService, Counts] = {}
    for port_key, counts in now.ports.items():
        if port_key.port < EPHEMERAL:
            grown = _grown(before.ports.get(port_key), counts, (port_key.protocol, port_key.remote) in before.whole)
            on = UsedService(port_key.protocol, port_key.port)
            # The same port on both sides is one packet in both tables.
            ports[on] = _most(ports[on], grown) if on in ports else grown
    for on in sorted(ports, key=lambda used: used.port):
        room = protocols.get(on.protocol, Counts())
        explained[on] = _least(ports[on], room)
        protocols[on.protocol] = _minus(room, explained[on])
    return {on: counts for on, counts in explained.items() if counts.octets}


def _grown(before: Counts | None, now: Counts, whole: bool) -> Counts:
    if before is None:
        return now if whole else Counts()
    if now.octets_in < before.octets_in or now.octets_out < before.octets_out:
        return now
    return _minus(now, before)


def _minus(counts: Counts, part: Counts) -> Counts:
    return Counts(counts.octets_in - part.octets_in, counts.octets_out - part.octets_out)


def _least(a: Counts, b: Counts) -> Counts:
    return Counts(min(a.octets_in, b.octets_in), min(a.octets_out, b.octets_out))


def _most(a: Counts, b: Counts) -> Counts:
    return Counts(max(a.octets_in, b.octets_in), max(a.octets_out, b.octets_out))


def _add_all(to: dict[K, Counts], more: Mapping[K, Counts]) -> None:
    for key, counts in more.items():
        add_to(to, key, counts)
