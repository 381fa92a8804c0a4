"""Accounts, sessions, tokens and links: each of use for its time, kept as digests, in a file for its owner alone."""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import scrypt
from pathlib import Path
from unicodedata import normalize

import pytest

from whitestat.core.errors import EditError, LedgerError, Missing
from whitestat.web.auth import passwords
from whitestat.web.auth.accounts import (
    CONFIRMED_MS,
    DAY_MS,
    FIRST_MS,
    IDLE_MS,
    LINK_MS,
    LONGEST_MS,
    MOST_TOKENS,
    SESSIONS_EACH,
    Accounts,
)
from whitestat.web.auth.roles import Role

NOW_MS = 1_800_000_000_000
PASSWORD = "correct horse battery"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "whitestat.db.access"


def owned(path: Path | None = None) -> Accounts:
    """With an owner whose password is set, by the link of the first start."""
    accounts = Accounts(path)
    assert accounts.set_by_link(accounts.first_link(NOW_MS) or "", passwords.kept(PASSWORD), NOW_MS)
    return accounts


def test_the_first_link_makes_the_owner_once() -> None:
    accounts = Accounts()
    key = accounts.first_link(NOW_MS)
    assert key
    hashed = passwords.kept(PASSWORD)
    assert accounts.name_of_link("x" * 43, NOW_MS) is None
    assert accounts.set_by_link("x" * 43, hashed, NOW_MS) is None
    for _ in range(3):
        assert accounts.name_of_link(key, NOW_MS) == "owner"
    assert not accounts.accounts
    account = accounts.set_by_link(key, hashed, NOW_MS)
    assert account
    assert (account.name, account.role) == ("owner", Role.OWNER)
    assert accounts.name_of_link(key, NOW_MS) is None
    assert accounts.set_by_link(key, hashed, NOW_MS) is None
    assert accounts.first_link(NOW_MS) is None


def test_a_restart_prints_a_new_link_for_as_long_as_no_password_is_set(path: Path) -> None:
    first = Accounts(path)
    old = first.first_link(NOW_MS) or ""
    again = Accounts(path)
    new = again.first_link(NOW_MS) or ""
    assert again.name_of_link(old, NOW_MS) is None
    assert again.name_of_link(new, NOW_MS)
    assert Accounts(path).first_link(NOW_MS), "opened, but no password came of it"


def test_the_first_link_is_of_no_use_after_a_day() -> None:
    accounts = Accounts()
    assert accounts.name_of_link(accounts.first_link(NOW_MS) or "", NOW_MS + FIRST_MS) is None


def test_all_outlives_the_process_in_a_file_for_its_owner_alone(path: Path) -> None:
    accounts = owned(path)
    session = accounts.begin(1, NOW_MS)
    _, token = accounts.add_token("Grafana", Role.METRICS, None, NOW_MS)
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert session not in text
    assert token not in text
    assert PASSWORD not in text
    again = Accounts(path)
    principal = again.by_session(session, NOW_MS)
    assert principal
    assert (principal.name, principal.role, principal.expires_ms) == ("owner", Role.OWNER, NOW_MS + LONGEST_MS)
    assert again.by_token(token, NOW_MS) == accounts.by_token(token, NOW_MS)


def test_a_session_ends_when_it_is_idle_and_at_the_latest_after_its_longest() -> None:
    accounts = owned()
    idle, used = accounts.begin(1, NOW_MS), accounts.begin(1, NOW_MS)
    for day in range(LONGEST_MS // DAY_MS + 1):
        assert accounts.by_session(used, NOW_MS + day * DAY_MS)
    assert accounts.by_session(used, NOW_MS + LONGEST_MS + 1) is None
    assert accounts.by_session(idle, NOW_MS + IDLE_MS + 1) is None
    assert accounts.by_session("", NOW_MS) is None


def test_a_session_ends_at_log_out_at_a_new_password_and_with_its_account() -> None:
    accounts = owned()
    viewer = accounts.add("Bo", Role.VIEWER, None, NOW_MS)
    first, second, other = accounts.begin(1, NOW_MS), accounts.begin(1, NOW_MS), accounts.begin(viewer.id, NOW_MS)
    accounts.end(first)
    assert accounts.by_session(first, NOW_MS) is None
    accounts.set_password(1, passwords.kept("another password"))
    assert accounts.by_session(second, NOW_MS) is None
    assert accounts.by_session(other, NOW_MS)
    accounts.remove(viewer.id)
    assert accounts.by_session(other, NOW_MS) is None


def test_sessions_of_an_account_are_bounded_and_the_longest_unused_goes() -> None:
    accounts = owned()
    texts = [accounts.begin(1, NOW_MS + number) for number in range(SESSIONS_EACH + 1)]
    held = [accounts.by_session(text, NOW_MS + 100) is not None for text in texts]
    assert held == [False] + [True] * SESSIONS_EACH


def test_a_link_sets_a_password_once_within_its_time() -> None:
    accounts = owned()
    anna = accounts.add("Anna", Role.PERSON, "Anna", NOW_MS)
    old, new = accounts.link(anna.id, NOW_MS), accounts.link(anna.id, NOW_MS)
    hashed = passwords.kept(PASSWORD)
    assert accounts.set_by_link(old, hashed, NOW_MS) is None
    assert accounts.name_of_link(new, NOW_MS + LINK_MS - 1) == "Anna"
    assert accounts.set_by_link(new, hashed, NOW_MS + LINK_MS - 1) == anna._replace(password=hashed)
    assert accounts.set_by_link(new, hashed, NOW_MS) is None
    late = accounts.link(anna.id, NOW_MS)
    assert accounts.set_by_link(late, hashed, NOW_MS + LINK_MS) is None


def test_a_confirmed_session_is_so_for_five_minutes_and_no_other_is() -> None:
    accounts = owned()
    sessions = [accounts.by_session(accounts.begin(1, NOW_MS), NOW_MS) for _ in range(2)]
    first, second = (principal.session for principal in sessions if principal)
    assert not accounts.is_confirmed(first, NOW_MS)
    accounts.confirm(first or "", NOW_MS)
    assert accounts.is_confirmed(first, NOW_MS + CONFIRMED_MS - 1)
    assert not accounts.is_confirmed(first, NOW_MS + CONFIRMED_MS)
    assert not accounts.is_confirmed(first, NOW_MS - 1), "a clock that was set back"
    assert not accounts.is_confirmed(second, NOW_MS)
    assert not accounts.is_confirmed(None, NOW_MS)


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "Password",
        "12345678",
        "qwertyuiop",
        "football",
        "iloveyou1",
        "aaaaaaaa",
        "abababab",
        "WhiteStat2026!",
        "owner12345",
        "Anna-2026-",
    ],
)
def test_passwords_that_are_tried_first_are_refused(password: str) -> None:
    with pytest.raises(EditError, match="tried first"):
        passwords.kept(password, "Anna")


@pytest.mark.parametrize("password", ["correct horse battery", "Password of my own", "xkq71-mm2", "anna bakes bread"])
def test_passwords_that_are_not_common_are_taken(password: str) -> None:
    assert passwords.kept(password, "Anna")


def test_a_token_is_shown_once_and_ends_when_it_is_revoked() -> None:
    accounts = owned()
    made, text = accounts.add_token("Excel", Role.PERSON, "Anna", NOW_MS)
    principal = accounts.by_token(text, NOW_MS)
    assert principal
    assert (principal.role, principal.person, principal.by, principal.account) == (
        Role.PERSON,
        "Anna",
        "token Excel",
        None,
    )
    accounts.revoke(made.id)
    assert accounts.by_token(text, NOW_MS) is None
    with pytest.raises(Missing):
        accounts.revoke(made.id)


def test_a_person_s_account_and_token_follow_the_person_s_name(path: Path) -> None:
    accounts = owned(path)
    accounts.add("anna", Role.PERSON, "Anna", NOW_MS)
    _, text = accounts.add_token("Excel", Role.PERSON, "Anna", NOW_MS)
    accounts.follow("Anna", "Anna B")
    accounts.follow("Bo", "Anna")
    again = Accounts(path)
    assert [each.person for each in again.accounts] == [None, "Anna B"]
    assert [each.person for each in again.tokens] == ["Anna B"]
    principal = again.by_token(text, NOW_MS)
    assert principal and principal.person == "Anna B"


@pytest.mark.parametrize(
    ("name", "role", "person", "field"),
    [
        ("", Role.VIEWER, None, "name"),
        ("x" * 101, Role.VIEWER, None, "name"),
        ("a\x1b[2J", Role.VIEWER, None, "name"),
        ("OWNER", Role.VIEWER, None, "name"),
        ("Anna", Role.PERSON, None, "person"),
        ("Anna", Role.VIEWER, "Anna", "person"),
        ("Anna", Role.METRICS, None, "role"),
    ],
)
def test_an_account_that_cannot_be_is_refused(name: str, role: Role, person: str | None, field: str) -> None:
    with pytest.raises(EditError) as fault:
        owned().add(name, role, person, NOW_MS)
    assert fault.value.field == field


def test_the_last_owner_stays() -> None:
    accounts = owned()
    with pytest.raises(EditError, match="only owner"):
        accounts.remove(1)
    second = accounts.add("Bo", Role.OWNER, None, NOW_MS)
    with pytest.raises(EditError, match="only owner"):
        accounts.remove(1)
    accounts.set_password(second.id, passwords.kept(PASSWORD))
    accounts.remove(1)
    assert accounts.has_owner


def test_tokens_are_bounded() -> None:
    accounts = owned()
    for number in range(MOST_TOKENS):
        accounts.add_token(f"{number}", Role.VIEWER, None, NOW_MS)
    with pytest.raises(EditError, match="revoke one"):
        accounts.add_token("one more", Role.VIEWER, None, NOW_MS)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"version": 1}', '{"version": 2}', '{"version": 1, "next": 1, "accounts": [7]}']
)
def test_a_file_that_cannot_be_read_lets_nobody_in_and_stays_as_it_is(path: Path, content: str) -> None:
    path.write_text(content)
    accounts = Accounts(path)
    assert str(path) in (accounts.fault or "")
    assert accounts.first_link(NOW_MS) is None
    assert accounts.by_session("x", NOW_MS) is None
    with pytest.raises(LedgerError):
        accounts.owner(NOW_MS)
    assert path.read_text() == content


def test_a_password_that_cannot_be_written_is_not_taken_but_one_can_log_in(path: Path) -> None:
    accounts = owned(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(LedgerError, match="cannot be written"):
        accounts.set_password(1, passwords.kept("another password"))
    assert passwords.matches(PASSWORD, accounts.account(1).password)
    assert accounts.by_session(accounts.begin(1, NOW_MS), NOW_MS)


@pytest.mark.slow
def test_a_password_is_kept_as_scrypt_with_a_salt_of_its_own() -> None:
    first, second = passwords.kept(PASSWORD), passwords.kept(PASSWORD)
    assert first != second
    assert first.startswith("scrypt$12$8$20$")
    assert passwords.matches(PASSWORD, first)
    assert not passwords.matches(PASSWORD + " ", first)
    assert not passwords.matches(PASSWORD, None)
    assert not passwords.matches("x" * 10_000, first)


def test_a_letter_is_the_same_however_a_keyboard_composes_it() -> None:
    assert passwords.matches("Ra\u0308ksmo\u0308rga\u030as", passwords.kept("R\u00e4ksm\u00f6rg\u00e5s"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "password",
    [PASSWORD, "Ra\u0308ksmo\u0308rga\u030as", "\N{GRINNING FACE}\N{CAT FACE}\N{DOG FACE}" * 33, "xyz0" * 64],
)
def test_a_password_is_kept_as_every_library_makes_scrypt(password: str) -> None:
    """RFC 7914: the system's crypt(3) and OpenSSL take each other's hashes, with any salt."""
    *_, salt, made = passwords.kept(password).split("$")
    octets = normalize("NFC", password).encode()
    same = scrypt(octets, salt=b64decode(salt), n=4096, r=8, p=20, maxmem=1 << 24, dklen=32)
    assert same == b64decode(made)
    other = scrypt(octets, salt=bytes(16), n=4096, r=8, p=20, maxmem=1 << 24, dklen=32)
    held = f"scrypt$12$8$20${b64encode(bytes(16)).decode()}${b64encode(other).decode()}"
    assert passwords.matches(password, held)
    assert not passwords.matches(f"{password[1:]}?", held)


@pytest.mark.parametrize(
    ("password", "reason"),
    [("\N{GRINNING FACE}" * 128, "must have at most 511 octets in UTF-8, has 512"), ("a NUL \0 in it", "a NUL")],
)
def test_what_no_library_could_tell_from_another_is_no_password(password: str, reason: str) -> None:
    with pytest.raises(EditError, match=reason):
        passwords.kept(password)
    assert not passwords.matches(password, passwords.kept(password[:5] + "-----abc"))


@pytest.mark.parametrize("password", ["", "seven77", "x" * 257])
def test_a_password_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(EditError, match="8 to 256 letters"):
        passwords.kept(password)
