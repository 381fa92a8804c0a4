"""Who may look: the first link, the log-in, its end, open networks, proxies, and what each role is answered."""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from starlette.routing import Route as Path_

from tests.support.accounts import owned
from tests.support.household import ZONE, House, booked, household
from tests.support.visitor import PAGE, PASSWORD, Visitor
from whitestat.ledger.read.queries import Queries
from whitestat.web.app import create_app
from whitestat.web.auth import passwords
from whitestat.web.auth.accounts import Accounts
from whitestat.web.auth.passwords import digest
from whitestat.web.auth.roles import Permission, Role
from whitestat.web.handlers import login
from whitestat.web.routes import ROUTES
from whitestat.web.sources import Sources

HOME = ip_network("127.0.0.0/8")


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[House]:
    """A household that nobody may look into without a log-in, as every house is at first."""
    with household(tmp_path, booked(), editors=(), readers=()) as house:
        yield house


def as_role(house: House, role: Role, person: str | None = None) -> Visitor:
    """Somebody logged in with the role; a token where no account can have it."""
    now_ms = house.now_s * 1000
    visitor = Visitor(house)
    if role is Role.METRICS:
        raise ValueError("metrics is a token's")
    account = house.accounts.add(f"{role} {person or ''}".strip(), role, person, now_ms)
    visitor.cookies["whitestat"] = house.accounts.begin(account.id, now_ms)
    return visitor


def test_the_link_of_the_first_start_leads_to_a_password_and_the_page(closed: House) -> None:
    visitor = Visitor(closed)
    first = visitor.get("/", **PAGE)
    assert (first.status, first.headers["location"]) == (303, "/login")
    assert "No password is set yet" in visitor.get("/login").text
    key = closed.accounts.first_link(closed.now_s * 1000)
    for method in ("HEAD", "GET", "GET"):  # as previews of messages and prefetching browsers do
        form = visitor.get(f"/first?key={key}", method, **PAGE)
        assert form.status == 200
    assert f'name="key" value="{key}"' in form.text
    assert "The two passwords differ" in visitor.form("/first", key=str(key), password=PASSWORD, again="other").text
    assert "8 to 256 letters" in visitor.form("/first", key=str(key), password="short", again="short").text
    assert "tried first" in visitor.form("/first", key=str(key), password="password", again="password").text
    done = visitor.form("/first", key=str(key), password=PASSWORD, again=PASSWORD)
    assert (done.status, done.headers["location"]) == (303, "/")
    assert visitor.get("/", **PAGE).status == 200
    assert visitor.get("/api/v1/me").json == {
        "name": "owner",
        "role": "owner",
        "person": None,
        "can_edit": True,
        "expires": "2026-12-21T12:00:00+01:00",
        "timezone": "Europe/Stockholm",
        "billing": {"day": 20, "hour": 6},
    }
    assert visitor.send("PATCH", "/api/v1/devices/1", {"name": "x"}).status == 200
    assert visitor.get("/api/v1/edits").json["edits"][0]["by"] == "owner"


@pytest.mark.slow
def test_a_link_sets_one_password_however_many_use_it_at_once(closed: House) -> None:
    key = str(closed.accounts.first_link(closed.now_s * 1000))
    statuses = list[int]()

    def use(number: int) -> None:
        password = f"{PASSWORD} {number}"
        statuses.append(Visitor(closed).form("/first", key=key, password=password, again=password).status)

    using = [threading.Thread(target=use, args=(number,)) for number in range(3)]
    for thread in using:
        thread.start()
    for thread in using:
        thread.join()
    assert sorted(statuses) == [303, 403, 403]
    assert "used already" in Visitor(closed).get(f"/first?key={key}").text
    assert Visitor(closed).get("/first").status == 403


CONFIRMED: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("PATCH", "/api/v1/config", {"set": {"billing.day": 5}}),
    ("POST", "/api/v1/config/try", {"point": "lan"}),
    ("POST", "/api/v1/accounts", {"name": "thief", "role": "owner"}),
    ("DELETE", "/api/v1/accounts/1", {}),
    ("POST", "/api/v1/accounts/1/link", {}),
    ("POST", "/api/v1/accounts/1/password", {"password": "a new password"}),
    ("POST", "/api/v1/tokens", {"name": "x", "scope": "edit"}),
    ("DELETE", "/api/v1/tokens/1", {}),
)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path", "body"), CONFIRMED)
def test_a_stolen_session_changes_no_accounts_and_tokens(
    closed: House, method: str, path: str, body: dict[str, object]
) -> None:
    thief = owned(closed)
    answer = thief.send(method, path, body)
    assert answer.status == 403
    assert "give your password again" in answer.json["error"]["reason"]
    assert thief.confirm("wrong password").status == 403
    assert thief.send(method, path, body).status == 403
    assert len(closed.accounts.accounts) == 1
    assert not closed.accounts.tokens


def test_all_routes_for_owners_that_change_something_need_the_password_again() -> None:
    """But for the page of accounts, which asks for it itself."""
    changing = {(r.method, r.path) for r in ROUTES if r.roles is Permission.OWNERS and r.method != "GET"}
    confirmed = {(route.method, route.path) for route in ROUTES if route.confirmed}
    assert changing - confirmed == {("POST", "/access")}
    assert len(CONFIRMED) == len(confirmed)


@pytest.mark.slow
def test_the_password_holds_for_five_minutes_and_for_its_session(closed: House) -> None:
    owner, other = owned(closed), Visitor(closed)
    other.log_in()
    assert owner.confirm().json == {"until": "2026-11-21T12:05:00+01:00"}
    token = {"name": "x", "scope": "read"}
    assert owner.send("POST", "/api/v1/tokens", token).status == 200
    assert other.send("POST", "/api/v1/tokens", token).status == 403
    closed.now_s += 300
    assert owner.send("POST", "/api/v1/tokens", token).status == 403


@pytest.mark.slow
def test_passwords_cannot_be_guessed_by_confirming(closed: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "time", StoppedClock)
    thief = owned(closed)
    answers = [thief.confirm("wrong password") for _ in range(6)]
    assert {answer.status for answer in answers} == {403}
    assert "too many wrong passwords" in answers[-1].json["error"]["reason"]


@pytest.mark.slow
def test_the_page_of_accounts_changes_nothing_without_the_password_again(closed: House) -> None:
    owner = owned(closed)
    assert "enter your password again" in owner.get("/access").text
    assert "Remove" not in owner.get("/access").text
    late = owner.form("/access", do="add", name="thief", role="owner", person="")
    assert (late.status, "Nothing was changed" in late.text) == (403, True)
    assert len(closed.accounts.accounts) == 1
    assert owner.form("/access", do="confirm", password="wrong password").status == 403
    allowed = owner.form("/access", do="confirm", password=PASSWORD)
    assert (allowed.status, "Remove" in allowed.text) == (200, True)
    assert owner.form("/access", do="add", name="Bo", role="viewer", person="").status == 200


def test_a_token_for_metrics_reads_no_details_of_health(closed: House) -> None:
    _, text = closed.accounts.add_token("Prometheus", Role.METRICS, None, 0)
    known = {"Authorization": f"Bearer {text}"}
    assert closed.get("/api/v1/health", **known).json == {"status": "ok"}
    assert closed.get("/metrics", **known).status == 200


def test_a_cookie_is_for_the_server_alone(closed: House) -> None:
    visitor = owned(closed)
    for name in ("whitestat", "whitestat-known"):
        assert "httponly" in visitor.flags[name]
        assert "samesite=strict" in visitor.flags[name]
        assert "secure" not in visitor.flags[name], "it would not come back over plain HTTP"


@pytest.mark.slow
def test_log_in_and_out(closed: House) -> None:
    owned(closed)
    visitor = Visitor(closed)
    assert visitor.log_in(password="wrong password").status == 403
    assert visitor.log_in(name="nobody").status == 403
    assert visitor.get("/api/v1/usage").status == 401
    assert visitor.log_in(name=" Owner ").status == 303
    assert visitor.get("/api/v1/usage").status == 200
    session = visitor.cookies["whitestat"]
    out = visitor.form("/logout")
    assert (out.status, out.headers["location"]) == (303, "/login")
    visitor.cookies = {"whitestat": session}
    assert visitor.get("/api/v1/usage").status == 401


@pytest.mark.slow
def test_who_asked_for_a_page_gets_there_once_logged_in_and_nowhere_else(closed: House) -> None:
    owned(closed)
    visitor = Visitor(closed)
    asked = visitor.get("/api/v1/usage.html?start=week&by=", **PAGE)
    assert asked.status == 303
    form = visitor.get(asked.headers["location"])
    (after,) = re.findall('name="next" value="([^"]*)"', form.text)
    after = after.replace("&amp;", "&")
    assert visitor.log_in(next=after).headers["location"] == "/api/v1/usage.html?start=week&by="
    for elsewhere in (
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "evil.example",
        "javascript:x",
        "/\t/x",
    ):
        assert visitor.log_in(next=elsewhere).headers["location"] == "/"


@pytest.mark.slow
def test_a_new_password_needs_the_present_one_and_ends_other_sessions(closed: House) -> None:
    visitor, other = owned(closed), Visitor(closed)
    other.log_in()
    new = "another password"
    assert "current password" in visitor.form("/password", old="wrong", password=new, again=new).text
    assert visitor.form("/password", old=PASSWORD, password=new, again=new).status == 303
    assert visitor.get("/api/v1/usage").status == 200
    assert other.get("/api/v1/usage").status == 401
    assert other.log_in().status == 403
    assert other.log_in(password=new).status == 303


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/login", "/logout", "/first", "/password"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 400),
    ],
)
def test_no_form_is_taken_from_another_site(closed: House, path: str, headers: dict[str, str], status: int) -> None:
    visitor = owned(closed)
    session = visitor.cookies["whitestat"]
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    assert visitor.get(path, "POST", f"name=owner&password={PASSWORD}", **kind | headers).status == status
    assert closed.accounts.by_session(session, closed.now_s * 1000)


@pytest.mark.slow
@pytest.mark.parametrize("body", ["a" * 9_000, "&".join(f"a{n}=1" for n in range(99)), "password=%ff%fe", "\x00=%"])
def test_a_form_that_is_none_is_refused(closed: House, body: str) -> None:
    owned(closed)
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    assert closed.get("/login", "POST", body, **kind).status in (400, 403, 413)
    assert closed.get("/login", "POST", body).status == 415


class StoppedClock:
    """However long the machine takes, no time passes."""

    @staticmethod
    def monotonic() -> float:
        return 1_000.0


@pytest.mark.slow
def test_wrong_passwords_slow_their_source_and_no_browser_that_is_known(
    closed: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "time", StoppedClock)
    known, other = owned(closed), Visitor(closed)
    answers = [other.log_in(password="wrong password") for _ in range(6)]
    assert [each.status for each in answers] == [403] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert other.log_in().status == 429, "the right one has to wait too: else it would tell"
    del known.cookies["whitestat"]
    assert known.log_in().status == 303


def test_tokens_are_taken_as_bearer_and_as_the_password_of_basic(closed: House) -> None:
    from base64 import b64encode

    _, text = closed.accounts.add_token("Excel", Role.VIEWER, None, 0)
    for given in (f"Bearer {text}", f"bearer {text}", "Basic " + b64encode(f"any:{text}".encode()).decode()):
        assert closed.get("/api/v1/usage", Authorization=given).status == 200
    for wrong in (f"Bearer {text}x", "Bearer", "Basic !", f"Digest {text}", "", "Basic " + b64encode(b"\xff").decode()):
        answer = closed.get("/api/v1/usage", Authorization=wrong)
        assert (answer.status, answer.headers["www-authenticate"][:6]) == (401, "Bearer")
    assert "Basic" in closed.get("/api/v1/usage").headers["www-authenticate"]
    assert "Basic" not in closed.get("/api/v1/usage", User_Agent=PAGE["User_Agent"]).headers["www-authenticate"]


def test_an_open_network_looks_and_an_editing_one_edits(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with household(tmp_path / "a", booked(), editors=(), readers=(HOME,)) as house:
        assert house.get("/api/v1/me").json["role"] == "viewer"
        assert house.get("/api/v1/usage").status == 200
        assert house.send("PATCH", "/api/v1/devices/1", {"name": "x"}).status == 403
    (tmp_path / "b").mkdir()
    with household(tmp_path / "b", booked(), editors=(HOME,), readers=()) as house:
        assert house.get("/api/v1/me").json == {
            "name": None,
            "role": "editor",
            "person": None,
            "can_edit": True,
            "expires": None,
            "timezone": "Europe/Stockholm",
            "billing": {"day": 20, "hour": 6},
        }
        assert house.send("PATCH", "/api/v1/devices/1", {"name": "x"}).status == 200
        assert house.get("/api/v1/edits").json["edits"][0]["by"] == "127.0.0.1"


PROXY_HEADERS = [
    "X_Forwarded_For",
    "X_Forwarded_Host",
    "X_Forwarded_Proto",
    "X_Forwarded_Port",
    "X_Forwarded_Server",
    "X_Forwarded",
    "Forwarded",
    "Forwarded_For",
    "Via",
    "X_Real_IP",
    "CF_Connecting_IP",
    "CF_Connecting_IPv6",
    "CF_Ray",
    "True_Client_IP",
    "X_Client_IP",
    "X_Cluster_Client_IP",
    "X_Original_Forwarded_For",
    "X_Original_Host",
    "Fastly_Client_IP",
    "CDN_Loop",
    "Client_IP",
]


@pytest.mark.slow
@pytest.mark.parametrize("header", PROXY_HEADERS)
@pytest.mark.parametrize("proxies", [(), (HOME,)])
def test_what_comes_through_a_proxy_is_never_open(tmp_path: Path, header: str, proxies: tuple[object, ...]) -> None:
    with household(tmp_path, booked(), open_v5=(HOME,), proxies=proxies) as house:
        for path in ("/api/v1/usage", "/json", "/api/v1/live", "/"):
            assert house.get(path, **{header: "127.0.0.1"}).status == 401
        assert house.get("/api/v1/usage").status == 200


def test_version_5_s_addresses_can_be_open_and_nothing_else(tmp_path: Path) -> None:
    with household(tmp_path, booked(), editors=(), readers=(), open_v5=(HOME,)) as house:
        for path in ("/json", "/json/", "/table", "/json/history", "/table/history", "/json/lansegments"):
            assert house.get(path).status == 200, path
        assert house.get("/history").status == 303, "leads to the page, which asks for a log-in itself"
        for path in ("/", "/api/v1/usage", "/api/v1/devices", "/metrics", "/openapi.json", "/api/v1/me"):
            assert house.get(path).status == 401, path


def test_who_is_not_known_is_told_whether_all_is_well_and_nothing_more(closed: House) -> None:
    assert closed.get("/api/v1/health").json == {"status": "ok"}
    closed.health["status"] = "degraded"
    assert closed.get("/api/v1/health").status == 503
    assert "points" in as_role(closed, Role.VIEWER).get("/api/v1/health").json


ROLES = [None, Role.OWNER, Role.EDITOR, Role.VIEWER, Role.PERSON, Role.METRICS]
"""None is nobody."""

EXPECTED: dict[Permission, set[Role | None]] = {
    Permission.ANYBODY: set(ROLES),
    Permission.EVERYONE: set(ROLES) - {None},
    Permission.PEOPLE: set(ROLES) - {None, Role.METRICS},
    Permission.READERS: {Role.OWNER, Role.EDITOR, Role.VIEWER},
    Permission.EDITORS: {Role.OWNER, Role.EDITOR},
    Permission.OWNERS: {Role.OWNER},
}
"""Written out once more, by hand: what the program thinks of it is what is tested."""


async def live() -> AsyncIterator[dict[str, object]]:
    yield {}


class NoLedger(Queries):
    """For an application that is looked at and not asked."""

    def __init__(self) -> None:
        pass


def paths() -> list[tuple[str, str, Permission]]:
    """Every path the application answers, with each of its methods and who may ask."""
    app = create_app(Sources(NoLedger(), ZONE, "12", int, dict, live))
    found = []
    for each in app.routes:
        assert isinstance(each, Path_)
        found += [
            (method, each.path, Permission(each.name)) for method in sorted(each.methods or ()) if method != "HEAD"
        ]
    return found


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, dict[Role, str]]]:
    """A closed house with somebody of each role, and a token of each."""
    accounts = Accounts()
    owner = accounts.owner(0)
    accounts.set_password(owner.id, passwords.kept(PASSWORD))
    with household(tmp_path_factory.mktemp("roles"), booked(), editors=(), readers=(), accounts=accounts) as house:
        tokens: dict[Role, str] = {}
        for role in Role:
            person = "Anna" if role is Role.PERSON else None
            if role is not Role.OWNER:
                tokens[role] = accounts.add_token(f"a {role}", role, person, 0)[1]
            if role is not Role.METRICS:
                accounts.add(f"a {role}", role, person, 0)
        yield house, tokens


def known_by(house: House, tokens: dict[Role, str], role: Role | None, *, token: bool) -> dict[str, str]:
    """A session of its own for each request, as one of them logs out."""
    if role is None:
        return {}
    account = house.accounts.named(f"a {role}")
    if (token and role in tokens) or account is None:
        return {"Authorization": f"Bearer {tokens[role]}"}
    session = house.accounts.begin(account.id, house.now_s * 1000)
    house.accounts.confirm(digest(session), house.now_s * 1000)
    return {"Cookie": f"whitestat={session}"}


@pytest.mark.parametrize("role", ROLES, ids=str)
@pytest.mark.parametrize(("method", "path", "who"), paths(), ids=str)
def test_every_path_is_answered_for_whom_it_is_and_refused_to_all_others(
    roles: tuple[House, dict[Role, str]], method: str, path: str, who: Permission, role: Role | None
) -> None:
    house, tokens = roles
    asked = re.sub("{path:path}", "css/login.css", path)
    asked = re.sub("{[a-z]+}", "999", asked)
    # A body that says nothing, so that nothing is changed by who may.
    form = path in ("/login", "/logout", "/first", "/password", "/access")
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    if path == "/api/v1/live":
        method = "HEAD"
    for token in (False, True):
        known = known_by(house, tokens, role, token=token)
        answer = house.get(asked, method, "" if method == "GET" else "{}", Content_Type=kind, **known)
        if role in EXPECTED[who]:
            assert answer.status not in (401, 500), answer.body[:300]
            assert answer.status != 403 or form, answer.body[:300]
        else:
            assert answer.status == (401 if role is None else 403), answer.body[:300]


def test_the_application_serves_the_table_of_routes_and_nothing_else() -> None:
    table = [(route.method, path, route.roles) for route in ROUTES for path in (route.path, *route.also)]
    assert paths() == table
    assert len({(method, path) for method, path, _ in table}) == len(table)
    changing = [(path, who) for method, path, who in paths() if method != "GET" and path.startswith("/api/")]
    own = {path for path, who in changing if who not in (Permission.EDITORS, Permission.OWNERS)}
    assert own == {"/api/v1/me/confirm", "/api/v1/sessions/{session}"}, "what else a viewer or a person may change"
    assert {path for _, path, who in paths() if who is Permission.ANYBODY} == {
        "/static/{path:path}",
        "/api/v1/health",
        "/login",
        "/logout",
        "/first",
        "/https",
        "/https/whitestat.crt",
        "/https/whitestat.pem",
    }


def test_a_base_path_is_in_front_of_everything(tmp_path: Path) -> None:
    with household(tmp_path, booked(), editors=(), readers=(), base="/stats") as house:
        moved = house.get("/stats")
        assert (moved.status, moved.headers["location"]) == (308, "/stats/")
        assert house.get("/stats/", **PAGE).headers["location"] == "/stats/login"
        assert house.get("/", **PAGE).headers["location"] == "/stats/login", "a proxy may take the base off"
        assert 'href="/stats/static/css/login.css"' in house.get("/stats/login").text
        assert house.get("/stats/static/css/login.css").status == house.get("/static/css/login.css").status == 200
        visitor = Visitor(house)
        key = house.accounts.first_link(house.now_s * 1000) or ""
        visitor.get(f"/stats/first?key={key}")
        done = visitor.form("/stats/first", key=key, password=PASSWORD, again=PASSWORD)
        assert done.headers["location"] == "/stats/"
        assert "path=/stats" in visitor.flags["whitestat"]
        assert visitor.get("/stats/", **PAGE).status == 200
        answer = visitor.get("/stats/api/v1/usage?start=2026-11-20&step=day&limit=1")
        assert answer.json["next"].startswith("/stats/api/v1/usage?")
        assert answer.headers["link"].startswith("</stats/api/v1/usage?")
        assert visitor.get(answer.json["next"]).status == 200
        assert visitor.get("/stats/api/v1/usage.html?next=1", **PAGE).status == 400
        assert 'href="/stats/static/css/plain.css"' in visitor.get("/stats/api/v1/usage.html", **PAGE).text
        asked = Visitor(house).get("/stats/api/v1/usage.html?start=week", **PAGE).headers["location"]
        assert asked == "/stats/login?next=/stats/api/v1/usage.html%3Fstart%3Dweek"
        for path in ("/statsx", "/stats/../etc", "/stats//evil.example", "//stats/"):
            assert visitor.get(path).status == 404


@pytest.mark.slow
def test_a_proxy_that_is_named_is_believed_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "time", StoppedClock)
    names = ("stats.example.org",)
    with household(tmp_path, booked(), editors=(), readers=(), proxies=(HOME,), names=names) as house:
        forwarded = {"X_Forwarded_For": "198.51.100.7, 192.0.2.9", "X_Forwarded_Proto": "https"}
        visitor = Visitor(house)
        key = house.accounts.first_link(house.now_s * 1000) or ""
        origin = {"Origin": "https://stats.example.org", "Host": "stats.example.org"}
        form = {"Content_Type": "application/x-www-form-urlencoded"} | origin | forwarded
        given = f"key={key}&password={PASSWORD}&again={PASSWORD}"
        assert visitor.get("/first", "POST", given, **form).status == 303
        assert "secure" in visitor.flags["__Secure-whitestat"]
        for _ in range(5):  # the storm comes from 192.0.2.9, whatever that says it was asked by
            Visitor(house).get("/login", "POST", "name=owner&password=wrong", **form)
        assert Visitor(house).get("/login", "POST", "name=owner&password=wrong", **form).status == 429
        other = form | {"X_Forwarded_For": "192.0.2.9, 192.0.2.10"}
        assert Visitor(house).get("/login", "POST", f"name=owner&password={PASSWORD}", **other).status == 303
    (tmp_path / "b").mkdir()
    with household(tmp_path / "b", booked(), editors=(), readers=()) as house:
        visitor = Visitor(house)
        key = str(house.accounts.first_link(house.now_s * 1000))
        form = {"Content_Type": "application/x-www-form-urlencoded", "X_Forwarded_Proto": "https"}
        assert visitor.get("/first", "POST", f"key={key}&password={PASSWORD}&again={PASSWORD}", **form).status == 303
        assert "secure" not in visitor.flags["whitestat"]
        assert house.get("/", Host="stats.example.org").status == 400
