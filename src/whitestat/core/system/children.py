"""Start of other programs: isolated Python, the system's own folders, an environment of few words, folder `/`.

What a user plants in the current folder, in `PYTHONPATH`, `PATH` or another variable has no effect on a child: the
service may be started by root from a folder that another user can write.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import whitestat

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin"
"""Folders of programs, those of NixOS too; an empty or relative entry of the caller's PATH would be planted easily."""

PASSED_ON = ("LANG", "LC_ALL", "TZ", "MALLOC_ARENA_MAX")
"""Variables that no loader, interpreter or library takes for code or for a path of code."""

_RUN = "import sys; a = sys.argv; sys.path += a[2:]; import runpy; runpy.run_module(a[1], run_name='__main__')"


def environment(*more: str) -> dict[str, str]:
    """Return the environment of a child: PATH, PASSED_ON, and `more` variables of this process, as far as they are
    set."""
    return {"PATH": PATH} | {name: os.environ[name] for name in (*PASSED_ON, *more) if name in os.environ}


def python(module: str, interpreter: str = sys.executable) -> list[str]:
    """Return the words that run a module of ours as `python -m` would, without its current folder and variables.

    -I takes neither PYTHON* variables nor the folder or the user's own packages; folders of ours come behind the
    library's, so nothing in them stands for a module of Python's own.
    """
    return [interpreter, "-I", "-c", _RUN, module, *_folders(sys.path, os.geteuid())]


def run(*words: str, timeout_s: float, stdin: str | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a program of the system to its end and return its output. Raises OSError, subprocess.TimeoutExpired."""
    return subprocess.run(
        words,
        input=None if stdin is None else stdin.encode(),
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=timeout_s,
        check=False,
        env=environment(),
        cwd="/",
    )


def _folders(path: Iterable[str], user: int) -> list[str]:
    """Return where our own package is, and the entries of `path` in which this user and root alone can write."""
    own = str(Path(whitestat.__file__).resolve().parents[1])
    safe = (name for name in path if name.startswith("/") and name != own and _is_safe(name, {0, user}))
    return [own, *safe]


def _is_safe(name: str, owners: set[int]) -> bool:
    """Whether a folder, and each folder above it, can be changed by these owners alone."""
    try:
        folder = Path(name).resolve()
        statuses = [path.stat() for path in (folder, *folder.parents)]
        is_current = folder.samefile(".")
    except OSError:
        return False
    return not is_current and all(status.st_uid in owners and not _is_open(status) for status in statuses)


def _is_open(status: os.stat_result) -> bool:
    """Whether group or others can replace what is in a folder: not where it is sticky, as /tmp is."""
    return bool(status.st_mode & 0o022) and not status.st_mode & stat.S_ISVTX
