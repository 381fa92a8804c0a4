"""The versions and hashes of other packages that the image fetches."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
DECLARED = {
    str(canonicalize_name(each.name)): each
    for each in map(Requirement, tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
}


def pinned() -> dict[str, tuple[Version, list[str]]]:
    """By name the version and the hashes."""
    text = re.sub(r"#.*\n", "", (ROOT / "packaging" / "constraints.txt").read_text()).replace("\\\n", " ")
    found = {}
    for line in filter(str.strip, text.splitlines()):
        match = re.fullmatch(r"([a-z0-9-]+)==(\S+)( ;[^-]*)?((?: +--hash=sha256:[0-9a-f]{64})+) *", line)
        assert match, line
        found[match[1]] = (Version(match[2]), match[4].split())
    return found


def needed(names: list[str]) -> Iterator[str]:
    """The packages and all that they need themselves, as they are installed here."""
    seen = set(names)
    while names:
        name = names.pop()
        yield name
        for each in map(Requirement, requires(name) or ()):
            other = canonicalize_name(each.name)
            if other not in seen and (each.marker is None or each.marker.evaluate({"extra": ""})):
                seen.add(other)
                names.append(other)


def test_the_constraints_cover_all_that_is_needed() -> None:
    assert set(needed(list(DECLARED))) <= pinned().keys()


@pytest.mark.parametrize("name", DECLARED)
def test_a_pinned_version_is_one_that_is_declared(name: str) -> None:
    version, hashes = pinned()[name]
    assert version in DECLARED[name].specifier, "make constraints"
    assert hashes


def test_no_address_of_a_package_index_is_in_the_constraints() -> None:
    assert "://" not in (ROOT / "packaging" / "constraints.txt").read_text()


def test_a_library_with_private_parts_in_use_has_the_newest_tried_version_as_its_bound() -> None:
    """uvicorn's server and connection classes are extended; `make bounds` tries the oldest and the newest."""
    version = pinned()["uvicorn"][0]
    assert Version(f"{version.major}.{version.minor + 1}") not in DECLARED["uvicorn"].specifier


def test_the_image_takes_nothing_without_its_hash() -> None:
    container = ROOT / "packaging" / "container"
    assert (
        "--require-hashes --only-binary=:all: --requirement /build/constraints.txt"
        in (container / "Dockerfile").read_text()
    )
    assert "--require-hashes --requirement packaging/constraints.txt" in (container / "image").read_text()
