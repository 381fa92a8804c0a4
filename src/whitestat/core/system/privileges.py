"""Giving up root: once the meter is open, nothing of it is needed any more.

The process becomes the user that is configured, else `whitestat` where there is one, else `nobody`, provided
that this user can reach the ledger and Python's own files; where it cannot (a ledger in root's home), the
process stays root in name and gives up every capability: it then owns root's files and may do nothing more.
"""

from __future__ import annotations

import ctypes
import os
import platform
import pwd
import signal
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

from whitestat.core.errors import ConfigError

USERS = ("whitestat", "nobody")
PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 8, 24, 38
PR_SET_PDEATHSIG = 1
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_LAST = 63
CAP_CHOWN, CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, CAP_BPF = 0, 6, 7, 21, 39
CAPABILITIES = {"CAP_NET_RAW": 13, "CAP_BPF": CAP_BPF, "CAP_PERFMON": 38}
"""What the kernel meter needs to open, by capabilities(7)."""


def needed_to_read(release: str) -> frozenset[int]:
    """Capabilities that reading maps takes on a kernel: none since Linux 5.19, where the descriptor suffices."""
    digits = release.split("-", maxsplit=1)[0].split(".")
    version = int(digits[0]), int(digits[1])
    if version >= (5, 19):
        return frozenset()
    return frozenset({CAP_BPF if version >= (5, 8) else CAP_SYS_ADMIN})


def drop(user: str | None, ledger: Path, also: Path | None = None) -> str:
    """Become the unprivileged user, for good, and say who that is. Who is not root gives up capabilities alone.

    The folder of the default ledger, and `also`, are handed over to that user first. Must be called while
    there is one thread: capabilities are a thread's own. Raises ConfigError for a user that does not exist.
    """
    held, keep = effective(), needed_to_read(platform.release())
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    if os.geteuid() != 0 or not {CAP_CHOWN, CAP_SETGID, CAP_SETUID} <= held:
        _set_capabilities(keep & held)
        return _own_name()
    entry = _entry(user)
    for capability in range(CAP_LAST + 1):
        _prctl(PR_CAPBSET_DROP, capability, may_fail=True)
    if not _reaches(entry, ledger) or not _hand_over(ledger, entry.pw_uid, entry.pw_gid):
        _hand_over(ledger, 0, 0)  # root without capabilities may write what is root's, and no more
        _set_capabilities(keep)
        return _own_name()
    if also:
        os.chown(also, entry.pw_uid, entry.pw_gid)
    _prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    _set_capabilities(keep)
    return entry.pw_name


def reads_afterwards(user: str | None, ledger: Path, places: Iterable[Path]) -> bool:
    """Whether `drop` leaves these files within reach: tried in a child, which drops and looks. One thread only."""
    child = os.fork()
    if child == 0:
        within = False
        try:
            drop(user, ledger)
            within = all(os.access(place, os.R_OK, effective_ids=True) for place in places)
        finally:
            os._exit(0 if within else 1)  # an error is the parent's to meet
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def keep_only(capabilities: frozenset[int]) -> None:
    """Give up all others for good, in this process and what it starts, without becoming another user.

    Programs that root starts have what is left in the bounding set, and with no new privileges never more than here.
    """
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    for capability in set(range(CAP_LAST + 1)) - capabilities:
        _prctl(PR_CAPBSET_DROP, capability, may_fail=True)
    _set_capabilities(capabilities & effective())


def before_exec(keep: frozenset[int]) -> None:
    """Between fork and exec: what the program will have is `keep` (as far as it is held here), and never more."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    keep &= effective()
    for capability in set(range(CAP_LAST + 1)) - keep:
        _prctl(PR_CAPBSET_DROP, capability, may_fail=True)
    _set_capabilities(keep, inheritable=keep)
    for capability in keep:
        _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, may_fail=True)  # of use to a user other than root


def effective() -> frozenset[int]:
    """The capabilities this thread has (capabilities(7))."""
    for line in Path("/proc/thread-self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            mask = int(line.split()[1], 16)
            return frozenset(each for each in range(CAP_LAST + 1) if mask >> each & 1)
    return frozenset()


def missing_for_metering() -> list[str]:
    """Names of the capabilities that opening the kernel meter lacks here; CAP_SYS_ADMIN stands for the last two."""
    held = effective()
    enough = held | ({CAP_BPF, CAPABILITIES["CAP_PERFMON"]} if CAP_SYS_ADMIN in held else frozenset())
    return [name for name, number in CAPABILITIES.items() if number not in enough]


def may_meter() -> bool:
    """Whether packets can be seen at all: the kernel meter and the packet collector both need CAP_NET_RAW."""
    return CAPABILITIES["CAP_NET_RAW"] in effective()


def _own_name() -> str:
    user = os.geteuid()
    if user == 0:
        return "root without capabilities"
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # a container may run as a user that has no name
        return f"user {user}"


def _entry(user: str | None) -> pwd.struct_passwd:
    for name in (user,) if user else USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ConfigError(f"service.user: there is no user {user!r}" if user else "there is no user to become: nobody")


def _hand_over(ledger: Path, user: int, group: int) -> bool:
    """Give the ledger's files to a user, if their folder is that user's already or is ours to give."""
    folder = ledger.parent
    if folder.stat().st_uid != user:
        if folder.name != "whitestat":
            return False
        os.chown(folder, user, group)
    for path in folder.glob(f"{ledger.name}*"):
        os.chown(path, user, group)
    return True


def _reaches(entry: pwd.struct_passwd, ledger: Path) -> bool:
    """Whether the user can get to the ledger's folder, and at what Python may still have to read."""
    python = (Path(sys.executable).resolve(), Path(sys.prefix), Path(__file__))
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        return all(os.access(place, os.R_OK, effective_ids=True) for place in (ledger.parent, *python))
    finally:
        os.seteuid(0)
        os.setegid(0)


def end_with_parent() -> None:
    """A child of this process is sent SIGTERM when its parent has ended, however that did."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _prctl(option: int, value: int, more: int = 0, *, may_fail: bool = False) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(more), 0, 0) != 0 and not may_fail:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _set_capabilities(keep: frozenset[int], inheritable: frozenset[int] = frozenset()) -> None:
    """capset(2): effective and permitted become `keep`."""
    held, passed = (sum(1 << each for each in some) for some in (keep, inheritable))
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    words = [mask >> shift & 0xFFFFFFFF for shift in (0, 32) for mask in (held, held, passed)]
    data = struct.pack("=6I", *words)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")
