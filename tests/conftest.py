"""What several rooms of tests need: reasons to skip, and no deadline for generated examples."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings

from tests.support.attacks import is_attack
from tests.support.examples import QUICK_EXAMPLES
from tests.support.unclosed import unclosed_are_collected, watch_connections
from whitestat.ledger.write.writer import Writer

# How long an example takes says more about the machine than about us: `make bench` measures what may take how long.
settings.register_profile("whole", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=QUICK_EXAMPLES)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "whole"))

watch_connections()

Writing = Callable[[], Writer]


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[Writing]:
    """Opens the ledger of the test, as often as it is called; all writers are closed at the end."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(Writer(tmp_path / "whitestat.db", ZoneInfo("Europe/Stockholm"))))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Refuse values in a set: each process has another order of them, and parallel runs fail by chance."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        values = mark.args[1] if len(mark.args) > 1 else mark.kwargs.get("argvalues")
        assert not isinstance(values, set | frozenset), f"{metafunc.definition.nodeid}: sort the values, or list them"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a browser, so that `make quick` can leave them out, and those that attack."""
    for item in items:
        if is_attack(item.nodeid):
            item.add_marker(pytest.mark.attack)
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


def missing(*programs: str) -> str | None:
    """Why a test cannot run here: not root, or a program that is not installed; None when it can."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [program for program in programs if shutil.which(program) is None]
    return f"needs {', '.join(absent)}" if absent else None


@pytest.fixture(autouse=True)
def _umask_is_restored() -> Iterator[None]:
    """A command that runs in this process sets the mask of what it makes (umask), and the next test has its own."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def _unclosed_fails_the_test() -> Iterator[None]:
    with unclosed_are_collected():
        yield


@pytest.fixture(autouse=True)
def _skip_where_it_cannot_run(request: pytest.FixtureRequest) -> None:
    mark = request.node.get_closest_marker("needs")
    reason = missing(*mark.args) if mark else None
    if reason:
        pytest.skip(reason)
