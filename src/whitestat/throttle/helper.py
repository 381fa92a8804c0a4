"""The one process that keeps CAP_NET_ADMIN: it takes limits on its standard input and puts them in force.

It can do nothing else, and takes everything back when its input ends, however the service ended. What is ours is
found by its name: two intermediate devices, filters of our numbers, one table. All else is left as it is.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from subprocess import TimeoutExpired
from typing import Any, BinaryIO, NamedTuple

from whitestat.core.system import children
from whitestat.core.system.privileges import keep_only
from whitestat.throttle.limits import DOWN, PREFERENCES, UP, Limit, blocking, shaping
from whitestat.throttle.protocol import LONGEST_ORDER, read_order

CAP_NET_ADMIN = 12
COMMAND_S = 20


class CommandFailed(Exception):
    """A command of the system said no; the message is its own."""


class LimitsInForce(NamedTuple):
    """What is in force: where (with the numbers of the interfaces, which change when one is made anew), and what."""

    interfaces: tuple[tuple[str, int], ...] = ()
    own: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()


class Throttle:
    """Puts limits in force and takes them back."""

    def __init__(self) -> None:
        self.state = LimitsInForce()
        self._ours: set[str] = set()  # interfaces whose clsact queue we made

    def clear(self) -> None:
        """What a helper that was killed may have left, and what this one did."""
        present = {str(each["ifname"]) for each in _links()}
        for name in present - {UP, DOWN}:
            self._unhook(name)
        for device in (UP, DOWN):
            if device in present:
                _run("ip", "link", "delete", "dev", device)
        if _has("nft"):
            _run("nft", "-f", "-", stdin=blocking(()))
        self.state = LimitsInForce()

    def put(self, interfaces: Sequence[str], limits: Sequence[Limit]) -> None:
        """Make these the limits. Nothing is touched where they are in force already."""
        links = _links()
        numbers = {str(each["ifname"]): int(each["ifindex"]) for each in links}
        missing = [each for each in interfaces if each not in numbers]
        if missing:
            raise CommandFailed(f"there is no interface {missing[0]}")
        wanted = LimitsInForce(tuple((each, numbers[each]) for each in interfaces), _own(links), tuple(limits))
        if wanted == self.state:
            return
        self.clear()
        if any(each.rate_bps is not None for each in limits):
            self._shape(wanted)
        if any(each.rate_bps is None for each in limits):
            if not _has("nft"):
                raise CommandFailed("cutting off takes nftables (Debian: nftables)")
            _run("nft", "-f", "-", stdin=blocking(limits))
        self.state = wanted

    def _shape(self, wanted: LimitsInForce) -> None:
        for device in (UP, DOWN):
            _run("ip", "link", "add", "dev", device, "type", "ifb")
            _run("ip", "link", "set", "dev", device, "up")
        names = [name for name, _ in wanted.interfaces]
        for name in names:
            if "clsact" not in _queues(name):
                _run("tc", "qdisc", "add", "dev", name, "clsact")
                self._ours.add(name)
        lines = shaping(names, wanted.limits, wanted.own, _best_queue())
        _run("tc", "-batch", "-", stdin="\n".join(lines) + "\n")

    def _unhook(self, interface: str) -> None:
        """Our filters go; the queue they hang on goes where it is ours and nobody else has filters there."""
        if "clsact" not in _queues(interface):
            self._ours.discard(interface)
            return
        others = False
        for hook in ("ingress", "egress"):
            filters = json.loads(_run("tc", "-j", "filter", "show", "dev", interface, hook) or "[]")
            prefs = {int(each["pref"]) for each in filters if "pref" in each}
            for pref in prefs.intersection(PREFERENCES):
                _run("tc", "filter", "delete", "dev", interface, hook, "pref", str(pref))
            others |= bool(prefs.difference(PREFERENCES))
        if interface in self._ours and not others:
            _run("tc", "qdisc", "delete", "dev", interface, "clsact")
            self._ours.discard(interface)


def main(orders: BinaryIO, answers: BinaryIO) -> int:
    """Until the input ends: one order a line, one answer a line."""
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # the service says when to end
    keep_only(frozenset({CAP_NET_ADMIN}))
    throttle = Throttle()
    try:
        throttle.clear()
        for line in iter(lambda: orders.readline(LONGEST_ORDER), b""):
            answers.write(json.dumps(_answer(throttle, line)).encode() + b"\n")
            answers.flush()
    finally:
        throttle.clear()
    return 0


def _answer(throttle: Throttle, line: bytes) -> dict[str, object]:
    try:
        throttle.put(*read_order(line))
    except (ValueError, KeyError, TypeError) as fault:
        return {"error": f"not understood: {fault}"}
    except (CommandFailed, OSError) as fault:
        throttle.clear()  # half of it in force would slow the wrong ones
        return {"error": str(fault)}
    return {}


def _best_queue() -> str:
    """Fair between the flows of a device where the kernel can."""
    try:
        _run("tc", "qdisc", "add", "dev", UP, "root", "fq_codel")
    except CommandFailed:
        return "pfifo"
    _run("tc", "qdisc", "delete", "dev", UP, "root")
    return "fq_codel"


def _links() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_run("ip", "-j", "address", "show"))
    return found


def _own(links: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """Every address of this machine."""
    found = set()
    for link in links:
        found |= {str(row["local"]) for row in link.get("addr_info", ()) if "local" in row}
    return tuple(sorted(found))


def _queues(interface: str) -> set[str]:
    return {str(each.get("kind")) for each in json.loads(_run("tc", "-j", "qdisc", "show", "dev", interface) or "[]")}


def _has(program: str) -> bool:
    return any(os.access(f"{folder}/{program}", os.X_OK) for folder in os.get_exec_path())


def _run(*words: str, stdin: str = "") -> str:
    try:
        done = children.run(*words, timeout_s=COMMAND_S, stdin=stdin)
    except TimeoutExpired:
        raise CommandFailed(f"{words[0]} did not end within {COMMAND_S} s") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).decode(errors="replace").split())
        raise CommandFailed(f"{' '.join(words[:3])}: {said[:300]}")
    return done.stdout.decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main(sys.stdin.buffer, sys.stdout.buffer))
