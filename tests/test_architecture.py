"""The structure of the code: which room may import which, what a pure module may touch, where the catch-all is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.parsed import nodes, tree_of

SOURCE = Path(__file__).parents[1] / "src" / "whitestat"
MODULES = sorted(SOURCE.rglob("*.py"))

MAY_IMPORT = {
    "core": (),
    "plans": ("core",),
    "config": ("core", "plans"),
    "collectors": ("core",),
    "testing": ("core", "collectors"),  # checks that packages with collectors of their own run in their tests
    "ledger": ("core", "plans"),
    "attribution": ("core", "ledger"),
    "metering": ("core", "collectors", "attribution", "ledger"),
    "query": ("core", "plans", "ledger"),
    "alerting": ("core", "plans", "config", "ledger", "query"),
    "throttle": ("core", "plans"),
    "web": ("core", "plans", "config", "ledger", "query", "alerting", "attribution.devices.edits"),
    "importers": ("core", "attribution", "ledger", "query"),
}
"""The rooms, and what each may import beside itself; `app` puts everything together and may import all."""

IMPURE = {"os", "time", "socket", "subprocess", "sqlite3", "asyncio", "threading", "pathlib", "ctypes", "io"}


def name_of(path: Path) -> str:
    """Return `ledger.write.writer`; `ledger` for a package, an empty text for whitestat itself."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Return every name a module imports, wherever in it, as `module` or `module.name`."""
    names: list[str] = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides the room it comes from"
            names += (f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(names)


def ours(path: Path) -> set[str]:
    return {name.removeprefix("whitestat.") for name in imports(path) if name.startswith("whitestat.")}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_below_it(room: str) -> None:
    may = (room, "__version__", *MAY_IMPORT[room])
    found = {
        f"{name_of(path)} -> {target}"
        for path in (SOURCE / room).rglob("*.py")
        for target in ours(path)
        if not any(f"{target}.".startswith(f"{each}.") for each in may)
    }
    assert not found


def test_every_module_lives_in_a_room() -> None:
    assert {path.name for path in SOURCE.glob("*.py")} == {"__init__.py", "__main__.py"}
    assert {path.name for path in SOURCE.iterdir() if any(path.glob("*.py"))} == {*MAY_IMPORT, "app"}


def test_no_circle_of_imports() -> None:
    names = {name_of(path) for path in MODULES}

    def modules(path: Path) -> set[str]:
        """The modules that are imported: a package's own file only where a name of it is taken."""
        return {target if target in names else target.rpartition(".")[0] for target in ours(path)} - {""}

    left = {name_of(path): modules(path) & names for path in MODULES}
    while ready := {name for name, targets in left.items() if not targets & left.keys() - {name}}:
        left = {name: targets for name, targets in left.items() if name not in ready}
    assert not left, "these import each other in a circle"


PURE = (
    "plans",
    *(f"core.{name}" for name in ("calendar", "counters", "coverage", "errors", "model", "ports", "quiet_hours")),
    *("core.collector_specs", "core.units"),
    *("config.legacy_v5", "config.plans", "collectors.decode", "collectors.placement"),
    *(f"collectors.darkstat.{name}" for name in ("follow", "parse", "prefixes", "services")),
    *("collectors.router.follow", "collectors.router.protocol", "collectors.router.huawei_b593.pages"),
    *("ledger.resolutions", "ledger.usage_query", "ledger.tables.cuts", "ledger.tables.packed"),
    *(f"attribution.{name}" for name in ("attribute", "locality", "maps", "nat_dedup", "point_dedup", "routers")),
    "attribution.shape",
    *(f"attribution.devices.{name}" for name in ("address_holders", "edits", "episodes", "proposals")),
    *(
        f"attribution.evidence.{name}"
        for name in ("advertisement", "dhcp", "dhcp6", "dns", "frame", "leases", "neighbours", "netbios")
    ),
    *(f"metering.{name}" for name in ("batch", "breakdown", "rates", "timekeeper")),
    *("query.parameters", "query.parse", "throttle.limits", "throttle.protocol", "throttle.subjects"),
    *(f"alerting.{name}" for name in ("device_rules", "moment", "outbox", "plan_rules", "point_rules")),
    *(f"alerting.{name}" for name in ("rules", "state", "summaries")),
    "web.auth.roles",
)
"""Modules, and rooms, that touch no clock, file or socket: time and contents come in as arguments."""


def is_pure(path: Path) -> bool:
    return any(f"{name_of(path)}.".startswith(f"{each}.") for each in PURE)


def test_every_pure_module_is_there() -> None:
    assert not {each for each in PURE if not any(f"{name_of(path)}.".startswith(f"{each}.") for path in MODULES)}


@pytest.mark.parametrize("path", [path for path in MODULES if is_pure(path)], ids=name_of)
def test_a_pure_module_touches_no_clock_file_or_socket(path: Path) -> None:
    assert not {each.split(".")[0] for each in imports(path)} & IMPURE


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_opens_with_a_sentence(path: Path) -> None:
    assert path.stat().st_size == 0 or ast.get_docstring(tree_of(path)), f"{path}: no docstring"


def test_the_catch_all_has_one_place() -> None:
    places = [
        name_of(path)
        for path in MODULES
        for node in nodes(path)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    ]
    assert places == ["metering.engine"]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_dates_come_from_arithmetic_as_a_32_bit_c_library_knows_none_after_2038(path: Path) -> None:
    names = {node.attr for node in nodes(path) if isinstance(node, ast.Attribute)}
    found = names & {"fromtimestamp", "utcfromtimestamp", "localtime", "gmtime", "mktime"}
    assert not found, "core.calendar.wall_time is exact for every instant"


def public_names(path: Path) -> Iterator[str]:
    """Yield the classes and type aliases (`Name = ...`) that a module defines at its top or in an `if` there."""
    statements = tree_of(path).body
    for node in [*statements, *(inner for each in statements if isinstance(each, ast.If) for inner in each.body)]:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        names = [node.name] if isinstance(node, ast.ClassDef) else [each.id for each in targets if hasattr(each, "id")]
        yield from (name for name in names if name[0].isupper() and not name.isupper())


def test_a_public_class_or_type_alias_has_one_place() -> None:
    places: dict[str, list[str]] = {}
    for path in MODULES:
        for name in public_names(path):
            places.setdefault(name, []).append(name_of(path))
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


COMPOSED = {"Attributor", "DeviceRegistry", "EpisodeTable", "Engine", "Identity", "Recorder", "Sources"}
"""Classes of the parts that are put together; `app/build.py` alone does it for the service, commands and benches."""


def test_parts_are_put_together_in_one_place() -> None:
    folders = (SOURCE / "app", ROOT / "bench", ROOT / "fuzz", TESTS / "support")
    places = {
        f"{path.relative_to(ROOT)}: {node.func.id}"
        for folder in folders
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in COMPOSED
    }
    assert {place for place in places if not place.startswith("src/whitestat/app/build.py: ")} == FAKED


FAKED = {"bench/dashboards.py: Sources", "tests/support/engine.py: Engine", "tests/support/household.py: Sources"}
"""What has a fake part by design: an engine with a clock in memory, pages without a service behind them."""

TESTS = Path(__file__).parent
ROOT = TESTS.parent


def test_no_test_imports_another_test() -> None:
    found = {
        f"{path.relative_to(TESTS)} -> {target}"
        for path in TESTS.rglob("*.py")
        if re.search(r"(from|import)\s+tests\.[\w.]*test_", path.read_text())  # parsing all of them takes seconds
        for target in imports(path)
        if target.startswith("tests.") and any(part.startswith("test_") for part in target.split(".")[:-1])
    }
    assert not found, "what tests share is a module of tests/support"


PUBLIC = {"attribution.evidence", "collectors", "testing"}
"""Rooms whose own file defines a public protocol, or gives it to other packages."""


def test_every_folder_is_a_package() -> None:
    """A folder without its own file is hidden by a module of its name that an older installation left behind."""
    assert not {path.parent for path in MODULES if not (path.parent / "__init__.py").exists()}


def test_the_own_file_of_a_room_is_one_sentence() -> None:
    files = {name_of(path): tree_of(path).body for path in MODULES if path.name == "__init__.py"}
    assert {name for name, statements in files.items() if len(statements) > 1} == PUBLIC | {""}


VAGUE = {"each", "found", "held", "made", "told", "asked", "said", "wanted", "heard"}
"""Local names that say nothing about the type of the thing."""


def local_names(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def test_a_local_name_says_the_type_of_the_thing() -> None:
    assert not {f"{name_of(path)}: {name}" for path in MODULES for name in local_names(path) if name in VAGUE}


PERSONAL = re.compile(r"(?<!`)\b([Ww]hom?|[Nn]obody|[Ss]omebody|[Ee]verybody|[Aa]nybody)\b|^Whose\b")
"""Words about people; a thing is named by its type. The user `nobody` of Unix is in backticks."""


def docstrings(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


ABOUT_PEOPLE = {"": 1, "web.route": 1}
"""Modules with docstrings that are really about people, and how many they have."""


def test_a_docstring_names_things_without_words_for_people() -> None:
    texts = {name_of(path): [text for text in docstrings(path) if PERSONAL.search(text)] for path in MODULES}
    assert {name: len(several) for name, several in texts.items() if several} == ABOUT_PEOPLE
