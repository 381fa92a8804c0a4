"""axe-core in a page of the browser: what an accessibility checker has to say of it."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.support.browser import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@cache
def _source() -> str:
    """The script, which comes in a Python package that `make` installs for tests, and that is not imported."""
    found = find_spec("axe_playwright_python")
    assert found, "axe-core is missing: make .venv/test.stamp installs it"
    assert found.submodule_search_locations
    return (Path(found.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page) -> list[str]:
    """Rule and element of everything that breaks WCAG 2.2 AA or axe's best practices."""
    page.evaluate(f"window.axe ? 0 : (() => {{ {_source()}; return 1; }})()")
    options = json.dumps({"runOnly": TAGS, "resultTypes": ["violations"]})
    found: list[dict[str, Any]] = page.evaluate(
        f"axe.run(document, {options}).then((found) => found.violations.map((each) =>"
        " ({id: each.id, help: each.help, nodes: each.nodes.map((node) => node.html.slice(0, 160))})))"
    )
    return [f"{each['id']} ({each['help']}): {node}" for each in found for node in each["nodes"]]
