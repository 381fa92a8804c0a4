"""When devices sent last, where a meter is looked at several times before it is read; pure.

A meter shows at each look all that a sender has sent since the last read. One that shows no more than at the look
before is silent since, and so it is where the read finds what the last look found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from whitestat.core.model import Address

Sender = tuple[str, int, Address | None]
"""Point, a device's episode there, and one of its addresses (None: not an IP packet).

A plain tuple, because one is made for each flow of each look and a named one takes longer to make.
"""


class SenderTimes:
    """What the last look at each point found of its senders, and since when they have sent no more."""

    def __init__(self) -> None:
        self._looks: dict[Sender, tuple[int, int]] = {}

    def when(self, sent: Mapping[Sender, int], at_ms: int) -> Iterator[tuple[Sender, int]]:
        """Yield when each sender sent last, at the latest; `sent` are octets and packets, of any unit."""
        for sender, amount in sent.items():
            look = self._looks.get(sender)
            yield sender, look[1] if look and look[0] == amount else at_ms

    def look(self, sent: Mapping[Sender, int], at_ms: int, points: Collection[str]) -> None:
        """Remember a look at these points: all that their meters show."""
        others = {sender: look for sender, look in self._looks.items() if sender[0] not in points}
        self._looks = others | {sender: (sent[sender], last_ms) for sender, last_ms in self.when(sent, at_ms)}

    def forget(self, points: Collection[str]) -> None:
        """These points were read: their meters begin anew."""
        self._looks = {sender: look for sender, look in self._looks.items() if sender[0] not in points}

    def clear(self) -> None:
        """The clock was set: no instant noted before holds."""
        self._looks = {}
