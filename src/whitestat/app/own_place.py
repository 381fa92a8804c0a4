"""Which user the service becomes, and the folders that are that user's."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from whitestat.config.sections import Config
from whitestat.core.errors import LedgerError
from whitestat.core.system.own_files import close_to_others, give, is_ours, make_folder
from whitestat.core.system.passage import code_folders, make_way
from whitestat.core.system.service_user import ROOT_MAY, ServiceUser, acting_as, choose

log = logging.getLogger("whitestat")


def prepare(config: Config, environ: Mapping[str, str]) -> ServiceUser | None:
    """Give the data to the user that the service becomes, with a way to it and to the code, and close it to others.

    None where this process is not root. To be called first of all, while there is one thread. Raises ConfigError.
    """
    store = config.store.path
    in_place = bool(environ.get("DATA_STORE")) and Path(environ["DATA_STORE"]).absolute() == store.parent.absolute()
    _make_folders(config)
    user = choose(config.service.user, _owner(store.parent) if in_place else 0)
    if user is not None:
        if not store.parent.parent.is_dir():  # told here, as the user may not be able to look there
            raise LedgerError(f"{store}: the folder {store.parent.parent} does not exist")
        folders = [folder for folder in _folders(config) if folder.is_dir()]
        for folder in folders:
            for within in _log_folders(folder) if folder != store.parent else ():
                give(within, user, "", is_ours=True)
            give(folder, user, store.name if folder == store.parent else "", is_ours=in_place)
        if user.uid == 0:
            log.warning("%s", ROOT_MAY)
        else:
            make_way(user, [*folders, *code_folders()], _files(config))
    with acting_as(user):
        if store.parent.is_dir():
            own = is_ours(store.parent)
            for notice in close_to_others(store.parent, store.name, os.geteuid(), folder_too=own):
                log.warning("%s", notice)
    return user


def _make_folders(config: Config) -> None:
    """Make the folder of the default store, perhaps the first in ~/.local/share, and those whose parent exists."""
    store = config.store.path
    with contextlib.suppress(OSError, RuntimeError):  # without a home; opening the store reports other faults
        if store.parts[-2:] == ("whitestat", "whitestat.db") and store.is_relative_to(Path.home()):
            make_folder(store.parent)
    for folder in _folders(config):
        with contextlib.suppress(OSError):
            if folder.parent.is_dir() and os.geteuid() == 0:
                make_folder(folder)


def _folders(config: Config) -> Iterator[Path]:
    yield config.store.path.parent
    if config.csv.folder:
        yield config.csv.folder


def _log_folders(folder: Path) -> list[Path]:
    """Return the folders of CSV logs that root made in its own folder, the deepest first."""
    months = [month for month in folder.glob("[0-9]*-[0-9]*") if folder.owner() == "root"]
    folders = [*(month / name for month in months for name in ("devices", "users")), *months]
    return [path for path in folders if path.is_dir() and not path.is_symlink()]


def _files(config: Config) -> Iterator[Path]:
    """Yield what root reads once, or the service later if its user may."""
    points = (point.password_file for point in config.points)
    maps = (config.lan.ip_mac, config.lan.mac_mac, config.lan.mac_host)
    others = (config.web.certificate, config.web.key, config.notify.file, config.store.old, config.source)
    yield from (Path(path) for path in (*points, *maps, *others, *(config.lan.leases or ())) if path)
    # A lease or map file may be made or replaced later, which only its folder shows.
    yield from (Path(path).absolute().parent for path in (*maps, *(config.lan.leases or ())) if path)


def _owner(folder: Path) -> int:
    """Return the user of WhiteStat 5's folder, 0 for root, `nobody` and a folder that is not there."""
    try:
        owner = folder.stat().st_uid
    except OSError:
        return 0
    return 0 if owner == 65_534 else owner
