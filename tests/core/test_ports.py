"""Names of services and protocols, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitestat.core.ports import PROTOCOLS, SERVICES, protocol_numbers, protocol_text, service_ports, service_text


@given(st.integers(0, 65_535))
def test_a_port_is_among_those_its_text_means(port: int) -> None:
    assert port in service_ports(service_text(port))
    assert service_ports(str(port)) == (port,)


@given(st.integers(0, 256))
def test_a_protocol_is_what_its_text_means(number: int) -> None:
    assert protocol_numbers(protocol_text(number)) == protocol_numbers(str(number)) == (number,)


def test_names_are_found_in_any_case() -> None:
    assert (service_ports("HTTPS"), protocol_numbers("UDP")) == ((443,), (17,))
    assert service_ports("http-alt") == (8008, 8080)


@pytest.mark.parametrize("text", ["", "65536", "-1", "https2", "٤٤٣", "1e3", " 443"])
def test_what_is_no_service_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        service_ports(text)


@pytest.mark.parametrize("text", ["", "257", "-6", "tcpp"])
def test_what_is_no_protocol_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        protocol_numbers(text)


def test_names_are_short_words() -> None:
    for names in (SERVICES, PROTOCOLS):
        assert all(name.replace("-", "").isalnum() and len(name) < 20 for name in names.values())
