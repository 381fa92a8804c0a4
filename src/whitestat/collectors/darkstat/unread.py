"""How many of the frames that darkstat captured it could not read; pure.

darkstat's front page has frames captured, packets seen and packets dropped (which are among those captured). What is
captured and neither seen nor dropped is a frame of a kind that darkstat does not decode: with a VLAN tag, PPPoE without
`--pppoe`, or link chatter that holds no usage (ARP, spanning tree, LLDP). Frames that wait in libpcap's ring are
captured and not seen yet. So the frames captured at an earlier look are compared with what was seen by now: that is
never too much, and exact once the link is quiet for a moment.
"""

from __future__ import annotations

from typing import NamedTuple

from whitestat.collectors.darkstat.follow import TableSnapshot

SETTLED_MS = 2_000
"""How old the earlier look is at least: libpcap hands out its ring after a second at most."""
CHATTER_PER_S = 10
"""So many frames a second that cannot be read are taken for link chatter: a home has one or two."""


class UnreadFrames(NamedTuple):
    """State between looks: frames `captured` at `at_ms` (None: not known), in the life `life` of darkstat.

    `unread` is the number of frames of this life that are known not to have been read.
    """

    life: int = 0
    at_ms: int = 0
    captured: int | None = None
    unread: int = 0

    def take(self, now: TableSnapshot) -> tuple[UnreadFrames, int]:
        """Return the state after this look, and the frames beyond link chatter that it shows to be unread."""
        if now.captured is None:
            return UnreadFrames(), 0
        accounted = now.packets + now.dropped
        if self.captured is not None and now.captured < self.captured:
            return UnreadFrames(now.life, now.at_ms, now.captured), 0  # a new process: all figures began at zero
        if self.captured is None or now.life != self.life:
            # A wipe begins packets anew and not captured frames, as does the first look: both are baselines.
            return UnreadFrames(now.life, now.at_ms, now.captured, max(0, now.captured - accounted)), 0
        span_ms = now.at_ms - self.at_ms
        if 0 <= span_ms < SETTLED_MS:
            return self, 0
        unread = max(self.unread, self.captured - accounted)
        chatter = CHATTER_PER_S * max(0, span_ms) // 1000
        return UnreadFrames(now.life, now.at_ms, now.captured, unread), max(0, unread - self.unread - chatter)
