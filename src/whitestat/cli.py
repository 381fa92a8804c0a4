"""The command line: the only place that wires the parts together. Each command imports what it needs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from io import TextIOWrapper
from pathlib import Path

from whitestat.errors import QueryError, WhiteStatError
from whitestat.options import DEFAULT_CONFIG, parse
from whitestat.parameters import QUESTION
from whitestat.settings import Config

EXIT_OK, EXIT_FAILURE, EXIT_USAGE = 0, 1, 2


def run_command(arguments: Sequence[str]) -> int:
    """Parse and run; a fault of the user's or of the machine's is one sentence on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name may have letters that the terminal has not
            stream.reconfigure(errors="replace")
    options = parse(arguments)
    try:
        return COMMANDS[options.command](options)
    except WhiteStatError as error:
        print(f"whitestat: {error}", file=sys.stderr)
        return error.exit_status
    except (RuntimeError, BlockingIOError) as error:
        if not _is_no_thread(error):
            raise
        print(f"whitestat: {NO_THREAD}", file=sys.stderr)
        return EXIT_FAILURE
    except BrokenPipeError:
        # The reader (head, less) has seen enough; nothing more can be said on this pipe.
        sys.stderr.close()
        return EXIT_OK
    except KeyboardInterrupt:
        return 130


NO_THREAD = (
    "the system refuses another thread or process: raise the limit of this user (ulimit -u), service (TasksMax=) or "
    "container (--pids-limit)"
)


def _is_no_thread(error: Exception) -> bool:
    """Whether it is what Python raises where no thread or process can be started."""
    return isinstance(error, BlockingIOError) or "start new thread" in str(error)


def _load(options: argparse.Namespace) -> Config:
    """The configuration named, else the installed one, else none: then defaults and the environment."""
    from whitestat import config

    path: Path | None = options.config
    if path is None and DEFAULT_CONFIG.exists():
        path = DEFAULT_CONFIG
    return config.load(path, os.environ, root=os.geteuid() == 0)


def _run(options: argparse.Namespace) -> int:
    config = _load(options)
    from whitestat import lean

    # First of all: what is imported once stays.
    if not config.needs_tls:
        lean.without_tls()
    lean.without_command_line()
    from whitestat.service import run

    return run(config)


def _throttle(options: argparse.Namespace) -> int:
    from whitestat import throttled

    print(throttled.run(_load(options), options.what, options.name, options.form), end="")
    return EXIT_OK


def _notify(options: argparse.Namespace) -> int:
    from whitestat.notify import notify

    return notify(_load(options), print, test=options.test)


def _check(options: argparse.Namespace) -> int:
    from whitestat.check import check

    return check(_load(options), print)


def _today(options: argparse.Namespace) -> int:
    from whitestat import history, plan_reports, reports
    from whitestat.forms import was_watched

    config = _load(options)
    now = history.now_of(config)
    with closing(history.queries_of(config)) as queries:
        lines, standings = history.today(config, queries, now), queries.standings(now.at_s)
        watched = was_watched(queries.coverage(*now.span("today")))
        plans = plan_reports.told_of(standings, queries, now)
    nothing = reports.NO_USAGE_YET if watched else reports.NOT_WATCHED_YET
    if not plans or options.form == "csv":
        print(reports.usage(lines, options.form, nothing), end="")
        return EXIT_OK
    print(reports.usage(lines, options.form, nothing, plans=plans), end="")
    if options.form == "text":
        print(plan_reports.summary(plans), end="")
    return EXIT_OK


def _plans(options: argparse.Namespace) -> int:
    from whitestat import plan_reports

    print(plan_reports.listing(_load(options), options.form), end="")
    return EXIT_OK


def _plan(options: argparse.Namespace) -> int:
    from whitestat import plan_reports

    print(plan_reports.change(_load(options), options), end="")
    return EXIT_OK


def _history(options: argparse.Namespace) -> int:
    from whitestat import history

    given = vars(options)
    texts = {each.name: given[each.name] for each in QUESTION if given[each.name] is not None}
    return _printed(history.usage(_load(options), texts, options.form))


def _household(options: argparse.Namespace) -> int:
    from whitestat import household

    if options.about == "proposals" and options.what and options.proposal is None:
        raise QueryError("proposal", f"which one? whitestat proposals lists them, whitestat proposals {options.what} 3")
    print(household.run(_load(options), options), end="")
    return EXIT_OK


def _logins(options: argparse.Namespace) -> int:
    from whitestat import logins

    print(logins.run(_load(options), options), end="")
    return EXIT_OK


def _devices(options: argparse.Namespace) -> int:
    from whitestat import history

    if options.file:
        if options.form != "text":
            raise QueryError(f"--{options.form}", "not used with --import")
        options.about = "import"
        return _household(options)

    return _printed(history.devices(_load(options), options.form))


def _printed(pieces: Iterable[str]) -> int:
    for piece in pieces:
        sys.stdout.write(piece)
    return EXIT_OK


def _replay(options: argparse.Namespace) -> int:
    from whitestat import replay, reports

    replayed = replay.replay(options.file, _load(options))
    if replayed.lines or options.form != "text":
        print(reports.usage(replayed.lines, options.form), end="")
    else:
        print(f"No packets in {options.file}.")
    for notice in replay.notices(replayed):
        print(f"whitestat: {options.file}: {notice}", file=sys.stderr)
    return EXIT_FAILURE if replayed.fault else EXIT_OK


def _import(options: argparse.Namespace) -> int:
    from whitestat.clock import SystemClock
    from whitestat.importers import run
    from whitestat.service import zone_of

    config = _load(options)
    home = run.Home(config.store.path, zone_of(config), run.locality_of(config), SystemClock().now_ms() // 1000)
    given = vars(options)
    run.refuse_others(options.program, {f"--{name.replace('_', '-')}": value for name, value in given.items()})
    more = {name: given[name] for name in ("interface", "unit", "month_rotate")}
    history = run.read(options.program, options.file, home, faces_lan=options.lan, **more)
    print(run.show(history, home) if options.dry_run else run.book(history, home), end="")
    return EXIT_OK


def _backup(options: argparse.Namespace) -> int:
    from whitestat.ledger.backup import back_up

    octets = back_up(_load(options).store.path, options.file, replace=options.force)
    print(f"{options.file}: {octets} octets, checked")
    return EXIT_OK


def _recover(options: argparse.Namespace) -> int:
    from whitestat.clock import SystemClock
    from whitestat.ledger.recovery import recover
    from whitestat.service import zone_of

    config = _load(options)
    where = {"source": options.source, "to": options.to}
    for done in recover(config.store.path, zone_of(config), **where, now_ms=SystemClock().now_ms()):
        print(done.text())
    return EXIT_OK


def _config(options: argparse.Namespace) -> int:
    if options.example:
        from whitestat.config_text import example

        print(example(), end="")
        return EXIT_OK
    loaded = _load(options)
    print(f"{loaded.source or 'no configuration file'}: the configuration is valid")
    print("whitestat config --example prints every key with its default")
    return EXIT_OK


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "throttle": _throttle,
    "notify": _notify,
    "check": _check,
    "today": _today,
    "plans": _plans,
    "plan": _plan,
    "history": _history,
    "household": _household,
    "logins": _logins,
    "devices": _devices,
    "replay": _replay,
    "import": _import,
    "backup": _backup,
    "recover": _recover,
    "config": _config,
}
"""What `options` calls each."""
