"""Configurations of one text, and the faults of one."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from whitestat.config.loader import load
from whitestat.config.sections import Config, DeviceConfig
from whitestat.core.errors import ConfigError

HOME = {"HOME": "/home/anna"}


def read(file: Path, text: str, **environ: str) -> Config:
    file.write_text(text)
    return load(file, HOME | environ, root=False)


def configured(store: Path, devices: Iterable[DeviceConfig] = ()) -> Config:
    """Return the defaults with this database and these devices."""
    defaults = load(None, {}, root=True)
    return replace(defaults, store=replace(defaults.store, path=store), devices=tuple(devices))


def faults(file: Path, text: str, **environ: str) -> list[str]:
    """What is wrong with the text, without the file's name in front of each fault."""
    file.touch(0o644)
    with pytest.raises(ConfigError) as caught:
        read(file, text, **environ)
    return [fault.removeprefix(f"{file}: ") for fault in caught.value.faults]
