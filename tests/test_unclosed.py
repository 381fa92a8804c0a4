"""What a test leaves open fails it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UNCLOSED = {
    "database": "import sqlite3\ndef test_open():\n    sqlite3.connect(':memory:')\n",
    "socket": "import socket\ndef test_open():\n    socket.socket()\n",
    "file": "def test_open():\n    open('/dev/null')\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", UNCLOSED)
def test_a_test_that_leaves_something_open_fails(kind: str, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import _unclosed_fails_the_test\n")
    (tmp_path / "test_open.py").write_text(UNCLOSED[kind])
    folder = str(tmp_path)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", folder, folder]
    command += ["-o", f"pythonpath={ROOT}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert ("unclosed" in done.stdout and "1 failed" in done.stdout) or "1 error" in done.stdout
