"""A test that never ends is a failure, not a run that never ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def test_each_test_has_a_limit(pytestconfig: pytest.Config) -> None:
    assert 60 <= float(pytestconfig.getini("timeout")) <= 600


@pytest.mark.slow
def test_an_endless_loop_is_ended_and_named(tmp_path: Path) -> None:
    (tmp_path / "test_endless.py").write_text("def test_endless():\n    while True: pass\n")
    folder = str(tmp_path)
    command = [sys.executable, "-m", "pytest", "-c", str(PROJECT), "-o", "timeout=1", "--rootdir", folder, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "Failed: Timeout (>1.0s)" in done.stdout
