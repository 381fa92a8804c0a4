"""Loads the kernel program, names its maps, and drains them exactly once."""

from __future__ import annotations

import ctypes
import secrets
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from whitestat.collectors.kernel.libbpf import Libbpf, Map, read_object
from whitestat.core.errors import CollectorError, NotPermitted

OBJECT = Path(__file__).with_name("meter.bpf.o")
LINK_ETHERNET, LINK_RAW, LINK_LOOPBACK = 1, 2, 3

FLOW_KEY = struct.Struct("=IHHH6s6sH16s16s")
PAIR_KEY = struct.Struct("=I6s6s")
_INDEX = struct.Struct("=I")
_STATE = struct.Struct("=QQ")
_POINT = struct.Struct("=4I")
_WAY = struct.Struct("=7Q")
_COUNTS = struct.Struct("=QQ")
_ENTRY_OCTETS = 72
"""What the kernel adds to each entry of a per-CPU hash: its element, its bucket, its per-CPU pointer."""

POINTS, PLACES = 64, 4
"""As many as in meter.bpf.c: an interface's place is the one the last bits of its index say, or one of the next."""

PINNED = ("flows_0", "flows_1", "pairs_0", "pairs_1", "points", "totals", "state")
"""Maps that outlive the process."""

SO_ATTACH_BPF = 50
ETH_P_ALL, ETH_P_NONE = 3, 0x88B5
"""Every packet (packet(7)); an EtherType that is never sent: IEEE 802 keeps it for experiments of one's own."""


LAYOUT = 2
"""Raised with every change of what the maps hold (structs of meter.bpf.c): maps of another are not used again."""


class WayTotals(NamedTuple):
    """One direction of one interface in one epoch, summed over the CPUs; as in meter.bpf.c."""

    packets: int
    frames: int
    more_packets: int
    more_frames: int
    tags: int
    lost_packets: int
    lost_octets: int


class Totals(NamedTuple):
    """What an interface carried in one epoch, in and out as it sees it: of just the packets in the epoch's flows."""

    received: WayTotals
    sent: WayTotals


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
        self._left: dict[
            int, tuple[int, int, int]
        ] = {}  # by index: place, last epoch and number of what is watched no more
        try:
            self._cpus = self._library.possible_cpus()
        except OSError as error:  # /sys/devices/system/cpu is hidden
            raise _refusal(error, self._library.complaint()) from None
        self._open_object(flows, pairs, pins)
        try:
            self._find_maps()
            self._attach(links)
        except OSError as error:
            self.close()
            raise _refusal(error, self._library.complaint()) from None
        self._entries_max = {"flows": flows, "pairs": pairs}
        self.id, self.epoch = self._read_state()

    def watch(self, index: int, link: int, point: int) -> None:
        """Count the packets of interface `index` under the number `point` from now on.

        OSError where the interface has gone meanwhile: then it is not watched.
        """
        place = self._places.get(index)
        value = None if place is None else self._points.get(_INDEX.pack(place))
        if value is None or _POINT.unpack(value)[:2] != (link, point):
            place = self._free_place(index) if place is None else place
            self._points.put(_INDEX.pack(place), _POINT.pack(link, point, index, place))
            self._places[index] = place
        self._bind(index)

    def watched(self) -> dict[int, int]:
        """The number of the point by index of the interface, of this process or of one before it that left its maps."""
        values = {index: self._points.get(_INDEX.pack(place)) for index, place in self._places.items()}
        return {index: _POINT.unpack(value)[1] for index, value in values.items() if value}

    def unwatch(self, index: int) -> None:
        """Stop counting. What was counted is in `totals` until its epoch is cleared."""
        place = self._places.pop(index, None)
        if place is None:
            return
        if index in self._bound:
            sock = self._bound.pop(index)
            _unbind(sock)
            self._idle.append(sock)
        number = _POINT.unpack(self._points.get(_INDEX.pack(place)) or bytes(_POINT.size))[1]
        self._points.put(_INDEX.pack(place), bytes(_POINT.size))
        self._left[index] = place, self.epoch, number

    def halt(self) -> None:
        """Count no packet more: when this returns, none is still being counted."""
        for sock in self._bound.values():
            _unbind(sock)

    def carried(self, epoch: int) -> Iterator[tuple[int, int, Totals]]:
        """(index, number of its point, totals) of the interfaces watched in an epoch that is not cleared."""
        left = {index: number for index, (_, _, number) in self._left.items()}
        for index, number in (left | self.watched()).items():
            totals = self.totals(index, epoch)
            if totals:
                yield index, number, totals

    def totals(self, index: int, epoch: int) -> Totals | None:
        """What interface `index` carried in an epoch that is not cleared; None where it was not watched then."""
        place = self._places[index] if index in self._places else self._left[index][0] if index in self._left else None
        if place is None:
            return None
        return Totals(*(self._way(place, half) for half in _totals_of(epoch)))

    def _way(self, place: int, half: int) -> WayTotals:
        value = self._totals.get(_INDEX.pack(place + half * POINTS)) or b""
        return WayTotals._make(map(sum, zip(*_WAY.iter_unpack(value), strict=True)))

    def _forget(self, place: int, epoch: int) -> None:
        for half in _totals_of(epoch):
            self._totals.put(_INDEX.pack(place + half * POINTS), bytes(self._totals.value_size))

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
        for place in range(POINTS):
            self._forget(place, epoch)
        self._left = {index: left for index, left in self._left.items() if left[1] > epoch}

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
                for name in PINNED:
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
        self._points = self._map("points", _INDEX.size, _POINT.size)
        self._totals = self._map("totals", _INDEX.size, _WAY.size * self._cpus)
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
        places = {}
        for place in range(POINTS):
            value = self._points.get(_INDEX.pack(place))
            index = _POINT.unpack(value)[2] if value else 0
            if index:
                places[index] = place
        return places

    def _free_place(self, index: int) -> int:
        """One that holds nothing, or what the interface counted there before; else one that another interface left."""
        if index in self._left:
            return self._left.pop(index)[0]
        taken, left = set(self._places.values()), {left_place[0]: index for index, left_place in self._left.items()}
        free = [place for place in ((index + offset) % POINTS for offset in range(PLACES)) if place not in taken]
        if not free:
            raise CollectorError(f"interface {index} finds no place beside {len(taken)} others that are watched")
        place = min(free, key=lambda number: number in left)
        if place in left:
            del self._left[left[place]]
            for epoch in (0, 1):
                self._forget(place, epoch)
        return place

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


def _totals_of(epoch: int) -> tuple[int, int]:
    """Which of four equal parts of the map of totals are an epoch's: received, sent."""
    return (2, 3) if epoch & 1 else (0, 1)


def shape(flows: int, pairs: int) -> bytes:
    """All that must be equal for pinned maps to be used again, by another program too: what they hold, their sizes."""
    return b"layout %d %d %d" % (LAYOUT, flows, pairs)


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


def _unbind(sock: socket.socket) -> None:
    if sock.getsockname()[0]:  # where the interface is gone, so is the binding
        _bind(sock, ETH_P_NONE, 0)


def _refusal(error: OSError, complaint: str) -> CollectorError:
    """What the user is told when the kernel refuses: missing rights, or the kernel's own reason."""
    if error.errno in (1, 13):
        return NotPermitted(
            "the kernel meter needs root, or the capabilities CAP_NET_RAW, CAP_BPF and CAP_PERFMON: "
            "start it with sudo, or install the service"
        )
    return CollectorError(f"the kernel refused the meter: {error.strerror or error}; {complaint}".rstrip("; "))
