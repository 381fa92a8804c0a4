"""Passwords of meters that require a log-in, from the configuration or the file that it names."""

from __future__ import annotations

import stat
from pathlib import Path

from whitestat.collectors.login import Login
from whitestat.config.points import PointConfig
from whitestat.core.errors import ConfigError

MOST_OCTETS = 4096


def login_of(config: PointConfig) -> Login | None:
    """Return the name and password, None without a password. Raises ConfigError naming a file that cannot be used."""
    username = config.username or "admin"
    if config.password is not None:
        return Login(username, config.password)
    if config.password_file is None:
        return None
    return Login(username, *_password(config.name, config.password_file))


def notices(config: PointConfig) -> list[str]:
    """Return a notice if others may read the password's file."""
    path = config.password_file
    try:
        open_to_others = path is not None and path.stat().st_mode & stat.S_IROTH
    except OSError:
        return []
    return [f"point {config.name!r}: everybody may read {path}: chmod 600 {path}"] if open_to_others else []


def _password(name: str, path: Path) -> tuple[str, str]:
    """Return the first line of the file, and when it was written."""
    try:
        with path.open("rb") as opened:
            line = opened.read(MOST_OCTETS).split(b"\n", 1)[0].removesuffix(b"\r").decode()
        written = path.stat().st_mtime_ns
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"point {name!r}: password_file {path} cannot be read: {reason}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"point {name!r}: password_file {path} is not UTF-8 text") from None
    if not line:
        raise ConfigError(f"point {name!r}: password_file {path} has no password in its first line")
    return line, str(written)
