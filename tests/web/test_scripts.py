"""The unit tests of the page's pure modules (`tests/js`), run by Node where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

NODE = shutil.which("node")
FILES = sorted((Path(__file__).parent.parent / "js").glob("*.test.mjs"))


@pytest.mark.skipif(NODE is None, reason="needs node (18 or newer) for the page's unit tests")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_pure_modules_of_the_page(path: Path) -> None:
    assert NODE
    done = subprocess.run([NODE, "--test", str(path)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
    assert "\n# pass 0\n" not in done.stdout
