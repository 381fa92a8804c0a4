"""What the service prints once it meters: what it counts and where its page is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from whitestat import __version__
from whitestat.collectors import Collector
from whitestat.config.sections import Config

if TYPE_CHECKING:
    from whitestat.web.sources import Access


def address(url: str, access: Access, now_ms: int) -> str:
    """Where a browser finds the page, or at first the form that sets the owner's password."""
    page = f"{url.rstrip('/')}{access.base}/"
    key = access.accounts.first_link(now_ms)
    return f"{page}first?key={key} to set your password; the link works once" if key else page


def _how(collector: Collector) -> str:
    facts = collector.facts()
    return f"from {facts.url}" if facts.url else facts.how


def metered(collectors: Sequence[Collector]) -> str:
    """What is metered and how, as `eth0 (in the kernel)`."""
    return ", ".join(
        f"{point.interface or point.name} ({_how(collector)})" for collector in collectors for point in collector.points
    )


def announce(
    config: Config,
    url: str,
    collectors: Sequence[Collector],
    notices: Sequence[str],
    user: str,
    *,
    more: Sequence[str] = (),
) -> None:
    print(f"WhiteStat {__version__} counts {metered(collectors)}, keeps it in {config.store.path} and runs as {user}")
    for notice in notices:
        print(f"Note: {notice}.")
    for line in more:
        print(f"{line}.")
    print(f"Open {url}", flush=True)
