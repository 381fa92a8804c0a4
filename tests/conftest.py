"""What several rooms of tests need: reasons to skip."""

from __future__ import annotations

import os
import shutil

import pytest


def missing(*programs: str) -> str | None:
    """Why a test cannot run here: not root, or a program that is not installed; None when it can."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [program for program in programs if shutil.which(program) is None]
    return f"needs {', '.join(absent)}" if absent else None


@pytest.fixture(autouse=True)
def _skip_where_it_cannot_run(request: pytest.FixtureRequest) -> None:
    mark = request.node.get_closest_marker("needs")
    reason = missing(*mark.args) if mark else None
    if reason:
        pytest.skip(reason)
