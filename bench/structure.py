"""The structure of the source in figures: rooms, imports between them, circles, function lengths, lines.

A room is a folder of `src/whitestat`, or a module loose beside them. Usage: python bench/structure.py [FOLDER]
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "whitestat"


def room_of(module: str) -> str:
    """Return the room of a dotted name below `whitestat`."""
    return module.partition(".")[0]


def name_of(path: Path, source: Path) -> str:
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def targets(tree: ast.Module, names: set[str]) -> Iterator[str]:
    """Yield the modules of ours that a module imports, wherever in it."""
    for node in ast.walk(tree):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in (each.removeprefix("whitestat.") for each in found if each.startswith("whitestat.")):
            yield name if name in names else name.rpartition(".")[0]


def circles(arrows: set[tuple[str, str]]) -> int:
    """Return how many rooms are left when all that stand on nothing of the rest are taken away."""
    left = {room for arrow in arrows for room in arrow}
    while ready := {room for room in left if not any(a == room and b in left for a, b in arrows)}:
        left -= ready
    return len(left)


def floors(arrows: set[tuple[str, str]], rooms: set[str]) -> int:
    """Return the longest chain of imports between rooms, counted in rooms; a circle counts once."""
    level = dict.fromkeys(rooms, 1)
    for _ in rooms:
        level = {a: max([1, *(level[y] + 1 for x, y in arrows if x == a)]) for a in rooms}
        if max(level.values()) > len(rooms):
            break
    return min(max(level.values()), len(rooms))


def main(source: Path) -> None:
    trees = {name_of(path, source): ast.parse(path.read_text()) for path in sorted(source.rglob("*.py"))}
    names = set(trees)
    arrows = {
        (room_of(name), room_of(target))
        for name, tree in trees.items()
        for target in targets(tree, names)
        if name and target and room_of(name) != room_of(target)
    }
    rooms = {room_of(name) for name in names if name}
    functions = sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    lines = [len(path.read_text().splitlines()) for path in source.rglob("*.py")]
    print(f"loose modules       {len(list(source.glob('*.py')))}")
    print(f"rooms               {len(rooms)}")
    print(f"arrows between      {len(arrows)}")
    print(f"floors              {floors(arrows, rooms)}")
    print(f"rooms in circles    {circles(arrows)}")
    print(f"modules             {len(names)}")
    print(f"lines of Python     {sum(lines)}  (a module: median {statistics.median(lines):.0f}, largest {max(lines)})")
    median = statistics.median(functions)
    print(f"functions           {len(functions)}  (median {median:.0f} lines, longest {functions[-1]})")
    print(f"functions over 40   {sum(each > 40 for each in functions)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else SOURCE)
