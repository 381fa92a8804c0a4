"""The only process that keeps CAP_NET_ADMIN: it reads limits from its standard input and puts them in force.

It can do nothing else, and removes everything when its input ends, however the service ended. Our parts have fixed
names: two intermediate devices, filters of our numbers, one table. All else is left as it is.
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
    """A command of the system failed; the message is its own."""


class LimitsInForce(NamedTuple):
    """Limits in force, with names and numbers of the interfaces (a new interface of the same name has a new number)."""

    interfaces: tuple[tuple[str, int], ...] = ()
    own: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()


class Throttle:
    """Installer of limits in the kernel."""

    def __init__(self) -> None:
        self.state = LimitsInForce()
        self._ours: set[str] = set()  # interfaces whose clsact queue we made

    def clear(self) -> None:
        """Remove all limits, also those of an earlier helper that was killed."""
        present = {str(link["ifname"]) for link in _links()}
        for name in present - {UP, DOWN}:
            self._unhook(name)
        for device in (UP, DOWN):
            if device in present:
                _run("ip", "link", "delete", "dev", device)
        if _has("nft"):
            _run("nft", "-f", "-", stdin=blocking(()))
        self.state = LimitsInForce()

    def put(self, interfaces: Sequence[str], limits: Sequence[Limit]) -> None:
        """Make these the limits. Change nothing if they are in force already."""
        links = _links()
        numbers = {str(link["ifname"]): int(link["ifindex"]) for link in links}
        missing = [name for name in interfaces if name not in numbers]
        if missing:
            raise CommandFailed(f"there is no interface {missing[0]}")
        target = LimitsInForce(tuple((name, numbers[name]) for name in interfaces), _own(links), tuple(limits))
        if target == self.state:
            return
        self.clear()
        if any(limit.rate_bps is not None for limit in limits):
            self._shape(target)
        if any(limit.rate_bps is None for limit in limits):
            if not _has("nft"):
                raise CommandFailed("cutting off takes nftables (Debian: nftables)")
            _run("nft", "-f", "-", stdin=blocking(limits))
        self.state = target

    def _shape(self, target: LimitsInForce) -> None:
        for device in (UP, DOWN):
            _run("ip", "link", "add", "dev", device, "type", "ifb")
            _run("ip", "link", "set", "dev", device, "up")
        names = [name for name, _ in target.interfaces]
        for name in names:
            if "clsact" not in _queues(name):
                _run("tc", "qdisc", "add", "dev", name, "clsact")
                self._ours.add(name)
        lines = shaping(names, target.limits, target.own, _best_queue())
        _run("tc", "-batch", "-", stdin="\n".join(lines) + "\n")

    def _unhook(self, interface: str) -> None:
        """Remove our filters, and their queue if it is ours and has no other filters."""
        if "clsact" not in _queues(interface):
            self._ours.discard(interface)
            return
        others = False
        for hook in ("ingress", "egress"):
            filters = json.loads(_run("tc", "-j", "filter", "show", "dev", interface, hook) or "[]")
            prefs = {int(row["pref"]) for row in filters if "pref" in row}
            for pref in prefs.intersection(PREFERENCES):
                _run("tc", "filter", "delete", "dev", interface, hook, "pref", str(pref))
            others |= bool(prefs.difference(PREFERENCES))
        if interface in self._ours and not others:
            _run("tc", "qdisc", "delete", "dev", interface, "clsact")
            self._ours.discard(interface)


def main(orders: BinaryIO, answers: BinaryIO) -> int:
    """Answer each line of the input, an order, with a line, until the input ends."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the service says when to end
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
    """Return a queue that is fair between the flows of a device if the kernel has one."""
    try:
        _run("tc", "qdisc", "add", "dev", UP, "root", "fq_codel")
    except CommandFailed:
        return "pfifo"
    _run("tc", "qdisc", "delete", "dev", UP, "root")
    return "fq_codel"


def _links() -> list[dict[str, Any]]:
    links: list[dict[str, Any]] = json.loads(_run("ip", "-j", "address", "show"))
    return links


def _own(links: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """Return all addresses of this machine."""
    addresses = set()
    for link in links:
        addresses |= {str(row["local"]) for row in link.get("addr_info", ()) if "local" in row}
    return tuple(sorted(addresses))


def _queues(interface: str) -> set[str]:
    return {str(queue.get("kind")) for queue in json.loads(_run("tc", "-j", "qdisc", "show", "dev", interface) or "[]")}


def _has(program: str) -> bool:
    return any(os.access(f"{folder}/{program}", os.X_OK) for folder in os.get_exec_path())


def _run(*words: str, stdin: str = "") -> str:
    try:
        done = children.run(*words, timeout_s=COMMAND_S, stdin=stdin)
    except TimeoutExpired:
        raise CommandFailed(f"{words[0]} did not end within {COMMAND_S} s") from None
    if done.returncode:
        output = " ".join((done.stderr or done.stdout).decode(errors="replace").split())
        raise CommandFailed(f"{' '.join(words[:3])}: {output[:300]}")
    return done.stdout.decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main(sys.stdin.buffer, sys.stdout.buffer))
