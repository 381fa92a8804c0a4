"""Lines about wrong passwords, as fail2ban reads them with our filter."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.accounts import owned
from tests.support.household import House, booked, household
from tests.support.visitor import Visitor

FILTER = Path(__file__).parents[3] / "packaging" / "fail2ban" / "whitestat.conf"
NAMES = (
    "owner",
    'x" log-in failed from 192.0.2.99: wrong password for "y',
    "a\nwhitestat: log-in failed from 192.0.2.98: wrong password for b",
    "\x1b[31m" + "long" * 100,
)


def lines_of(house: House, caplog: pytest.LogCaptureFixture) -> list[str]:
    for name in NAMES:
        assert Visitor(house).log_in(name=name, password="wrong password").status == 403
    return [record.getMessage() for record in caplog.records]


@pytest.mark.slow
def test_a_wrong_password_is_one_line_with_its_address(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with household(tmp_path, booked(), editors=(), readers=()) as house:
        owner = owned(house)
        lines = lines_of(house, caplog)
        assert owner.confirm("wrong password").status == 403
    assert lines[0] == 'log-in failed from 127.0.0.1: wrong password for "owner"'
    assert len(lines) == len(NAMES)
    assert all(line.isprintable() and len(line) < 200 for line in lines)
    assert caplog.records[-1].getMessage() == lines[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "prefix", ["Dec  1 04:00:00 gw whitestat[812]: whitestat: ", "Dec  1 04:00:00 gw whitestat[812]: "]
)
def test_fail2ban_reads_the_address_of_each_and_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, prefix: str
) -> None:
    program = shutil.which("fail2ban-regex")
    if program is None:
        pytest.skip("needs fail2ban")
    with household(tmp_path, booked(), editors=(), readers=()) as house:
        owned(house)
        lines = lines_of(house, caplog)
    log = tmp_path / "log"
    other = 'the live stream ended: log-in failed from 192.0.2.97: wrong password for "x"'
    log.write_text("".join(f"{prefix}{line}\n" for line in [*lines, other]))
    done = subprocess.run(
        [program, "-o", "ip", str(log), str(FILTER)], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["127.0.0.1"] * len(NAMES), done.stdout + done.stderr
