"""`whitestat backup` and `whitestat restore`: copies of the ledger and of the accounts."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from whitestat.config import page_file
from whitestat.config.loader import parsed
from whitestat.core.errors import LedgerError, QueryError
from whitestat.core.system.clock import SystemClock
from whitestat.ledger.files import backup
from whitestat.ledger.recovery import restore as recovery
from whitestat.web.auth import file as accounts

KEEP = 7
"""How many backups of a series are kept if nothing else is asked for."""

SECRETS = (
    "Kept for their owner alone (mode 0600), as they hold what is private: names, MAC addresses and habits of the\n"
    "household, in .access the hashes of passwords and tokens, and in .settings.toml passwords of routers and\n"
    "addresses of messages. Passwords in whitestat.toml are not in them.\n"
)


def back_up(path: Path, options: argparse.Namespace) -> str:
    """Write one copy or the next of a series, and return what was written as text."""
    if (options.file is None) == (options.folder is None):
        raise QueryError(
            "backup", "name either FILE or --to FOLDER. Example: whitestat backup --to /mnt/backup --keep 7"
        )
    if options.folder is None:
        if options.keep is not None:
            raise QueryError("--keep", "used with --to FOLDER alone")
        octets = backup.back_up(path, options.file, replace=options.force)
        return f"{options.file}: {octets} octets, checked\n"
    if options.force:
        raise QueryError("--force", "not used with --to, which replaces no file")
    keep = KEEP if options.keep is None else options.keep
    now_ms = SystemClock().now_ms()
    settings = page_file.path_of(path)
    beside = [accounts.path_of(path), *([] if settings.is_symlink() else [settings])]  # nothing else by another name
    done = backup.back_up_series(path, options.folder, beside, keep=keep, now_ms=now_ms)
    files = [f"{file}\n" for file in (done.ledger, *done.beside)]
    removed = [f"{file}: removed, as {keep} newer backups are kept\n" for file in done.removed]
    return "".join((*files, f"{done.octets} octets, checked\n", *removed, SECRETS))


def restore(path: Path, options: argparse.Namespace) -> str:
    """Restore the ledger, and the accounts and settings if asked for, and return what was done as text."""
    settings = _saved_settings(options.file) if options.settings else None
    saved = accounts.path_of(options.file)
    kept = accounts.read(saved) if options.accounts else None
    if kept is not None and not saved.exists():
        raise LedgerError(f"{saved}: there is no such file; without --accounts the accounts stay as they are")
    replaced = recovery.restore(path, options.file, SystemClock().now_ms())
    lines = [f"{path}: restored from {options.file}; start the service\n"]
    if replaced is not None:
        lines.append(f"{replaced}: the database that was in use; remove it when nothing is missed\n")
    if kept is not None:
        with contextlib.suppress(FileNotFoundError):
            if replaced is not None:
                accounts.path_of(path).rename(accounts.path_of(replaced))
        accounts.write(accounts.path_of(path), kept)
        lines.append(f"{accounts.path_of(path)}: accounts and tokens restored\n")
    if settings is not None:
        page = page_file.path_of(path)
        if replaced is not None and (before := page_file.read(page)) is not None:
            page_file.write(page_file.path_of(replaced), before)
        page_file.write(page, settings)
        lines.append(f"{page}: settings restored\n")
    return "".join(lines)


def _saved_settings(file: Path) -> str:
    """Return the settings beside a backup. Raises LedgerError if there are none, ConfigError for another file."""
    saved = page_file.path_of(file)
    text = page_file.read(saved)
    if text is None:
        raise LedgerError(f"{saved}: there is no such file; without --settings the settings stay as they are")
    parsed(saved, text)
    return text
