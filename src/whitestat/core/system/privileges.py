"""Giving up root: once the meter is open, nothing of it is needed any more."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import struct
from collections.abc import Iterable
from pathlib import Path

PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 8, 24, 38
PR_SET_PDEATHSIG = 1
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_LAST = 63
CAP_CHOWN, CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_SYS_ADMIN, CAP_BPF = 0, 6, 7, 8, 21, 39
CAPABILITIES = {"CAP_NET_RAW": 13, "CAP_BPF": CAP_BPF, "CAP_PERFMON": 38}
"""What the kernel meter needs to open, by capabilities(7)."""


def needed_to_read(release: str) -> frozenset[int]:
    """Capabilities that reading maps takes on a kernel: none since Linux 5.19, where the descriptor suffices."""
    digits = release.split("-", maxsplit=1)[0].split(".")
    version = int(digits[0]), int(digits[1])
    if version >= (5, 19):
        return frozenset()
    return frozenset({CAP_BPF if version >= (5, 8) else CAP_SYS_ADMIN})


def drop(user: tuple[int, int] | None) -> None:
    """Become a user (its number and its group's) for good, without any capability that reading maps does not take.

    None, and root itself, give up capabilities alone. Must be called while there is one thread: capabilities are a
    thread's own.
    """
    keep = needed_to_read(os.uname().release) & effective()
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    if CAP_SETPCAP in effective():
        for capability in range(CAP_LAST + 1):
            _prctl(PR_CAPBSET_DROP, capability, may_fail=True)
    if user is not None and user[0] != 0:
        become(*user)
    _set_capabilities(keep)


def become(user: int, group: int) -> None:
    """Be another user than root, for good; capabilities stay, to be given up one by one."""
    _prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)


def reads_afterwards(user: tuple[int, int] | None, places: Iterable[Path]) -> bool:
    """Whether `drop` leaves these files within reach: tried in a child, which drops and looks. One thread only."""
    child = os.fork()
    if child == 0:
        within = False
        try:
            drop(user)
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
    kept = capabilities & effective()
    _set_capabilities(kept, inheritable=kept)  # programs that another user than root starts have them by this


def before_exec(keep: frozenset[int], user: tuple[int, int] | None) -> None:
    """Between fork and exec: what the program will have is `keep` (as far as it is held here), and never more.

    It runs as `user`, its number and its group's; None stays the user that this is.
    """
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    keep &= effective()
    for capability in set(range(CAP_LAST + 1)) - keep:
        _prctl(PR_CAPBSET_DROP, capability, may_fail=True)
    if user is not None and user[0] != 0:
        become(*user)
    _set_capabilities(keep, inheritable=keep)
    for capability in keep:
        _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, may_fail=True)  # of use to a user other than root


def effective() -> frozenset[int]:
    """The capabilities this thread has (capabilities(7))."""
    for line in Path("/proc/thread-self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            mask = int(line.split()[1], 16)
            return frozenset(number for number in range(CAP_LAST + 1) if mask >> number & 1)
    return frozenset()


def missing_for_metering() -> list[str]:
    """Names of the capabilities that opening the kernel meter lacks here; CAP_SYS_ADMIN stands for the last two."""
    present = effective()
    enough = present | ({CAP_BPF, CAPABILITIES["CAP_PERFMON"]} if CAP_SYS_ADMIN in present else frozenset())
    return [name for name, number in CAPABILITIES.items() if number not in enough]


def may_meter() -> bool:
    """Whether packets can be seen at all: the kernel meter and the packet collector both need CAP_NET_RAW."""
    return CAPABILITIES["CAP_NET_RAW"] in effective()


def own_name() -> str:
    """Return the name of this process's user, for messages."""
    user = os.geteuid()
    if user == 0:
        return "root without capabilities"
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # a container may run as a user that has no name
        return f"user {user}"


def end_with_parent() -> None:
    """A child of this process is sent SIGTERM when its parent has ended, however that did."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _prctl(option: int, value: int, more: int = 0, *, may_fail: bool = False) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(more), 0, 0) != 0 and not may_fail:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _set_capabilities(keep: frozenset[int], inheritable: frozenset[int] = frozenset()) -> None:
    """capset(2): effective and permitted become `keep`."""
    kept, passed = (sum(1 << number for number in some) for some in (keep, inheritable))
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    words = [mask >> shift & 0xFFFFFFFF for shift in (0, 32) for mask in (kept, kept, passed)]
    data = struct.pack("=6I", *words)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")
