"""From texts, of a query string or the command line, to a question for the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from typing import NamedTuple, Protocol

from whitestat.core.calendar import CALENDAR_MONTHS, SPAN_WORDS, Cycle, parse_instant, span
from whitestat.core.errors import QueryError
from whitestat.core.model import Address, Scope
from whitestat.core.ports import protocol_numbers, service_ports
from whitestat.core.suggestions import did_you_mean
from whitestat.core.units import address_bytes, mac_bytes, mac_text
from whitestat.ledger.usage_query import DeviceRow, TimeStep, UsageQuery
from whitestat.query.parameters import BY, START, STEP, listed

MOST_STEPS = 100_000
"""More buckets than this are refused before the ledger is asked."""

_STEP_S = {
    TimeStep.SECOND: 1,
    TimeStep.MINUTE: 60,
    TimeStep.HOUR: 3_600,
    TimeStep.DAY: 86_400,
    TimeStep.WEEK: 7 * 86_400,
    TimeStep.MONTH: 28 * 86_400,
    TimeStep.CYCLE: 28 * 86_400,
}


class Now(NamedTuple):
    """The instant that words like today and cycle are about, UTC seconds, and where and how periods begin."""

    at_s: int
    zone: tzinfo
    cycle: Cycle = CALENDAR_MONTHS

    def span(self, word: str) -> tuple[int, int]:
        return span(word, self.at_s, self.zone, self.cycle)


class NameLookup(Protocol):
    """What the words of a question may name; asked only where a question names some."""

    def devices(self) -> Sequence[DeviceRow]: ...

    def points(self) -> Sequence[str]: ...

    def persons(self) -> Sequence[str]: ...


def usage_question(texts: Mapping[str, str], now: Now, known: NameLookup) -> UsageQuery:
    """What checked texts ask. QueryError says what is wrong."""
    start_s, end_s = asked_span(texts, now)
    step = TimeStep(texts.get("step", STEP.default or ""))
    if step in _STEP_S and (end_s - start_s) // _STEP_S[step] > MOST_STEPS:
        raise QueryError("step", f"more than {MOST_STEPS} steps; ask for a longer step or a shorter span")
    return UsageQuery(
        start_s,
        end_s,
        step,
        tuple(listed(texts.get("by", BY.default or ""))),
        _devices(texts, known),
        Scope(texts["scope"]) if "scope" in texts else None,
        _found("point", texts["point"], known.points()) if "point" in texts else (),
        _found("person", texts["person"], known.persons()) if "person" in texts else (),
        int(texts["top"]) if "top" in texts else None,
        _numbers("service", texts, service_ports, "a name like https or a port"),
        _numbers("protocol", texts, protocol_numbers, "a name like udp or a number"),
        _peers(texts["peer"]) if "peer" in texts else (),
    )


def asked_span(texts: Mapping[str, str], now: Now) -> tuple[int, int]:
    """Start and end, UTC seconds. A word alone sets both; as an end it includes what it names."""
    start = texts.get("start", START.default or "")
    start_s, end_s = _span_or_instant("start", start, now)
    if "end" in texts:
        end_s = _span_or_instant("end", texts["end"], now)[1]
    elif start not in SPAN_WORDS:
        end_s = now.span("today")[1]
    if end_s <= start_s:
        if "end" not in texts:
            raise QueryError("start", f"must be before the end of today, got {start!r}")
        raise QueryError("end", f"must be after start, which is {start!r}; it is itself not included")
    return start_s, end_s


def _devices(texts: Mapping[str, str], known: NameLookup) -> tuple[int, ...]:
    """Those that the words device and label leave; none of them is all devices."""
    if not {"device", "label"} & texts.keys():
        return ()
    rows = known.devices()
    named = find_devices(texts["device"], rows) if "device" in texts else tuple(row.id for row in rows)
    if "label" not in texts:
        return named
    labels = _found("label", texts["label"], sorted({label for row in rows for label in row.labels}))
    labelled = {row.id for row in rows if not set(labels).isdisjoint(row.labels)}
    if labelled.isdisjoint(named):
        raise QueryError("label", "none of the given devices has it")
    return tuple(number for number in named if number in labelled)


def _found(parameter: str, text: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names that a list means, in any case of their letters."""
    if not listed(text):
        raise QueryError(parameter, "is empty")
    chosen: dict[str, None] = {}
    for word in listed(text):
        meant = [name for name in names if name.casefold() == word.casefold()]
        if not meant:
            raise QueryError(parameter, f"no {parameter} {word!r}{did_you_mean(word, names)}")
        chosen |= dict.fromkeys(meant)
    return tuple(chosen)


def _numbers(
    parameter: str, texts: Mapping[str, str], read: Callable[[str], tuple[int, ...]], expected: str
) -> tuple[int, ...]:
    """What the names and numbers of a list mean."""
    words = listed(texts.get(parameter, ""))
    if not words and parameter in texts:
        raise QueryError(parameter, "is empty")
    numbers: dict[int, None] = {}
    for word in words:
        try:
            numbers |= dict.fromkeys(read(word))
        except ValueError:
            raise QueryError(parameter, f"unknown {parameter} {word!r}, expected {expected}") from None
    return tuple(numbers)


def _peers(text: str) -> tuple[Address, ...]:
    if not listed(text):
        raise QueryError("peer", "is empty")
    addresses: dict[Address, None] = {}
    for word in listed(text):
        try:
            addresses[address_bytes(word)] = None
        except ValueError:
            raise QueryError("peer", f"expected an IP address, got {word!r}") from None
    return tuple(addresses)


def find_devices(text: str, devices: Sequence[DeviceRow]) -> tuple[int, ...]:
    """Ids of the devices a list names by id, name or MAC; a name with a comma is found as a whole."""
    words = [text.strip()] if _matching(text.strip(), devices) else listed(text)
    if not words:
        raise QueryError("device", "is empty")
    ids = dict.fromkeys(id for word in words for id in _find(word, devices))
    return tuple(ids)


def _find(word: str, devices: Sequence[DeviceRow]) -> list[int]:
    ids = _matching(word, devices)
    if not ids:
        names = [device.name for device in devices if device.name]
        raise QueryError("device", f"no device {word!r}{did_you_mean(word, names)}")
    return ids


def _matching(word: str, devices: Sequence[DeviceRow]) -> list[int]:
    """An id goes before a MAC, a MAC before a name; several devices may share a name."""
    mac = _as_mac(word)
    return (
        [device.id for device in devices if str(device.id) == word]
        or [device.id for device in devices if mac and device.mac == mac]
        or [device.id for device in devices if device.name and device.name.casefold() == word.casefold()]
    )


def _as_mac(word: str) -> str | None:
    try:
        return mac_text(mac_bytes(word))
    except ValueError:
        return None


def _span_or_instant(name: str, text: str, now: Now) -> tuple[int, int]:
    if text in SPAN_WORDS:
        return now.span(text)
    try:
        at_s = parse_instant(text, now.zone)
    except ValueError as fault:
        raise QueryError(name, f"{fault}; or one of {', '.join(SPAN_WORDS)}") from None
    return at_s, at_s
