"""HTTPS beside HTTP: both log in, in either order; one redirects where that is wanted; a page tells how to trust it."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import subprocess
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.accounts import owned
from tests.support.axe import violations
from tests.support.browser import Browser, Page
from tests.support.household import House, booked, household
from tests.support.visitor import PASSWORD
from whitestat.web.connections import Certificate
from whitestat.web.tls.state import Https
from whitestat.web.tls.store import CertificateStore, der, fingerprint

pytestmark = pytest.mark.needs("openssl", "curl", "certutil")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> CertificateStore:
    made = CertificateStore(tmp_path_factory.mktemp("installation") / "https")
    made.ensure(["localhost"], [ip_address("127.0.0.1")], int(time.time()))
    return made


@pytest.fixture(scope="module")
def trusted(store: CertificateStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the authority, as a user downloads it."""
    path = tmp_path_factory.mktemp("download") / "whitestat.pem"
    path.write_text(store.authority)
    return path


@pytest.fixture
def house(tmp_path: Path, store: CertificateStore) -> Iterator[House]:
    certificate = Certificate(store.server_file, None)
    state = Https(authority=store.authority)
    with household(tmp_path, booked(), editors=(), readers=(), beside=certificate, https=state) as house:
        yield house


def curl(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    call = ["curl", "--silent", "--show-error", "--max-time", "10", *words, url]
    return subprocess.run(call, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_program_that_trusts_the_authority_reaches_it_by_name_and_by_address(
    house: House, trusted: Path, host: str
) -> None:
    url = house.url_tls.replace("127.0.0.1", host) + "api/v1/health"
    done = curl(url, "--cacert", str(trusted))
    assert (done.returncode, '"status":"ok"' in done.stdout) == (0, True), done
    assert curl(url).returncode == 60, "who does not trust it refuses it"
    assert curl(url, "--cacert", str(trusted), "--tlsv1.1", "--tls-max", "1.1").returncode != 0


def test_the_authority_is_there_in_both_forms_without_a_log_in(house: House, store: CertificateStore) -> None:
    crt, pem = house.get("/https/whitestat.crt"), house.get("/https/whitestat.pem")
    assert (crt.status, crt.headers["content-type"], crt.body) == (
        200,
        "application/x-x509-ca-cert",
        der(store.authority),
    )
    assert pem.text == store.authority
    assert "PRIVATE" not in pem.text
    assert 'filename="whitestat.crt"' in crt.headers["content-disposition"]
    page = house.get("/https").text
    assert fingerprint(store.authority) in page
    assert house.url_tls in page


def test_without_an_authority_the_page_says_so_and_there_is_nothing_to_install(tmp_path: Path) -> None:
    with household(tmp_path, editors=(), readers=()) as house:
        assert "There is nothing to install" in house.get("/https").text
        assert house.get("/https/whitestat.crt").status == 404
        assert "/https" not in house.get("/login").text


def enter(page: Page, *texts: str) -> None:
    for number, text in enumerate(texts):
        if number:
            page.press("Tab")
        page.type(text)
    page.press("Enter")


def log_in(page: Page, url: str) -> None:
    page.go(f"{url}login")
    enter(page, PASSWORD)
    page.wait_for("document.querySelector('main .shares li')")


def is_logged_in(page: Page, url: str) -> bool:
    page.go(f"{url}access")
    return bool(page.evaluate("document.title.startsWith('Accounts')"))


@pytest.fixture
def own_browser(trusted: Path) -> Iterator[Browser]:
    with Browser(authority=trusted) as browser:
        yield browser


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("order", ["plain first", "tls first"])
def test_a_browser_is_logged_in_at_both_in_either_order_and_out_at_one(
    house: House, own_browser: Browser, order: str
) -> None:
    owned(house)
    first, second = (house.url, house.url_tls)[:: 1 if order == "plain first" else -1]
    with contextlib.closing(own_browser.open(f"{first}login")) as page:
        log_in(page, first)
        log_in(page, second)
        assert is_logged_in(page, first)
        assert is_logged_in(page, second)
        page.evaluate("document.querySelector('form[action$=logout]').requestSubmit()")
        page.wait_for("document.title.startsWith('Log in')")
        assert is_logged_in(page, first), "the log-out of one is not that of the other"
        assert not is_logged_in(page, second)
        cookies = {each["name"]: each for each in page.ask("Storage.getCookies")["cookies"]}
        assert all(each["secure"] == name.startswith("__Secure-") for name, each in cookies.items())
        assert {"whitestat-known", "__Secure-whitestat-known"} <= cookies.keys()


@pytest.mark.browser
@pytest.mark.slow
def test_a_browser_from_before_https_stays_logged_in(house: House, own_browser: Browser) -> None:
    session = owned(house).cookies["whitestat"]
    with contextlib.closing(own_browser.open(f"{house.url}login")) as page:
        page.ask("Network.setCookie", name="whitestat", value=session, url=house.url)
        assert is_logged_in(page, house.url)
        log_in(page, house.url_tls)
        assert is_logged_in(page, house.url)


@pytest.mark.browser
@pytest.mark.slow
def test_a_browser_that_does_not_trust_the_authority_warns(house: House, browser: Browser) -> None:
    with contextlib.closing(browser.open(f"{house.url}login")) as page:
        page.ask("Page.navigate", url=house.url_tls)
        page.wait_for("document.body?.innerText.includes('ERR_CERT_AUTHORITY_INVALID')")


@pytest.mark.browser
@pytest.mark.slow
def test_the_page_that_tells_how_to_trust_it_is_seen_whole(house: House, browser: Browser) -> None:
    with contextlib.closing(browser.open(f"{house.url}https")) as page:
        for width in (360, 1440):
            for scheme in ("light", "dark"):
                page.viewport(width, 900)
                page.colour_scheme(scheme)
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
                assert violations(page) == [], (width, scheme)
        assert page.problems == []


@pytest.fixture
def only(tmp_path: Path, store: CertificateStore) -> Iterator[House]:
    state = Https(only=True, authority=store.authority)
    certificate = Certificate(store.server_file, None)
    with household(tmp_path, booked(), editors=(), readers=(), beside=certificate, https=state, base="/s") as house:
        yield house


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("/s/login?next=%2Fs%2F", "/s/login?next=%2Fs%2F"),
        ("/login", "/s/login"),
        ("/s", "/s"),
        ("//example.org/%0d%0aX: y", None),
        ("/s/%3Fa%0d%0a%C3%A5", "/s/%3Fa%0D%0A%C3%A5"),
    ],
)
def test_plain_http_leads_to_the_same_place_and_nowhere_else(only: House, path: str, to: str | None) -> None:
    port = urlsplit(only.url_tls).port
    for method in ("GET", "POST"):
        line = http.client.HTTPConnection("127.0.0.1", urlsplit(only.url).port, timeout=10)
        with contextlib.closing(line):
            line.putrequest(method, path.replace(" ", "%20"), skip_host=True)
            line.putheader("Host", f"localhost:{urlsplit(only.url).port}")
            line.endheaders()
            answer = line.getresponse()
            location = answer.headers["location"]
        assert answer.status == 308
        assert location.startswith(f"https://localhost:{port}/s/") or location == f"https://localhost:{port}/s"
        assert to is None or location == f"https://localhost:{port}{to}"


def test_an_ipv6_host_keeps_its_brackets_and_a_foreign_name_is_refused(only: House) -> None:
    port = urlsplit(only.url_tls).port
    assert only.get("/s/", Host="[::1]").headers["location"] == f"https://[::1]:{port}/s/"
    assert only.get("/s/", Host="[::1]:7777").headers["location"] == f"https://[::1]:{port}/s/"
    assert only.get("/s/", Host="evil.example.org").status == 400


def test_by_tls_it_is_served_there(only: House, trusted: Path) -> None:
    only.url, only.trusted = only.url_tls, ssl.create_default_context(cafile=str(trusted))
    assert only.get("/s/login").status == 200


@pytest.mark.parametrize("hsts", [True, False])
def test_browsers_are_told_to_use_tls_alone_only_over_tls_and_where_it_is_wanted(
    tmp_path: Path, store: CertificateStore, trusted: Path, *, hsts: bool
) -> None:
    certificate = Certificate(store.server_file, None)
    with household(tmp_path, beside=certificate, https=Https(hsts=hsts)) as house:
        assert "strict-transport-security" not in house.get("/login").headers
        house.url, house.trusted = house.url_tls, ssl.create_default_context(cafile=str(trusted))
        assert ("strict-transport-security" in house.get("/login").headers) is hsts
