"""Schemathesis against the service's own description: no failure of the server, no answer that is not described."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.household import booked, household
from whitestat.web.auth import passwords
from whitestat.web.auth.accounts import Accounts

EXAMPLES = os.environ.get("WHITESTAT_EXAMPLES", "2")
"""Of each path and method; `make conformance` asks for more."""

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("schemathesis") is None, reason="needs schemathesis")
def test_whatever_is_asked_is_answered_as_it_is_described(tmp_path: Path) -> None:
    accounts = Accounts()
    owner = accounts.owner(0)
    accounts.set_password(owner.id, passwords.kept("correct horse battery"))
    with household(tmp_path, booked(), editors=(), readers=(), accounts=accounts) as house:
        session = accounts.begin(owner.id, house.now_s * 1000)
        words = ["run", f"{house.url}openapi.json", "-H", f"Cookie: whitestat={session}", "--checks", CHECKS]
        # The stream has no end to wait for; tests of its own read it.
        more = ["--exclude-path", "/api/v1/live", "--max-examples", EXAMPLES, "--phases", "examples,fuzzing"]
        kept = ["--generation-database", "none", "--seed", "1", "--no-color"]
        line = [str(Path(sys.executable).with_name("schemathesis")), *words, *more, *kept]
        done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-1_000:]
        if "WHITESTAT_EXAMPLES" in os.environ:
            print(done.stdout[-2_000:])
