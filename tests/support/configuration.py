"""Configurations of one text, and the faults of one."""

from pathlib import Path

import pytest

from whitestat.config.loader import load
from whitestat.config.sections import Config
from whitestat.core.errors import ConfigError

HOME = {"HOME": "/home/anna"}


def read(file: Path, text: str, **environ: str) -> Config:
    file.write_text(text)
    return load(file, HOME | environ, root=False)


def faults(file: Path, text: str, **environ: str) -> list[str]:
    """What is wrong with the text, without the file's name in front of each fault."""
    file.touch(0o644)
    with pytest.raises(ConfigError) as caught:
        read(file, text, **environ)
    return [fault.removeprefix(f"{file}: ") for fault in caught.value.faults]
