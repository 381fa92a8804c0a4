"""Handlers of a device, people, proposals, edits and events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from starlette.responses import Response

from whitestat.alerting.rules import title_of
from whitestat.attribution.devices.edits import ALWAYS, EPISODE, OWNER, PERSON, SETTING, Snapshot
from whitestat.core.calendar import instant_text
from whitestat.core.errors import Missing
from whitestat.core.model import Json
from whitestat.core.units import address_text, mac_text
from whitestat.ledger.read.queries import DeviceRow, TimeStep, UsageQuery
from whitestat.query.encode import device_fields
from whitestat.web.auth.roles import Role
from whitestat.web.responses import json_answer
from whitestat.web.route import RequestContext
from whitestat.web.sources import Sources


def device(context: RequestContext) -> Response:
    """Return a device with its owners, episodes and addresses."""
    sources, number = context.sources, context.number("device")
    rows = {row.id: row for row in sources.queries.devices()}
    picture = Snapshot(sources.queries.picture())
    if number not in picture.devices() or number not in rows:
        raise Missing("device", f"there is no device {number}")
    episodes = [
        {
            "id": episode.id,
            "mac": mac_text(episode.mac) if episode.mac else None,
            "address": address_text(episode.address) if episode.address else None,
            "start": instant_text(episode.start_ms // 1000, sources.zone),
            "end": None if episode.end_ms is None else instant_text(episode.end_ms // 1000, sources.zone),
        }
        for episode in sources.queries.episodes()
        if picture.row(EPISODE, (episode.id,)) == (number,)
    ]
    more: Json = {
        "owners": _owners(picture, number),
        "episodes": episodes,
        "address_times": [
            {
                "address": row.address,
                "first": None if row.first_ms is None else _instant(row.first_ms, sources.zone),
                "last": _instant(row.last_ms, sources.zone),
            }
            for row in sources.queries.address_times(number)
        ],
    }
    return json_answer(device_fields(rows[number], sources.zone) | more)


def export(context: RequestContext) -> Response:
    """Return all data about a device."""
    sources, number = context.sources, context.number("device")
    if number not in Snapshot(sources.queries.picture()).devices():
        raise Missing("device", f"there is no device {number}")
    return json_answer(_exported(sources, number))


def export_person(context: RequestContext) -> Response:
    """Return all data about a person and about the devices that the person owned at any time."""
    sources, number = context.sources, context.number("person")
    picture = Snapshot(sources.queries.picture())
    if picture.row(PERSON, (number,)) is None:
        raise Missing("person", f"there is no person {number}")
    owned = {int(key[0]) for key, row in picture.tables[OWNER].items() if row and row[0] == number}
    exports = [_exported(sources, device) for device in sorted(owned)]
    return json_answer({"id": number, "name": _name(picture, number), "devices": exports})


def _exported(sources: Sources, device: int) -> Json:
    end_s = sources.now.span("today")[1]
    question = UsageQuery(0, end_s, TimeStep.DAY, ("device", "scope"), (device,))
    days = [
        {"start": instant_text(row.start_s, sources.zone), "scope": row.scope, **row.counts._asdict()}
        for row in sources.queries.usage(question)
    ]
    return {"id": device, "kept": sources.queries.export(device), "usage": days}


def _owners(picture: Snapshot, device: int) -> list[Json]:
    """Return the owners of a device in time order; `until` is the first day after, null if there is no such day."""
    return [
        {"person": row[0], "name": _name(picture, row[0]), "from": _day(key[1]), "until": _day(row[1])}
        for key in sorted(picture.of_device(OWNER, device), key=lambda key: int(key[1]))
        if (row := picture.row(OWNER, key))
    ]


def _name(picture: Snapshot, person: object) -> str | None:
    row = picture.row(PERSON, (int(str(person)),))
    return str(row[0]) if row else None


def _day(day: int | str | None) -> str | None:
    text = str(day or ALWAYS)
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 else None


def people(context: RequestContext) -> Response:
    """Return all people with their devices."""
    sources = context.sources
    picture = Snapshot(sources.queries.picture())
    names = _names(sources.queries.devices())
    owned: dict[object, list[Json]] = {}
    for device in sorted(picture.devices()):
        for owner in _owners(picture, device):
            owned.setdefault(owner["person"], []).append(
                {"id": device, "name": names.get(device), "from": owner["from"], "until": owner["until"]}
            )
    rows = [
        {"id": key[0], "name": row[0], "devices": owned.get(key[0], [])}
        for key, row in sorted(picture.tables[PERSON].items())
        if row
    ]
    return json_answer({"people": rows})


def _names(rows: Sequence[DeviceRow]) -> dict[int, str]:
    return {row.id: row.name or row.mac or f"device {row.id}" for row in rows}


def proposals(context: RequestContext) -> Response:
    """Return pairs of devices that are probably one, the latest first."""
    sources = context.sources
    names = _names(sources.queries.devices())
    rows = [
        {
            "id": proposal.id,
            "at": _instant(proposal.at_ms, sources.zone),
            "device": {"id": proposal.device, "name": names.get(proposal.device)},
            "into": {"id": proposal.into, "name": names.get(proposal.into)},
            "percent": proposal.percent,
            "reasons": list(proposal.reasons),
            "state": proposal.state,
        }
        for proposal in sources.queries.proposals()
    ]
    return json_answer({"proposals": rows})


def edits(context: RequestContext) -> Response:
    """Return the latest 200 edits, the latest first; those of the settings to owners alone."""
    sources = context.sources
    latest = sources.queries.edits()
    if context.principal is None or context.principal.role is not Role.OWNER:
        latest = [edit for edit in latest if not any(change[0] == SETTING for change in edit.changes)]
    undone = {edit.undoes: edit.id for edit in latest if edit.undoes}
    rows = [
        {
            "id": edit.id,
            "at": _instant(edit.at_ms, sources.zone),
            "by": edit.by,
            "action": edit.action,
            "undoes": edit.undoes,
            "undone_by": undone.get(edit.id),
            "changes": [
                {"what": what, "key": list(key), "before": before and list(before), "after": after and list(after)}
                for what, key, before, after in edit.changes
            ],
        }
        for edit in latest
    ]
    return json_answer({"edits": rows})


def events(context: RequestContext) -> Response:
    """Return the latest 200 events, the latest first."""
    sources = context.sources
    rows = [
        {
            "id": event.id,
            "at": _instant(event.at_ms, sources.zone),
            "kind": event.kind,
            "title": title_of(event.kind),
            "device": event.device,
            "content": event.content,
        }
        for event in sources.queries.events()
    ]
    return json_answer({"events": rows})


def _instant(at_ms: int, zone: tzinfo) -> str:
    return instant_text(at_ms // 1000, zone)
