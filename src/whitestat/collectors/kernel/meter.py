"""Loads the kernel program, names its maps, and drains them exactly once."""

from __future__ import annotations

import ctypes
import secrets
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from whitestat.collectors.kernel.libbpf import Libbpf, Map, read_object
from whitestat.errors import CollectorError, NotPermitted

OBJECT = Path(__file__).with_name("meter.bpf.o")
LINK_ETHERNET, LINK_RAW, LINK_LOOPBACK = 1, 2, 3

FLOW_KEY = struct.Struct("=IHHH6s6sH16s16s")
PAIR_KEY = struct.Struct("=I6s6s")
_INDEX = struct.Struct("=I")
_STATE = struct.Struct("=QQ")
_POINT = struct.Struct("=II12QQQ")
_COUNTS = struct.Struct("=QQ")
_ENTRY_OCTETS = 72
"""What the kernel adds to each entry of a per-CPU hash: its element, its bucket, its per-CPU pointer."""

POINTS, PLACES = 128, 4
"""As many as in meter.bpf.c: an interface's place is the one the last bits of its index say, or one of the next."""

SO_ATTACH_BPF = 50
ETH_P_ALL, ETH_P_NONE = 3, 0x88B5
"""Every packet (packet(7)); an EtherType that nobody sends: IEEE 802 keeps it for experiments of one's own."""


class Totals(NamedTuple):
    """Running totals of one interface, summed over the CPUs; in and out as the interface sees it."""

    packets_in: int
    packets_out: int
    frames_in: int
    frames_out: int
    wire_in: int
    wire_out: int
    tags_in: int
    tags_out: int
    lost_packets_in: int
    lost_packets_out: int
    lost_octets_in: int
    lost_octets_out: int
    life: int
    """Names these totals: others, which began from zero, have another name."""


class Meter:
    """The loaded program with its maps and its sockets.

    The kernel writes to the maps of one parity of the epoch. `turn` moves it to the other and waits until
    no packet is still being counted in the old ones, which are then `entries` for as long as the caller
    needs, until `clear`. Needs CAP_NET_RAW and CAP_BPF to open; nothing afterwards, for which reason a socket is
    opened at once for each of the `links` that may be watched at the same time.
    """

    program_type: int | None = None
    """Another type to load the program as; a socket filter attaches itself, any other is for test runs."""

    def __init__(self, flows: int = 65536, pairs: int = 4096, pins: Path | None = None, *, links: int = 2) -> None:
        self._library = Libbpf()
        self._object = 0
        self._idle: list[socket.socket] = []
        self._bound: dict[int, socket.socket] = {}
        self._cpus = self._library.possible_cpus()
        self._open_object(flows, pairs, pins)
        try:
            self._find_maps()
            self._attach(links)
        except OSError as error:
            self.close()
            raise _refusal(error, self._library.complaint()) from None
        self._entries_max = {"flows": flows, "pairs": pairs}
        self.id, self.epoch = self._read_state()

    def watch(self, index: int, link: int, point: int, left: bytes | None = None) -> None:
        """Count the packets of interface `index` under the number `point` from now on.

        Running totals begin at zero, or go on where the interface is watched already (pinned maps), or from where
        they were `left` by `unwatch`. OSError where the interface has gone meanwhile: then it is not watched.
        """
        place = self._places.get(index)
        held = None if place is None else self._points.get(_INDEX.pack(place))
        if held is None or _POINT.unpack_from(held)[:2] != (link, point):
            place = self._free_place(index) if place is None else place
            fresh = _POINT.pack(link, point, *[0] * 12, secrets.randbits(63), index) * self._cpus
            self._points.put(_INDEX.pack(place), left or fresh)
            self._places[index] = place
        self._bind(index)

    def watched(self) -> list[int]:
        """Indexes of the interfaces watched, by this process or by one before it that left its maps."""
        return list(self._places)

    def unwatch(self, index: int) -> bytes | None:
        """Stop counting; returns the running totals as they are left, for `watch`."""
        place = self._places.pop(index, None)
        if place is None:
            return None
        if index in self._bound:
            sock = self._bound.pop(index)
            if sock.getsockname()[0]:  # still there, under another name: where one is gone, so is the binding
                _bind(sock, ETH_P_NONE, 0)
            self._idle.append(sock)
        left = self._points.get(_INDEX.pack(place))
        self._points.put(_INDEX.pack(place), bytes(self._points.value_size))
        return left

    def totals(self, index: int) -> Totals | None:
        """The running totals of interface `index`; None when it is not watched."""
        place = self._places.get(index)
        if place is None:
            return None
        value = _whole(lambda: self._points.get(_INDEX.pack(place)))
        if value is None:
            return None
        columns = list(zip(*_POINT.iter_unpack(value), strict=True))
        return Totals._make([*map(sum, columns[2:14]), columns[14][0]])

    def turn(self) -> int:
        """Let the kernel write to the other maps; returns the epoch that ended, whose maps are now still."""
        ended = self.epoch
        self.epoch += 1
        self._state.put(_INDEX.pack(0), _STATE.pack(self.id, self.epoch))
        self._wait()
        return ended

    def flows(self, epoch: int) -> Iterator[tuple[bytes, int, int]]:
        """(flow key, octets, packets) of every entry of the epoch's flow map."""
        return self._entries(self._flows[epoch & 1])

    def pairs(self, epoch: int) -> Iterator[tuple[bytes, int, int]]:
        """(pair key, octets, packets): what found the flow map full."""
        return self._entries(self._pairs[epoch & 1])

    def clear(self, epoch: int) -> None:
        """Forget what was counted in `epoch`; only after it is booked."""
        self._flows[epoch & 1].clear()
        self._pairs[epoch & 1].clear()

    def memory(self) -> int:
        """Octets of kernel memory of the maps, by their sizes (the kernel allocates them at once)."""
        entry = _ENTRY_OCTETS + _COUNTS.size * self._cpus
        flows = self._entries_max["flows"] * (entry + FLOW_KEY.size)
        pairs = self._entries_max["pairs"] * (entry + PAIR_KEY.size)
        return 2 * (flows + pairs)

    def close(self) -> None:
        for sock in (*self._idle, *self._bound.values()):
            sock.close()
        self._idle, self._bound = [], {}
        if self._object:
            self._library.close_object(self._object)
            self._object = 0

    def _open_object(self, flows: int, pairs: int, pins: Path | None) -> None:
        image, library = read_object(OBJECT), self._library
        try:
            self._object = library.pointer("bpf_object__open_mem", image, len(image), None, doing="opening the program")
            for name, entries in (("flows", flows), ("pairs", pairs)):
                for parity in "01":
                    library.call(
                        "bpf_map__set_max_entries",
                        self._map_handle(f"{name}_{parity}"),
                        entries,
                        doing="sizing maps",
                    )
            if pins:
                for name in ("flows_0", "flows_1", "pairs_0", "pairs_1", "points", "state"):
                    library.call(
                        "bpf_map__set_pin_path",
                        self._map_handle(name),
                        str(pins / name).encode(),
                        doing="pinning maps",
                    )
            if self.program_type is not None:
                library.call(
                    "bpf_program__set_type",
                    self._program_handle(),
                    self.program_type,
                    doing="typing the program",
                )
            library.call("bpf_object__load", self._object, doing="loading the program")
        except OSError as error:
            self.close()
            raise _refusal(error, library.complaint()) from None

    def _map_handle(self, name: str) -> int:
        return self._library.pointer(
            "bpf_object__find_map_by_name", self._object, name.encode(), doing=f"finding map {name}"
        )

    def _program_handle(self) -> int:
        return self._library.pointer(
            "bpf_object__find_program_by_name", self._object, b"meter", doing="finding the program"
        )

    def _map(self, name: str, key_size: int, value_size: int) -> Map:
        fd = self._library.call("bpf_map__fd", self._map_handle(name), doing=f"finding map {name}")
        return Map(self._library, fd, name, key_size, value_size)

    def _find_maps(self) -> None:
        counts = _COUNTS.size * self._cpus
        self._flows = tuple(self._map(f"flows_{n}", FLOW_KEY.size, counts) for n in (0, 1))
        self._pairs = tuple(self._map(f"pairs_{n}", PAIR_KEY.size, counts) for n in (0, 1))
        self._points = self._map("points", _INDEX.size, _POINT.size * self._cpus)
        self._places = self._held_places()
        self._state = self._map("state", _INDEX.size, _STATE.size)
        self._grace = self._map("grace", _INDEX.size, _INDEX.size)
        self._grace_inner = self._map("grace_inner", _INDEX.size, _INDEX.size)

    def _attach(self, links: int) -> None:
        """Attach before a socket is bound: not one packet is queued for user space."""
        self.program = self._library.call("bpf_program__fd", self._program_handle(), doing="finding the program")
        if self.program_type is not None:
            return
        for _ in range(links):
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._idle.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_BPF, self.program)

    def _bind(self, index: int) -> None:
        """Let the program see interface `index`; while that is down the kernel waits with us."""
        if index in self._bound or self.program_type is not None:
            return
        if not self._idle:
            raise CollectorError(f"the kernel meter was opened for {len(self._bound)} interfaces at once, not more")
        sock = self._bound[index] = self._idle.pop()
        try:
            _bind(sock, ETH_P_ALL, index)
        except OSError:
            self.unwatch(index)
            raise

    def _held_places(self) -> dict[int, int]:
        """Place by interface index: what a process before this one watched goes on with its totals."""
        held = {}
        for place in range(POINTS):
            value = self._points.get(_INDEX.pack(place))
            index = _POINT.unpack_from(value)[-1] if value else 0
            if index:
                held[index] = place
        return held

    def _free_place(self, index: int) -> int:
        taken = set(self._places.values())
        for place in ((index + each) % POINTS for each in range(PLACES)):
            if place not in taken:
                return place
        raise CollectorError(f"interface {index} finds no place beside {len(taken)} others that are watched")

    def _read_state(self) -> tuple[int, int]:
        """The maps' name and epoch; a new set of maps gets a name of its own."""
        key = _INDEX.pack(0)
        name, epoch = _STATE.unpack(self._state.get(key) or bytes(_STATE.size))
        if not name:
            name = secrets.randbits(63) | 1
            self._state.put(key, _STATE.pack(name, epoch))
        return name, epoch

    def _wait(self) -> None:
        """Wait until every packet that may have seen the old epoch is counted.

        An update of a map of maps returns only after an RCU grace period (bpf(2), maybe_wait_bpf_programs).
        """
        self._grace.put(_INDEX.pack(0), _INDEX.pack(self._grace_inner.fd))

    def _entries(self, source: Map) -> Iterator[tuple[bytes, int, int]]:
        size, form = source.key_size, struct.Struct(f"={2 * self._cpus}Q")
        for count, keys, values in source.chunks():
            raw = ctypes.string_at(keys, count * size)
            per_cpu = form.iter_unpack(ctypes.string_at(values, count * form.size))
            for at, value in enumerate(per_cpu):
                yield raw[at * size : at * size + size], sum(value[::2]), sum(value[1::2])


def _whole(read: Callable[[], bytes | None], width: int = struct.calcsize("P")) -> bytes | None:
    """A value of running totals while packets are added to it; None where there is none.

    A 32-bit kernel copies and adds 64-bit figures in two halves, so a reader may see one half of before and
    one of after: the figure is then off by 2^32. Two looks, one after the other, that both are whole differ by
    less than half of that, and never fall; two that are off in the same way would need 4 GiB in between.
    """
    value = read()
    while value is not None and width == 4:
        held, value = value, read()
        if value is not None and _follows(held, value):
            break
    return value


def _follows(held: bytes, value: bytes) -> bool:
    pairs = zip(_POINT.iter_unpack(held), _POINT.iter_unpack(value), strict=True)
    return all(0 <= now - then < 1 << 31 for a, b in pairs for then, now in zip(a[2:14], b[2:14], strict=True))


def shape(flows: int, pairs: int) -> bytes:
    """All that must be equal for pinned maps to be used again: the program with its maps, and their sizes."""
    return b"%d %d " % (flows, pairs) + read_object(OBJECT)


class _SockaddrLinkLayer(ctypes.Structure):
    """struct sockaddr_ll, packet(7)."""

    _fields_ = (
        ("family", ctypes.c_ushort),
        ("protocol", ctypes.c_uint16),
        ("ifindex", ctypes.c_int),
        ("rest", ctypes.c_ubyte * 12),
    )


def _bind(sock: socket.socket, protocol: int, index: int) -> None:
    """Bind to an interface by its index, or to every one (0); Python's own bind insists on a name.

    Where the socket was bound before, no packet is seen there any more when this returns (packet_do_bind waits).
    """
    address = _SockaddrLinkLayer(socket.AF_PACKET, socket.htons(protocol), index)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.bind(sock.fileno(), ctypes.byref(address), ctypes.sizeof(address)) != 0:
        raise OSError(ctypes.get_errno(), f"binding a packet socket to interface {index}")


def _refusal(error: OSError, complaint: str) -> CollectorError:
    """What the user is told when the kernel refuses: missing rights, or the kernel's own reason."""
    if error.errno in (1, 13):
        return NotPermitted(
            "the kernel meter needs root, or the capabilities CAP_NET_RAW, CAP_BPF and CAP_PERFMON: "
            "start it with sudo, or install the service"
        )
    return CollectorError(f"the kernel refused the meter: {error.strerror or error}; {complaint}".rstrip("; "))
