"""HTTPS of a service as it is started: what it prints, when there is none, and what it does while addresses change."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest

from tests.support.household import House, household
from whitestat.app import https
from whitestat.config.loader import load
from whitestat.config.sections import Config
from whitestat.core.errors import WhiteStatError
from whitestat.web.server import bind_secure
from whitestat.web.tls.state import Https
from whitestat.web.tls.store import fingerprint

pytestmark = pytest.mark.needs("openssl", "curl")


def configured(folder: Path, web: str) -> Path:
    file = folder / "whitestat.toml"
    file.write_text(
        f'[web]\n{web}\n[store]\npath = "{folder}/whitestat.db"\n'
        '[[point]]\nname = "lo"\ncollector = "interface"\ninterface = "lo"\n'
    )
    return file


def config_of(folder: Path, web: str) -> Config:
    return load(configured(folder, web), {}, root=True)


@contextmanager
def running(config: Path, **environment: str) -> Iterator[list[str]]:
    """The lines that a service printed up to its address; it is then told to stop."""
    call = [sys.executable, "-m", "whitestat", "run", "--config", str(config)]
    with subprocess.Popen(
        call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | environment
    ) as process:
        assert process.stdout
        lines: list[str] = []
        try:
            while not lines or not lines[-1].startswith("Open "):
                lines.append(process.stdout.readline())
                assert lines[-1], "".join(lines)
            yield lines
        finally:
            began_s = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            assert time.monotonic() - began_s < 3 * float(os.environ.get("WHITESTAT_SLOWER", "1"))


def curl(url: str, *words: str) -> str:
    call = ["curl", "--silent", "--show-error", "--max-time", "10", "--retry", "5", "--retry-connrefused", *words, url]
    return subprocess.run(call, capture_output=True, text=True, check=True).stdout


def test_a_service_that_others_reach_has_https_with_one_fingerprint_over_restarts(tmp_path: Path) -> None:
    config = configured(tmp_path, 'listen = "0.0.0.0:0"')
    shown = set()
    for _ in range(2):
        with running(config) as lines:
            text = "".join(lines)
            found = re.search(
                r"HTTPS is at port (\d+)\.\n.*open (http://127\S+)https; SHA-256 ([0-9A-F:]{95})\.\n", text
            )
            assert found, text
            port, plain, fingerprint_shown = found.groups()
            authority = tmp_path / "authority.crt"
            authority.write_text(curl(f"{plain}https/whitestat.pem"))
            for host in ("127.0.0.1", "localhost"):
                health = curl(f"https://{host}:{port}/api/v1/health", "--cacert", str(authority))
                assert '"status"' in health
            assert fingerprint(authority.read_text()) == fingerprint_shown
            shown.add(fingerprint_shown)
    assert len(shown) == 1


def test_with_only_the_first_link_leads_to_https(tmp_path: Path) -> None:
    config = configured(tmp_path, 'listen = "127.0.0.1:0"\nhttps = "only"')
    with running(config) as lines:
        [link] = re.findall(r"Open (\S+)", lines[-1])
        assert link.startswith("https://127.0.0.1:")
        assert "Set a password" in curl(link, "--insecure", "--location", "--cookie", "")


def test_without_openssl_it_serves_plain_http_and_says_why(tmp_path: Path) -> None:
    if os.geteuid() or not shutil.which("unshare"):
        pytest.skip("needs root and unshare")
    openssl = shutil.which("openssl")
    config = configured(tmp_path, 'listen = "0.0.0.0:0"')
    script = f'mount --bind /dev/null {openssl} && exec "$@"'
    call = ["unshare", "--mount", "sh", "-ec", script, "sh", sys.executable, "-m", "whitestat", "check"]
    done = subprocess.run([*call, "--config", str(config)], capture_output=True, text=True, timeout=60, check=False)
    assert "https: both, port any: will not be served: " in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("web", "mode", "port"),
    [
        ('listen = "127.0.0.1:7777"', "off", 7778),
        ('listen = "localhost:7777"', "off", 7778),
        ('listen = "[::1]:7777"', "off", 7778),
        ('listen = "0.0.0.0:7777"', "both", 7778),
        ('listen = "[::]:80"', "both", 443),
        ('listen = "192.168.1.5:65535"', "both", 65534),
        ('listen = "0.0.0.0:0"', "both", 0),
        ('listen = "0.0.0.0:7777"\nhttps_listen = "[::]:9443"', "both", 9443),
        ('listen = "0.0.0.0:7777"\ncertificate = "/c.pem"', "off", 7778),
        ('listen = "0.0.0.0:7777"\nbase = "/stats"', "off", 7778),
        ('listen = "0.0.0.0:7777"\nproxies = ["192.168.1.2/32"]', "off", 7778),
        ('listen = "127.0.0.1:7777"\nhttps = "only"', "only", 7778),
    ],
)
def test_it_is_there_by_itself_where_others_reach_the_page_without_tls(
    tmp_path: Path, web: str, mode: str, port: int
) -> None:
    config = config_of(tmp_path, web)
    assert (config.web.https_mode, config.web.https_port) == (mode, port)
    assert config.needs_tls is (mode != "off" or config.web.certificate is not None)


def test_in_the_place_of_whitestat_5_nothing_changes(tmp_path: Path) -> None:
    environment = {"DATA_STORE": str(tmp_path), "SERVER_PORT": "777"}
    assert load(None, environment, root=True).web.https_mode == "off"
    (tmp_path / "WhiteStatConfig.json").write_text('{"SERVER_PORT": 777}')
    assert load(None, environment, root=True).web.https_mode == "off"


@pytest.mark.parametrize(
    ("web", "fault"),
    [
        ('key = "/k.pem"', "web.key: has no effect without web.certificate"),
        ('certificate = "/c.pem"\nhttps = "off"', "web.https: is"),
        ('https_listen = "127.0.0.1:7778"', "web.https_listen: has no effect"),
        ("hsts = true", "web.hsts: only with web.certificate"),
    ],
)
def test_keys_that_do_not_go_together_are_told(tmp_path: Path, web: str, fault: str) -> None:
    with pytest.raises(WhiteStatError, match=fault):
        https.check_keys(config_of(tmp_path, web))


def test_a_port_that_is_taken_is_a_notice_by_default_and_an_error_where_it_was_asked_for(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port, notices = taken.getsockname()[1], list[str]()
        assert https.bind(config_of(tmp_path, f'listen = "0.0.0.0:{port - 1}"'), notices) is None
        assert re.fullmatch(
            r"HTTPS is off: web.https_listen: cannot listen on \S+: address already in use; .*", notices[0]
        )
        with pytest.raises(WhiteStatError, match="address already in use"):
            https.bind(config_of(tmp_path, f'https = "both"\nhttps_listen = "0.0.0.0:{port}"'), notices)


def test_a_port_is_taken_before_root_is_given_up_and_refuses_until_it_is_served() -> None:
    with closing(bind_secure("127.0.0.1", 0)) as made, closing(socket.socket()) as other:
        assert other.connect_ex(made.getsockname()) != 0
    with closing(bind_secure("::", 0)) as made:
        made.listen()
        socket.create_connection(("127.0.0.1", made.getsockname()[1]), 5).close()


def test_a_new_address_gets_a_new_certificate_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses, notices, state = [ip_address("127.0.0.1")], list[str](), Https()
    monkeypatch.setattr(https, "CHECK_S", 0.05)
    monkeypatch.setattr(https, "own_addresses", lambda: addresses)
    (tmp_path / "home").mkdir()
    with household(tmp_path / "home", secure=True) as house:
        house.get("/login")
        assert house.server and house.loop
        keeper = https.HttpsKeeper(config_of(tmp_path, 'https = "both"'), house.server, state, notices)
        seen = asyncio.run_coroutine_threadsafe(_follow(keeper, house, addresses), house.loop).result(60)
    assert len(set(seen)) == 2
    assert notices == []


async def _follow(keeper: https.HttpsKeeper, house: House, addresses: list[IPv4Address | IPv6Address]) -> list[str]:
    """The certificates that a client is shown before and after an address comes."""
    await keeper.start(None)
    seen = [await asyncio.to_thread(_shown, house)]
    running = asyncio.create_task(keeper.run())
    addresses.append(ip_address("10.9.8.7"))
    for _ in range(200):
        await asyncio.sleep(0.05)
        seen.append(await asyncio.to_thread(_shown, house))
        if seen[-1] != seen[0]:
            break
    running.cancel()
    return seen


def _shown(house: House) -> str:
    return ssl.get_server_certificate(("127.0.0.1", int(house.url_tls.split(":")[2].strip("/"))), timeout=10)
