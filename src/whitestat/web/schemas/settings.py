"""Schemas of the settings."""

from __future__ import annotations

from whitestat.web.request_bodies import Schema
from whitestat.web.schemas.shape import COUNT, TEXT, a_list, an_object, or_null

_FLAG: Schema = {"type": "boolean"}
_KEY: Schema = {
    "name": TEXT,
    "help": TEXT,
    "kind": {**TEXT, "description": "what a value must be, in words"},
    "types": a_list({**TEXT, "description": "str, int, bool, date or list"}),
    "default": {**TEXT, "description": "as TOML, or in words"},
    "example": or_null("string", description="as TOML"),
    "is_required": _FLAG,
    "is_secret": {**_FLAG, "description": "it can be set, and is never answered"},
    "page_may_set": {**_FLAG, "description": "false if only root's configuration file may set it"},
    "takes_effect": {"enum": ["restart"]},
}
_SOURCE: Schema = {
    "source": {**TEXT, "description": "the file or variable of the value, or default"},
    "fixed_by": or_null("string", description="the file or variable that fixes it; null if it can be changed here"),
}
_ROW = an_object({"name": TEXT, "values": {"type": "object"}, "secrets": a_list(TEXT), **_SOURCE})
_ONE = an_object(
    {**_KEY, "section": TEXT, "value": {"description": "as TOML has it; null if nothing sets it"}, **_SOURCE}
)

SCHEMAS: Schema = {
    "Settings": an_object(
        {
            "file": or_null("string", description="root's configuration file"),
            "page_file": TEXT,
            "fault": or_null("string", description="why what the page's file has is not in use"),
            "is_pending": {**_FLAG, "description": "whether the page's file differs from what is in use"},
            "restarts": {**_FLAG, "description": "whether a change is applied by a restart at once"},
            "settings": a_list(_ONE),
            "tables": a_list(
                an_object({"name": TEXT, "help": TEXT, "keys": a_list(an_object(_KEY)), "rows": a_list(_ROW)})
            ),
        }
    ),
    "Trial": an_object(
        {"works": _FLAG, "report": {**TEXT, "description": "what the point answered, or why it did not"}}
    ),
    "SettingsChanged": an_object(
        {
            "edit": {**COUNT, "description": "number of the edit, to undo it; 0 without a change"},
            "changed": a_list(TEXT),
            "restarts": {**_FLAG, "description": "whether the service starts again now"},
        }
    ),
}
