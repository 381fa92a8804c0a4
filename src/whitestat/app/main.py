"""The command line: runs what was typed. Each command imports what it needs; `app/build.py` wires the parts."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path

from whitestat.app.command_parser import DEFAULT_CONFIG
from whitestat.app.parser import command_line, parse
from whitestat.config.sections import Config
from whitestat.core.errors import ConfigError, QueryError, WhiteStatError
from whitestat.query.parameters import QUESTION

EXIT_OK, EXIT_FAILURE, EXIT_USAGE = 0, 1, 2


def run_command(arguments: Sequence[str]) -> int:
    """Parse and run; a fault of the user's or of the machine's is one sentence on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name may have letters that the terminal has not
            stream.reconfigure(errors="replace")
    os.umask(0o077)  # usage is private: what is made here is for its user alone
    options = _as_utf8(parse(arguments))
    try:
        return COMMANDS[options.command](options)
    except WhiteStatError as error:
        print(f"whitestat: {error}", file=sys.stderr)
        return error.exit_status
    except PermissionError as error:
        print(f"whitestat: {_refused(error)}", file=sys.stderr)
        return EXIT_FAILURE
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


def _as_utf8(options: argparse.Namespace) -> argparse.Namespace:
    """Return options with names read as UTF-8 where the locale is ASCII; paths stay as the system knows them."""
    for name, value in vars(options).items():
        if isinstance(value, str):
            setattr(options, name, _text(value))
        elif isinstance(value, list):
            setattr(options, name, [_text(word) for word in value])
    return options


def _text(word: str) -> str:
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


NO_THREAD = (
    "the system refuses another thread or process: raise the limit of this user (ulimit -u), service (TasksMax=) or "
    "container (--pids-limit)"
)


def _refused(error: PermissionError) -> str:
    """Return what to do about a file or folder that belongs to another user, as the ledger of a service does."""
    if not error.filename:
        return f"permission denied ({error})"
    own = os.geteuid() == 0
    advice = "root has no capability to read it here" if own else "if it is the service's, run this as root (sudo)"
    return f"{os.fsdecode(error.filename)}: permission denied: it is private to its user: {advice}"


def _is_no_thread(error: Exception) -> bool:
    """Whether it is what Python raises where no thread or process can be started."""
    return isinstance(error, BlockingIOError) or "start new thread" in str(error)


def _load(options: argparse.Namespace) -> Config:
    """The configuration named, else the installed one, else none: then defaults and the environment."""
    from whitestat.config import loader

    path: Path | None = options.config
    if path is None and DEFAULT_CONFIG.exists():
        path = DEFAULT_CONFIG
    return loader.load(path, os.environ, root=os.geteuid() == 0)


def _help(options: argparse.Namespace) -> int:
    if options.config:
        raise QueryError("--config", "not used without a command; whitestat run --config FILE starts the service")
    print(command_line().format_help(), end="")
    return EXIT_OK


def _run(options: argparse.Namespace) -> int:
    config = _load(options)
    from whitestat.core.system import lazy_imports

    # First of all: what is imported once stays.
    if not config.needs_tls:
        lazy_imports.without_tls()
    lazy_imports.without_command_line()
    lazy_imports.without_http_client()
    lazy_imports.without_entities()
    from whitestat.app.service import run

    return run(config)


def _throttle(options: argparse.Namespace) -> int:
    from whitestat.app.commands import throttle

    print(throttle.run(_load(options), options.what, options.name, options.form), end="")
    return EXIT_OK


def _notify(options: argparse.Namespace) -> int:
    from whitestat.app.commands.notify import notify

    return notify(_load(options), print, test=options.test)


def _check(options: argparse.Namespace) -> int:
    from whitestat.app.commands.check import check

    return check(_load(options), print)


def _report(options: argparse.Namespace) -> int:
    from whitestat.app.commands import report

    file = options.file or Path("whitestat-report.txt")
    report.write(_load(options), file, report.journal)
    print(f"{file}: written. Names, addresses and secrets are replaced; read it before you send it.")
    return EXIT_OK


def _today(options: argparse.Namespace) -> int:
    from whitestat.app.commands import plans as plan_reports
    from whitestat.app.commands import usage
    from whitestat.query import tables

    today = usage.today(_load(options))
    nothing = tables.NO_USAGE_YET if today.was_watched else tables.NOT_WATCHED_YET
    more = {"plans": today.plans} if today.plans else {}
    print(tables.usage(today.rows, options.form, nothing, **more), end="")
    if options.form == "text":
        print(plan_reports.summary(today.plans), end="")
    return EXIT_OK


def _plans(options: argparse.Namespace) -> int:
    from whitestat.app.commands import plans as plan_reports

    print(plan_reports.listing(_load(options), options.form), end="")
    return EXIT_OK


def _plan(options: argparse.Namespace) -> int:
    from whitestat.app.commands import plans as plan_reports

    print(plan_reports.change(_load(options), options), end="")
    return EXIT_OK


def _history(options: argparse.Namespace) -> int:
    from whitestat.app.commands import usage

    given = vars(options)
    texts = {parameter.name: given[parameter.name] for parameter in QUESTION if given[parameter.name] is not None}
    return _printed(usage.usage(_load(options), texts, options.form))


def _household(options: argparse.Namespace) -> int:
    from whitestat.app.commands import devices

    if options.about == "proposals" and options.what and options.proposal is None:
        raise QueryError(
            "proposal", f"missing; whitestat proposals lists them. Example: whitestat proposals {options.what} 3"
        )
    print(devices.run(_load(options), options), end="")
    return EXIT_OK


def _logins(options: argparse.Namespace) -> int:
    from whitestat.app.commands import accounts

    print(accounts.run(_load(options), options), end="")
    return EXIT_OK


def _devices(options: argparse.Namespace) -> int:
    from whitestat.app.commands import usage

    if options.file:
        if options.form != "text":
            raise QueryError(f"--{options.form}", "not used with --import")
        options.about = "import"
        return _household(options)

    return _printed(usage.devices(_load(options), options.form))


def _printed(pieces: Iterable[str]) -> int:
    for piece in pieces:
        sys.stdout.write(piece)
    return EXIT_OK


def _replay(options: argparse.Namespace) -> int:
    from whitestat.app.commands import replay
    from whitestat.query import tables

    replayed = replay.replay(options.file, _load(options))
    if replayed.lines or options.form != "text":
        print(tables.usage(replayed.lines, options.form), end="")
    else:
        print(f"No packets in {options.file}.")
    for notice in replay.notices(replayed):
        print(f"whitestat: {options.file}: {notice}", file=sys.stderr)
    return EXIT_FAILURE if replayed.fault else EXIT_OK


def _import(options: argparse.Namespace) -> int:
    from whitestat.app.commands import importing
    from whitestat.app.local_network import configured_locality
    from whitestat.app.local_time import zone_of
    from whitestat.core.system.clock import SystemClock

    config = _load(options)
    home = importing.ImportTarget(
        config.store.path, zone_of(config), configured_locality(config), SystemClock().now_ms() // 1000
    )
    history = importing.read(options.program, options.file, home, vars(options))
    print(importing.show(history, home) if options.dry_run else importing.book(history, home), end="")
    return EXIT_OK


def _backup(options: argparse.Namespace) -> int:
    from whitestat.app.commands import backup

    print(backup.back_up(_load(options).store.path, options), end="")
    return EXIT_OK


def _restore(options: argparse.Namespace) -> int:
    from whitestat.app.commands import backup

    print(backup.restore(_load(options).store.path, options), end="")
    return EXIT_OK


def _recover(options: argparse.Namespace) -> int:
    from whitestat.app.local_time import zone_of
    from whitestat.core.system.clock import SystemClock
    from whitestat.ledger.recovery.recover import recover

    config = _load(options)
    where = {"source": options.source, "to": options.to}
    for done in recover(config.store.path, zone_of(config), **where, now_ms=SystemClock().now_ms()):
        print(done.text())
    return EXIT_OK


def _config(options: argparse.Namespace) -> int:
    if options.example:
        if options.config:
            raise QueryError("--config", "not used with --example, which prints the defaults and reads no file")
        from whitestat.config.reference import example

        print(example(), end="")
        return EXIT_OK
    loaded = _load(options)
    if options.what:
        from whitestat.app.commands import settings

        print(settings.run(loaded, options), end="")
        return EXIT_OK
    if options.form != "text":
        raise QueryError(f"--{options.form}", "not used here; whitestat config show lists the settings")
    from whitestat.alerting.rules import check_names

    check_names(loaded.watch.off)
    if loaded.layers and loaded.layers.fault:
        raise ConfigError(*loaded.layers.fault.splitlines())
    print(f"{loaded.source or 'no configuration file'}: the configuration is valid")
    print("whitestat config --example prints every key with its default")
    return EXIT_OK


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "help": _help,
    "run": _run,
    "throttle": _throttle,
    "notify": _notify,
    "check": _check,
    "report": _report,
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
    "restore": _restore,
    "recover": _recover,
    "config": _config,
}
"""The function of each command, by the name that the parser gives it; `help` is no command at all."""
