"""Wires the collectors that ask a router: which one, and who logs in, with a password from where it is kept."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

from whitestat.collectors.router.collector import Login, Router, RouterCollector
from whitestat.config.points import PASSWORD, PointConfig
from whitestat.core.errors import ConfigError
from whitestat.core.model import CounterReading, Point

MOST_OCTETS = 4096
TIMEOUT_S = 10.0


def build(config: PointConfig, point: Point, kept: Iterable[CounterReading]) -> RouterCollector:
    """The collector of the point; ConfigError where something that it needs is missing."""
    if config.url is None:
        raise ConfigError(f"point {config.name!r}: url is missing: collector {config.collector!r} needs it")
    login = login_of(config)
    return RouterCollector(point, _router(config, config.url, login), config.interval_s, login, kept)


def router_of(config: PointConfig) -> Router:
    """The router alone, to be asked by hand."""
    return _router(config, config.url or "", login_of(config))


def _router(config: PointConfig, url: str, login: Login | None) -> Router:
    timeout_s = max(5.0, min(TIMEOUT_S, float(config.interval_s)))
    if config.collector == "archer-c20":
        from whitestat.collectors.router.archer_c20 import ArcherC20

        if login is None:
            raise ConfigError(f"point {config.name!r}: a password is missing: {_where(config)}")
        return ArcherC20(url, login, timeout_s)
    if config.collector == "huawei-b593":
        from whitestat.collectors.router.huawei_b593.collector import B593

        return B593(url, login, timeout_s, firmware=config.firmware, unit=config.unit)
    try:
        from whitestat.collectors.router.hilink import HiLink
    except ImportError:
        raise ConfigError(
            f"point {config.name!r}: collector 'hilink' needs the package huawei-lte-api (LGPL-3.0), which is not "
            "installed: pip install 'whitestat[hilink]'"
        ) from None
    return HiLink(url, login, timeout_s)


def login_of(config: PointConfig) -> Login | None:
    """Who logs in; None where no password is given. ConfigError names the file that cannot be used."""
    username = config.username or "admin"
    if config.password is not None:
        return Login(username, config.password)
    if config.password_file is None:
        return None
    return Login(username, *_password(config.name, config.password_file))


def notices(config: PointConfig) -> list[str]:
    """What is unwise about where the password is."""
    path = config.password_file
    try:
        open_to_others = path is not None and path.stat().st_mode & stat.S_IROTH
    except OSError:
        return []
    return [f"point {config.name!r}: everybody may read {path}: chmod 600 {path}"] if open_to_others else []


def _password(name: str, path: Path) -> tuple[str, str]:
    """The first line of the file, and when it was written."""
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


def _where(config: PointConfig) -> str:
    variable = PASSWORD + config.name.upper().replace("-", "_")
    return f"collector {config.collector!r} needs password_file, or {variable} in the environment"
