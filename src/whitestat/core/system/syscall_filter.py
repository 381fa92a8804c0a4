"""System calls that the kernel refuses to this process and its children once rights are dropped (seccomp(2)).

A short list of calls that a process without rights does not need and that reach weaknesses of the kernel: mounts,
namespaces, tracing, modules, new BPF programs. Everything else stays as it was. It answers EPERM, so a library that
tries goes on without.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import NamedTuple

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
_LOAD, _EQUAL, _ANY_OF, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06  # BPF_LD_W_ABS, BPF_JMP..., BPF_RET
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; of the argument's low half

REFUSED = (
    *("mount", "umount2", "pivot_root", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick"),
    *("mount_setattr", "chroot", "swapon", "swapoff", "reboot", "acct", "quotactl", "init_module", "finit_module"),
    *("delete_module", "kexec_load", "kexec_file_load", "ptrace", "process_vm_readv", "process_vm_writev"),
    *("pidfd_getfd", "kcmp", "unshare", "setns", "perf_event_open", "userfaultfd", "io_uring_setup", "add_key"),
    *("request_key", "keyctl", "open_by_handle_at", "personality", "syslog", "clock_settime", "settimeofday"),
    *("sethostname", "setdomainname"),
)
BPF_REFUSED = (0, 5, 6, 7, 8)
"""BPF_MAP_CREATE, PROG_LOAD, OBJ_PIN, OBJ_GET, PROG_ATTACH of bpf(2); open maps are read and cleared on."""
NAMESPACES = 0x7E020080
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET and NEWTIME of clone(2)."""


class Architecture(NamedTuple):
    """Numbers of a kind of processor: its own (linux/audit.h), that of each in REFUSED, bpf, clone and clone3."""

    audit: int
    refused: tuple[int, ...]
    bpf: int
    clone: int
    clone3: int = 435


_NEW = (428, 429, 430, 431, 432, 433, 442)
# fmt: off
ARCHITECTURES = {
    ("x86_64", 8): Architecture(
        0xC000003E,
        (
            165, 166, 155, *_NEW, 161, 167, 168, 169, 163, 179, 175, 313, 176, 246, 320, 101, 310, 311, 438, 312, 272,
            308, 298, 323, 425, 248, 249, 250, 304, 135, 103, 227, 164, 170, 171,
        ),
        bpf=321,
        clone=56,
    ),
    ("aarch64", 8): Architecture(
        0xC00000B7,
        (
            40, 39, 41, *_NEW, 51, 224, 225, 142, 89, 60, 105, 273, 106, 104, 294, 117, 270, 271, 438, 272, 97,
            268, 241, 282, 425, 217, 218, 219, 265, 92, 116, 112, 170, 161, 162,
        ),
        bpf=280,
        clone=220,
    ),
    ("arm", 4): Architecture(
        0x40000028,
        (
            21, 52, 218, *_NEW, 61, 87, 115, 88, 51, 131, 128, 379, 129, 347, 401, 26, 376, 377, 438, 378, 337,
            375, 364, 388, 425, 309, 310, 311, 371, 136, 103, 262, 79, 74, 121,
        ),
        bpf=386,
        clone=120,
    ),
}
# fmt: on


def program(architecture: Architecture) -> bytes:
    """Return the filter, instructions of classic BPF (linux/filter.h): code, jump if true, jump if false, value."""
    refuse = (_RETURN, 0, 0, REFUSE | errno.EPERM)
    missing = (_RETURN, 0, 0, REFUSE | errno.ENOSYS)
    allow = (_RETURN, 0, 0, ALLOW)
    lines = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture.audit), missing, (_LOAD, 0, 0, _NUMBER)]
    if architecture.audit == 0xC000003E:
        lines += [(_AT_LEAST, 0, 1, 0x40000000), missing]  # x32 has numbers of its own
    for number in architecture.refused:
        lines += [(_EQUAL, 0, 1, number), refuse]
    lines += [(_EQUAL, 0, 1, architecture.clone3), missing]  # its flags are out of reach: C libraries take clone then
    flags = [(_LOAD, 0, 0, _ARGUMENT), (_ANY_OF, 0, 1, NAMESPACES), refuse, allow]
    lines += [(_EQUAL, 0, len(flags), architecture.clone), *flags]
    commands = [line for number in BPF_REFUSED for line in ((_EQUAL, 0, 1, number), refuse)]
    lines += [(_EQUAL, 0, len(commands) + 1, architecture.bpf), (_LOAD, 0, 0, _ARGUMENT), *commands, allow]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def install() -> bool:
    """Refuse all of it to this thread and what it starts, for good; False on a kernel or processor without a filter.

    To be called while there is one thread.
    """
    machine = os.uname().machine
    if struct.calcsize("P") == 4 and machine in ARM:
        machine = "arm"
    architecture = ARCHITECTURES.get((machine, struct.calcsize("P")))
    if architecture is None:
        return False
    instructions = ctypes.create_string_buffer(program(architecture))
    count = (len(instructions) - 1) // 8
    head = struct.pack("@HP", count, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(head), 0, 0) == 0)


ARM = ("aarch64", "armv7l", "armv8l", "armv6l")
"""What uname(2) calls a kernel that runs 32-bit ARM programs."""
