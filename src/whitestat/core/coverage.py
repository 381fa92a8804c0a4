"""How much of an interface the meter saw, with the interface's own counter as referee; pure.

The interface is read first and the meter after it while packets flow, so the meter may be ahead by what
passed in between, and a packet on its way up may be counted by the interface alone. What is missing is
therefore booked as unattributed only when two reads in a row miss it; until then it is owed, and kept with the
audit: a process that dies owes it still.

VLAN tags that the kernel keeps beside their frames are in some interfaces' octets and not in others'. What the
interface has more is taken for them first. Tags that did not show yet may be hidden behind packets that the meter
saw after the interface was read: they stay open until both agree, at most `OPEN_MAX` and those of one span.
They agree where neither octets nor packets differ: the octets of hidden tags may be just those of the packets that
hide them.
"""

from __future__ import annotations

from typing import NamedTuple

from whitestat.core.counters import grown
from whitestat.core.model import Audit, Counts

OPEN_MAX = 1 << 16
"""Octets of tags that packets may hide which the meter saw after the interface was read."""


class CoverageStep(NamedTuple):
    """Result of one more audit of a point: frame octets of the span, and the traffic that was not metered.

    `unmetered` is IP octets and packets that passed since `since_ms`, to be booked as unattributed.
    `baseline` is the audit to keep for the next step, with what is still owed.
    """

    frame_octets_interface: int
    frame_octets_metered: int
    packets_lost: int
    unmetered: Counts
    since_ms: int
    baseline: Audit


def step(before: Audit | None, now: Audit) -> CoverageStep:
    """Compare two audits of a point; None as `before` is the first sight, a baseline."""
    if before is None and now.frames_at_attach is not None:
        # The first two readings were taken while packets flowed; what counts is where both began.
        begun = now._replace(frames_interface=now.frames_at_attach, frames_metered=Counts(), giants=Counts())
        before = begun._replace(tags=Counts(), packets_lost=0, since_ms=now.at_ms)
    if before is None:
        return CoverageStep(0, 0, 0, Counts(), now.at_ms, now._replace(since_ms=now.at_ms, frames_gone=None))
    same_meter, is_away = before.meter == now.meter, not now.epoch
    interface, now = _interface(before, now)
    interface = interface.plus(_since(before.giants, now.giants, same_meter)).plus(now.frames_gone or Counts())
    alone = not now.meter  # nothing but the interface counts: all that it carried is nobody's, and at once
    own = now.meter == now.epoch  # the interface is its own meter
    metered = interface if own or alone else _since(before.frames_metered, now.frames_metered, same_meter)
    owed = (interface if alone else _less(interface, metered)).plus(before.owed)
    tags = _since(before.tags, now.tags, same_meter)
    tags_due = tags.plus(before.tags_open)
    shown = _common(owed, tags_due)
    tags_open = _open(owed, tags, _less(tags_due, shown))
    owed, metered = _less(owed, shown), metered.plus(shown)
    gone = is_away and now.frames_gone is not None  # nothing more comes of it
    booked = _bookable(owed, owed if gone or alone else before.owed, now.link_header)
    left = _less(owed, booked)
    lost = now.packets_lost - before.packets_lost if same_meter else now.packets_lost
    return CoverageStep(
        interface.octets,
        metered.octets,
        max(0, lost),
        _ip_octets(booked, now.link_header),
        before.since_ms,
        # What is left began where this span did; without any, the next debt begins now.
        now._replace(
            owed=left,
            since_ms=before.at_ms if any(left) else now.at_ms,
            tags_open=tags_open,
            frames_gone=None,
        ),
    )


def _interface(before: Audit, now: Audit) -> tuple[Counts, Audit]:
    """What the interface carried since, and the audit with the counter to go on from.

    An interface that was not read goes on from where it was. What the meter had more when it was read for the last time
    in its life, it carried.
    """
    if not now.epoch:
        return Counts(), now._replace(epoch=before.epoch, frames_interface=before.frames_interface)
    if before.epoch == now.epoch:
        return _since(before.frames_interface, now.frames_interface, same=True), now
    behind = _less(_common(before.owed, before.owed), before.owed)
    return _less(now.frames_interface, now.frames_foreign).plus(behind), now


def _since(before: Counts, now: Counts, same: bool) -> Counts:
    """A new life of the counter starts from zero."""
    return grown(before, now) if same else now


def _less(a: Counts, b: Counts) -> Counts:
    return Counts(*(x - y for x, y in zip(a, b, strict=True)))


def _open(owed: Counts, tags: Counts, unseen: Counts) -> Counts:
    """Octets of tags that may still show: of those `unseen`, with `tags` of this span; none where all agrees."""
    most = _common(unseen, tags.plus(Counts(OPEN_MAX, OPEN_MAX)))
    return Counts(
        most.octets_in if owed.octets_in or owed.packets_in else 0,
        most.octets_out if owed.octets_out or owed.packets_out else 0,
    )


def _common(a: Counts, b: Counts) -> Counts:
    """What both have, at least nothing."""
    return Counts(*(max(0, min(x, y)) for x, y in zip(a, b, strict=True)))


def _bookable(owed: Counts, before: Counts, header: int) -> Counts:
    """What is owed twice; packets only as far as the octets of their link headers are there too."""
    booked = _common(owed, before)
    if not header:
        return booked
    return booked._replace(
        packets_in=min(booked.packets_in, booked.octets_in // header),
        packets_out=min(booked.packets_out, booked.octets_out // header),
    )


def _ip_octets(frames: Counts, header: int) -> Counts:
    return frames._replace(
        octets_in=max(0, frames.octets_in - header * frames.packets_in),
        octets_out=max(0, frames.octets_out - header * frames.packets_out),
    )
