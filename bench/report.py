"""What runs beside darkstat have shown, a row for each promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from bench.run import Figures
from bench.stage import Kernel, Load
from bench.table import Row

MB = 1_000_000


def rows(runs: Sequence[Figures]) -> list[Row]:
    """A row for each promise, of the runs' medians."""
    kernel = [
        _kernel("2,000 flows in turn", [run.kernel for run in runs]),
        _kernel("one flow", [run.kernel_alone for run in runs]),
    ]
    return [*kernel, *_wire(runs), *_cpu(runs), *_memory(runs), *_rest(runs)]


def _middle(runs: Sequence[Figures], take: Callable[[Figures], float]) -> float:
    return float(median(take(run) for run in runs))


def _kernel(what: str, costs: Sequence[Kernel]) -> Row:
    above = median(each.above_empty for each in costs)
    total, empty = median(each.ours_per_packet for each in costs), median(each.empty_per_packet for each in costs)
    rate = median(each.rate for each in costs) / 1000
    low, high = (edge(each.above_empty for each in costs) for edge in (min, max))
    said = f"{above:.0f} ns ({low:.0f} to {high:.0f}; {total:.0f} less {empty:.0f}, {rate:.0f} k packets/s)"
    return Row(f"kernel meter, per packet above an empty program, {what}", "<= 90 ns", said, "-", above <= 90)


def _wire(runs: Sequence[Figures]) -> list[Row]:
    rows = [_loss(runs, lambda run: run.quiet), _loss(runs, lambda run: run.flood)]
    rows.append(_loss(runs, lambda run: run.highest, ", the highest the machine can generate"))
    off, octets = max(run.wire.ours_off for run in runs), _middle(runs, lambda run: run.wire.octets)
    theirs = _middle(runs, lambda run: run.wire.darkstat_off / run.wire.octets)
    said = f"{off} of {octets / MB:,.0f} MB" if off else f"equal, {octets / MB:,.0f} MB"
    rows.append(
        Row(
            "octets of TCP and UDP, IPv4 and IPv6, at full speed",
            "equal to the wire",
            said,
            f"{theirs:.1%} off",
            off == 0,
        )
    )
    return rows


def _loss(runs: Sequence[Figures], take: Callable[[Figures], Load], what: str = "") -> Row:
    """The worst of our runs, since one lost packet breaks the promise; the median of darkstat's."""
    rate = _middle(runs, lambda run: take(run).rate)
    worst = max((take(run).ours_lost for run in runs), key=abs)
    packets = sum(take(run).packets for run in runs)
    theirs = _middle(runs, lambda run: take(run).darkstat_loss)
    owned = _middle(runs, lambda run: take(run).darkstat_dropped / take(run).packets)
    said = f"{worst} of {packets:,}"
    beside = f"{theirs:.1%} ({owned:.1%} owned up to)"
    return Row(f"packets lost at {rate / 1000:.0f} k packets/s{what}", "0", said, beside, worst == 0)


def _cpu(runs: Sequence[Figures]) -> list[Row]:
    def row(what: str, limit: float, take: Callable[[Figures], Load]) -> Row:
        ours = _middle(runs, lambda run: take(run).ours_cpu)
        theirs = _middle(runs, lambda run: take(run).darkstat_cpu)
        rate = _middle(runs, lambda run: take(run).rate)
        promise = f"user-space CPU, 50 devices, 2,000 flows, {rate / 1000:.0f} k packets/s{what}"
        return Row(promise, f"< {limit:.1%} of a core", f"{ours:.2%}", f"{theirs:.1%}", ours < limit)

    return [
        row("", 0.005, lambda run: run.quiet),
        row("", 0.005, lambda run: run.flood),
        _even(runs),
        row(", a live page open", 0.02, lambda run: run.watched),
    ]


def _even(runs: Sequence[Figures]) -> Row:
    """How much more CPU twenty or thirty times as many packets cost; the medians of all."""
    loads = [[getattr(run, name) for run in runs] for name in ("quiet", "flood", "highest")]
    quiet, flood, highest = (median(load.ours_cpu for load in each) for each in loads)
    low, high, most = (median(load.rate for load in each) / 1000 for each in loads)
    more = flood / quiet - 1
    promise = f"user-space CPU at {high:.0f} k packets/s against that at {low:.0f} k"
    said = f"{more:+.0%} ({highest / quiet - 1:+.0%} at {most:.0f} k, with no rest for either core)"
    return Row(promise, "within 20 %", said, "", abs(more) <= 0.2)


def _memory(runs: Sequence[Figures]) -> list[Row]:
    ours = _middle(runs, lambda run: run.ours_resident) / MB
    kernel = _middle(runs, lambda run: run.ours_kernel_memory) / MB
    theirs = _middle(runs, lambda run: run.darkstat_resident) / MB
    household = _middle(runs, lambda run: run.ours_household) / MB
    return [
        Row(
            "resident memory, 254 devices, 65,532 flows",
            "<= 45 MB",
            f"{ours:.1f} MB (and {kernel:.0f} MB of maps in the kernel)",
            f"{theirs:.1f} MB",
            ours <= 45,
        ),
        Row("resident memory, 50 devices, a page open", "<= 45 MB", f"{household:.1f} MB", "", household <= 45),
    ]


def _rest(runs: Sequence[Figures]) -> list[Row]:
    start = _middle(runs, lambda run: run.start_s)
    return [
        Row("start to the first healthy answer", "<= 1 s", f"{start:.2f} s", "-", start <= 1),
    ]
