"""The configuration in words: a file to begin with, and every key and variable as tables."""

from __future__ import annotations

from collections.abc import Iterator

from whitestat.config.environment import VARIABLES
from whitestat.config.points import PASSWORD
from whitestat.config.schema import TEXT, declared
from whitestat.config.sections import Config
from whitestat.config.tables import SECTIONS


def example() -> str:
    """A configuration file that loads as it is and sets nothing but defaults; all else waits behind `#`."""
    lines = ["# Take the # from the front of a key to set it; what has none in front is the default.", ""]
    lines += _lines(Config)
    for section in SECTIONS:
        title = f"#[[{section.name}]]" if section.many else f"[{section.name}]"
        lines += ["", f"# {section.sentence}", title, *_lines(section.holds, off=section.many)]
    return "\n".join(lines) + "\n"


def _lines(holds: type, *, off: bool = False) -> Iterator[str]:
    for one in declared(holds):
        yield f"# {one.key.sentence} ({one.key.kind.words})"
        yield f"{'#' if off or one.key.example else ''}{one.name} = {one.toml}"


def reference() -> str:
    """Every key and every variable of the environment, as Markdown tables."""
    lines = ["| key | value | default | what it is |", "|---|---|---|---|"]
    for prefix, holds in [("", Config), *((f"{section.name}.", section.holds) for section in SECTIONS)]:
        for one in declared(holds):
            cells = (f"`{prefix}{one.name}`", one.key.kind.words, one.default_text, one.key.sentence)
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| variable | value | key it goes before |", "|---|---|---|"]
    for name, variable in VARIABLES.items():
        lines.append(f"| `{name}` | {variable.words} | `{f'{variable.section}.{variable.field}'.lstrip('.')}` |")
    lines.append(f"| `{PASSWORD}NAME` | {TEXT.words}; NAME as in `point.name`, - as _ | `point.password` |")
    return "\n".join(lines) + "\n"
