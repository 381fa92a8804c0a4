"""The control socket: its owner's alone, there while the service is, and found however long its path."""

from __future__ import annotations

import json
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.control import controlled
from tests.support.household import booked, household
from whitestat.app import control
from whitestat.app.control_client import ControlConnection


def ask(ledger: Path, method: str, path: str, body: object = None) -> tuple[int, object]:
    with closing(ControlConnection(ledger)) as line:
        line.request(method, path, json.dumps(body or {}), {"content-type": "application/json"})
        reply = line.getresponse()
        return reply.status, json.loads(reply.read())


def test_a_request_over_it_is_the_owner_s_whoever_else_may_edit(tmp_path: Path) -> None:
    ledger = tmp_path / ("long" * 20) / "whitestat.db"
    ledger.parent.mkdir()
    with household(tmp_path, booked(), editors=()) as house, controlled(house, ledger):
        assert house.send("PATCH", "/api/v1/devices/1", {"name": "x"}).status == 403
        assert ask(ledger, "PATCH", "/api/v1/devices/1", {"name": "x"})[0] == 200
        assert house.get("/api/v1/edits").json["edits"][0]["by"] == "owner"
        assert stat.S_IMODE(control.path_of(ledger).stat().st_mode) == 0o600
    assert not control.path_of(ledger).exists()
    with pytest.raises(FileNotFoundError):
        ask(ledger, "GET", "/api/v1/devices")


def test_one_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    ledger = tmp_path / "whitestat.db"
    left = control.control_socket(ledger)
    assert left
    left.close()
    with pytest.raises(ConnectionRefusedError):
        ask(ledger, "GET", "/api/v1/devices")
    with household(tmp_path, booked()) as house, controlled(house, ledger):
        assert ask(ledger, "GET", "/api/v1/devices")[0] == 200
