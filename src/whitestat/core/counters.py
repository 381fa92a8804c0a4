"""From two readings of a running counter to the traffic between them; pure.

The rules: the first sight of a counter is a baseline, never traffic. A new epoch starts from zero, or from where
it became this key's. A decrease is a wrap modulo 2^width (RFC 2578, section 7.1.6: the counter "wraps around and starts
increasing again from zero") only when the result fits under the link's speed, else a reset, from
zero (RFC 2863, section 3.1.5 on ifCounterDiscontinuityTime). A jump back to a value that was read before
is a restored meter, not new traffic. What the link cannot have carried is not booked.
"""

from __future__ import annotations

from collections.abc import Container

from whitestat.core.model import CounterReading, Counts, Delta, Quality

CEILING_BPS = 10_000_000_000
"""Link speed assumed if none is given, bits per second."""

WRAP = 1 << 32
SLIP = 1 << 24
"""An octet counter that falls by less has not begun again."""


def delta(
    before: CounterReading | None,
    now: CounterReading,
    *,
    ceiling_bps: int = CEILING_BPS,
    earlier: Container[Counts] = (),
) -> Delta | None:
    """The traffic between two readings of one key; None at first sight.

    `earlier` holds counts that this key showed before `before`: seeing one of them again is a meter
    restored from a backup. A delta of quality `implausible` has no counts: nothing of it is booked.
    """
    if before is None:
        return None
    counts, quality = _difference(before, now, ceiling_bps, earlier)
    start_ms = min(before.at_ms, now.at_ms)
    if quality is not Quality.AMBIGUOUS and not _fits(counts, now.at_ms - start_ms, ceiling_bps):
        counts, quality = Counts(), Quality.IMPLAUSIBLE
    return Delta(now.key, counts, start_ms, now.at_ms, quality)


def _difference(
    before: CounterReading, now: CounterReading, ceiling_bps: int, earlier: Container[Counts]
) -> tuple[Counts, Quality]:
    if before.epoch != now.epoch:
        return Counts(*(max(0, b - a) for a, b in zip(now.begun, now.counts, strict=True))), Quality.RESET
    steps = [b - a for a, b in zip(before.counts, now.counts, strict=True)]
    if min(steps) >= 0:
        return Counts(*steps), Quality.EXACT
    if now.counts in earlier:
        return Counts(), Quality.AMBIGUOUS
    wrapped = Counts(*(step % (1 << now.width) for step in steps))
    if _fits(wrapped, now.at_ms - before.at_ms, ceiling_bps):
        return wrapped, Quality.WRAPPED
    return now.counts, Quality.RESET


def _fits(counts: Counts, span_ms: int, ceiling_bps: int) -> bool:
    """Whether the link can have carried this in the span; a second of slack for late readings.

    Packets are held against the same ceiling at 20 octets each, the least an IP packet has.
    """
    octets = ceiling_bps * (max(0, span_ms) + 1000) // 8000
    return counts.octets <= 2 * octets and counts.packets_in + counts.packets_out <= 2 * octets // 20


def grown(before: Counts, now: Counts) -> Counts:
    """Return the growth of a counter. A smaller value counts from zero, unless the counter wrapped.

    On 32-bit kernels some drivers count to 2^32 and begin again (RFC 2578, section 7.1.6). Packet counters show the
    difference from a reset: they continue, or wrap themselves by less than half of their range. A small decrease of
    an octet counter is a driver's uncertainty.
    """
    steps = Counts(*(b - a for a, b in zip(before, now, strict=True)))
    packets = [_on(*pair) for pair in zip(before[2:4], steps[2:4], strict=True)]
    if min(*packets, steps.octets_unsplit) < 0 or max(packets) >= WRAP // 2:
        return now
    octets = [step if step > -SLIP else _on(start, step) for start, step in zip(before[:2], steps[:2], strict=True)]
    return Counts(*octets, *packets)._replace(octets_unsplit=steps.octets_unsplit)


def _on(before: int, step: int) -> int:
    """The step of a counter that may have been full at 2^32."""
    return step + WRAP if step < 0 and before < WRAP else step
