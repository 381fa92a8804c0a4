"""The user that the service becomes when root starts it, and its folders.

Not `nobody`: other daemons run as that, and one of them could use the control socket. A machine without a user
`whitestat` needs none: the number RESERVED has no entry in the system's list, and nothing else runs as it.
"""

from __future__ import annotations

import logging
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from whitestat.core.errors import ConfigError
from whitestat.core.system.privileges import CAP_SETGID, CAP_SETUID, effective

log = logging.getLogger("whitestat")

NAME = "whitestat"
RESERVED, RESERVED_THROTTLE = 60777, 60778
"""Users without an entry: the service, and the process that slows devices. Neither Debian nor systemd gives out
60706 to 61183 (systemd's UIDS-GIDS.md)."""

ROOT_MAY = (
    "it runs as root without capabilities, because [service] user says so: it can still read and change every file of "
    "root that needs no capability, as those in /etc; a user of its own could not"
)
_OTHERWISE = 'or set user = "root" in [service], which leaves it the files of root'


class ServiceUser(NamedTuple):
    """A user by number; `name` is for messages."""

    name: str
    uid: int
    gid: int


ROOT = ServiceUser("root without capabilities", 0, 0)


def choose(configured: str | None, owner: int = 0) -> ServiceUser | None:
    """Return the user to become; None where this process is not root, and so stays what it is.

    `owner` is a user that the data folder belongs to and that goes before the default; 0 is none. Raises ConfigError
    where there is no such user or it cannot be become.
    """
    if os.geteuid() != 0:
        return None
    if configured == "root":
        return ROOT
    if configured == "nobody":
        raise ConfigError(
            "service.user: other programs run as `nobody` and could then create accounts here: name another user"
        )
    if not {CAP_SETUID, CAP_SETGID} <= effective():
        raise ConfigError(
            "service.user: started as root without the capabilities CAP_SETUID and CAP_SETGID, so it cannot become "
            f"another user: give it these (and CAP_CHOWN), start it as another user, {_OTHERWISE}"
        )
    if configured:
        return _named(configured)
    if owner:
        return ServiceUser(f"user {owner}", owner, owner)
    with suppress(ConfigError):
        return _named(NAME)
    return _reserved()


def _named(name: str) -> ServiceUser:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise ConfigError(f"service.user: there is no user {name!r}") from None
    if entry.pw_uid == 0:
        raise ConfigError(f'service.user: {name!r} is root under another name: say user = "root"')
    return ServiceUser(name, entry.pw_uid, entry.pw_gid)


def _reserved() -> ServiceUser:
    with suppress(KeyError):
        taken = pwd.getpwuid(RESERVED).pw_name
        raise ConfigError(
            f"service.user: the number {RESERVED}, which it would run as, is {taken}'s here: make a user for it "
            f"(useradd --system {NAME}), {_OTHERWISE}"
        )
    return ServiceUser(f"user {RESERVED}", RESERVED, RESERVED)


def throttle_user(service: ServiceUser | None) -> ServiceUser | None:
    """Return the user of the process that slows devices: another one than the service's, where one is free."""
    if service is None or service.uid == 0:
        return service
    with suppress(KeyError):
        pwd.getpwuid(RESERVED_THROTTLE)
        return service
    return ServiceUser(f"user {RESERVED_THROTTLE}", RESERVED_THROTTLE, RESERVED_THROTTLE)


@contextmanager
def acting_as(user: ServiceUser | None) -> Iterator[None]:
    """Open files with the rights of a user, and be root again afterwards. Of no effect for None and root itself."""
    if user is None or user.uid == 0 or os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(user.gid)
    os.seteuid(user.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@contextmanager
def as_root() -> Iterator[None]:
    """Be root within `acting_as`, for work that needs capabilities. Without effect in a process that never was root."""
    user, group = os.geteuid(), os.getegid()
    if os.getuid() != 0 or user == 0:
        yield
        return
    os.seteuid(0)
    os.setegid(0)
    try:
        yield
    finally:
        os.setegid(group)
        os.seteuid(user)


@contextmanager
def as_owner(folder: Path) -> Iterator[None]:
    """Open files in a folder with the rights of its owner, where root does: for commands beside the service.

    A link that the owner puts there opens nothing more than the owner could. Nothing is to be imported within.
    """
    owner: ServiceUser | None = None
    with suppress(OSError):
        if os.geteuid() == 0 and (status := folder.stat()).st_uid != 0 and {CAP_SETUID, CAP_SETGID} <= effective():
            owner = ServiceUser(f"user {status.st_uid}", status.st_uid, status.st_gid)
    with acting_as(owner):
        yield
