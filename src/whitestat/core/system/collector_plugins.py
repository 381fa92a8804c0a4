"""Collectors by name: those of the table, and those of other packages, which are entry points."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from whitestat.core.collector_specs import BY_NAME, MEASURES, NEEDS, CollectorSpec
from whitestat.core.errors import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "whitestat.collectors"
"""Entry points of this group lead to a `CollectorSpec`; the entry point's name is the collector's."""

_LOAD_FAULTS = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError),
    *(RuntimeError, SyntaxError, TypeError, ValueError),
)


def is_known(name: str) -> bool:
    """Return whether a collector of that name is in the table or installed; loads none."""
    return name in BY_NAME or bool(_entry_points(name))


@cache
def spec_of(name: str) -> CollectorSpec:
    """Return the collector of that name. Raises ConfigError if there is none, or its package is broken."""
    if name in BY_NAME:
        return BY_NAME[name]
    points = _entry_points(name)
    if not points:
        raise ConfigError(f"there is no collector {name!r}")
    packages = ", ".join(sorted({point.dist.name if point.dist else point.value for point in points}))
    if len(points) > 1:
        raise ConfigError(f"several packages have a collector {name!r}: {packages}")
    try:
        spec: object = points[0].load()
    except _LOAD_FAULTS as error:
        raise ConfigError(
            f"collector {name!r} of package {packages} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(spec, CollectorSpec):
        raise ConfigError(f"collector {name!r} of package {packages}: {points[0].value} is not a CollectorSpec")
    if fault := _fault(spec, name):
        raise ConfigError(f"collector {name!r} of package {packages}: {fault}")
    return spec


def _entry_points(name: str) -> Sequence[EntryPoint]:
    from importlib.metadata import entry_points  # costs half a megabyte, and is for names that the table has not

    return tuple(entry_points(group=GROUP, name=name))


def _fault(spec: CollectorSpec, name: str) -> str:
    """Return what is wrong with the specification of a package, empty if nothing is."""
    if spec.name != name:
        return f"its specification is called {spec.name!r}"
    if unknown := set(spec.needs) - NEEDS:
        return f"it needs {', '.join(sorted(map(repr, unknown)))}: must be of {', '.join(sorted(NEEDS))}"
    if spec.measures not in MEASURES:
        return f"it measures {spec.measures!r}: must be one of {', '.join(sorted(MEASURES))}"
    return ""
