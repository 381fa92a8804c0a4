"""A new start of the service with changed settings, and the way back where they fail."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from whitestat.config import page_file
from whitestat.config.sections import Config
from whitestat.core.errors import ConfigError
from whitestat.core.system import privileges

log = logging.getLogger("whitestat")

LOOK_S = 10.0
"""How often the page's file is looked at, in seconds; a change counts once it stayed as it is for one look."""
ANSWER_S = 0.2
"""How long the answer to a change has to reach its client."""
BY_MANAGER = "WHITESTAT_RESTART"
"""Variable that says `exit` where a container's policy starts an ended service again."""


def execs_itself() -> bool:
    """Whether this process can start itself again with the rights that it has now: it gives none up."""
    return os.geteuid() != 0 and not privileges.effective() and bool(sys.executable)


def is_started_again(environ: Mapping[str, str]) -> bool:
    """Whether a manager starts the service again when it ends: a unit of systemd's (systemd.exec(5)), or as told."""
    return environ.get(BY_MANAGER) == "exit" or ("INVOCATION_ID" in environ and os.getppid() == 1)


def begin_again() -> None:
    """Become a new process of the same command line; descriptors close, as all of them are close-on-exec.

    The running interpreter itself, where its path is closed to this user.
    """
    words = [sys.executable, *sys.orig_argv[1:]]
    with contextlib.suppress(PermissionError):
        os.execv(sys.executable, words)  # noqa: S606 - it is this program
    os.execv("/proc/self/exe", words)  # noqa: S606


def reason(config: Config) -> str:
    """Return why settings are not in use, or were taken back; an empty text if they are in use."""
    layers = config.layers
    if layers is None:
        return ""
    if layers.fault:
        return f"{layers.fault}; the settings before are in use"
    with contextlib.suppress(ConfigError):
        return (page_file.read(page_file.fault_of(layers.page_file)) or "").strip()
    return ""


def keep_good(config: Config) -> None:
    """Keep the page's file as the one that the service started with."""
    layers = config.layers
    if layers is None or layers.fault:
        return
    good = page_file.good_of(layers.page_file)
    try:
        text = page_file.read(layers.page_file) or ""
        if text != (page_file.read(good) or ""):
            page_file.write(good, text)
    except ConfigError as error:
        log.warning("%s", error)


def take_back(config: Config, error: Exception) -> bool:
    """Put the settings back that the service last started with, and say why. False if these are it, or none can be."""
    layers = config.layers
    if layers is None or layers.fault:
        return False
    page = layers.page_file
    try:
        text, good = page_file.read(page) or "", page_file.read(page_file.good_of(page)) or ""
        if text == good:
            return False
        page_file.write(page.with_name(f"{page.stem}.failed.toml"), text)
        page_file.write(page, good)
        notice = f"the last change of settings was taken back, because the service did not start with it: {error}"
        page_file.write(page_file.fault_of(page), f"{notice}\n")
    except ConfigError as fault:
        log.error("%s", fault)
        return False
    log.error("%s", notice)
    return True


class FileWatch:
    """Notices a change of the page's file by hand: applies a valid one, and tells of a faulty one."""

    def __init__(self, page: Path, fault: Callable[[], str], restart: Callable[[], None] | None) -> None:
        """`fault` checks the file as it is now; `restart` is None where a change counts from the next start on."""
        self._page, self._fault, self._restart = page, fault, restart
        self._used = self._before = self._mark()
        self.notice = ""

    def _mark(self) -> tuple[int, int, int] | None:
        try:
            status = self._page.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def look(self) -> None:
        """Look once. Of no effect while the file is being changed."""
        before, self._before = self._before, self._mark()
        if self._before != before or self._before == self._used:
            return
        self._used = self._before
        if fault := self._fault():
            self.notice = f"{fault}; the settings before are in use"
        elif self._restart:
            log.info("%s was changed: starting again with it", self._page)
            self._restart()
        else:
            self.notice = f"{self._page} was changed: it counts from the next start on"

    async def run(self, notices: list[str], every_s: float = LOOK_S) -> None:
        """Look until cancelled; `notices` has the latest notice, if there is one."""
        while True:
            await asyncio.sleep(every_s)
            before = self.notice
            await asyncio.to_thread(self.look)
            if self.notice != before:
                if before in notices:
                    notices.remove(before)
                notices.append(self.notice)
                log.warning("%s", self.notice)
