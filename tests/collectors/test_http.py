"""The HTTP client: whole answers or an error in a sentence, in bounded time and space."""

from __future__ import annotations

import gzip
import time

import pytest

from tests.support.http_server import page, serving
from whitestat.collectors.http import Http, HttpError


def test_asks_as_darkstat_reads_it_and_under_the_base_path() -> None:
    asked: list[bytes] = []
    with serving(page, asked) as url:
        assert Http(f"{url}/stats/").get("/hosts/?full=yes").text == "/stats/hosts/?full=yes"
    assert b"\r\nAccept-Encoding: gzip\r\n" in asked[0]
    assert asked[0].endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "reply",
    [
        page("hello", "Content-Encoding: identity\r\n"),
        page(gzip.compress(b"hello", mtime=0), "Content-Encoding: gzip\r\n"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
    ],
)
def test_reads_every_way_to_write_a_body(reply: bytes) -> None:
    with serving(lambda path: reply) as url:
        assert Http(url).get("/").text == "hello"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "the answer is cut off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhel", "the answer is cut off"),
        (page(gzip.compress(b"hello", mtime=0)[:-4], "Content-Encoding: gzip\r\n"), "the compressed answer is cut off"),
        (page(b"hello", "Content-Encoding: gzip\r\n"), "the compressed answer is damaged"),
        (page(b"hello", "Content-Encoding: br\r\n"), "answers in the coding 'br'"),
        (b"\x16\x03\x01rubbish\r\n\r\n", "not an answer in HTTP (BadStatusLine)"),
        (b"", "closed connection without response"),
        (page(b"x" * 2000), "the answer has more than 1000 octets"),
        (page(gzip.compress(bytes(10_000_000), mtime=0), "Content-Encoding: gzip\r\n"), "more than 1000 octets"),
    ],
)
def test_says_what_is_wrong_with_an_answer(reply: bytes, reason: str) -> None:
    with serving(lambda path: reply) as url, pytest.raises(HttpError) as error:
        Http(url, octets_max=1000).get("/")
    assert str(error.value).startswith(url)
    assert reason in str(error.value) or "reset" in str(error.value)


@pytest.mark.slow
def test_a_server_that_is_slow_is_cut_off() -> None:
    def slow(path: str) -> bytes:
        time.sleep(1)
        return page("late")

    began = time.monotonic()
    with serving(slow) as url, pytest.raises(HttpError, match=r"no whole answer in 0\.3 s"):
        Http(url, timeout_s=0.3).get("/")
    assert time.monotonic() - began < 3


def test_a_password_goes_out_and_never_into_an_error() -> None:
    asked: list[bytes] = []
    with serving(lambda path: b"rubbish\r\n\r\n", asked) as url, pytest.raises(HttpError) as error:
        Http(url, login=("anna", "s3cret")).get("/")
    assert b"Authorization: Basic YW5uYTpzM2NyZXQ=\r\n" in asked[0]
    assert "s3cret" not in repr(error.value)


def test_nobody_there_is_an_error_in_words() -> None:
    with serving(lambda path: b"") as url:
        pass
    with pytest.raises(HttpError, match="connection refused"):
        Http(url).get("/")
