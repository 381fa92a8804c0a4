"""Changes of the page's settings by name: as new text of the file, with its comments and order, and as a list."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from whitestat.config.layers import Layers
from whitestat.config.schema import declared
from whitestat.config.sections import Config
from whitestat.config.settings import Row, rows, settings, table_of
from whitestat.config.tables import SECTIONS, Section, homes
from whitestat.core.errors import ConfigError
from whitestat.core.suggestions import did_you_mean

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

HEADER = """\
# Settings made on WhiteStat's page and by `whitestat config set`. What the configuration file of root or the
# environment sets wins over this file. The keys are those of docs/reference/configuration.md.
"""
SECRET, NEW_SECRET = "(secret)", "(new secret)"
_PASSWORD_GOES_ELSEWHERE = "give it again: the address or the collector changes, and it would be sent there"  # noqa: S105


class SettingPlace(NamedTuple):
    """What a name means: `billing.day`, the row `plan.line`, or `plan.line.allowance` in it."""

    section: Section | None
    row: str
    key: str

    @property
    def name(self) -> str:
        return ".".join(part for part in (self.section.name if self.section else "", self.row, self.key) if part)

    @property
    def top(self) -> str:
        """The name of what changes as one: a key, or a whole row."""
        return self._replace(key="").name if self.row else self.name


class SettingChange(NamedTuple):
    """A key or a row of the page's file before and after, as TOML has it; None is not there."""

    name: str
    before: object
    after: object


def place_of(name: str) -> SettingPlace:
    """Return what the name means. Raises ConfigError for one that means nothing."""
    if name in {one.name for one in declared(Config)}:
        return SettingPlace(None, "", name)
    for section in sorted(SECTIONS, key=lambda section: -len(section.name)):
        rest = name.removeprefix(f"{section.name}.")
        if rest == name or not rest or ("." in section.name and section.many):
            continue
        row, _, key = rest.partition(".") if section.many else ("", "", rest)
        known = [one.name for one in declared(section.holds)] + _parts_of(section)
        if (section.many and row and not key) or key in known:
            return SettingPlace(section, row, key)
        raise ConfigError(f"{name}: unknown key {key!r}{did_you_mean(key, known)}")
    raise ConfigError(f"{name}: unknown key {name!r}{did_you_mean(name, list(homes().values()))}")


def _parts_of(section: Section) -> list[str]:
    return [one.name.rpartition(".")[2] for one in SECTIONS if one.name.startswith(f"{section.name}.") and one.many]


def refuse_fixed(layers: Layers, places: Iterable[SettingPlace]) -> None:
    """Raise ConfigError for a name that root's file or the environment fixes."""
    fixed = {one.name: one.fixed for one in settings(layers, {}) if one.source != "default"}
    for section in SECTIONS:
        fixed |= {f"{section.name}.{row.name}": row.fixed for row in rows(layers, {}, section) if section.many}
    refused = (place for place in places if fixed.get(place.top))
    faults = [f"{place.name}: is set by {fixed[place.top]}: change it there" for place in refused]
    if faults:
        raise ConfigError(*faults)


def changed_text(text: str, changes: Mapping[str, object]) -> str:
    """Return the file with these values, by name; None takes a key or a row away. Raises ConfigError.

    Comments, order and spelling of all else stay. tomlkit (2 MB) is loaded here and nowhere else.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text or HEADER)
        for name, value in changes.items():
            _change(document, place_of(name), value)
        return tomlkit.dumps(document)
    except (TOMLKitError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"settings: cannot be written: {error}") from None


def _change(document: TOMLDocument, place: SettingPlace, value: object) -> None:
    if place.section and place.section.many:
        _change_rows(document, place, place.section, value)
        return
    table: Any = document
    for part in place.section.name.split(".") if place.section else ():
        if part not in table:
            if value is None:
                return
            table[part] = _item({})
        table = table[part]
    _put(table, place.key, value)


def _put(table: Any, key: str, value: object) -> None:
    if value is not None:
        table[key] = _item(value)
    elif key in table:
        del table[key]


def _item(value: object) -> Any:
    import tomlkit

    return tomlkit.item(value)


def _change_rows(document: TOMLDocument, place: SettingPlace, section: Section, value: object) -> None:
    name, first = section.name, declared(section.holds)[0].name
    tables: Any = document.get(name, [])
    numbers = [number for number, row in enumerate(tables) if str(row.get(first)) == place.row]
    if not place.key and value is None:
        if numbers:
            del tables[numbers[0]]
        if not tables and name in document:
            del document[name]
        return
    if numbers:
        row = tables[numbers[0]]
    elif name in document:
        tables.append(_item({first: place.row}))
        row = tables[-1]
    else:
        document[name] = _item([{first: place.row}])
        row = document[name][0]
    if place.key:
        _put(row, place.key, value)
    elif isinstance(value, Mapping):
        _fill(row, value, {one.name for one in declared(section.holds) if one.key.secret})
    else:
        raise ConfigError(f"{place.name}: must be a table")


def _fill(row: Any, values: Mapping[str, object], secrets: set[str]) -> None:
    """Give a row these values and no others; a secret that is not given stays, as the page never had it."""
    for key in [key for key in row if key not in values and key not in secrets]:
        del row[key]
    for key, value in values.items():
        _put(row, key, value)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[SettingChange]:
    """Return each key and each row that differs between two documents of the page's file."""
    sides = [_flat(before), _flat(after)]
    names = dict.fromkeys([*sides[0], *sides[1]])
    pairs = ((name, sides[0].get(name), sides[1].get(name)) for name in names)
    return [SettingChange(*pair) for pair in pairs if pair[1] != pair[2]]


def _flat(document: Mapping[str, Any]) -> dict[str, object]:
    """Return keys and rows by name."""
    values: dict[str, object] = {one.name: document[one.name] for one in declared(Config) if one.name in document}
    for section in SECTIONS:
        if section.many and "." not in section.name:
            first = declared(section.holds)[0].name
            values |= {f"{section.name}.{row.get(first)}": row for row in document.get(section.name, [])}
        elif not section.many:
            table = table_of(document, section.name)
            keys = (one.name for one in declared(section.holds))
            values |= {f"{section.name}.{key}": table[key] for key in keys if key in table}
    return values


def refuse_sent_elsewhere(changes: Iterable[SettingChange], given: Mapping[str, object]) -> None:
    """Raise ConfigError where a stored password would go to another address than it was given for."""
    for change in changes:
        before, after = change.before, change.after
        if not isinstance(before, Mapping) or not isinstance(after, Mapping) or not before.get("password"):
            continue
        moved = any(before.get(key) != after.get(key) for key in ("url", "collector", "interface"))
        whole = given.get(change.name)
        is_given = f"{change.name}.password" in given or (isinstance(whole, Mapping) and "password" in whole)
        if moved and after.get("password") and not is_given:
            raise ConfigError(f"{change.name}.password: {_PASSWORD_GOES_ELSEWHERE}")


def without_secrets(change: SettingChange) -> tuple[str | None, str | None]:
    """Return both sides as JSON for the list of edits; a secret is replaced, so that only its change shows."""
    before, after = change.before, change.after
    place = place_of(change.name)
    if not place.row and is_secret(place):
        return _json(SECRET if before else None), _json(NEW_SECRET if after else None)
    if isinstance(after, Mapping):
        after = _hidden(after, before if isinstance(before, Mapping) else {})
    if isinstance(before, Mapping):
        before = _hidden(before, before)
    return _json(before), _json(after)


def _hidden(row: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    names = {one.name for section in SECTIONS for one in declared(section.holds) if one.key.secret}
    return {
        key: value if key not in names else SECRET if before.get(key) == value else NEW_SECRET
        for key, value in row.items()
    }


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(plain(value), ensure_ascii=False)


def plain(value: object) -> Any:
    """Return a value of TOML as JSON has it: dates as text."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) and not isinstance(value, date) else str(value)


def shown_row(row: Row, section: Section) -> tuple[dict[str, Any], list[str]]:
    """Return the values of a row without its secrets, and the names of the secrets that it has."""
    names = {one.name for one in declared(section.holds) if one.key.secret}
    values = {key: plain(value) for key, value in row.values.items() if key not in names}
    return values, sorted(names & row.values.keys())


def typed(place: SettingPlace, text: str) -> object:
    """Return a value of the command line as TOML has it: `15`, `true`, a list, or a text without quotes."""
    import tomllib

    kind = _kind_of(place)
    try:
        value = tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except ValueError:
        value = text
    if kind is None or (type(value) in kind.types and not kind.many) or isinstance(value, list):
        return value
    if kind.many:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text if str in kind.types else value


def _kind_of(place: SettingPlace) -> Any:
    holds = place.section.holds if place.section else Config
    return next((one.key.kind for one in declared(holds) if one.name == place.key), None)


def is_secret(place: SettingPlace) -> bool:
    holds = place.section.holds if place.section else Config
    return any(one.key.secret for one in declared(holds) if one.name == place.key)


def is_list(place: SettingPlace) -> bool:
    kind = _kind_of(place)
    return bool(kind and kind.many)
