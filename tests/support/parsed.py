"""Python files as syntax trees, parsed and walked once in a run however many tests read them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def tree_of(path: Path) -> ast.Module:
    """Return the syntax tree of a file. Shared between tests: not to be changed."""
    return ast.parse(path.read_text(), str(path))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of a file's syntax tree, breadth first."""
    return tuple(ast.walk(tree_of(path)))
