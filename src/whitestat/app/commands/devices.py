"""The commands about devices and people: what they are called, whose they are, what was changed and taken back."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence

from whitestat.app.commands.client import Call, asked
from whitestat.app.commands.named import named
from whitestat.attribution.devices.device_csv import read_map
from whitestat.config.sections import Config
from whitestat.core.errors import QueryError
from whitestat.core.model import Json
from whitestat.core.units import address_bytes, address_text, mac_bytes, mac_text
from whitestat.query import tables

FAULTS_SHOWN = 5


def run(config: Config, options: argparse.Namespace) -> str:
    """What the command prints. QueryError says what is wrong with its words, and what would be right."""
    with asked(config) as ask:
        return _COMMANDS[options.about](ask, options)


def _name(ask: Call, options: argparse.Namespace) -> str:
    device = _device(ask, options.device)
    return _done(ask("PATCH", f"/api/v1/devices/{device['id']}", {"name": options.name}), "named")


def _label(ask: Call, options: argparse.Namespace) -> str:
    device = _device(ask, options.device)
    return _done(ask("PATCH", f"/api/v1/devices/{device['id']}", {"labels": options.labels}), "labelled")


def _merge(ask: Call, options: argparse.Namespace) -> str:
    device, into = _device(ask, options.device), _device(ask, options.into)
    return _done(ask("POST", f"/api/v1/devices/{device['id']}/merge", {"into": into["id"]}), "merged")


def _split(ask: Call, options: argparse.Namespace) -> str:
    device = ask("GET", f"/api/v1/devices/{_device(ask, options.device)['id']}", None)
    numbers = [_episode(device["episodes"], word) for word in options.addresses]
    into = {"into": _device(ask, options.into)["id"]} if options.into else {}
    answer = ask("POST", f"/api/v1/devices/{device['id']}/split", {"episodes": numbers, **into})
    done = f"split: device {answer['device']} {'has them' if into else 'is new'}"
    return _done(answer, done)


def _episode(episodes: Sequence[Json], word: str) -> int:
    text = _plain(word)
    for episode in episodes:
        if text in (episode["mac"], episode["address"], str(episode["id"])):
            return int(episode["id"])
    known = ", ".join(str(episode["mac"] or episode["address"] or episode["id"]) for episode in episodes)
    raise QueryError("address", f"{word!r} is none of the device's; there are: {known}")


def _people(ask: Call, options: argparse.Namespace) -> str:
    if options.what == "own":
        device, person = _device(ask, options.device), _person(ask, options.person)
        since = {"from": options.since} if options.since else {}
        return _done(ask("PATCH", f"/api/v1/devices/{device['id']}", {"person": person["id"], **since}), "given")
    if options.what == "disown":
        device = _device(ask, options.device)
        since = {"from": options.since} if options.since else {}
        return _done(ask("PATCH", f"/api/v1/devices/{device['id']}", {"person": None, **since}), "taken back")
    if options.what == "add":
        return _done(ask("POST", "/api/v1/people", {"name": options.name}), "added")
    if options.what == "rename":
        person = _person(ask, options.person)
        return _done(ask("PATCH", f"/api/v1/people/{person['id']}", {"name": options.name}), "renamed")
    if options.what == "remove":
        return _done(ask("DELETE", f"/api/v1/people/{_person(ask, options.person)['id']}", None), "removed")
    people = ask("GET", "/api/v1/people", None)["people"]
    rows = [{**person, "devices": ", ".join(_owned(one) for one in person["devices"])} for person in people]
    return tables.listing("people", ("id", "name", "devices"), people, rows, options.form)


def _owned(device: Json) -> str:
    since = f" from {device['from']}" if device["from"] else ""
    until = f" until {device['until']}" if device["until"] else ""
    return f"{device['name']}{since}{until}"


def _proposals(ask: Call, options: argparse.Namespace) -> str:
    if options.what:
        answer = ask("POST", f"/api/v1/proposals/{options.proposal}", {"answer": options.what})
        return _done(answer, "merged" if options.what == "confirm" else "refused for good")
    proposals = ask("GET", "/api/v1/proposals", None)["proposals"]
    rows = [
        {
            **proposal,
            "device": proposal["device"]["name"],
            "into": proposal["into"]["name"],
            "reasons": "; ".join(proposal["reasons"]),
        }
        for proposal in proposals
    ]
    fields = ("id", "at", "device", "into", "percent", "state", "reasons")
    return tables.listing("proposals", fields, proposals, rows, options.form)


def _edits(ask: Call, options: argparse.Namespace) -> str:
    edits = ask("GET", "/api/v1/edits", None)["edits"]
    rows = [{**edit, "changes": "; ".join(map(_change, edit["changes"]))} for edit in edits]
    fields = ("id", "at", "by", "action", "changes", "undone_by")
    return tables.listing("edits", fields, edits, rows, options.form)


def _change(change: Json) -> str:
    before, after = (_shown(change[side]) for side in ("before", "after"))
    return f"{change['what']} {' '.join(map(str, change['key']))}: {before} to {after}"


def _shown(row: Sequence[object] | None) -> str:
    return "nothing" if row is None else " ".join(str(value) for value in row if value is not None) or "set"


def _undo(ask: Call, options: argparse.Namespace) -> str:
    number = options.edit
    if number is None:
        open_ones = [
            edit["id"]
            for edit in ask("GET", "/api/v1/edits", None)["edits"]
            if edit["undone_by"] is None and edit["undoes"] is None and edit["changes"]
        ]
        if not open_ones:
            raise QueryError("edit", "there is nothing to undo")
        number = open_ones[0]
    return _done(ask("POST", f"/api/v1/edits/{number}/undo", None), f"edit {number} is undone")


def _forget(ask: Call, options: argparse.Namespace) -> str:
    device = _device(ask, options.device)
    if not options.yes:
        raise QueryError("--yes", f"forgetting {device['name'] or device['id']!r} cannot be undone; say --yes to do it")
    ask("POST", f"/api/v1/devices/{device['id']}/forget", None)
    return f"Device {device['id']} is forgotten; its past usage is kept without a name.\n"


def _export(ask: Call, options: argparse.Namespace) -> str:
    try:
        path = f"/api/v1/people/{_person(ask, options.who)['id']}/export"
    except QueryError:
        path = f"/api/v1/devices/{_device(ask, options.who)['id']}/export"
    return json.dumps(ask("GET", path, None), ensure_ascii=True, indent=1) + "\n"


def _import(ask: Call, options: argparse.Namespace) -> str:
    devices = ask("GET", "/api/v1/devices", None)["devices"]
    rows, unknown = [], []
    left_out: list[str] = []
    for line in read_map(options.file, left_out):
        matches = [device for device in devices if line.key in (device["mac"], str(device["id"]), *device["addresses"])]
        if matches:
            rows.append({"device": matches[0]["id"], **line.fields})
        else:
            unknown.append(line.key)
    summary = f"{len(rows)} devices in {options.file}"
    for fault in left_out[:FAULTS_SHOWN]:
        print(f"whitestat: {fault}; left out", file=sys.stderr)
    if len(left_out) > FAULTS_SHOWN:
        more = len(left_out) - FAULTS_SHOWN
        print(f"whitestat: {options.file}: {more} more lines are left out", file=sys.stderr)
    for key in unknown:
        print(f"whitestat: {options.file}: no device {key} was ever seen; left out", file=sys.stderr)
    if not rows:
        return f"No device of {options.file} was ever seen; nothing is changed.\n"
    return _done(ask("PATCH", "/api/v1/devices", {"devices": rows}), summary)


def _done(answer: Json, summary: str) -> str:
    if not answer["edit"]:
        return "No change.\n"
    return f"Done: {tables.printable(summary)}. To take it back: whitestat undo {answer['edit']}\n"


def _device(ask: Call, word: str) -> Json:
    """Return the device of a number, a MAC, an address or a name that no other device has."""
    devices = ask("GET", "/api/v1/devices", None)["devices"]
    return named("device", _plain(word), devices, "devices", lambda device: {device["mac"], *device["addresses"]})


def _person(ask: Call, word: str) -> Json:
    return named("person", word, ask("GET", "/api/v1/people", None)["people"], "people")


def _plain(word: str) -> str:
    """A MAC or an address as answers write it; other words as they are."""
    try:
        return mac_text(mac_bytes(word))
    except ValueError:
        pass
    try:
        return address_text(address_bytes(word))
    except ValueError:
        return word


_COMMANDS: dict[str, Callable[[Call, argparse.Namespace], str]] = {
    "name": _name,
    "label": _label,
    "merge": _merge,
    "split": _split,
    "people": _people,
    "proposals": _proposals,
    "edits": _edits,
    "undo": _undo,
    "forget": _forget,
    "export": _export,
    "import": _import,
}
