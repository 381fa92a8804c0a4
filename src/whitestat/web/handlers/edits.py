"""The routes that change devices and people: what each takes, and the edit that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from whitestat.attribution.devices import edits
from whitestat.attribution.devices.edits import (
    ALWAYS,
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
from whitestat.web.request_bodies import Body, Field, Ids
from whitestat.web.responses import json_answer
from whitestat.web.sources import EditOutcome, Sources


class Undo(NamedTuple):
    edit: int


class Forget(NamedTuple):
    device: int


class Reprice(NamedTuple):
    plan: int
    from_day: int | None


class Lift(NamedTuple):
    name: str
    lifted: bool


class EditRoute(NamedTuple):
    """One method of one path; `makes` turns the numbers of the path and a checked body into an edit."""

    method: str
    path: str
    summary: str
    makes: Callable[[Ids, Body], Edit | Undo | Forget | Reprice | Lift]
    fields: tuple[Field, ...] = ()
    schema: str = "Edited"


def _change(ids: Ids, body: Body) -> Edit:
    device, from_day = ids["device"], body.get("from", ALWAYS)
    made: list[Edit] = []
    if "name" in body:
        made.append(Rename(device, body["name"]))
    if "person" in body:
        person = body["person"]
        made.append(
            AssignToPerson(device, person, from_day)
            if isinstance(person, str)
            else AssignOwner(device, person, from_day)
        )
    elif "from" in body:
        raise QueryError("from", "needs person")
    if "labels" in body:
        made.append(SetLabels(device, tuple(body["labels"])))
    if not made:
        raise QueryError("body", "must have some of name, person, labels")
    return made[0] if len(made) == 1 else CompositeEdit(tuple(made))


def _together(ids: Ids, body: Body) -> Edit:
    """Names and owners of many devices as one edit."""
    rows = [request_bodies.checked(_ROW, each) for each in body["devices"]]
    return CompositeEdit(tuple(_change({"device": row["device"]}, _without(row, "device")) for row in rows))


def _without(row: Body, name: str) -> Body:
    return {key: value for key, value in row.items() if key != name}


_NAME = Field("name", "What it is called; empty takes your name away.", ("text",))
_PERSON = Field(
    "person", "Whose it is: a person's number or name, who is added; null for nobody.", ("number", "text", "null")
)
_FROM = Field("from", "The first day it is that person's; without it all its days are.", ("day",))
_LABELS = Field("labels", "Words to group it by, instead of those it has.", ("texts",))
_ROW = (Field("device", "Its number.", ("number",), required=True), _NAME, _PERSON, _FROM)
_CALLED = Field("name", "What the person is called.", ("text",), required=True)

WRITES = (
    EditRoute(
        "PATCH",
        "/api/v1/devices",
        "Name many devices and say whose they are, as one edit.",
        _together,
        (Field("devices", "Each with device and some of name, person and from.", ("objects",), required=True),),
    ),
    EditRoute(
        "PATCH",
        "/api/v1/devices/{device}",
        "Name a device, say whose it is, label it.",
        _change,
        (_NAME, _PERSON, _FROM, _LABELS),
    ),
    EditRoute(
        "POST",
        "/api/v1/devices/{device}/merge",
        "All of a device becomes another's, back to its first day.",
        lambda ids, body: Merge(ids["device"], body["into"]),
        (Field("into", "The device that stays.", ("number",), required=True),),
    ),
    EditRoute(
        "POST",
        "/api/v1/devices/{device}/split",
        "Some of a device's addresses become a device of their own, or another's.",
        lambda ids, body: Split(ids["device"], tuple(body["episodes"]), body.get("into")),
        (
            Field("episodes", "Numbers of its episodes.", ("numbers",), required=True),
            Field("into", "The device whose they are from now on; without it a new one.", ("number",)),
        ),
    ),
    EditRoute(
        "POST",
        "/api/v1/devices/{device}/forget",
        "Remove names, addresses and peers of a device for good; its usage stays, as nobody's.",
        lambda ids, body: Forget(ids["device"]),
    ),
    EditRoute("POST", "/api/v1/people", "Add a person.", lambda ids, body: AddPerson(body["name"]), (_CALLED,)),
    EditRoute(
        "PATCH",
        "/api/v1/people/{person}",
        "Rename a person.",
        lambda ids, body: RenamePerson(ids["person"], body["name"]),
        (_CALLED,),
    ),
    EditRoute(
        "DELETE",
        "/api/v1/people/{person}",
        "Remove a person; the devices are nobody's then.",
        lambda ids, body: RemovePerson(ids["person"]),
    ),
    EditRoute(
        "POST",
        "/api/v1/proposals/{proposal}",
        "Confirm that two devices are one, or refuse it for good.",
        lambda ids, body: AnswerProposal(ids["proposal"], body["answer"] == "confirm"),
        (Field("answer", "What you say to it.", ("text",), required=True, words=("confirm", "refuse")),),
    ),
    EditRoute(
        "POST",
        "/api/v1/plans/{plan}/topups",
        "More octets for the running period of a plan, or fewer; an edit, which can be undone.",
        lambda ids, body: AddTopUp(ids["plan"], body["octets"], body.get("allowance")),
        (
            Field("octets", "How many more; below zero how many fewer.", ("whole",), required=True),
            Field("allowance", "Which allowance, by name; without it the plan's own.", ("text",)),
        ),
    ),
    EditRoute(
        "POST",
        "/api/v1/plans/{plan}/reprice",
        "Class a plan's usage anew, as the plan is now; there is no way back but the same with the plan as it was.",
        lambda ids, body: Reprice(ids["plan"], body.get("from")),
        (Field("from", "The first day; without it all that was ever classed, as far as hours are kept.", ("day",)),),
    ),
    EditRoute(
        "POST",
        "/api/v1/throttle",
        "Lift somebody's limit until the period ends, or put it in force again.",
        lambda ids, body: Lift(body["name"], body["lifted"]),
        (
            Field("name", "As `GET /api/v1/throttle` names it.", ("text",), required=True),
            Field("lifted", "Whether it is lifted.", ("flag",), required=True),
        ),
    ),
    EditRoute("POST", "/api/v1/edits/{edit}/undo", "Take an edit back.", lambda ids, body: Undo(ids["edit"])),
)


async def answer(write: EditRoute, sources: Sources, request: Request, by: str) -> Response:
    """The number of the edit, 0 where nothing had to change, and the device or person that came of it."""
    body = request_bodies.read(write.fields, await body_of(request))
    ids = {name: number(name, str(text)) for name, text in request.path_params.items()}
    edit = write.makes(ids, body)
    if sources.edits is None:
        raise HTTPException(503, "nothing can be edited now")
    if isinstance(edit, Forget):
        await sources.edits.forget(edit.device, by)
        return json_answer({"edit": 0, "device": edit.device, "person": None})
    if isinstance(edit, Lift):
        if sources.slowing is None:
            raise Missing("name", "no service runs here, so nobody is slowed")
        await sources.slowing.lift(edit.name, lifted=edit.lifted)
        return json_answer({"edit": 0, "device": None, "person": None})
    if isinstance(edit, Reprice):
        # The plan's day of a date begins at the plan's hour, and holds the end of the date.
        from_s = None if edit.from_day is None else day_bounds(edit.from_day, sources.zone)[1] - 1
        since_s = await sources.edits.reprice(edit.plan, from_s)
        return json_answer({"edit": 0, "device": None, "person": None, "since": instant_text(since_s, sources.zone)})
    made = await (sources.edits.undo(edit.edit, by) if isinstance(edit, Undo) else sources.edits.edit(edit, by))
    for table, _, before, after in made.made:
        if table == edits.PERSON and before and after:
            sources.access.accounts.follow(str(before[0]), str(after[0]))
    return json_answer({"edit": made.edit, "device": _device(made, ids), "person": _person(made, ids)})


def number(name: str, text: str) -> int:
    """A number of a path; Missing where it can be none of ours."""
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Missing(name, f"there is no {name} {text[:100]!r}")
    return int(text)


async def body_of(request: Request) -> bytes:
    found = b""
    async for piece in request.stream():
        found += piece
        if len(found) > request_bodies.MOST_OCTETS:
            raise HTTPException(413, f"more than {request_bodies.MOST_OCTETS} octets")
    return found


def _device(made: EditOutcome, ids: Ids) -> int | None:
    """Whose the changed episodes are now, else the device that was asked for."""
    moved = (int(each.after[0] or 0) for each in made.made if each.table == edits.EPISODE and each.after)
    return next(moved, ids.get("device"))


def _person(made: EditOutcome, ids: Ids) -> int | None:
    added = (int(each.key[0]) for each in made.made if each.table == edits.PERSON and each.after)
    return next(added, ids.get("person"))
