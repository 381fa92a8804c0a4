"""What an import books, as text."""

from __future__ import annotations

from whitestat.core.model import Counts
from whitestat.importers.plan import ImportPlan
from whitestat.query.tables import ReportRow, usage


def report(plan: ImportPlan, *, done: bool) -> str:
    """Each device with its octets, then the days, and what was left out."""
    lines = []
    if plan.days:
        lines.append(usage([_line(plan, device, counts) for device, counts in plan.by_device().items()], "text"))
        span = f"from {_date(plan.days[0])} to {_date(plan.days[-1])}"
        lines.append(f"{'Booked' if done else 'Would be booked'}: {len(plan.days)} days {span}, as {plan.point!r}.\n")
    else:
        lines.append("Nothing to book: there is no usage in it that is not here already.\n")
    new = len(plan.flush.devices)
    if new:
        lines.append(f"{'New devices' if done else 'Devices that would be new'}: {new}.\n")
    lines += [f"Left out: {reason}.\n" for reason in plan.left_out]
    return "".join(lines)


def _line(plan: ImportPlan, device: int, counts: Counts) -> ReportRow:
    name = plan.names.get(device)
    return ReportRow((name.name or name.mac) if name else None, name.mac if name else None, None, counts)


def _date(day: int) -> str:
    return f"{day // 10_000}-{day // 100 % 100:02}-{day % 100:02}"
