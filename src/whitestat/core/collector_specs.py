"""Table of the collectors: what each is called, needs and measures, and the function that builds it.

A new collector is one line of `SPECS`. The line names its function as text, so the table loads no collector.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Literal, NamedTuple, get_args

Need = Literal["interface", "url", "listen", "password"]
"""Keys of `[[point]]` that a collector may be unable to do without."""
Measures = Literal["devices", "line"]
NEEDS: frozenset[str] = frozenset(get_args(Need))
MEASURES: frozenset[str] = frozenset(get_args(Measures))


class CollectorSpec(NamedTuple):
    """One kind of collector.

    `build` is "module:function"; the function takes a `collectors.settings.PointSettings` and returns a `Collector`.
    `measures` is "devices" if it counts single devices, "line" if only totals of the line.
    `needs_tls` marks a collector that uses TLS or OpenSSL's cryptography with any URL.
    `extra` is the optional dependency of this package that it needs, empty for none.
    `is_shared` makes one collector of all its points: the function takes them all.
    `stand_ins` are the collectors that count instead where this one cannot be opened, the best first.
    """

    name: str
    build: str
    needs: AbstractSet[Need]
    measures: Measures = "devices"
    needs_tls: bool = False
    extra: str = ""
    is_shared: bool = False
    stand_ins: tuple[str, ...] = ()

    @property
    def counts_packets_here(self) -> bool:
        """Whether it counts what passes an interface of this machine."""
        return "interface" in self.needs

    @property
    def is_polled(self) -> bool:
        """Whether it reads its meter every `interval`."""
        return "url" in self.needs


SPECS = (
    CollectorSpec(
        "kernel",
        "whitestat.collectors.kernel.collector:build",
        {"interface"},
        is_shared=True,
        stand_ins=("packet", "interface"),
    ),
    CollectorSpec("packet", "whitestat.collectors.packet.collector:build", {"interface"}),
    CollectorSpec("interface", "whitestat.collectors.interface:build", {"interface"}, measures="line"),
    CollectorSpec("darkstat", "whitestat.collectors.darkstat.collector:build", {"url"}),
    CollectorSpec("archer-c20", "whitestat.collectors.router.archer_c20:build", {"url", "password"}, needs_tls=True),
    CollectorSpec(
        "huawei-b593",
        "whitestat.collectors.router.huawei_b593.collector:build",
        {"url"},
        measures="line",
        needs_tls=True,
    ),
    CollectorSpec(
        "hilink", "whitestat.collectors.router.hilink:build", {"url"}, measures="line", needs_tls=True, extra="hilink"
    ),
)
BY_NAME = {spec.name: spec for spec in SPECS}
NAMES = tuple(BY_NAME)

BEST, UNPRIVILEGED = "kernel", "interface"
"""The collectors of a default start, with and without the right to meter in the kernel."""
