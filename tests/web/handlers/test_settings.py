"""The settings over the API: what each says of itself, who may change them, and how a change is undone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.accounts import owned
from tests.support.household import House, booked, household
from tests.support.peers import hosting
from tests.support.peers.archer import PASSWORD, Archer, Row
from tests.support.visitor import Visitor
from whitestat.config import page_file

ROUTER = {"name": "router", "collector": "archer-c20", "url": "http://192.0.2.1", "password": "tulip-4711"}


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return page_file.path_of(tmp_path / "whitestat.db")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    (tmp_path / "whitestat.toml").write_text(f'store.path = "{tmp_path / "whitestat.db"}"\nbilling.hour = 4\n')
    with household(tmp_path, booked(), editors=(), readers=()) as house:
        yield house


@pytest.fixture
def owner(house: House) -> Visitor:
    visitor = owned(house)
    visitor.confirm()
    return visitor


def one(answer: Any, name: str) -> dict[str, Any]:
    return next(row for row in answer.json["settings"] if row["name"] == name)


def change(visitor: Visitor, **values: object) -> Any:
    return visitor.send("PATCH", "/api/v1/config", {"set": {name.replace("__", "."): v for name, v in values.items()}})


def test_every_setting_says_what_it_is_and_where_it_comes_from(owner: Visitor, page: Path) -> None:
    answer = owner.get("/api/v1/config")
    hour, day = one(answer, "billing.hour"), one(answer, "billing.day")
    assert (hour["value"], hour["fixed_by"]) == (4, str(page.with_name("whitestat.toml")))
    assert (day["value"], day["source"], day["fixed_by"], day["default"]) == (None, "default", None, "1")
    assert day["help"].startswith("The day of the month") and day["types"] == ["int"]
    assert not one(answer, "notify.file")["page_may_set"]
    assert {table["name"] for table in answer.json["tables"]} == {
        "point",
        "device",
        "plan",
        "plan.tariff",
        "plan.share",
    }


def test_a_change_is_written_noted_and_undone(owner: Visitor, house: House, page: Path) -> None:
    page.write_text("# ours\n[billing]\nday = 9 # payday\n")
    done = change(owner, billing__day=15, watch__percent=[50, 90])
    assert (done.status, done.json["changed"]) == (200, ["billing.day", "watch.percent"])
    assert page.read_text() == "# ours\n[billing]\nday = 15 # payday\n\n[watch]\npercent = [50, 90]\n"
    assert house.restarts == 1 and owner.get("/api/v1/config").json["is_pending"]
    [edit] = owner.get("/api/v1/edits").json["edits"]
    assert (edit["by"], edit["action"], edit["id"]) == ("owner", "settings", done.json["edit"])
    assert edit["changes"][0] == {"what": "setting", "key": ["billing.day"], "before": ["9"], "after": ["15"]}
    assert owner.send("POST", f"/api/v1/edits/{edit['id']}/undo").status == 200
    assert "day = 9 # payday" in page.read_text() and "percent" not in page.read_text()
    assert owner.get("/api/v1/edits").json["edits"][1]["undone_by"] == edit["id"] + 1
    assert change(owner, billing__day=9).json == {"edit": 0, "changed": [], "restarts": False}


def test_a_row_is_added_changed_and_taken_away(owner: Visitor, page: Path) -> None:
    plan = {
        "name": "line",
        "allowance": "40GB",
        "tariff": [{"name": "night", "when": ["22:00-06:00"], "factor": "free"}],
    }
    assert change(owner, plan__line=plan).status == 200
    assert change(owner, plan__line__allowance="50GB").status == 200
    [table] = [table for table in owner.get("/api/v1/config").json["tables"] if table["name"] == "plan"]
    assert table["rows"][0]["values"] == {**plan, "allowance": "50GB"}
    assert change(owner, plan__line=None).status == 200
    assert "plan" not in page.read_text()


@pytest.mark.parametrize(
    ("name", "value", "key", "reason"),
    [
        ("billing.day", 99, "billing.day", "must be a whole number from 1 to 31, got 99"),
        ("billing.hour", 3, "billing.hour", "whitestat.toml: change it there"),
        ("billing.dya", 3, "billing.dya", "did you mean 'day'?"),
        ("service.user", "root", "service.user", "only root's configuration file may set it"),
        ("csv.folder", "/etc", "csv.folder", "only root's configuration file may set it"),
        ("web.listen", "0.0.0.0:80", "web.listen", "port from 1024"),
        ("watch.off", ["nonsense"], "watch.off", "unknown alert 'nonsense'"),
        ("plan.line", {"allowance": "much", "name": "line"}, "plan[1].allowance", "must be an amount"),
        ("plan.line", {"name": "line", "x": 1}, "plan[1].x", "unknown key"),
        ("point.a", {"name": "a", "collector": "mine:module"}, "point[1].collector", "must be one of"),
    ],
)
def test_a_fault_names_the_key_and_changes_nothing(
    owner: Visitor, house: House, page: Path, name: str, value: object, key: str, reason: str
) -> None:
    answer = owner.send("PATCH", "/api/v1/config", {"set": {name: value}})
    assert answer.status == 400 and reason in answer.json["error"]["reason"]
    assert answer.json["error"]["parameter"] == key
    assert not page.exists() and house.restarts == 0 and not owner.get("/api/v1/edits").json["edits"]


def test_a_change_and_its_undo_need_the_password_again(house: House, owner: Visitor, page: Path) -> None:
    edit = change(owner, billing__day=5).json["edit"]
    thief = Visitor(house)
    account = house.accounts.named("owner")
    assert account
    thief.cookies["whitestat"] = house.accounts.begin(account.id, house.now_s * 1000)
    for answer in (change(thief, billing__day=6), thief.send("POST", f"/api/v1/edits/{edit}/undo")):
        assert answer.status == 403 and "give your password again" in answer.json["error"]["reason"]
    assert "day = 5" in page.read_text()


def test_a_password_is_written_and_never_answered(owner: Visitor, page: Path) -> None:
    assert change(owner, point__router=ROUTER).status == 200
    answer = owner.get("/api/v1/config")
    [table] = [table for table in answer.json["tables"] if table["name"] == "point"]
    assert table["rows"][0]["secrets"] == ["password"]
    edits = owner.get("/api/v1/edits")
    assert "tulip-4711" in page.read_text()
    assert "tulip-4711" not in answer.text + edits.text
    assert change(owner, point__router__password="another one").status == 200
    assert "(new secret)" in owner.get("/api/v1/edits").text
    assert owner.send("POST", f"/api/v1/edits/{owner.get('/api/v1/edits').json['edits'][0]['id']}/undo").status == 200
    assert "tulip-4711" in page.read_text()


def test_addresses_of_messages_are_written_and_never_answered(owner: Visitor, page: Path) -> None:
    edit = change(owner, notify__to=["ntfys://ntfy.example.org/tulip"]).json["edit"]
    assert "tulip" in page.read_text()
    answer = owner.get("/api/v1/config")
    assert (one(answer, "notify.to")["value"], one(answer, "notify.to")["source"]) == (None, str(page))
    change(owner, notify__to=["mailto://user:rose@mail.example.org"])
    assert not re.search("tulip|rose", answer.text + owner.get("/api/v1/edits").text)
    refused = change(owner, notify__to=["file://etc/rose"])
    assert refused.status == 400 and "rose" not in refused.text
    assert owner.send("POST", f"/api/v1/edits/{edit}/undo").status == 400, "a later change touched it"
    assert owner.send("POST", f"/api/v1/edits/{edit + 1}/undo").status == 200
    assert "tulip" in page.read_text()


def test_a_password_does_not_follow_the_address_of_its_router(owner: Visitor, page: Path) -> None:
    change(owner, point__router=ROUTER)
    thief = {**ROUTER, "url": "http://192.0.2.66"}
    del thief["password"]
    for values in ({"point__router": thief}, {"point__router__url": "http://192.0.2.66"}):
        answer = change(owner, **values)
        assert answer.status == 400 and "give it again" in answer.json["error"]["reason"]
    assert "192.0.2.66" not in page.read_text()
    assert change(owner, point__router={**thief, "password": "new"}).status == 200
    kept = {**thief, "interval": "60s"}
    assert change(owner, point__router=kept).status == 200
    assert 'password = "new"' in page.read_text()


def test_an_undo_is_refused_where_a_later_change_touched_it_or_its_version_is_gone(owner: Visitor, page: Path) -> None:
    first = change(owner, billing__day=5).json["edit"]
    second = change(owner, billing__day=6).json["edit"]
    refused = owner.send("POST", f"/api/v1/edits/{first}/undo")
    assert refused.status == 400 and "undo the later edit first" in refused.json["error"]["reason"]
    page_file.version_of(page, second).unlink()
    assert "not kept any more" in owner.send("POST", f"/api/v1/edits/{second}/undo").json["error"]["reason"]


def test_a_file_that_a_hand_broke_is_told_and_not_overwritten(owner: Visitor, page: Path) -> None:
    page.write_text("[billing]\nday = 77\n")
    assert "got 77" in owner.get("/api/v1/config").json["fault"]
    assert "got 77" in change(owner, csv__keep=3).json["error"]["reason"]
    assert change(owner, billing__day=7).status == 200
    assert owner.get("/api/v1/config").json["fault"] is None
    page.write_text("[billing\n")
    assert change(owner, billing__day=8).status == 400
    assert page.read_text() == "[billing\n"


def test_the_settings_are_for_owners(house: House, owner: Visitor) -> None:
    edit = change(owner, billing__day=5).json["edit"]
    for role in ("editor", "viewer"):
        visitor = Visitor(house)
        account = house.accounts.add(role, role, None, house.now_s * 1000)  # type: ignore[arg-type]
        visitor.cookies["whitestat"] = house.accounts.begin(account.id, house.now_s * 1000)
        assert visitor.get("/api/v1/config").status == 403
        assert change(visitor, billing__day=6).status == 403
        assert visitor.send("POST", f"/api/v1/edits/{edit}/undo").status == 403
        assert visitor.get("/api/v1/edits").json["edits"] == []
    assert Visitor(house).get("/api/v1/config").status == 401


def attempt(visitor: Visitor, point: str, **values: object) -> Any:
    names = {name.replace("__", "."): value for name, value in values.items()}
    return visitor.send("POST", "/api/v1/config/try", {"point": point, "set": names})


@pytest.mark.slow
def test_a_router_is_tried_before_it_is_saved(owner: Visitor, page: Path) -> None:
    peer = Archer([Row("192.168.1.10", "02:50:00:00:00:11", 4_000, 4)])
    with hosting(peer) as url:
        router = {"name": "router", "collector": "archer-c20", "url": url, "password": PASSWORD}
        answer = attempt(owner, "router", point__router=router)
        assert answer.json["works"] and "point router (archer-c20 at" in answer.json["report"]
        wrong = attempt(owner, "router", point__router={**router, "password": "wrong"})
        assert not wrong.json["works"] and "wrong" not in wrong.json["report"]
    assert PASSWORD not in answer.text and not page.exists()


def test_a_try_sends_no_stored_password_elsewhere_and_no_point_is_made_up(owner: Visitor) -> None:
    change(owner, point__router=ROUTER)
    answer = attempt(owner, "router", point__router__url="http://192.0.2.66")
    assert answer.status == 400 and "give it again" in answer.json["error"]["reason"]
    assert "there is no point 'other'" in attempt(owner, "other").json["error"]["reason"]
    lan = {"name": "lan", "collector": "kernel", "interface": "lo"}
    assert "is tried by the new start" in attempt(owner, "lan", point__lan=lan).json["report"]
