"""Tables of `whitestat.toml` in the order of the printed example."""

from __future__ import annotations

from typing import NamedTuple

from whitestat.config.alerts import NotifyConfig, WatchConfig
from whitestat.config.plans import PlanConfig, ShareConfig, TariffConfig
from whitestat.config.points import PointConfig
from whitestat.config.schema import declared
from whitestat.config.sections import Billing, Csv, DeviceConfig, Lan, Retention, ServiceConfig, Store, Web


class Section(NamedTuple):
    """A table of the file; `many` tables of that name make a list."""

    name: str
    holds: type
    sentence: str
    many: bool = False


SECTIONS = (
    Section("web", Web, "The page and the API."),
    Section("service", ServiceConfig, "The process."),
    Section("store", Store, "The database."),
    Section("store.retention", Retention, "How long usage is kept; months are kept for ever."),
    Section("lan", Lan, "Local networks and devices."),
    Section("billing", Billing, "The billing period that the word `cycle` stands for."),
    Section("csv", Csv, "Logs in CSV, a folder per month, in the format of dalla-stats."),
    Section(
        "point",
        PointConfig,
        "Places where usage is counted; by default a router's LAN side, else the interface of the default route.",
        many=True,
    ),
    Section("device", DeviceConfig, "Devices listed in advance.", many=True),
    Section(
        "plan", PlanConfig, "Allowances of data in a period, for everyone or for a person, device or label.", many=True
    ),
    Section("plan.tariff", TariffConfig, "Times of the plan above that have their own allowance or factor.", many=True),
    Section("plan.share", ShareConfig, "A person's share of the plan above.", many=True),
    Section("watch", WatchConfig, "Alerts; the list of events has all of them."),
    Section("notify", NotifyConfig, "Recipients of messages."),
)

PARTS = {"tariff": "tariffs", "share": "given"}
"""The tables within a plan, and the fields that hold them."""


def within(parent: str) -> list[str]:
    """Return the names of the tables within a section."""
    return [section.name.rpartition(".")[2] for section in SECTIONS if section.name.rpartition(".")[0] == parent]


def homes() -> dict[str, str]:
    """Return for each key the table it belongs in, the first where several have it."""
    return {key.name: f"{section.name}.{key.name}" for section in reversed(SECTIONS) for key in declared(section.holds)}
