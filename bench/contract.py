"""The published contract, measured: `python bench/contract.py [--only PART] [--runs N] [--write FILE] [--strict]`.

`attribution` says whose the flows of a large home are.
`darkstat` puts it in WhiteStat 5's place: old years imported and asked for, memory, the CPU of a poll.
`routers` polls routers of ours, which behave as the real ones do.
`ledger` fills ledgers with years of a home and measures what a day wears, what they take on disk, and how fast they
answer. `meter` builds the lab's home network, lets WhiteStat and Debian's darkstat meter the same traffic on the same
bridge in the same run, and takes the median of the runs; so do `packet`, the fallback at its promised rate, and
`forged`, five million packets with an address each. `replay` reads a capture file. `page` opens the
page in Chromium over three years of a home. A limit that is missed is printed as
MISSED; the exit status is 0 all the same, unless --strict asks for 1. `--write` keeps the table as a page:
docs/explanation/figures.md is one, made by `make figures`.

Minutes with five runs, on two cores that do nothing else: meter 20, packet 3, forged 4, replay less than 1.
"""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

from bench import attribution, drop_in, floods, ledger, page, plans, report, routers  # noqa: E402
from bench.run import Figures, one_run  # noqa: E402
from bench.table import HEAD, Row  # noqa: E402
from tests.lab.machine import LabError, NoLabError  # noqa: E402


def main() -> int:
    options = _options()
    # As pip leaves it: else each start of the service compiles it anew, where the environment has compiled files not
    # written, and what that took of memory (1 MB) would be measured.
    compileall.compile_dir(Path(__file__).parents[1] / "src", quiet=1)
    parts: dict[str, Callable[[], Iterable[Row]]] = {
        "attribution": attribution.rows,
        "darkstat": drop_in.rows,
        "ledger": lambda: ledger.rows(options.ledgers),
        "routers": routers.rows,
        "meter": lambda: _meter(options),
        "packet": lambda: floods.fallback(options.runs),
        "forged": lambda: floods.forged(options.runs),
        "replay": lambda: floods.replayed(options.runs),
        "plans": plans.rows,
        "page": lambda: page.rows(options.ledgers),
    }
    told = f"On {_machine()}.\n\n{HEAD}"
    print(told, flush=True)
    missed, lines = 0, [told]
    for name in options.only or parts:
        try:
            for row in parts[name]():
                print(row.line, flush=True)
                lines.append(row.line)
                missed += row.met is False
        except (NoLabError, LabError) as error:
            print(f"bench: {name}: {error}", file=sys.stderr)
            return 1
    if options.write:
        options.write.write_text(_PAGE.format(table="\n".join(lines), day=f"{datetime.now(UTC):%-d %B %Y}"))
    return 1 if missed and options.strict else 0


_PAGE = """# Promises and measurements

Made by `make figures` on {day}. `make bench` measures the same on your machine and keeps nothing. Darkstat counts the
same traffic on the same bridge in the same run. A missed limit is shown as MISSED. What the figures mean:
[accounting](accounting.md). How they came to be: [decisions](../decisions/index.md).

{table}
"""


def _meter(options: argparse.Namespace) -> list[Row]:
    """The medians of so many runs."""
    runs: list[Figures] = []
    for number in range(options.runs):
        print(f"run {number + 1} of {options.runs} ...", file=sys.stderr)
        runs.append(one_run(options.seconds, options.rate))
    return report.rows(runs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the published contract beside darkstat.")
    parts = ("attribution", "darkstat", "ledger", "routers", "meter", "packet", "forged", "replay", "plans", "page")
    parser.add_argument("--only", action="append", choices=parts, help="this part; may be repeated")
    parser.add_argument("--ledgers", type=Path, help="a folder where filled ledgers are kept from run to run")
    parser.add_argument("--runs", type=int, default=5, help="the table shows the median of so many (5)")
    parser.add_argument("--seconds", type=int, default=29, help="of traffic between two flushes (29)")
    parser.add_argument("--rate", type=int, default=300_000, help="packets a second of the flood (300000)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="keep the table as a page of the documentation")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a limit is missed")
    return parser.parse_args()


def _machine() -> str:
    cores = os.cpu_count()
    name = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{cores} cores of {name}, Linux {platform.release()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
