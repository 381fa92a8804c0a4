"""The command line: the only place that wires the parts together. Each command imports what it needs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from whitestat import __version__
from whitestat.config import Config
from whitestat.errors import LedgerError, WhiteStatError

DEFAULT_CONFIG = Path("/etc/whitestat/whitestat.toml")

EXIT_OK, EXIT_FAILURE, EXIT_USAGE = 0, 1, 2


def run_command(arguments: Sequence[str]) -> int:
    """Parse and run; a fault of the user's or of the machine's is one sentence on stderr."""
    options = _parser().parse_args(arguments or ["run"])
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except WhiteStatError as error:
        print(f"whitestat: {error}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:
        # The reader (head, less) has seen enough; nothing more can be said on this pipe.
        sys.stderr.close()
        return EXIT_OK
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="whitestat", description="Who used how much of the Internet, when and on what."
    )
    parser.add_argument("--version", action="version", version=f"whitestat {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help=f"default: {DEFAULT_CONFIG}, if there is one")
    listing = argparse.ArgumentParser(add_help=False)
    form = listing.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_const", dest="form", const="json", help="print JSON")
    form.add_argument("--csv", action="store_const", dest="form", const="csv", help="print CSV")
    listing.set_defaults(form="text")

    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    run = commands.add_parser("run", parents=[common], help="meter, keep and show usage (the default)")
    run.set_defaults(command=_run)
    today = commands.add_parser("today", parents=[common, listing], help="usage of today by device")
    today.set_defaults(command=_today)
    check = commands.add_parser("check", parents=[common], help="try the configuration and every point")
    check.set_defaults(command=_check)
    replay = commands.add_parser("replay", parents=[common, listing], help="usage by device of a capture file")
    replay.add_argument("file", type=Path, metavar="FILE", help="pcap or pcapng, gzip-compressed or not")
    replay.set_defaults(command=_replay)
    old = commands.add_parser(
        "import", parents=[common], help="take over what WhiteStat 1 to 11, darkstat or vnStat kept"
    )
    old.add_argument("program", choices=["whitestat", "darkstat", "vnstat"], help="whose data it is")
    old.add_argument(
        "file", type=Path, metavar="FILE", help="WhiteStat.db; an export or a day log of darkstat; vnstat --json > FILE"
    )
    old.add_argument("--dry-run", action="store_true", help="print what would be booked, and book nothing")
    old.add_argument("--interface", metavar="NAME", help="which one, where vnStat has several")
    old.add_argument("--lan", action="store_true", help="vnStat's interface faces the LAN: what it received is upload")
    old.set_defaults(command=_import)
    config = commands.add_parser("config", parents=[common], help="show what the configuration can hold")
    config.add_argument("--example", action="store_true", help="print a commented example that loads")
    config.set_defaults(command=_config)
    parser.set_defaults(command=_run, config=None)
    return parser


def _load(options: argparse.Namespace) -> Config:
    """The configuration named, else the installed one, else none: then defaults and the environment."""
    from whitestat import config

    path: Path | None = options.config
    if path is None and DEFAULT_CONFIG.exists():
        path = DEFAULT_CONFIG
    return config.load(path, os.environ, root=os.geteuid() == 0)


def _run(options: argparse.Namespace) -> int:
    from whitestat.service import run

    return run(_load(options))


def _check(options: argparse.Namespace) -> int:
    from whitestat.check import check

    return check(_load(options), print)


def _today(options: argparse.Namespace) -> int:
    from whitestat import periods, reports
    from whitestat.engine import SystemClock
    from whitestat.ledger.queries import Queries, Question
    from whitestat.service import cycle_of, zone_of

    config = _load(options)
    zone = zone_of(config)
    if not config.store.path.exists():
        raise LedgerError(f"{config.store.path}: no usage is kept here yet; start whitestat run first")
    queries = Queries(config.store.path, zone, cycle_of(config))
    start_s, end_s = periods.span("today", SystemClock().now_ms() // 1000, zone)
    rows = queries.usage(Question(start_s, end_s, by=("device", "scope")))
    print(reports.usage([reports.from_row(row) for row in rows], options.form), end="")
    return EXIT_OK


def _replay(options: argparse.Namespace) -> int:
    from whitestat import replay, reports

    rows, fault = replay.replay(options.file, _load(options))
    print(reports.usage(rows, options.form), end="")
    if fault:
        print(f"whitestat: {options.file}: {fault}", file=sys.stderr)
        return EXIT_FAILURE
    return EXIT_OK


def _import(options: argparse.Namespace) -> int:
    from whitestat.engine import SystemClock
    from whitestat.importers import run
    from whitestat.service import zone_of

    config = _load(options)
    home = run.Home(config.store.path, zone_of(config), run.locality_of(config), SystemClock().now_ms() // 1000)
    history = run.read(options.program, options.file, home, interface=options.interface, faces_lan=options.lan)
    print(run.show(history, home) if options.dry_run else run.book(history, home), end="")
    return EXIT_OK


def _config(options: argparse.Namespace) -> int:
    from whitestat import config

    if options.example:
        print(config.example(), end="")
        return EXIT_OK
    loaded = _load(options)
    print(f"{loaded.source or 'no configuration file'}: the configuration is valid")
    print("whitestat config --example prints every key with its default")
    return EXIT_OK
