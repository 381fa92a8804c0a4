"""Devices, coverage, health, metrics, and what every answer has in common."""

from __future__ import annotations

import socket
import time
import traceback
from pathlib import Path

import pytest

from tests.support.household import EVIL_NAME, LAN_POINT, NOON_S, PHONE, PHONE_MAC, ZONE, House, household
from whitestat.core.calendar import instant_text
from whitestat.core.errors import WhiteStatError
from whitestat.core.model import Coverage
from whitestat.ledger.write.writer import DeviceRecord, Flush
from whitestat.web.app import create_app
from whitestat.web.handlers import names
from whitestat.web.middleware import is_own, own_names
from whitestat.web.server import serve

PATHS = [
    "/",
    "/static/page.js",
    "/api/v1/usage",
    "/api/v1/usage.csv",
    "/api/v1/usage.html",
    "/api/v1/devices",
    "/api/v1/coverage",
    "/api/v1/gaps",
    "/api/v1/health",
    "/openapi.json",
    "/metrics",
    "/json",
    "/table/",
    "/json/history",
    "/table/history",
    "/json/lansegments",
]


def test_devices_are_listed_with_all_that_is_known(home: House) -> None:
    noon = "2026-11-21T12:00:00+01:00"
    assert home.get("/api/v1/devices").json["devices"][0] == {
        "id": PHONE,
        "name": "phone",
        "name_source": "config",
        "mac": PHONE_MAC,
        "addresses": [],
        "person": None,
        "labels": [],
        "first_seen": noon,
        "last_seen": noon,
    }


def test_coverage_is_of_each_point(home: House) -> None:
    assert home.get("/api/v1/coverage").json["points"] == [
        {
            "point": "lan",
            "observed_ms": 60_000,
            "frame_octets_interface": 7_000,
            "frame_octets_metered": 7_000,
            "octets_attributed": 6_721,
            "octets_unattributed": 33,
            "packets_lost": 0,
            "coverage": 6_721 / 6_754,
        }
    ]


def test_coverage_of_a_day_without_traffic_is_unknown(home: House) -> None:
    (point,) = home.get("/api/v1/coverage?start=2026-11-02&end=2026-11-03").json["points"]
    assert (point["observed_ms"], point["coverage"]) == (0, None)


def test_coverage_takes_no_step(home: House) -> None:
    answer = home.get("/api/v1/coverage?step=day")
    assert (answer.status, answer.json["error"]["parameter"]) == (400, "step")


@pytest.mark.parametrize("path", ["/api/v1/devices", "/api/v1/coverage"])
def test_what_has_not_changed_is_not_sent_again(house: House, path: str) -> None:
    tag = house.get(path).headers["etag"]
    answer = house.get(path, If_None_Match=tag)
    assert (answer.status, answer.body) == (304, b"")
    minute = {(NOON_S, "lan"): Coverage(1)}
    house.writer.commit(Flush(devices=[DeviceRecord(PHONE, "my phone", "user")], coverage=minute))
    assert house.get(path, If_None_Match=tag).status == 200


def test_health_is_200_while_all_is_well_and_503_else(house: House) -> None:
    assert house.get("/api/v1/health").status == 200
    house.health = {"status": "degraded", "points": [LAN_POINT | {"state": "failed"}]}
    answer = house.get("/api/v1/health")
    assert (answer.status, answer.json) == (503, house.health)


def test_metrics_count_each_device(home: House) -> None:
    text = home.get("/metrics").text
    labels = f'device="1",direction="in",mac="{PHONE_MAC}",name="phone",scope="wan"'
    assert f"whitestat_octets_total{{{labels}}} 7990.0" in text
    assert 'whitestat_point_up{point="lan"} 1.0' in text


def test_before_the_first_flush_everything_answers(tmp_path: Path) -> None:
    with household(tmp_path) as house:
        assert {house.get(path).status for path in PATHS} == {200}
        assert house.get("/api/v1/usage").json["rows"] == []


@pytest.mark.parametrize("path", [*PATHS, "/nowhere", "/api/v1/usage?x=1"])
def test_every_answer_is_guarded(home: House, path: str) -> None:
    headers = home.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self' 'sha256-")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_what_fails_inside_is_guarded_too(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.health = {"status": object()}
    answer = house.get("/api/v1/health")
    assert answer.status == 500
    until = time.monotonic() + 30
    while not caplog.records and time.monotonic() < until:
        time.sleep(0.01)  # the answer comes first
    [record] = caplog.records
    assert record.exc_info
    told = "".join(traceback.format_exception(record.exc_info[1]))
    assert "not JSON serializable\nwhile answering GET '/api/v1/health'\n" in told
    assert answer.json["error"] == {"parameter": None, "reason": "the server failed; see its log"}
    assert "content-security-policy" in answer.headers


def test_unknown_paths_and_methods_are_refused_as_json(home: House) -> None:
    assert home.get("/api/v2/usage").json["error"] == {"parameter": None, "reason": "not found"}
    answer = home.get("/api/v1/usage", method="POST")
    assert (answer.status, set(answer.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})


def test_head_answers_without_a_body(home: House) -> None:
    for path in [*PATHS, "/api/v1/live"]:
        answer = home.get(path, method="HEAD")
        assert (answer.status, answer.body) == (200, b"")


def test_a_foreign_host_name_is_refused(home: House) -> None:
    answer = home.get("/api/v1/usage", Host="evil.example")
    assert (answer.status, answer.json["error"]["parameter"]) == (400, "host")
    assert EVIL_NAME not in answer.text
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize(
    "host", ["127.0.0.1:7777", "192.168.1.5", "[::1]:7777", "[fe80::1]", "localhost", "LOCALHOST:80", "localhost."]
)
def test_addresses_and_localhost_are_our_own(host: str) -> None:
    assert is_own(host, own_names())


def test_the_name_of_the_machine_is_our_own_alone_or_in_the_home() -> None:
    name = socket.gethostname()
    for suffix in ("", ".local", ".lan", ".home.arpa"):
        assert is_own(f"{name}{suffix}:7777", own_names())
    assert not is_own(f"{name}.example.com", own_names())


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "a b", "[::1"]
)
def test_all_else_is_foreign(host: str) -> None:
    assert not is_own(host, own_names())


def test_a_taken_port_is_named(home: House) -> None:
    port = int(home.url.rstrip("/").rpartition(":")[2])
    app = create_app(home.sources())
    with pytest.raises(WhiteStatError, match=rf"web.listen: cannot listen on 127.0.0.1:{port}: address already in use"):
        serve(app, "127.0.0.1", port)


def test_the_store_tells_its_size_and_since_when_it_grows(home: House) -> None:
    found = home.get("/api/v1/store").json
    assert found["octets"] > 10_000
    assert found["free_octets"] > 0
    assert found["since"] == instant_text(NOON_S - 86_400, ZONE)
    assert found["octets_per_day"] == found["octets"]


def test_an_empty_store_grows_by_nothing_known(tmp_path: Path) -> None:
    with household(tmp_path) as house:
        found = house.get("/api/v1/store").json
    assert (found["since"], found["octets_per_day"]) == (None, None)


def test_the_dns_is_asked_for_an_address_and_for_nothing_else(house: House) -> None:
    house.dns["192.0.2.7"] = "host.example"
    assert house.get("/api/v1/names/192.0.2.7").json == {"address": "192.0.2.7", "name": "host.example"}
    assert house.get("/api/v1/names/2001:db8::0:1").json == {"address": "2001:db8::1", "name": None}
    assert house.get("/api/v1/names/host.example").status == 400
    assert house.asked_names == ["192.0.2.7", "2001:db8::1"]


def test_a_dns_that_does_not_answer_keeps_nobody_waiting(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "WAIT_S", 0.05)
    monkeypatch.setattr(names, "MOST_WAITING", 1)
    house.dns_answers.clear()
    assert house.get("/api/v1/names/192.0.2.7").json["name"] is None
    assert house.get("/api/v1/names/192.0.2.8").status == 503  # the first is asked for still
    assert house.get("/api/v1/health").status == 200
    house.dns_answers.set()


def watched(from_s: int, to_s: int) -> Flush:
    return Flush(coverage={(at_s, "lan"): Coverage(60_000) for at_s in range(from_s, to_s, 60)})


def test_when_a_point_was_not_watched_is_told_one_by_one(tmp_path: Path) -> None:
    hour_s = NOON_S - 3_600
    half = Flush(coverage={(hour_s + 1_200, "lan"): Coverage(15_000)})
    with household(tmp_path, watched(hour_s - 600, hour_s + 600), half, watched(hour_s + 1_260, NOON_S - 120)) as house:
        found = house.get("/api/v1/gaps").json
        first = {
            "start": instant_text(hour_s + 600, ZONE),
            "end": instant_text(hour_s + 1_245, ZONE),
            "missed_ms": 645_000,
        }
        assert found["end"] == instant_text(NOON_S, ZONE)
        assert found["points"] == [{"point": "lan", "missed_ms": 645_000, "more": 0, "gaps": [first]}]
        house.health["points"] = [LAN_POINT | {"state": "failed"}]
        (point,) = house.get("/api/v1/gaps").json["points"]
        last = {"start": instant_text(NOON_S - 120, ZONE), "end": None, "missed_ms": 120_000}
        assert point == {"point": "lan", "missed_ms": 765_000, "more": 0, "gaps": [last, first]}
        (past,) = house.get("/api/v1/gaps?end=2026-11-21T11:15").json["points"]
        assert past["gaps"][0]["end"] == instant_text(hour_s + 900, ZONE), "what is over ends where the span does"
        assert house.get("/api/v1/gaps?start=2026-11-22&end=2026-11-23").json["points"][0]["gaps"] == []


def test_of_many_gaps_the_latest_are_told(tmp_path: Path) -> None:
    minutes = range(NOON_S - 15_000, NOON_S, 120)
    with household(tmp_path, Flush(coverage={(at_s, "lan"): Coverage(60_000) for at_s in minutes})) as house:
        (point,) = house.get("/api/v1/gaps").json["points"]
    assert (len(point["gaps"]), point["more"], point["missed_ms"]) == (100, 24, 124 * 60_000)
    assert point["gaps"][0]["start"] == instant_text(NOON_S - 180, ZONE)
