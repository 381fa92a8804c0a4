"""Messages really leave: through Apprise in a child, to a server of ours, and no address is said anywhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.inbox import Inbox, needs_apprise
from whitestat.alerting.addresses import VARIABLE, addresses
from whitestat.alerting.delivery import post
from whitestat.alerting.outbox import mark
from whitestat.core.errors import ConfigError


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    found = Inbox()
    yield found
    found.close()


@pytest.mark.slow
@needs_apprise
def test_each_address_answers_for_itself(inbox: Inbox) -> None:
    urls = [inbox.url, "json://127.0.0.1:1/", "nosuch://here"]
    answers = asyncio.run(post({mark(each): each for each in urls}, "Allowance", "80 % used <b>\u202e"))
    assert [each["ok"] for each in answers] == [True, False, False]
    assert [(each["title"], each["message"]) for each in inbox.taken] == [("Allowance", "80 % used <b>\u202e")]
    assert "secret" not in str(answers)
    assert "not an address" in str(answers[2]["reason"])


def test_a_child_that_cannot_start_is_told(tmp_path: Path) -> None:
    answers = asyncio.run(post({"m": "json://127.0.0.1:1/"}, "a", "b", python=str(tmp_path / "python")))
    assert answers == [
        {"mark": "m", "ok": False, "reason": "the sending process cannot be started: no such file or directory"}
    ]


def test_addresses_come_from_a_file_of_ones_own_and_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "urls"
    file.write_text("# family\nntfy://house\n\n  mailto://a:b@example.com \n")
    file.chmod(0o600)
    found = addresses(file, {VARIABLE: "json://localhost xml://localhost"})
    assert list(found.values()) == ["ntfy://house", "mailto://a:b@example.com", "json://localhost", "xml://localhost"]


@pytest.mark.parametrize(
    ("text", "mode", "fault"),
    [
        ("ntfy://secret", 0o644, "other users can read it"),
        ("secret", 0o600, "address 1 is not an address"),
        ("\n".join(f"ntfy://secret{n}" for n in range(40)), 0o600, "at most 32"),
        ("x" * 70_000, 0o600, "more than 65536 octets"),
    ],
)
def test_what_is_wrong_is_said_without_the_address(tmp_path: Path, text: str, mode: int, fault: str) -> None:
    file = tmp_path / "urls"
    file.write_text(text)
    file.chmod(mode)
    with pytest.raises(ConfigError, match=fault) as caught:
        addresses(file, {})
    assert "secret" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"urls: cannot be read: no such file"):
        addresses(tmp_path / "urls", os.environ)
