"""One run of the measurements beside darkstat: from the wire's octets to a crowd of 65,532 flows."""

from __future__ import annotations

from dataclasses import dataclass

from bench import process
from bench.stage import ALONE, HOUSEHOLD, LARGE, Kernel, Load, Stage, Wire

QUIET_RATE = 10_000
UNSATURATED = 0.8
"""Of the highest rate this machine can make. Where a core has no rest left, a kernel without CONFIG_IRQ_TIME_ACCOUNTING
charges the interrupts of every packet to whichever program runs, and its CPU time says nothing of the program."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything one run measured; memory in octets."""

    start_s: float
    wire: Wire
    quiet: Load
    flood: Load
    highest: Load
    watched: Load
    kernel: Kernel
    kernel_alone: Kernel
    ours_household: int
    ours_resident: int
    ours_kernel_memory: int
    darkstat_resident: int


def one_run(seconds: int, rate: int) -> Figures:
    """Both meters from start to end: seven intervals between flushes, some four minutes."""
    with Stage() as stage:
        wire = stage.wire()
        quiet = stage.load(HOUSEHOLD, QUIET_RATE, seconds)
        highest = stage.load(HOUSEHOLD, 0, seconds)
        flood = stage.load(HOUSEHOLD, min(rate, int(highest.rate * UNSATURATED)), seconds)
        with stage.page_open():
            watched = stage.load(HOUSEHOLD, QUIET_RATE, seconds)
        ours_household = process.resident(stage.service.pid)
        # The middle of three short spans: a neighbour on the same machine disturbs one, seldom two.
        kernel, kernel_alone = (
            sorted((stage.kernel(crowd, rate) for _ in range(3)), key=lambda each: each.above_empty)[1]
            for crowd in (HOUSEHOLD, ALONE)
        )
        stage.send(LARGE, 100_000, 5)
        stage.settle()
        return Figures(
            start_s=stage.service.start_seconds,
            wire=wire,
            quiet=quiet,
            flood=flood,
            highest=highest,
            watched=watched,
            kernel=kernel,
            kernel_alone=kernel_alone,
            ours_household=ours_household,
            ours_resident=process.resident(stage.service.pid),
            ours_kernel_memory=int(stage.service.get("/api/v1/health").json["memory_kernel_octets"]),
            darkstat_resident=process.resident(stage.darkstat.pid),
        )
