"""The few calls of libbpf we use, through ctypes; errors carry what libbpf and the verifier said."""

from __future__ import annotations

import ctypes
import os
from collections import deque
from collections.abc import Iterator
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any

from whitestat.core.errors import CollectorError

SONAME = "libbpf.so.1"


class BatchOptions(ctypes.Structure):
    """struct bpf_map_batch_opts of libbpf."""

    _fields_ = (("sz", c_size_t), ("elem_flags", c_uint64), ("flags", c_uint64))


class TestRunOptions(ctypes.Structure):
    """struct bpf_test_run_opts of libbpf."""

    _fields_ = (
        ("sz", c_size_t),
        ("data_in", c_void_p),
        ("data_out", c_void_p),
        ("data_size_in", c_uint32),
        ("data_size_out", c_uint32),
        ("ctx_in", c_void_p),
        ("ctx_out", c_void_p),
        ("ctx_size_in", c_uint32),
        ("ctx_size_out", c_uint32),
        ("retval", c_uint32),
        ("repeat", c_int),
        ("duration", c_uint32),
        ("flags", c_uint32),
        ("cpu", c_uint32),
        ("batch_size", c_uint32),
    )


_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "libbpf_num_possible_cpus": (c_int, ()),
    "libbpf_set_print": (c_void_p, (c_void_p,)),
    "bpf_object__open_mem": (c_void_p, (c_char_p, c_size_t, c_void_p)),
    "bpf_object__load": (c_int, (c_void_p,)),
    "bpf_object__close": (None, (c_void_p,)),
    "bpf_object__find_map_by_name": (c_void_p, (c_void_p, c_char_p)),
    "bpf_object__find_program_by_name": (c_void_p, (c_void_p, c_char_p)),
    "bpf_map__fd": (c_int, (c_void_p,)),
    "bpf_map__set_max_entries": (c_int, (c_void_p, c_uint32)),
    "bpf_map__set_pin_path": (c_int, (c_void_p, c_char_p)),
    "bpf_program__fd": (c_int, (c_void_p,)),
    "bpf_program__set_type": (c_int, (c_void_p, c_int)),
    "bpf_map_lookup_elem": (c_int, (c_int, c_void_p, c_void_p)),
    "bpf_map_update_elem": (c_int, (c_int, c_void_p, c_void_p, c_uint64)),
    "bpf_map_delete_elem": (c_int, (c_int, c_void_p)),
    "bpf_map_lookup_batch": (
        c_int,
        (c_int, c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_uint32), c_void_p),
    ),
    "bpf_map_delete_batch": (c_int, (c_int, c_void_p, POINTER(c_uint32), c_void_p)),
    "bpf_prog_test_run_opts": (c_int, (c_int, c_void_p)),
}

_PRINT = ctypes.CFUNCTYPE(c_int, c_int, c_void_p, c_void_p)


class Libbpf:
    """libbpf.so.1 loaded once; its warnings are kept for the error that follows them."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL(SONAME, use_errno=True)
        except OSError as error:
            raise CollectorError(f"{SONAME} is missing ({error}); install it: apt install libbpf1") from None
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        self._said: deque[str] = deque(maxlen=60)
        self._libc = ctypes.CDLL(None)
        self._printer = _PRINT(self._print)  # kept: libbpf holds a pointer to it
        self._library.libbpf_set_print(ctypes.cast(self._printer, c_void_p))

    def _print(self, level: int, form: int, arguments: int) -> int:
        """libbpf's print callback: a level, a format, a va_list; level 0 is a warning."""
        if level == 0:
            text = ctypes.create_string_buffer(4096)
            self._libc.vsnprintf(text, c_size_t(len(text)), c_void_p(form), c_void_p(arguments))
            self._said.append(text.value.decode(errors="replace").strip())
        return 0

    def call(self, name: str, *arguments: Any, doing: str) -> int:
        """Call `name`; a negative result becomes an OSError that says what was being done."""
        result: int = getattr(self._library, name)(*arguments)
        if result is not None and result < 0:
            raise OSError(-result, f"{doing}: {os.strerror(-result)}")
        return result

    def pointer(self, name: str, *arguments: Any, doing: str) -> int:
        """Call `name`, which gives a pointer; NULL becomes an OSError."""
        ctypes.set_errno(0)
        result: int | None = getattr(self._library, name)(*arguments)
        if not result:
            number = ctypes.get_errno()
            raise OSError(number, f"{doing}: {os.strerror(number)}")
        return result

    def status(self, name: str, *arguments: Any) -> int:
        """Call `name` and return its result as it is (0, or a negative errno)."""
        result: int = getattr(self._library, name)(*arguments)
        return result

    def close_object(self, handle: int) -> None:
        self._library.bpf_object__close(handle)

    def complaint(self) -> str:
        """The last lines libbpf said, without the verifier's listing; forgotten afterwards."""
        lines = [line for text in self._said for line in text.splitlines()]
        self._said.clear()
        telling = [line for line in lines if line and not line.startswith(("-- ", "processed ", "; "))]
        return "; ".join(telling[-3:])

    def possible_cpus(self) -> int:
        return self.call("libbpf_num_possible_cpus", doing="counting CPUs")


class Map:
    """One BPF map by its descriptor, with the sizes of its keys and (per-CPU) values."""

    CHUNK_OCTETS = 1 << 17

    def __init__(self, library: Libbpf, fd: int, name: str, key_size: int, value_size: int) -> None:
        self._library = library
        self.fd, self.name, self.key_size, self.value_size = fd, name, key_size, value_size

    def get(self, key: bytes) -> bytes | None:
        value = ctypes.create_string_buffer(self.value_size)
        result = self._library.status("bpf_map_lookup_elem", self.fd, key, value)
        if result == -2:
            return None
        if result < 0:
            raise OSError(-result, f"reading map {self.name}: {os.strerror(-result)}")
        return value.raw

    def put(self, key: bytes, value: bytes) -> None:
        self._library.call("bpf_map_update_elem", self.fd, key, value, 0, doing=f"writing map {self.name}")

    def drop(self, key: bytes) -> None:
        """Delete one entry; it may be gone already."""
        result = self._library.status("bpf_map_delete_elem", self.fd, key)
        if result not in (0, -2):
            raise OSError(-result, f"deleting from map {self.name}: {os.strerror(-result)}")

    def chunks(self) -> Iterator[tuple[int, Any, Any]]:
        """Yields (count, keys, values) buffers over all entries; the buffers are used again each time.

        A chunk that cannot hold one hash bucket (ENOSPC) is doubled, as bpf(2) asks.
        """
        size = max(64, self.CHUNK_OCTETS // (self.key_size + self.value_size))
        position, first = c_uint32(0), True
        keys, values = self._buffers(size)
        while True:
            count = c_uint32(size)
            result = self._library.status(
                "bpf_map_lookup_batch",
                self.fd,
                None if first else byref(position),
                byref(position),
                keys,
                values,
                byref(count),
                None,
            )
            if result == -28:
                size *= 2
                keys, values = self._buffers(size)
                continue
            if result not in (0, -2):
                raise OSError(-result, f"reading map {self.name}: {os.strerror(-result)}")
            if count.value:
                yield count.value, keys, values
            if result == -2:
                return
            first = False

    def clear(self) -> None:
        """Delete every entry; entries of buckets already walked do not move, so this is one pass."""
        for count, keys, _ in self.chunks():
            number = c_uint32(count)
            self._library.call(
                "bpf_map_delete_batch", self.fd, keys, byref(number), None, doing=f"clearing map {self.name}"
            )

    def _buffers(self, size: int) -> tuple[Any, Any]:
        return (
            ctypes.create_string_buffer(size * self.key_size),
            ctypes.create_string_buffer(size * self.value_size),
        )


def read_object(path: Path) -> bytes:
    """The object file; CollectorError when it was not installed with the package."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CollectorError(f"the kernel program {path.name} cannot be read: {error.strerror}") from None
