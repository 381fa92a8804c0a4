"""The configuration as text: an example file, and all keys and variables as tables."""

from __future__ import annotations

from collections.abc import Iterator

from whitestat.config.environment import VARIABLES
from whitestat.config.points import PASSWORD
from whitestat.config.schema import TEXT, declared
from whitestat.config.sections import Config
from whitestat.config.tables import SECTIONS


def example() -> str:
    """Return a configuration file in which every key is a comment: what a file sets, the page cannot change."""
    lines = ["# Remove the # in front of a key to set it. A key shows its default, or an example if it has none.", ""]
    lines += _lines(Config)
    for section in SECTIONS:
        title = f"#[[{section.name}]]" if section.many else f"[{section.name}]"
        lines += ["", f"# {section.sentence}", title, *_lines(section.holds)]
    return "\n".join(lines) + "\n"


def _lines(holds: type) -> Iterator[str]:
    for one in declared(holds):
        yield f"# {one.key.sentence} ({one.key.kind.words})"
        yield f"#{one.name} = {one.toml}"


def reference() -> str:
    """Return all keys and environment variables as Markdown tables."""
    lines = ["| key | value | default | page | description |", "|---|---|---|---|---|"]
    for prefix, holds in [("", Config), *((f"{section.name}.", section.holds) for section in SECTIONS)]:
        for one in declared(holds):
            page = "no" if one.is_roots else "yes"
            cells = (f"`{prefix}{one.name}`", one.key.kind.words, one.default_text, page, one.key.sentence)
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| variable | value | key that it overrides |", "|---|---|---|"]
    for name, variable in VARIABLES.items():
        lines.append(f"| `{name}` | {variable.words} | `{f'{variable.section}.{variable.field}'.lstrip('.')}` |")
    lines.append(f"| `{PASSWORD}NAME` | {TEXT.words}; NAME as in `point.name`, - as _ | `point.password` |")
    return "\n".join(lines) + "\n"
