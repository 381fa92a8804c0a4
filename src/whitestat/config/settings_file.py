"""The page's file of settings as it is changed: checked before it is written, with the versions before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from whitestat.config import page_file
from whitestat.config.changes import (
    SettingChange,
    SettingPlace,
    changed_text,
    differences,
    place_of,
    refuse_fixed,
    refuse_sent_elsewhere,
    without_secrets,
)
from whitestat.config.layers import Layers
from whitestat.config.loader import parsed, with_page
from whitestat.config.schema import declared
from whitestat.config.sections import Config
from whitestat.core.errors import ConfigError


class Prepared(NamedTuple):
    """A change that was checked: the text to write, the text before, what differs, and all settings with it."""

    text: str
    before: str
    changes: Sequence[SettingChange]
    config: Config


class SettingsFile:
    """Reads, checks and writes the page's file. `check` finds faults that the configuration alone does not."""

    def __init__(self, config: Config, check: Callable[[Config], None] = lambda config: None) -> None:
        if config.layers is None:
            raise ConfigError("settings: these were not loaded from files")
        self.layers: Layers = config.layers
        self.path = config.layers.page_file
        self.lock, self.trying = asyncio.Lock(), asyncio.Lock()
        self._config, self._check = config, check

    def document(self) -> Mapping[str, Any]:
        """Return the tables of the file as it is now. Raises ConfigError."""
        return parsed(self.path, page_file.read(self.path) or "")

    def fault(self) -> str:
        """Return what is wrong with the file as it is now, else why it was taken back last, else an empty text."""
        try:
            self._valid(self.document())
            return (page_file.read(page_file.fault_of(self.path)) or "").strip()
        except ConfigError as error:
            return str(error)

    def prepare(self, changes: Mapping[str, object]) -> Prepared:
        """Return the change of these keys and rows, by name; None takes one away. Raises ConfigError."""
        places = [place_of(name) for name in changes]
        refuse_fixed(self.layers, (place for place in places if changes[place.name] is not None))
        before = page_file.read(self.path) or ""
        text = changed_text(before, changes)
        after = parsed(self.path, text)
        changed = differences(parsed(self.path, before), after)
        refuse_sent_elsewhere(changed, changes)
        return Prepared(text, before, changed, self._valid(after))

    def _valid(self, document: Mapping[str, Any]) -> Config:
        config = with_page(self._config, document)
        self._check(config)
        return config

    def write(self, prepared: Prepared) -> None:
        """Write a change, unless the file was changed since it was prepared. Raises ConfigError."""
        if (page_file.read(self.path) or "") != prepared.before:
            raise ConfigError(f"{self.path}: was changed by somebody else meanwhile; try again")
        page_file.write(self.path, prepared.text)
        page_file.remove(page_file.fault_of(self.path))

    def take_back(self, prepared: Prepared) -> None:
        """Write the text from before again, as the change could not be noted."""
        page_file.write(self.path, prepared.before)

    def keep(self, number: int, prepared: Prepared) -> None:
        """Keep the text from before as the version of an edit's number, so that the edit can be undone."""
        page_file.keep_version(self.path, number, prepared.before)

    def undoing(self, number: int, edited: Sequence[tuple[str, str | None, str | None]]) -> dict[str, object]:
        """Return the changes that undo an edit: its names with their values, before and after, as the edit has them.

        Raises ConfigError if a later change touched one, or the version is not kept any more.
        """
        text = page_file.read(page_file.version_of(self.path, number))
        if text is None:
            raise ConfigError(f"edit {number}: its version of the settings is not kept any more: set the keys again")
        old = {change.name: change.after for change in differences({}, parsed(self.path, text))}
        now = {change.name: change for change in differences({}, self.document())}
        for name, _, after in edited:
            current = without_secrets(now[name])[1] if name in now else None
            if _bare(current) != _bare(after):
                raise ConfigError(f"edit {number}: {name} was changed since; undo the later edit first")
        return {name: _whole(place_of(name), old.get(name)) for name, _, _ in edited}


def _bare(text: str | None) -> str | None:
    return text and text.replace('"(new secret)"', '"(secret)"')


def _whole(place: SettingPlace, value: object) -> object:
    """Return a row with None for the secrets that it has not, which would stay otherwise."""
    if not place.section or not isinstance(value, Mapping):
        return value
    return {**dict.fromkeys(one.name for one in declared(place.section.holds) if one.key.secret), **value}
