"""Handlers that change devices, people and plans, and the fields of their bodies."""

from __future__ import annotations

from functools import partial

from starlette.exceptions import HTTPException
from starlette.responses import Response

from whitestat.attribution.devices.edits import (
    ALWAYS,
    EPISODE,
    PERSON,
    SETTING,
    AddPerson,
    AddTopUp,
    AnswerProposal,
    AssignOwner,
    AssignToPerson,
    CompositeEdit,
    Edit,
    Merge,
    RemovePerson,
    Rename,
    RenamePerson,
    SetLabels,
    Split,
)
from whitestat.core.calendar import day_bounds, instant_text
from whitestat.core.errors import Missing, QueryError
from whitestat.web import request_bodies
from whitestat.web.auth.principal import require
from whitestat.web.auth.roles import Permission
from whitestat.web.request_bodies import Body, Field
from whitestat.web.responses import json_answer
from whitestat.web.route import RequestContext
from whitestat.web.sources import DeviceEditor, EditOutcome

_NAME = Field("name", "The new name; an empty text removes it.", ("text",))
_PERSON = Field(
    "person",
    "The owner by number or by name (a new name adds a person); null for no owner.",
    ("number", "text", "null"),
)
_FROM = Field("from", "First day of this owner; without it the owner applies to all days.", ("day",))
_LABELS = Field("labels", "Labels to group by; they replace the present ones.", ("texts",))
_ROW = (Field("device", "Number of the device.", ("number",), required=True), _NAME, _PERSON, _FROM)

DEVICE = (_NAME, _PERSON, _FROM, _LABELS)
DEVICES = (Field("devices", "Objects with device and some of name, person and from.", ("objects",), required=True),)
MERGE = (Field("into", "Number of the device that stays.", ("number",), required=True),)
SPLIT = (
    Field("episodes", "Numbers of the episodes to move.", ("numbers",), required=True),
    Field("into", "Number of the device that gets them; without it a new device.", ("number",)),
)
PERSON_NAME = (Field("name", "Name of the person.", ("text",), required=True),)
PROPOSAL = (Field("answer", "Whether the two are one device.", ("text",), required=True, words=("confirm", "refuse")),)
TOP_UP = (
    Field("octets", "Octets to add; below zero to take away.", ("whole",), required=True),
    Field("allowance", "Name of the allowance; without it the plan's own.", ("text",)),
)
RECLASSIFY = (Field("from", "First day; without it as far back as hours are kept.", ("day",)),)
LIMIT = (
    Field("name", "Name of the limit, as in `GET /api/v1/throttle`.", ("text",), required=True),
    Field("lifted", "true to lift the limit, false to put it back.", ("flag",), required=True),
)


async def change_devices(context: RequestContext) -> Response:
    """Change several devices in one edit."""
    rows = [request_bodies.checked(_ROW, row) for row in context.body["devices"]]
    return await _apply(context, CompositeEdit(tuple(_device_edit(row["device"], row) for row in rows)))


async def change_device(context: RequestContext) -> Response:
    """Change name, owner or labels of a device."""
    return await _apply(context, _device_edit(context.number("device"), context.body))


async def merge(context: RequestContext) -> Response:
    """Merge a device into another."""
    return await _apply(context, Merge(context.number("device"), context.body["into"]))


async def split(context: RequestContext) -> Response:
    """Move some episodes of a device to another."""
    body = context.body
    return await _apply(context, Split(context.number("device"), tuple(body["episodes"]), body.get("into")))


async def forget(context: RequestContext) -> Response:
    """Delete the names, addresses and peers of a device."""
    device = context.number("device")
    await _editor(context).forget(device, _author(context))
    return json_answer({"edit": 0, "device": device, "person": None})


async def add_person(context: RequestContext) -> Response:
    """Add a person."""
    return await _apply(context, AddPerson(context.body["name"]))


async def rename_person(context: RequestContext) -> Response:
    """Rename a person."""
    return await _apply(context, RenamePerson(context.number("person"), context.body["name"]))


async def remove_person(context: RequestContext) -> Response:
    """Remove a person."""
    return await _apply(context, RemovePerson(context.number("person")))


async def answer_proposal(context: RequestContext) -> Response:
    """Confirm or refuse a proposal."""
    return await _apply(context, AnswerProposal(context.number("proposal"), context.body["answer"] == "confirm"))


async def add_top_up(context: RequestContext) -> Response:
    """Add octets to the current period of a plan."""
    body = context.body
    return await _apply(context, AddTopUp(context.number("plan"), body["octets"], body.get("allowance")))


async def reclassify(context: RequestContext) -> Response:
    """Recalculate past usage by the current terms of a plan."""
    zone, plan, day = context.sources.zone, context.number("plan"), context.body.get("from")
    # A day of the plan starts at the plan's hour, so it contains the last second of the calendar day.
    from_s = None if day is None else day_bounds(day, zone)[1] - 1
    since_s = await _editor(context).reprice(plan, from_s)
    return json_answer({"edit": 0, "device": None, "person": None, "since": instant_text(since_s, zone)})


async def lift_limit(context: RequestContext) -> Response:
    """Lift a limit, or put it back in force."""
    throttle, body = context.sources.slowing, context.body
    _editor(context)
    if throttle is None:
        raise Missing("name", "no limits are active: the service does not run here")
    await throttle.lift(body["name"], lifted=body["lifted"])
    return json_answer({"edit": 0, "device": None, "person": None})


async def undo(context: RequestContext) -> Response:
    """Undo an edit; one of the settings changes their file too, which is for owners."""
    number = context.number("edit")
    edits = await context.in_thread(partial(context.sources.queries.edits, 1_000_000))
    changes = next((edit.changes for edit in edits if edit.id == number), ())
    if any(change[0] == SETTING for change in changes):
        from whitestat.web.handlers import settings  # of use for owners, and else not loaded

        require(context.request, Permission.OWNERS, context.principal)
        return await settings.undo(context, number, edits)
    return _outcome(context, await _editor(context).undo(context.number("edit"), _author(context)))


def _device_edit(device: int, body: Body) -> Edit:
    """Return the edit of the fields of a device."""
    edits: list[Edit] = []
    if "name" in body:
        edits.append(Rename(device, body["name"]))
    if "person" in body:
        assign = AssignToPerson if isinstance(body["person"], str) else AssignOwner
        edits.append(assign(device, body["person"], body.get("from", ALWAYS)))
    elif "from" in body:
        raise QueryError("from", "needs person")
    if "labels" in body:
        edits.append(SetLabels(device, tuple(body["labels"])))
    if not edits:
        raise QueryError("body", "must have some of name, person, labels")
    return edits[0] if len(edits) == 1 else CompositeEdit(tuple(edits))


def _editor(context: RequestContext) -> DeviceEditor:
    """Return the editor. Raises HTTPException 503 if there is none."""
    if context.sources.edits is None:
        raise HTTPException(503, "nothing can be edited now")
    return context.sources.edits


def _author(context: RequestContext) -> str:
    return context.principal.by if context.principal else ""


async def _apply(context: RequestContext, edit: Edit) -> Response:
    return _outcome(context, await _editor(context).edit(edit, _author(context)))


def _outcome(context: RequestContext, outcome: EditOutcome) -> Response:
    """Return the number of the edit (0 without a change), and the device and person that it is about."""
    for table, _, before, after in outcome.changes:
        if table == PERSON and before:
            context.sources.access.accounts.follow(str(before[0]), str(after[0]) if after else None)
    # The device that has the changed episodes now, or the person that was added.
    devices = (int(row.after[0] or 0) for row in outcome.changes if row.table == EPISODE and row.after)
    persons = (int(row.key[0]) for row in outcome.changes if row.table == PERSON and row.after)
    numbers = {name: context.number(name) for name in ("device", "person") if name in context.texts}
    return json_answer(
        {
            "edit": outcome.edit,
            "device": next(devices, numbers.get("device")),
            "person": next(persons, numbers.get("person")),
        }
    )
