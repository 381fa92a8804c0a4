"""Text and back again for octets, rates, durations and addresses."""

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitestat.core.units import (
    address_bytes,
    address_text,
    duration_seconds,
    duration_text,
    kb_octets,
    kb_text,
    kb_texts,
    mac_bytes,
    mac_text,
    octets_text,
    rate_text,
)

_SIZES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15, "EB": 10**18}


@given(st.binary(min_size=6, max_size=6), st.sampled_from(":-"), st.booleans())
def test_a_mac_is_read_back_from_colons_dashes_and_any_case(mac: bytes, mark: str, upper: bool) -> None:
    text = mac_text(mac).replace(":", mark)
    assert mac_bytes(text.upper() if upper else text) == mac


@pytest.mark.parametrize(
    "text",
    [
        "",
        "02:50:00:00:00",
        "02:50:00:00:00:11:22",
        "02:50-00:00:00:11",
        "025000000011",
        "2:50:0:0:0:11",
        "02:50:00:00:00:1g",
        "02:50:00:00:00:11\n",
        " 02:50:00:00:00:11",
        "٠٢:50:00:00:00:11",
    ],
)
def test_what_is_no_mac_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        mac_bytes(text)
    assert repr(text) in str(caught.value)


@given(st.binary(min_size=16, max_size=16))
def test_any_address_is_read_back_from_its_text(address: bytes) -> None:
    assert address_bytes(address_text(address)) == address


@given(st.binary(min_size=4, max_size=4))
def test_a_mapped_address_is_shown_as_plain_ipv4(octets: bytes) -> None:
    assert address_text(bytes(10) + b"\xff\xff" + octets) == ".".join(map(str, octets))


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2001:0DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("::", "::"),
        ("::1", "::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_addresses_are_shown_in_the_form_of_rfc_5952(written: str, shown: str) -> None:
    assert address_text(address_bytes(written)) == shown


@pytest.mark.parametrize(
    "text", ["", "10.0.0", "10.0.0.256", "10.0.0.01", "1:2:3", "fe80::1%eth0", "host", "167772161"]
)
def test_what_is_no_address_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        address_bytes(text)
    assert repr(text) in str(caught.value)


def test_the_unspecified_ipv6_address_is_not_the_unspecified_ipv4_address() -> None:
    assert address_bytes("::") == IPv6Address("::").packed != address_bytes("0.0.0.0")


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (1_049, "1.0 kB"),
        (1_050, "1.1 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (10**21, "1000.0 EB"),
        (-1_500, "-1.5 kB"),
    ],
)
def test_octets_have_one_decimal_and_never_show_a_thousand_of_a_unit(octets: int, text: str) -> None:
    assert octets_text(octets) == text


@pytest.mark.parametrize(
    ("octets", "text"),
    [(1_023, "1023 B"), (1_024, "1.0 KiB"), (2**20 - 1, "1.0 MiB"), (5 * 2**30, "5.0 GiB")],
)
def test_binary_steps_are_of_1024(octets: int, text: str) -> None:
    assert octets_text(octets, binary=True) == text


@given(st.integers(min_value=1_000, max_value=10**21))
def test_shown_octets_are_at_most_half_a_tenth_of_their_unit_off(octets: int) -> None:
    figure, unit = octets_text(octets).split()
    whole, tenth = figure.split(".")
    shown_tenths = int(whole) * 10 + int(tenth)
    assert abs(shown_tenths * _SIZES[unit] - octets * 10) * 2 <= _SIZES[unit]


@pytest.mark.parametrize(
    ("rate_bps", "text"),
    [(0, "0 bit/s"), (999_999, "1.0 Mbit/s"), (12_345_678, "12.3 Mbit/s"), (10**10, "10.0 Gbit/s")],
)
def test_rates_are_bits_per_second(rate_bps: int, text: str) -> None:
    assert rate_text(rate_bps) == text


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("5m", 300), ("1h", 3_600), ("7d", 604_800), ("0s", 0)])
def test_durations_are_a_whole_number_and_a_unit(text: str, seconds: int) -> None:
    assert duration_seconds(text) == seconds


@given(st.integers(min_value=0, max_value=999_999_999))
def test_a_duration_is_read_back_from_its_text(seconds: int) -> None:
    assert duration_seconds(duration_text(seconds)) == seconds


@pytest.mark.parametrize(
    "text", ["", "30", "s", "-1s", "1.5h", "500ms", "1h30m", "30 s", "1w", "٣s", "9" * 5_000 + "s"]
)
def test_what_is_no_duration_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        duration_seconds(text)
    assert repr(text) in str(caught.value)


@given(st.integers(0, 2**50))
def test_kb_are_rounded_as_v5_did_and_read_back(octets: int) -> None:
    text = kb_text(octets)
    assert float(text) == round(octets / 1024, 2)
    assert text[-3] == "."
    assert abs(kb_octets(float(text)) - octets) <= 6
    assert kb_text(kb_octets(float(text))) == text


@pytest.mark.parametrize("amount", [-0.01, float("nan"), float("inf"), 2.0**60])
def test_what_is_no_amount_of_kb_is_refused(amount: float) -> None:
    with pytest.raises(ValueError, match="not an amount of KB"):
        kb_octets(amount)


@given(st.lists(st.integers(0, 2**60)))
def test_many_amounts_of_kb_are_written_as_each_is(octets: list[int]) -> None:
    assert kb_texts(octets) == [kb_text(each) for each in octets]
