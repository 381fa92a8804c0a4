"""Behind the real nginx and Caddy, configured as docs/how-to/proxy-and-tls.md says."""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.certificates import certify
from tests.support.household import NOON_S, House, booked, device, household
from tests.support.visitor import PAGE, PASSWORD, Visitor

DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "proxy-and-tls.md"
NAME = "stats.example.org"


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as held:
        return int(held.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def nginx(folder: Path, upstream: int, certificate: tuple[Path, Path]) -> Iterator[int]:
    """The server of the documentation, its addresses and files put in; yields its port."""
    (server,) = re.findall("```nginx\n(.*?)```", DOCS.read_text(), re.DOTALL)
    port = free_port()
    for old, new in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/ssl/stats.pem", str(certificate[0])),
        ("/etc/ssl/stats.key", str(certificate[1])),
        ("127.0.0.1:7777", f"127.0.0.1:{upstream}"),
    ):
        assert old in server
        server = server.replace(old, new)
    places = "".join(
        f"{each}_temp_path {folder}/{each};\n" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(f"events {{}}\nhttp {{\naccess_log off;\n{places}{server}}}\n")
    start = f"daemon off; pid {folder}/pid; error_log stderr;"
    with started(folder, port, ["nginx", "-p", str(folder), "-c", str(config), "-g", start]):
        yield port


@contextmanager
def caddy(folder: Path, upstream: int, certificate: tuple[Path, Path]) -> Iterator[int]:
    """The same of Caddy, with the certificate it would fetch from the Internet put in."""
    (server,) = re.findall("```caddy\n(.*?)```", DOCS.read_text(), re.DOTALL)
    port = free_port()
    for old, new in (
        (
            "stats.example.org {",
            f"https://127.0.0.1:{port}, https://{NAME}:{port} {{\ntls {certificate[0]} {certificate[1]}",
        ),
        ("127.0.0.1:7777", f"127.0.0.1:{upstream}"),
    ):
        assert old in server
        server = server.replace(old, new)
    config = folder / "Caddyfile"
    config.write_text(f"{{\nadmin off\nauto_https disable_redirects\nskip_install_trust\n}}\n{server}")
    with started(folder, port, ["caddy", "run", "--config", str(config), "--adapter", "caddyfile"]):
        yield port


@contextmanager
def started(folder: Path, port: int, words: list[str]) -> Iterator[None]:
    """The program while it answers on its port."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env=os.environ | {"HOME": str(folder)})
        try:
            until = time.monotonic() + 20
            while not answers(port):
                assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(
    params=[pytest.param(each, marks=pytest.mark.needs(each.__name__, "openssl")) for each in (nginx, caddy)]
)
def houses(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[House, House]]:
    """A house that is open to its own machine, and the same as one sees it through the proxy."""
    certificate = certify(tmp_path, "stats")
    (tmp_path / "proxy").mkdir()
    home = [ip_network("127.0.0.1")]
    with (
        household(tmp_path, booked(), base="/whitestat", names=(NAME,), proxies=home, open_v5=home) as house,
        request.param(tmp_path / "proxy", urlsplit(house.url).port or 0, certificate) as port,
    ):
        trusted = ssl.create_default_context(cafile=str(certificate[0]))
        yield house, replace(house, url=f"https://127.0.0.1:{port}/", trusted=trusted)


def owned(house: House) -> Visitor:
    visitor = Visitor(house)
    key = house.accounts.first_link(house.now_s * 1000)
    assert visitor.get(f"/whitestat/first?key={key}", **PAGE).status == 200
    done = visitor.form("/whitestat/first", key=str(key), password=PASSWORD, again=PASSWORD)
    assert (done.status, done.headers["location"]) == (303, "/whitestat/")
    return visitor


def test_one_logs_in_looks_edits_and_logs_out(houses: tuple[House, House]) -> None:
    _, far = houses
    assert far.get("/whitestat").headers["location"].endswith("/whitestat/")
    assert far.get("/whitestat/", **PAGE).headers["location"] == "/whitestat/login"
    visitor = owned(far)
    assert "secure" in visitor.flags["__Secure-whitestat"]
    assert "path=/whitestat" in visitor.flags["__Secure-whitestat"]
    page = visitor.get("/whitestat/", **PAGE)
    assert page.status == 200
    assert "http" not in page.headers.get("location", "")
    origin = far.url.rstrip("/")
    edit = visitor.send("PATCH", "/whitestat/api/v1/devices/1", {"name": "x"}, Origin=origin)
    assert edit.status == 200
    assert visitor.get("/whitestat/api/v1/edits").json["edits"][0]["by"] == "owner"
    named = visitor.get("/whitestat/api/v1/usage?limit=1&start=2026-11-20&step=day", Host=NAME)
    assert visitor.get(named.json["next"]).status == 200
    foreign = visitor.get("/whitestat/", Host="evil.example")
    assert foreign.status == 400 or not foreign.body, "Caddy says nothing itself where it is called by another name"
    assert visitor.form("/whitestat/logout").headers["location"] == "/whitestat/login"
    assert visitor.get("/whitestat/api/v1/usage").status == 401


def test_nothing_is_open_behind_it_whatever_is_said_of_the_asker(houses: tuple[House, House]) -> None:
    near, far = houses
    assert near.get("/api/v1/usage").status == 200
    for path in ("/whitestat/api/v1/usage", "/whitestat/json", "/whitestat/metrics"):
        assert far.get(path).status == 401
        assert far.get(path, X_Forwarded_For="127.0.0.1", Forwarded="for=127.0.0.1").status == 401
    assert far.send("PATCH", "/whitestat/api/v1/devices/1", {"name": "x"}).status == 401


def test_live_figures_come_through_as_they_are_told(houses: tuple[House, House]) -> None:
    _, far = houses
    visitor = owned(far)
    address = urlsplit(far.url)
    where = address.hostname or "", address.port
    line = http.client.HTTPSConnection(*where, timeout=20, context=far.trusted)
    with closing(line):
        line.request(
            "GET",
            "/whitestat/api/v1/live",
            headers={"Cookie": f"__Secure-whitestat={visitor.cookies['__Secure-whitestat']}"},
        )
        reply = line.getresponse()
        assert reply.status == 200
        for second in range(3):
            far.say(NOON_S + second, device(1, "phone", second, 0))
            while f'"at":"2026-11-21T12:00:0{second}'.encode() not in reply.readline():
                pass
