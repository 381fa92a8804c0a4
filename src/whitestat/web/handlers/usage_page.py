"""A usage answer as a plain HTML table, and what is said of any form of one in its headers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from whitestat.core.model import Coverage
from whitestat.query.encode import ROWS_A_PIECE, UsageAnswer

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def template() -> Template:
    """The page; what makes it takes 2 MB, and is loaded when the first table is asked for."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(autoescape=True, loader=PackageLoader("whitestat.web"), trim_blocks=True)
    return environment.get_template("usage.html")


def as_html(answer: UsageAnswer, base: str) -> Iterator[str]:
    """The rows as a page without a script, for people and for Excel's web query."""
    stream = template().stream(
        base=base,
        columns=answer.columns,
        rows=map(answer.cells, answer.rows),
        first=answer.text(answer.question.start_s),
        end=answer.text(answer.question.end_s),
        notice=answer.notice,
        coverage=answer.coverage_texts(),
        following=answer.following,
    )
    stream.enable_buffering(ROWS_A_PIECE)
    return stream


def headers(answer: UsageAnswer) -> dict[str, str]:
    """Entity tag, and for forms that are rows alone what JSON says beside them (RFC 9651, RFC 8288)."""
    tag = blake2b(f"{answer.tag} {answer.elapsed_ms}".encode(), digest_size=12).hexdigest()
    texts = {
        "etag": f'W/"{tag}"',
        "whitestat-resolution": str(answer.resolution or answer.question.step),
        "whitestat-coverage": ", ".join(
            _item(name, covered, answer.elapsed_ms) for name, covered in answer.coverage.items()
        ),
        "whitestat-notice": f'"{answer.notice}"' if answer.notice else "",
        "link": f'<{answer.following}>; rel="next"' if answer.following else "",
    }
    return {name: text for name, text in texts.items() if text}


def _item(point: str, covered: Coverage, elapsed_ms: int) -> str:
    figures = {
        "observed_ms": covered.observed_ms,
        "elapsed_ms": elapsed_ms,
        "octets_attributed": covered.octets_attributed,
        "octets_unattributed": covered.octets_unattributed,
    }
    return f'"{point}"' + "".join(f";{figure}={number}" for figure, number in figures.items())
