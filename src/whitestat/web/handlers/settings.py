"""Handlers of the settings: every key with its source, and changes of the page's file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from whitestat.attribution.devices.edits import SETTING, ChangeSettings
from whitestat.config.changes import plain, shown_row, without_secrets
from whitestat.config.schema import DeclaredKey, declared
from whitestat.config.settings import rows, settings
from whitestat.config.settings_file import Prepared, SettingsFile
from whitestat.config.tables import SECTIONS, Section
from whitestat.core.errors import ConfigError, LedgerError, QueryError, WhiteStatError
from whitestat.core.model import Json
from whitestat.ledger.tables.people import EditRow
from whitestat.web.auth.principal import require_confirmed
from whitestat.web.responses import json_answer
from whitestat.web.route import RequestContext


def show(context: RequestContext) -> Response:
    """Return every key with its help, default, value and source; secrets are left out."""
    file = _file(context)
    fault = file.fault()
    try:
        page = file.document()
    except ConfigError:
        page = file.layers.page
    return json_answer(
        {
            "file": str(file.layers.file) if file.layers.file else None,
            "page_file": str(file.path),
            "fault": fault or None,
            "is_pending": page != file.layers.page,
            "restarts": context.sources.restart is not None,
            "settings": [
                {
                    **_key(one.declared, one.name),
                    "section": one.section,
                    "value": None if one.declared.key.secret else plain(one.value),
                    "source": one.source,
                    "fixed_by": one.fixed or None,
                }
                for one in settings(file.layers, page)
            ],
            "tables": [_table(file, page, section) for section in SECTIONS if section.many],
        }
    )


def _key(one: DeclaredKey, name: str) -> Json:
    key = one.for_page
    return {
        "name": name,
        "help": key.sentence,
        "kind": key.kind.words,
        "types": ["list"] if key.kind.many else [kind.__name__ for kind in key.kind.types],
        "default": one.default_text.strip("`"),
        "example": key.example,
        "is_required": one.required,
        "is_secret": key.secret,
        "page_may_set": not one.is_roots,
        "takes_effect": "restart",
    }


def _table(file: SettingsFile, page: Mapping[str, Any], section: Section) -> Json:
    return {
        "name": section.name,
        "help": section.sentence,
        "keys": [_key(one, one.name) for one in declared(section.holds)],
        "rows": [_row(row, section) for row in rows(file.layers, page, section)] if "." not in section.name else [],
    }


def _row(row: Any, section: Section) -> Json:
    values, secrets = shown_row(row, section)
    return {
        "name": row.name,
        "values": values,
        "secrets": secrets,
        "source": row.source,
        "fixed_by": row.fixed or None,
    }


async def change(context: RequestContext) -> Response:
    """Check and write a change, note it in the list of edits, and start the service again with it."""
    return await _apply(context, context.body["set"])


async def try_point(context: RequestContext) -> Response:
    """Read a point as settings that are not saved have it."""
    file, trial_of = _file(context), context.sources.try_point
    if trial_of is None:
        raise HTTPException(503, "no point can be tried: the service does not run here")
    if file.trying.locked():
        raise HTTPException(503, "another point is being tried; wait until it has answered")
    async with file.trying:
        try:
            prepared = await asyncio.to_thread(file.prepare, context.body.get("set", {}))
        except ConfigError as error:
            raise _refused(error, file) from None
        trial = await asyncio.to_thread(trial_of, prepared.config, context.body["point"])
    return json_answer({"works": trial.works, "report": trial.report})


async def undo(context: RequestContext, number: int, edits: Sequence[EditRow]) -> Response:
    """Undo an edit of the settings, one of these, after the password was given again."""
    require_confirmed(context.principal, context.sources.access, context.sources.now_ms())
    changes = next(edit.changes for edit in edits if edit.id == number)
    edited = [(str(key[0]), _text(before), _text(after)) for _, key, before, after in changes]
    file = _file(context)
    if later := _touched_later(number, edits) & {name for name, _, _ in edited}:
        raise QueryError("edit", f"{min(later)} was changed since; undo the later edit first")
    try:
        values = file.undoing(number, edited)
    except ConfigError as error:
        raise _refused(error, file) from None
    return await _apply(context, values, undoes=number)


def _touched_later(number: int, edits: Sequence[EditRow]) -> set[str]:
    """Return the settings that later edits touched, and that were not undone: two secrets look alike in the list."""
    undone = {edit.undoes for edit in edits}
    later = (edit for edit in edits if edit.id > number and edit.id not in undone and edit.undoes is None)
    return {str(key[0]) for edit in later for what, key, _, _ in edit.changes if what == SETTING}


def _text(row: Sequence[object] | None) -> str | None:
    return None if row is None else str(row[0])


async def _apply(context: RequestContext, changes: Mapping[str, object], undoes: int = 0) -> Response:
    file, sources = _file(context), context.sources
    async with file.lock:
        try:
            prepared = await asyncio.to_thread(file.prepare, changes)
            if prepared.changes:
                await asyncio.to_thread(file.write, prepared)
        except ConfigError as error:
            raise _refused(error, file) from None
        number = await _noted(context, file, prepared, undoes) if prepared.changes else 0
    if prepared.changes and sources.restart:
        sources.restart()
    names = [change.name for change in prepared.changes]
    return json_answer({"edit": number, "changed": names, "restarts": bool(names) and sources.restart is not None})


async def _noted(context: RequestContext, file: SettingsFile, prepared: Prepared, undoes: int) -> int:
    """Note the change in the list of edits and return its number; take it back if that fails."""
    editor, by = context.sources.edits, context.principal.by if context.principal else ""
    values = tuple((change.name, *without_secrets(change)) for change in prepared.changes)
    try:
        if editor is None:
            raise LedgerError("nothing can be changed now")
        outcome = await (editor.undo(undoes, by) if undoes else editor.edit(ChangeSettings(values), by))
    except WhiteStatError:
        await asyncio.to_thread(file.take_back, prepared)
        raise
    await asyncio.to_thread(file.keep, outcome.edit, prepared)
    return outcome.edit


def _file(context: RequestContext) -> SettingsFile:
    if context.sources.settings is None:
        raise HTTPException(503, "the settings are not available here")
    return context.sources.settings()


def _refused(error: ConfigError, file: SettingsFile) -> QueryError:
    """Return the faults as the answer has them: the first one's key, and all of them without the file's name."""
    texts = [fault.removeprefix(f"{file.path}: ") for fault in error.faults]
    key, _, reason = texts[0].partition(": ")
    return QueryError(key, "; ".join([reason, *texts[1:]])) if reason else QueryError("set", texts[0])
