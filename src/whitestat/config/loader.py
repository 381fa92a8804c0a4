"""Reader of the configuration: `whitestat.toml` and the environment to frozen values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from whitestat.config import legacy_v5
from whitestat.config import page_file as page_files
from whitestat.config.alerts import NotifyConfig, WatchConfig
from whitestat.config.environment import keys_set, store_path, take, take_passwords
from whitestat.config.layers import Layers, Values
from whitestat.config.plans import PLANS_MAX, PlanConfig, ShareConfig, TariffConfig, faults
from whitestat.config.points import PointConfig, missing
from whitestat.config.schema import TableParser, declared, shown
from whitestat.config.sections import (
    LEAST_KEPT_S,
    Billing,
    Config,
    Csv,
    DeviceConfig,
    Lan,
    Retention,
    ServiceConfig,
    Store,
    Web,
)
from whitestat.config.settings import merged
from whitestat.config.tables import PARTS, SECTIONS, Section, homes, within
from whitestat.core.errors import ConfigError
from whitestat.core.system.collector_plugins import spec_of
from whitestat.core.system.service_user import as_owner
from whitestat.core.units import duration_text

_AT_HOME = "127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 ::1 fc00::/7 fe80::/10"
AT_HOME = tuple(map(ip_network, _AT_HOME.split()))
"""Where WhiteStat 5's addresses need no log-in in its place (RFC 1918, 3927, 4193, 4291)."""


def load(path: Path | None, environ: Mapping[str, str], *, root: bool) -> Config:
    """Return the settings: the environment overrides the file, and the file overrides the defaults.

    The page's file beside the database has what these two leave open. Without a file, one of WhiteStat 5 in the
    folder `DATA_STORE` is read. `root` selects the default path of the database. Raises ConfigError with all faults.
    """
    path = path or _left_behind(environ)
    notices = list[str]()
    values, document = _roots(path, environ, notices)
    if not values["store"].get("path"):
        values["store"]["path"] = store_path(environ, root=root)
    page_file = page_files.path_of(values["store"]["path"])
    layers = Layers(values, document, path, keys_set(environ), page_file)
    return _follow_page(_config(values, layers, notices), layers)


def _roots(path: Path | None, environ: Mapping[str, str], notices: list[str]) -> tuple[Values, Mapping[str, Any]]:
    """Return the values of the file and the environment, and the tables of the file. Raises ConfigError."""
    reader, given = TableParser(path, homes()), dict[str, object]()
    document = _document(path, notices, given) if path else {}
    values = _read(reader, document)
    _follow_v5(path, environ, values["web"], notices)
    faults = [
        *(_of_v5(path, fault, given) for fault in reader.faults),
        *_exposed(path, values["point"]),
        *take(environ, values, notices),
    ]
    faults += take_passwords(environ, values["point"], notices)
    faults += _missing(path, values["point"], faults)
    if faults:
        raise ConfigError(*faults)
    return values, document


def _config(values: Values, layers: Layers, notices: Iterable[str]) -> Config:
    """Return the settings with these values. Raises ConfigError."""
    loaded = Config(
        timezone=values[""].get("timezone"),
        web=Web(**values["web"]),
        service=ServiceConfig(**values["service"]),
        store=Store(**values["store"]),
        lan=Lan(**values["lan"]),
        points=tuple(PointConfig(**row) for row in values["point"]),
        devices=tuple(DeviceConfig(**row) for row in values["device"]),
        source=str(layers.file) if layers.file else None,
        billing=Billing(**values["billing"]),
        retention=Retention(**values["store.retention"]),
        plans=tuple(map(_plan, values["plan"])),
        csv=Csv(**values["csv"]),
        watch=WatchConfig(**values["watch"]),
        notify=NotifyConfig(**values["notify"]),
        notices=tuple(notices),
        layers=layers,
    )
    if fault := _csv_fault(loaded):
        raise ConfigError(f"{layers.file or 'environment'}: {fault}")
    return loaded


def _follow_page(loaded: Config, layers: Layers) -> Config:
    """Return the settings with those of the page's file; with those it last started with if the file is faulty."""
    page = layers.page_file
    try:
        text = page_files.read(page)
        return with_page(loaded, parsed(page, text)) if text is not None else loaded
    except ConfigError as error:
        fault = str(error)
    try:
        text = page_files.read(page_files.good_of(page))
        before = with_page(loaded, parsed(page, text or ""))
    except ConfigError:
        before = loaded
    kept = before.layers or layers
    notice = f"{fault}; the settings before are in use"
    return replace(before, layers=kept._replace(fault=fault), notices=(*before.notices, *notice.splitlines()))


def parsed(page: Path, text: str) -> dict[str, Any]:
    """Return the tables of the page's file. Raises ConfigError."""
    if not text.strip():
        return {}
    import tomllib  # half a megabyte

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{page}: {_syntax(str(error), text)}") from None


def with_page(base: Config, document: Mapping[str, Any]) -> Config:
    """Return the settings of root's layers with these tables of the page's file. Raises ConfigError with all faults."""
    layers = base.layers
    if layers is None:
        raise ConfigError("settings: these were not loaded from files")
    reader = TableParser(layers.page_file, homes(), is_roots=False)
    page = _read(reader, document, [str(row["name"]) for row in layers.values["point"]])
    values, notices = merged(layers, page)
    if len(values["plan"]) > PLANS_MAX:
        reader.fault("plan", f"there may be at most {PLANS_MAX}, got {len(values['plan'])}")
    if not reader.faults:
        _check_retention(reader, values["store.retention"], values["store"])
    faults = [*reader.faults, *_missing(layers.page_file, page["point"], reader.faults)]
    if faults:
        raise ConfigError(*faults)
    try:
        return _config(values, layers._replace(page=document, fault=""), (*base.notices, *notices))
    except ConfigError as error:
        text = str(error).removeprefix(f"{layers.file or 'environment'}: ")
        raise ConfigError(f"{layers.page_file}: {text}") from None


def _csv_fault(config: Config) -> str:
    """Return why rows cannot be added so often (figures change less often), else an empty text."""
    counting = [point for point in config.points if point.counts]
    least_s, why = config.store.flush_s, "that is how often usage is written ([store] flush)"
    if counting and all(spec_of(point.collector).is_polled for point in counting):
        interval_s = min(point.interval_s for point in counting)
        if interval_s > least_s:
            least_s, why = interval_s, "that is how often the points are read ([[point]] interval)"
    if config.csv.folder is None or config.csv.every_s >= least_s:
        return ""
    return f"csv.every: must be {least_s}s or more, got {config.csv.every_s}s: {why}"


def _follow_v5(path: Path | None, environ: Mapping[str, str], web: dict[str, Any], notices: list[str]) -> None:
    """In WhiteStat 5's place its addresses stay as they were for workbooks and scripts at home."""
    in_place = path.suffix == ".json" if path else bool(environ.get("DATA_STORE"))
    if in_place:
        web["open_v5"] = AT_HOME
        web.setdefault("https", "off")  # its container publishes one port
        notices.append(
            "in WhiteStat 5's place: its addresses (/json, /table, /history) need no log-in from private networks, as "
            "before; all others do (web.open_v5 of a whitestat.toml says otherwise)"
        )


def _plan(row: Mapping[str, Any]) -> PlanConfig:
    parts = {
        "tariffs": tuple(TariffConfig(**tariff) for tariff in row["tariffs"]),
        "given": tuple(ShareConfig(**share) for share in row["given"]),
    }
    return PlanConfig(**{**row, **parts})


def _left_behind(environ: Mapping[str, str]) -> Path | None:
    """Return the file of WhiteStat 5, None if there is none."""
    path = Path(environ.get("DATA_STORE", "")) / legacy_v5.NAME
    if not environ.get("DATA_STORE"):
        return None
    try:
        path.stat()
    except PermissionError:
        with as_owner(path.parent):
            return path if path.exists() else None
    except OSError:
        return None
    return path


def _content(path: Path) -> bytes:
    """Return the content; root that lacks the capability to look into the folder reads with its owner's rights."""
    try:
        return path.read_bytes()
    except PermissionError:
        with as_owner(path.parent):
            return path.read_bytes()


def _of_v5(path: Path | None, fault: str, given: Mapping[str, object]) -> str:
    """Return the fault, with WhiteStat 5's keys if its file was read."""
    place = fault.removeprefix(f"{path}: ").partition(": ")[0]
    text = legacy_v5.fault(place, given)
    return f"{path}: {text}" if text else fault


def _document(path: Path, notices: list[str], given: dict[str, object]) -> dict[str, Any]:
    """Return the tables of the file; `given` receives the keys of a WhiteStat 5 file."""
    try:
        text = _content(path).decode()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text at octet {error.start}") from None
    try:
        if path.suffix == ".json":
            legacy = legacy_v5.document(text)
            notices += [f"{path}: {notice}" for notice in ("read as WhiteStat 5 wrote it", *legacy.notices)]
            given.update(legacy.given)
            return legacy.document
        import tomllib  # half a megabyte, not needed with the environment alone

        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        message = str(error) if path.suffix == ".json" else _syntax(str(error), text)
        raise ConfigError(f"{path}: {message}") from None


def _syntax(message: str, text: str) -> str:
    """Return the parser's message with the place in front, where people and editors look for it."""
    match = re.fullmatch(r"(.*) \(at (.*)\)", message, re.DOTALL)
    what, place = match.groups() if match else (message, "not TOML")
    place = place.replace("end of document", f"line {len(text.splitlines())}")
    return f"{place}: {what[:1].lower()}{what[1:]}"


def _read(reader: TableParser, document: Mapping[str, Any], points: Iterable[str] = ()) -> Values:
    """Return the values of the tables; `points` are the names of further points, of another file."""
    values: Values = {"": reader.table(Config, document, "", within(""))}
    for section in SECTIONS:
        if section.name.startswith("plan."):  # within each plan
            continue
        raw = _found(document, section)
        values[section.name] = (_rows if section.many else _table)(reader, section, raw)
    _check_retention(reader, values["store.retention"], values["store"])
    _read_plans(reader, document.get("plan", []), values, points)
    return values


def _read_plans(
    reader: TableParser, raw: object, values: Mapping[str, list[dict[str, Any]]], others: Iterable[str]
) -> None:
    """Read the tables within each plan, and report contradictions; `others` are points of another file."""
    plans = values["plan"]
    points = [*others, *(str(point["name"]) for point in values["point"] if "name" in point)]
    if len(plans) > PLANS_MAX:
        reader.fault("plan", f"there may be at most {PLANS_MAX}, got {len(plans)}")
    for number, (table, row) in enumerate(zip(raw if isinstance(raw, list) else (), plans, strict=False), 1):
        where = f"plan[{number}]"
        for section in SECTIONS:
            parent, _, name = section.name.partition(".")
            if parent == "plan" and name:
                row[PARTS[name]] = _rows(reader, section, table.get(name, []), f"{where}.{name}")
        for key, what in faults(row, points):
            reader.fault(f"{where}.{key}", what)


def _found(document: Mapping[str, Any], section: Section) -> object:
    *parents, name = section.name.split(".")
    for parent in parents:
        within = document.get(parent, {})
        document = within if isinstance(within, dict) else {}  # reported where the parent is read
    return document.get(name, [] if section.many else {})


def _check_retention(reader: TableParser, kept: Mapping[str, int | None], store: dict[str, Any]) -> None:
    """Check the retention; usage by second needs a flush every second, which becomes the default."""
    for name, least_s in LEAST_KEPT_S.items():
        kept_s = kept.get(name)
        off = name == "second" and kept_s == 0
        if kept_s is not None and kept_s < least_s and not off:
            reader.fault(f"store.retention.{name}", f"must be at least {shown(duration_text(least_s))}")
    if kept.get("second", 0) != 0 and store.setdefault("flush_s", 1) != 1:
        given = shown(duration_text(store["flush_s"]))
        reader.fault("store.flush", f'must be "1s" where seconds are kept (store.retention.second), got {given}')


def _table(reader: TableParser, section: Section, raw: object) -> dict[str, Any]:
    if isinstance(raw, dict):
        return reader.table(section.holds, raw, f"{section.name}.", within(section.name))
    reader.fault(section.name, f"must be a table, got {shown(raw)}")
    return {}


def _rows(reader: TableParser, section: Section, raw: object, place: str = "") -> list[dict[str, Any]]:
    """Return the rows of a list of tables; `place` is their place if it is not the section's name."""
    place = place or section.name
    if not isinstance(raw, list) or not all(isinstance(row, dict) for row in raw):
        reader.fault(place, f"must be tables under [[{section.name}]], got {shown(raw)}")
        return []
    rows = [reader.table(section.holds, row, f"{place}[{n}].", within(section.name)) for n, row in enumerate(raw, 1)]
    first = declared(section.holds)[0]
    seen: dict[object, int] = {}
    for number, (row, values) in enumerate(zip(raw, rows, strict=True), 1):
        where, name = f"{place}[{number}]", values.get(first.field)
        if name is not None and seen.setdefault(name, number) != number:
            reader.fault(f"{where}.{first.name}", f"{shown(row[first.name])} is {place}[{seen[name]}] already")
    return rows


def _missing(path: Path | None, points: list[dict[str, Any]], faults: list[str]) -> Iterator[str]:
    """Yield the missing keys of collectors; a key with another fault is not missing."""
    for number, point in enumerate(points, 1):
        if "collector" not in point:
            continue
        try:
            for place, fault in missing(number, point):
                if not any(f"{place}: " in other for other in faults):
                    yield f"{path or 'environment'}: {place}: {fault}"
        except ConfigError as error:
            yield f"{path}: point[{number}].collector: {error}"


def _exposed(path: Path | None, points: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a fault for each password in a file that others may read."""
    for number, point in enumerate(points, 1):
        if path and "password" in point and path.stat().st_mode & 0o077:
            yield f"{path}: point[{number}].password: others may read this file: chmod 600 {path}, or use password_file"
