"""The settings in layers: how they are merged, and where the value of each comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from whitestat.config.layers import Layers, Values
from whitestat.config.schema import DeclaredKey, declared, shown
from whitestat.config.sections import Config
from whitestat.config.tables import SECTIONS, Section


def merged(layers: Layers, page: Values) -> tuple[Values, list[str]]:
    """Return the values with the page's under them, and a notice for each row of the page that has no effect."""
    values: Values = {"": {**page[""], **layers.values[""]}}
    notices: list[str] = []
    for section in SECTIONS:
        if section.name not in layers.values:  # within each plan
            continue
        above, below = layers.values[section.name], page[section.name]
        if section.many:
            values[section.name] = [*map(dict, above), *_free_rows(section, above, below, layers, notices)]
        else:
            values[section.name] = {**below, **above}
    return values, notices


def _free_rows(
    section: Section, above: list[dict[str, Any]], below: list[dict[str, Any]], layers: Layers, notices: list[str]
) -> Iterator[dict[str, Any]]:
    first = declared(section.holds)[0]
    taken = {row.get(first.field) for row in above}
    for row in below:
        if row.get(first.field) not in taken:
            yield row
        else:
            name = shown(row[first.field])
            notices.append(f"{layers.page_file}: {section.name} {name} has no effect: {layers.file} sets it")


class Setting(NamedTuple):
    """A key with its full name, its value as TOML has it (None if nothing sets it) and where that comes from."""

    name: str
    section: str
    declared: DeclaredKey
    value: object
    source: str
    fixed: str
    """What fixes it, so that the page cannot: a file or a variable; empty if nothing does."""


class Row(NamedTuple):
    """One table of a list of tables, as TOML has it."""

    name: str
    values: Mapping[str, Any]
    source: str
    fixed: str


def full_name(section: str, key: str) -> str:
    return f"{section}.{key}" if section else key


def settings(layers: Layers, page: Mapping[str, Any]) -> Iterator[Setting]:
    """Yield every single key in the order of the file; `page` is the page's document."""
    for name, holds in [("", Config), *((one.name, one.holds) for one in SECTIONS if not one.many)]:
        for one in declared(holds):
            yield _setting(layers, page, name, one)


def _setting(layers: Layers, page: Mapping[str, Any], section: str, one: DeclaredKey) -> Setting:
    name = full_name(section, one.name)
    if variable := layers.variables.get(name):
        written = one.key.kind.write(layers.values[section][one.field])
        return Setting(name, section, one, json.loads(written), f"the environment: {variable}", variable)
    above, below = table_of(layers.document, section), table_of(page, section)
    if one.name in above:
        return Setting(name, section, one, above[one.name], str(layers.file), str(layers.file))
    root_only = "the configuration file" if one.is_roots else ""
    if one.name in below and not one.is_roots:
        return Setting(name, section, one, below[one.name], str(layers.page_file), "")
    return Setting(name, section, one, None, "default", root_only)


def table_of(document: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    """Return the table of a section, empty where there is none."""
    for name in section.split(".") if section else ():
        inner = document.get(name)
        document = inner if isinstance(inner, Mapping) else {}
    return document


def rows(layers: Layers, page: Mapping[str, Any], section: Section) -> list[Row]:
    """Return the rows of a list of tables: those of root's file and the environment first, then the page's."""
    first = declared(section.holds)[0].name
    above = [
        Row(str(row.get(first)), row, str(layers.file), str(layers.file)) for row in _rows_in(layers.document, section)
    ]
    above += _rows_of_variables(layers, section, {row.name for row in above})
    taken = {row.name for row in above}
    below = (Row(str(row.get(first)), row, str(layers.page_file), "") for row in _rows_in(page, section))
    return [*above, *(row for row in below if row.name not in taken)]


def _rows_of_variables(layers: Layers, section: Section, taken: set[str]) -> Iterator[Row]:
    """Yield the rows that the environment added, as DARKSTAT_URL does."""
    if section.name != "point":
        return
    variable = layers.variables.get("point.url", "")
    for row in layers.values["point"]:
        if row["name"] not in taken:
            values = {key: row[key] for key in ("name", "collector", "url") if key in row}
            yield Row(row["name"], values, f"the environment: {variable}", variable)


def _rows_in(document: Mapping[str, Any], section: Section) -> list[Mapping[str, Any]]:
    tables = document.get(section.name, [])
    return [row for row in tables if isinstance(row, Mapping)] if isinstance(tables, list) else []
