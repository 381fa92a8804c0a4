"""The house: imports go one way, files and functions stay small, pure modules touch nothing."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "whitestat"
MODULES = sorted(SOURCE.rglob("*.py"))

MAY_IMPORT = {
    "model": set(),
    "errors": set(),
    "units": {"model"},
    "services": {"model"},
    "counters": {"model"},
    "coverage": {"model", "counters"},
    "periods": {"model"},
    "time_zone": {"errors"},
    "keys": {"errors", "time_zone", "units", "model"},
    "legacy_config": set(),
    "plan_config": {"keys", "plans", "units", "throttle.rates"},
    "plan_forms": {"model", "periods", "plans", "ledger.queries"},
    "point_config": {"keys"},
    "settings": {"keys", "plan_config", "point_config", "watch_config"},
    "config_sections": {"keys", "plan_config", "point_config", "settings", "watch_config"},
    "config_environment": {"errors", "keys", "legacy_config", "point_config", "time_zone", "units"},
    "config_text": {"config_environment", "config_sections", "keys", "point_config", "settings"},
    "config": {
        "config_environment",
        "config_sections",
        "errors",
        "keys",
        "legacy_config",
        "plan_config",
        "point_config",
        "settings",
        "units",
        "watch_config",
    },
    "collectors": {"model", "errors", "units", "counters", "collectors"},
    "attribution": {"model", "errors", "units", "attribution"},
    "plans": {"model", "errors", "units", "periods", "plans"},
    "ledger": {"model", "errors", "units", "periods", "plans", "ledger"},
    "throttle": {"model", "errors", "units", "privileges", "plans", "ledger.queries", "watch.rules", "throttle"},
    "watch_config": {"keys", "units", "watch.quiet"},
    "watch": {
        "model",
        "errors",
        "units",
        "periods",
        "plans",
        "ledger.queries",
        "ledger.writer",
        "ledger.alarms",
        "ledger.people",
        "throttle.keeper",
        "watch_config",
        "watch",
    },
    "timeline": {"model", "periods"},
    "draft": {"model", "periods", "timeline"},
    "turn": {"model", "errors", "collectors"},
    "detail": {"model", "periods"},
    "booking": {
        "detail",
        "model",
        "errors",
        "periods",
        "counters",
        "coverage",
        "attribution",
        "collectors",
        "ledger.question",
        "ledger.unflushed",
        "ledger.writer",
        "draft",
        "known",
        "shown",
        "timeline",
        "today",
        "units",
    },
    "shown": {"model", "periods"},
    "identity": {"model", "errors", "booking", "holding", "attribution", "known", "ledger.writer", "ledger.people"},
    "holding": {"model", "attribution", "known"},
    "known": {"model", "attribution", "ledger.writer"},
    "today": {"model", "periods", "known", "ledger.writer"},
    "clock": set(),
    "memory": set(),
    "healthy": set(),
    "lean": set(),
    "engine": {
        "clock",
        "identity",
        "memory",
        "model",
        "errors",
        "booking",
        "attribution",
        "collectors",
        "ledger.unflushed",
        "ledger.writer",
        "timeline",
        "today",
        "turn",
        "",
    },
    "seconds": {"model"},
    "live": {"model", "units", "periods", "seconds", "today"},
    "options": {"parameters", ""},
    "parameters": {"model", "errors", "periods", "ledger.question"},
    "asking": {"model", "errors", "units", "periods", "services", "parameters", "ledger.question"},
    "forms": {"model", "units", "periods", "services", "ledger.queries", "ledger.question"},
    "access": {"errors", "access"},
    "web": {
        "access",
        "forms",
        "lean",
        "memory",
        "model",
        "errors",
        "units",
        "periods",
        "parameters",
        "asking",
        "attribution.edits",
        "ledger.people",
        "ledger.queries",
        "ledger.question",
        "plan_forms",
        "plans",
        "web",
        "",
    },
    "opening": {
        "collectors",
        "errors",
        "model",
        "placement",
        "point_config",
        "privileges",
        "routers",
        "settings",
        "units",
    },
    "lan": {"attribution", "collectors", "model", "placement", "point_config", "settings", "units"},
    "announcing": {"collectors", "settings", "web", ""},
    "importers": {
        "model",
        "settings",
        "errors",
        "units",
        "periods",
        "attribution",
        "ledger.queries",
        "ledger.writer",
        "reports",
        "importers",
    },
    "reports": {"model", "units", "periods", "forms", "ledger.queries", "ledger.question"},
}
"""What each room may import; rooms not named here (the command line's) may import all."""

PURE = {
    "model",
    "errors",
    "units",
    "counters",
    "coverage",
    "detail",
    "periods",
    "parameters",
    "asking",
    "placement",
    "seconds",
    "services",
    "access.roles",
}
PURE |= {"timeline", "draft", "collectors.decode"}
PURE |= {"legacy_config"}
PURE |= {f"collectors.darkstat.{name}" for name in ("follow", "parse", "prefixes", "services")}
PURE |= {"collectors.router.follow", "collectors.router.look", "collectors.huawei_b593.pages"}
PURE |= {"throttle.limits", "throttle.wire"}
PURE |= {
    f"attribution.{name}"
    for name in (
        "arm",
        "attribute",
        "devices",
        "edits",
        "locality",
        "maps",
        "proposals",
        "routers",
        "shape",
        "sightings",
    )
}
PURE |= {f"plans.{name}" for name in ("carry", "forecast", "plan", "spans", "standing", "tariff")}
PURE |= {"plan_config", "throttle.rates", "throttle.subjects"}
PURE |= {f"watch.{name}" for name in ("conditions", "messages", "quiet", "rules", "summaries")}
EVIDENCE = ("advertisement", "dhcp", "dhcp6", "dns", "frame", "leases", "neighbours", "netbios")
PURE |= {f"attribution.evidence.{name}" for name in EVIDENCE}
IMPURE_MODULES = {
    "os",
    "time",
    "socket",
    "subprocess",
    "sqlite3",
    "asyncio",
    "threading",
    "pathlib",
    "ctypes",
    "io",
}


def name_of(path: Path) -> str:
    """`ledger.writer`, `ledger` for a package, empty for whitestat itself."""
    parts = list(path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it comes from"
            module = node.module or ""
            whole = {f"{module}.{alias.name}" for alias in node.names}
            modules = {name for name in whole if (SOURCE.parent / f"{name.replace('.', '/')}.py").exists()}
            packages = {name for name in whole if (SOURCE.parent / name.replace(".", "/")).is_dir()}
            found |= modules | packages or {module}
    return found


def allowed(room: str, target: str) -> bool:
    return any(target == each or (each and target.startswith(f"{each}.")) for each in MAY_IMPORT[room])


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    room = name_of(path).split(".")[0]
    if room in MAY_IMPORT:
        ours = {each.removeprefix("whitestat").lstrip(".") for each in imports(path) if each.startswith("whitestat")}
        assert not {target for target in ours if not allowed(room, target)}


@pytest.mark.parametrize("path", [each for each in MODULES if name_of(each) in PURE], ids=name_of)
def test_pure_modules_touch_no_clock_file_or_socket(path: Path) -> None:
    assert not {each.split(".")[0] for each in imports(path)} & IMPURE_MODULES


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_lives_there(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path} opens without a sentence"


def test_the_catch_all_has_one_place() -> None:
    places = [
        name_of(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    ]
    assert places == ["engine"]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_dates_come_from_arithmetic_as_a_32_bit_c_library_knows_none_after_2038(path: Path) -> None:
    names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    found = names & {"fromtimestamp", "utcfromtimestamp", "localtime", "gmtime", "mktime"}
    assert not found, "periods.wall_time is exact for every instant"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_statement_numbers_its_parameters(path: Path) -> None:
    """Python takes `?1` for a name since 3.12, and refuses a sequence for it since 3.14."""
    assert not re.findall(r"\?[0-9]", path.read_text(encoding="utf-8"))
