"""The unit's sandbox, as systemd judges it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[1] / "packaging/systemd/whitestat.service"
WORST = 5.0
"""systemd calls what is below it OK."""

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")


def test_the_unit_is_judged_ok_or_better() -> None:
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    found = re.search(r"exposure level for whitestat.service: ([0-9.]+) ([A-Z]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) < WORST and found[2] in ("OK", "GOOD", "SAFE", "PERFECT"), found[0]


def test_the_unit_has_no_key_that_systemd_does_not_know(tmp_path: Path) -> None:
    there = tmp_path / UNIT.name
    there.write_text(UNIT.read_text().replace("/usr/bin/whitestat", "/bin/true"))
    words = ["systemd-analyze", "verify", str(there)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert UNIT.name not in done.stderr, done.stderr
