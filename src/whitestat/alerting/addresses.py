"""Addresses of messages, from a file that only its owner may read or the environment. They contain passwords."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from whitestat.alerting.outbox import mark
from whitestat.core.errors import ConfigError

VARIABLE = "WHITESTAT_NOTIFY"
MOST = 32
OCTETS_MOST = 65_536


def addresses(file: Path | None, environ: Mapping[str, str], to: Iterable[str] = ()) -> dict[str, str]:
    """Each address by its mark: those of the file, of the environment, and `to` of the settings.

    Lines that begin with # are passed over. ConfigError says what is wrong, and where.
    """
    lines = _lines(file) if file else []
    lines += [*environ.get(VARIABLE, "").split(), *to]
    urls = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    for number, url in enumerate(urls, 1):
        if "://" not in url:
            raise ConfigError(f"notify: address {number} is not an address: it must begin like mailto:// or ntfy://")
    if len(urls) > MOST:
        raise ConfigError(f"notify: there may be at most {MOST} addresses, got {len(urls)}")
    return {mark(url): url for url in urls}


def _lines(file: Path) -> list[str]:
    try:
        status = file.stat()
        if status.st_mode & 0o077:
            raise ConfigError(f"{file}: other users can read it, and it contains passwords: chmod 600 {file}")
        if status.st_size > OCTETS_MOST:
            raise ConfigError(f"{file}: has more than {OCTETS_MOST} octets")
        return file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {os.strerror(error.errno or 0).lower()}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: is not text in UTF-8") from None
