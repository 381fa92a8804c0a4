"""What the API tells of devices and people: who owns what, proposals, edits and events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from starlette.responses import Response

from whitestat.attribution.devices.edits import ALWAYS, EPISODE, OWNER, PERSON, Snapshot
from whitestat.core.calendar import instant_text
from whitestat.core.errors import Missing
from whitestat.core.model import Json
from whitestat.core.units import address_text, mac_text
from whitestat.ledger.read.queries import DeviceRow, TimeStep, UsageQuery
from whitestat.query.encode import device_fields
from whitestat.web.handlers.edits import number
from whitestat.web.responses import Texts, json_answer
from whitestat.web.sources import Sources


def device(sources: Sources, texts: Texts) -> Response:
    wanted = number("device", texts["device"])
    rows = {row.id: row for row in sources.queries.devices()}
    picture = Snapshot(sources.queries.picture())
    if wanted not in picture.devices() or wanted not in rows:
        raise Missing("device", f"there is no device {wanted}")
    episodes = [
        {
            "id": each.id,
            "mac": mac_text(each.mac) if each.mac else None,
            "address": address_text(each.address) if each.address else None,
            "start": instant_text(each.start_ms // 1000, sources.zone),
            "end": None if each.end_ms is None else instant_text(each.end_ms // 1000, sources.zone),
        }
        for each in sources.queries.episodes()
        if picture.row(EPISODE, (each.id,)) == (wanted,)
    ]
    more: Json = {
        "owners": _owners(picture, wanted),
        "episodes": episodes,
        "address_times": [
            {
                "address": each.address,
                "first": None if each.first_ms is None else _instant(each.first_ms, sources.zone),
                "last": _instant(each.last_ms, sources.zone),
            }
            for each in sources.queries.address_times(wanted)
        ],
    }
    return json_answer(device_fields(rows[wanted], sources.zone) | more)


def export(sources: Sources, texts: Texts) -> Response:
    """All that is kept about a device."""
    wanted = number("device", texts["device"])
    if wanted not in Snapshot(sources.queries.picture()).devices():
        raise Missing("device", f"there is no device {wanted}")
    return json_answer(_exported(sources, wanted))


def export_person(sources: Sources, texts: Texts) -> Response:
    """All that is kept about a person, and about the devices that were the person's at any time."""
    wanted = number("person", texts["person"])
    picture = Snapshot(sources.queries.picture())
    if picture.row(PERSON, (wanted,)) is None:
        raise Missing("person", f"there is no person {wanted}")
    owned = {int(key[0]) for key, row in picture.tables[OWNER].items() if row and row[0] == wanted}
    told = [_exported(sources, each) for each in sorted(owned)]
    return json_answer({"id": wanted, "name": _name(picture, wanted), "devices": told})


def _exported(sources: Sources, device: int) -> Json:
    end_s = sources.now.span("today")[1]
    question = UsageQuery(0, end_s, TimeStep.DAY, ("device", "scope"), (device,))
    days = [
        {"start": instant_text(row.start_s, sources.zone), "scope": row.scope, **row.counts._asdict()}
        for row in sources.queries.usage(question)
    ]
    return {"id": device, "kept": sources.queries.export(device), "usage": days}


def _owners(picture: Snapshot, device: int) -> list[Json]:
    """Who owned it from which day up to and without which, the first first; null where there is no such end."""
    return [
        {"person": row[0], "name": _name(picture, row[0]), "from": _day(key[1]), "until": _day(row[1])}
        for key in sorted(picture.of_device(OWNER, device), key=lambda each: int(each[1]))
        if (row := picture.row(OWNER, key))
    ]


def _name(picture: Snapshot, person: object) -> str | None:
    row = picture.row(PERSON, (int(str(person)),))
    return str(row[0]) if row else None


def _day(day: int | str | None) -> str | None:
    text = str(day or ALWAYS)
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 else None


def people(sources: Sources, texts: Texts) -> Response:
    picture = Snapshot(sources.queries.picture())
    names = _names(sources.queries.devices())
    owned: dict[object, list[Json]] = {}
    for each in sorted(picture.devices()):
        for held in _owners(picture, each):
            owned.setdefault(held["person"], []).append(
                {"id": each, "name": names.get(each), "from": held["from"], "until": held["until"]}
            )
    told = [
        {"id": key[0], "name": row[0], "devices": owned.get(key[0], [])}
        for key, row in sorted(picture.tables[PERSON].items())
        if row
    ]
    return json_answer({"people": told})


def _names(rows: Sequence[DeviceRow]) -> dict[int, str]:
    return {row.id: row.name or row.mac or f"device {row.id}" for row in rows}


def proposals(sources: Sources, texts: Texts) -> Response:
    names = _names(sources.queries.devices())
    told = [
        {
            "id": each.id,
            "at": _instant(each.at_ms, sources.zone),
            "device": {"id": each.device, "name": names.get(each.device)},
            "into": {"id": each.into, "name": names.get(each.into)},
            "percent": each.percent,
            "reasons": list(each.reasons),
            "state": each.state,
        }
        for each in sources.queries.proposals()
    ]
    return json_answer({"proposals": told})


def edits(sources: Sources, texts: Texts) -> Response:
    """The latest 200, the latest first."""
    found = sources.queries.edits()
    undone = {each.undoes: each.id for each in found if each.undoes}
    told = [
        {
            "id": each.id,
            "at": _instant(each.at_ms, sources.zone),
            "by": each.by,
            "action": each.action,
            "undoes": each.undoes,
            "undone_by": undone.get(each.id),
            "changes": [
                {"what": what, "key": list(key), "before": before and list(before), "after": after and list(after)}
                for what, key, before, after in each.changes
            ],
        }
        for each in found
    ]
    return json_answer({"edits": told})


def events(sources: Sources, texts: Texts) -> Response:
    """The latest 200, the latest first."""
    told = [
        {
            "id": each.id,
            "at": _instant(each.at_ms, sources.zone),
            "kind": each.kind,
            "device": each.device,
            "content": each.content,
        }
        for each in sources.queries.events()
    ]
    return json_answer({"events": told})


def _instant(at_ms: int, zone: tzinfo) -> str:
    return instant_text(at_ms // 1000, zone)
