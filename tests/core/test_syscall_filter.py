"""The filter of system calls, in a process of its own, on this machine's kernel."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys

import pytest

from whitestat.core.system.syscall_filter import ARCHITECTURES, REFUSED, program

TRIES = """
import ctypes, json, os, subprocess, sys, threading
from whitestat.core.system import syscall_filter
libc = ctypes.CDLL(None, use_errno=True)
def tried(call, *words):
    ctypes.set_errno(0)
    call(*words)
    return ctypes.get_errno()
NS = 0x10000000 | 17
before = syscall_filter.install()
found = {
    "installed": before,
    "mount": tried(libc.mount, b"none", b"/mnt", b"tmpfs", 0, None),
    "unshare": tried(libc.unshare, 0x10000000),
    "ptrace": tried(libc.ptrace, 0, 0, 0, 0),
    "keyctl": tried(libc.syscall, syscall_filter.ARCHITECTURES["x86_64", 8].refused[31], 0, 0, 0, 0, 0),
    "clone_user": tried(libc.syscall, 56, NS, 0, 0, 0, 0),
    "clone3": tried(libc.syscall, 435, 0, 0),
    "bpf_load": tried(libc.syscall, 321, 5, 0, 0),
    "bpf_lookup": tried(libc.syscall, 321, 1, 0, 0),
    "child": subprocess.run(["unshare", "--user", "true"], capture_output=True).returncode,
    "program": subprocess.run(["true"]).returncode,
}
thread = threading.Thread(target=lambda: found.update(thread=tried(libc.unshare, 0x10000000)))
thread.start()
thread.join()
print(json.dumps(found))
"""
EPERM, ENOSYS = 1, 38


@pytest.mark.skipif(sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != 8, reason="numbers of x86-64")
def test_it_refuses_what_is_listed_to_threads_and_children_and_lets_the_rest_through() -> None:
    import platform

    if platform.machine() != "x86_64":
        pytest.skip("numbers of x86-64")
    done = subprocess.run([sys.executable, "-c", TRIES], capture_output=True, text=True, check=True, timeout=60)
    found = json.loads(done.stdout)
    assert found.pop("installed")
    assert found.pop("child") != 0
    assert found.pop("program") == 0
    assert found.pop("clone3") == ENOSYS
    assert found.pop("bpf_lookup") not in (0, EPERM), "it reaches the kernel, which finds the request faulty"
    assert set(found.values()) == {EPERM}, found


def test_numbers_are_those_of_libseccomp() -> None:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("needs libseccomp2")
    resolve = library.seccomp_syscall_resolve_name_arch
    resolve.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    for architecture in ARCHITECTURES.values():
        names = (*REFUSED, "bpf", "clone", "clone3")
        numbers = (*architecture.refused, architecture.bpf, architecture.clone, architecture.clone3)
        assert numbers == tuple(resolve(architecture.audit, name.encode()) for name in names)


def test_every_jump_stays_within_the_program() -> None:
    for architecture in ARCHITECTURES.values():
        code = program(architecture)
        count = len(code) // 8
        for place in range(count):
            instruction, yes, no = code[place * 8 : place * 8 + 4][0], code[place * 8 + 2], code[place * 8 + 3]
            if instruction & 0x07 == 0x05:
                assert place + 1 + max(yes, no) < count
        assert code[-8] == 0x06
