"""What the service loads: no more than its role needs, and all that answers need before it gives up root."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from whitestat.config.loader import load

HEAVY = {
    "jinja2",
    "prometheus_client",
    "tomllib",
    "whitestat.collectors.darkstat",
    "whitestat.collectors.kernel",
    "whitestat.importers",
    "whitestat.collectors.router",
    "whitestat.config.reference",
    "whitestat.app.csv_logs",
    "requests",
    "huawei_lte_api",
    "whitestat.ledger.read.plan_usage",
    "whitestat.plans.forecast",
    "whitestat.plans.status",
    "whitestat.web.handlers.plans",
    "whitestat.throttle",
    "whitestat.web.openapi",
    "whitestat.web.schemas",
    "zeroconf",
    "zipfile",
    "rich",
}


def loaded(statements: str) -> set[str]:
    """Modules of a fresh interpreter after the statements."""
    program = f"import sys; {statements}; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.slow
def test_parts_that_many_never_need_are_loaded_when_they_are_asked_for() -> None:
    assert (
        not loaded("import whitestat.app.main, whitestat.app.service, whitestat.web.app, whitestat.web.server") & HEAVY
    )


LEAN = (
    "from whitestat.app import main; from whitestat.core.system import lazy_imports as lazy; "
    "lazy.without_tls(); lazy.without_command_line(); lazy.without_http_client(); "
    "lazy.without_entities()"
)
SERVED = (
    "import whitestat.app.service, whitestat.web.app, whitestat.web.server, whitestat.web.handlers.metrics, "
    "anyio._backends._asyncio, jinja2"
)

PASSWORD = "from whitestat.web.auth import passwords as p; assert p.matches('long enough', p.kept('long enough'))"


@pytest.mark.slow
def test_a_service_without_tls_loads_no_openssl_and_no_command_line_of_uvicorn() -> None:
    """Neither at the start nor for any answer, one to a password neither."""
    openssl, command_line = {"_ssl", "_hashlib"}, {"click", "configparser", "multiprocessing"}
    command_line |= {"logging.config"}
    assert not loaded(f"{LEAN}; {SERVED}; {PASSWORD}") & (openssl | command_line)
    assert openssl | command_line <= loaded(SERVED), "what was kept out is what would come"


@pytest.mark.slow
def test_what_was_left_out_is_there_for_who_uses_it() -> None:
    uses = "import http.client, ssl; http.client.HTTPSConnection('localhost'); assert ssl.create_default_context()"
    without = "from whitestat.web.auth import passwords; passwords._libcrypt = lambda: None"
    same = "assert type(ssl.create_default_context()) is ssl.SSLContext is http.client.ssl.SSLContext"
    assert {"_ssl", "_hashlib"} <= loaded(f"{LEAN}; {SERVED}; {uses}; {same}; {without}; {PASSWORD}")


@pytest.mark.slow
def test_starlette_comes_without_an_http_client_until_somebody_uses_one() -> None:
    client = {"http.client", "email.message"}
    phrase = "from starlette.exceptions import HTTPException; assert HTTPException(404).detail == 'Not Found'"
    assert (
        not loaded(f"{LEAN}; import whitestat.app.service, whitestat.web.app, whitestat.web.server; {phrase}") & client
    )
    assert client <= loaded("import starlette.exceptions"), "what was kept out is what would come"
    assert client <= loaded(
        f"{LEAN}; import whitestat.web.app, http.client; assert http.client.HTTPConnection; {phrase}"
    )


PAGE = "import whitestat.app.service, whitestat.web.app, whitestat.web.server"

SCRAPED = "lazy.without_servers(); import whitestat.web.handlers.metrics"


@pytest.mark.slow
def test_what_makes_figures_for_prometheus_has_no_servers_of_its_own() -> None:
    servers = {"http.server", "socketserver", "urllib.request", "wsgiref.simple_server"}
    assert not loaded(f"{LEAN}; import whitestat.web.app, whitestat.web.server; {SCRAPED}") & servers
    assert servers <= loaded("import prometheus_client"), "what was kept out is what would come"
    uses = "import urllib.request, http.server; assert urllib.request.build_opener() and http.server.HTTPServer"
    assert servers - {"wsgiref.simple_server"} <= loaded(f"{LEAN}; {SCRAPED}; {uses}")


@pytest.mark.slow
def test_the_names_of_html_characters_are_loaded_when_one_is_looked_up() -> None:
    assert "html.entities" not in loaded(f"{LEAN}; {SERVED}; import html; assert html.escape('<') == '&lt;'")
    assert "html.entities" in loaded(SERVED), "what was kept out is what would come"
    uses = "import html; assert html.unescape('&eacute;&notit;&#233;&nosuch;') == '\\u00e9\\u00acit;\\u00e9&nosuch;'"
    assert "html.entities" in loaded(f"{LEAN}; {SERVED}; {uses}")


def test_names_that_stand_for_those_of_ssl_are_worth_the_same() -> None:
    numbers = ("PROTOCOL_TLS_CLIENT", "PROTOCOL_TLS_SERVER", "CERT_NONE")
    same = "; ".join(f"assert int(real.{name}) == vars(stands)[{name!r}]" for name in numbers)
    assert loaded(f"{LEAN}; import sys; stands = sys.modules.pop('ssl'); import ssl as real; {same}")


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("", False),
        ('[[point]]\nname = "a"\ncollector = "darkstat"\nurl = "http://192.0.2.1:667"', False),
        ('[[point]]\nname = "a"\ncollector = "darkstat"\nurl = "https://192.0.2.1:667"', True),
        ('[[point]]\nname = "a"\ncollector = "archer-c20"\nurl = "http://192.0.2.1"\npassword_file = "/p"', True),
        ('[web]\ncertificate = "/etc/whitestat/cert.pem"', True),
    ],
)
def test_tls_is_there_where_the_configuration_asks_for_it(tmp_path: Path, text: str, *, needs: bool) -> None:
    path = tmp_path / "whitestat.toml"
    path.write_text(text)
    assert load(path, {}, root=True).needs_tls is needs


@pytest.mark.slow
def test_who_gives_up_root_has_loaded_all_that_answers_need() -> None:
    before = loaded("from whitestat.web import preload; preload.load_all()")
    assert {"jinja2", "prometheus_client", "whitestat.web.handlers.metrics", "whitestat.web.openapi"} <= before
