"""Map files: a bad line costs itself and is named, all others hold, and nothing in them can do harm."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from whitestat.attribution import maps
from whitestat.attribution.map_files import FAULTS_TOLD, MapFile, MapFiles
from whitestat.attribution.maps import LINES_MAX, Maps
from whitestat.core.units import address_bytes, address_text, mac_bytes, mac_text

PHONE, ROUTER, TV = (mac_bytes(f"02:50:00:00:00:{last}") for last in ("11", "01", "13"))
HOME = address_bytes("192.168.1.54")

macs = st.binary(min_size=6, max_size=6).filter(lambda mac: not mac[0] & 1)
addresses = st.binary(min_size=16, max_size=16) | st.binary(min_size=4, max_size=4).map(
    lambda four: bytes(10) + b"\xff\xff" + four
)
blanks = st.sampled_from(["", " ", "\t"])


def test_each_file_means_what_version_5_took_it_for() -> None:
    assert maps.ip_mac(b"192.168.1.54|52:54:00:f3:a3:2b") == ({HOME: mac_bytes("52:54:00:f3:a3:2b")}, [])
    assert maps.mac_mac(b" 02:50:00:00:00:11 | 02-50-00-00-00-01 \r\n") == ({PHONE: ROUTER}, [])
    assert maps.mac_host(b"02:50:00:00:00:01|Airtel Router\n") == ({ROUTER: "Airtel Router"}, [])


def test_a_name_that_is_a_mac_is_ignored_since_version_5_copied_it_from_mac_mac() -> None:
    assert maps.mac_host(b"02:50:00:00:00:11|02:50:00:00:00:01\n02:50:00:00:00:13|TV") == ({TV: "TV"}, [])


def test_bad_lines_are_named_and_cost_only_themselves() -> None:
    good = b"192.168.1.54|02:50:00:00:00:11"
    bad = (b"192.168.1.55", b"1|2|3", b"house|02:50:00:00:00:11", b"10.0.0.1|ff:ff:ff:ff:ff:ff", b"\xff|")
    found, faults = maps.ip_mac(b"\n".join((good, b"", *bad)))
    assert found == {HOME: PHONE}
    assert [fault.partition(": left out: ")[::2] for fault in faults] == [
        ("line 3", "must be two values with one | between them, got '192.168.1.55'"),
        ("line 4", "must be two values with one | between them, got '1|2|3'"),
        ("line 5", "not an IP address: 'house'"),
        ("line 6", "the MAC address of a group and of no device: 'ff:ff:ff:ff:ff:ff'"),
        ("line 7", "not UTF-8 text"),
    ]


def test_the_address_goes_before_the_mac_and_a_chain_is_not_followed() -> None:
    held = Maps({HOME: PHONE}, {PHONE: ROUTER, ROUTER: TV})
    assert held.mac(TV, HOME) == held.mac(None, HOME) == ROUTER
    assert held.mac(ROUTER, address_bytes("192.168.1.55")) == TV
    assert held.mac(None, address_bytes("192.168.1.55")) is None


@given(st.dictionaries(addresses, macs, max_size=20), blanks, st.booleans())
def test_what_is_written_is_read(entries: dict[bytes, bytes], blank: str, upper: bool) -> None:
    lines = [f"{blank}{address_text(key)}{blank}|{mac_text(mac)}{blank}" for key, mac in entries.items()]
    text = "\r\n".join(lines)
    assert maps.ip_mac((text.upper() if upper else text).encode()) == (entries, [])


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"|", b"02:50:00:00:00:11|x"]), max_size=30))
def test_any_octets_are_entries_and_faults_with_the_number_of_their_line(lines: list[bytes]) -> None:
    for parse in (maps.ip_mac, maps.mac_mac, maps.mac_host):
        found, faults = parse(b"\n".join(lines))
        count = sum(each.count(b"\n") + 1 for each in lines)
        assert len(found) + len(faults) <= max(1, count)
        for fault in faults:
            number = int(fault.split(":")[0].removeprefix("line "))
            assert 1 <= number <= count
            assert fault.isprintable()


@given(st.dictionaries(macs, macs, max_size=8), st.lists(st.binary(max_size=30).filter(lambda b: b"\n" not in b)))
def test_bad_lines_between_good_ones_change_none_of_them(entries: dict[bytes, bytes], bad: list[bytes]) -> None:
    good = [f"{mac_text(key)}|{mac_text(mac)}".encode() for key, mac in entries.items()]
    mixed = [line for pair in zip(good, [each.replace(b"|", b"") for each in bad], strict=False) for line in pair]
    assert maps.mac_mac(b"\n".join(mixed + good))[0] == entries


def test_a_long_file_is_read_to_its_bound_and_that_is_said() -> None:
    content = b"\n".join(f"10.0.{n >> 8}.{n & 255}|02:50:00:00:00:11".encode() for n in range(LINES_MAX + 9))
    found, faults = maps.ip_mac(content)
    assert len(found) == LINES_MAX
    assert faults == [f"line {LINES_MAX + 1}: only {LINES_MAX} lines are read"]


def test_a_changed_file_holds_at_the_next_look_and_an_unchanged_one_is_the_same_object(tmp_path: Path) -> None:
    file = tmp_path / "MAC_HOST.txt"
    files = MapFiles(mac_host=MapFile(file))
    nothing = files.look()
    assert nothing.names == {}
    assert files.notices == ()
    file.write_text("02:50:00:00:00:11|phone")
    first = files.look()
    assert first.names == {PHONE: "phone"}
    assert files.look() is first
    file.write_text("02:50:00:00:00:11|Anna's phone")
    assert files.look().names == {PHONE: "Anna's phone"}
    file.unlink()
    assert files.look().names == {}


def test_what_is_wrong_with_a_file_is_told_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "IP_MAC.txt"
    files = MapFiles(ip_mac=MapFile(file, named=True), mac_mac=MapFile(tmp_path))
    files.look()
    assert files.notices == (
        f"{file}: there is no such file",
        f"{tmp_path}: cannot be read: is a directory",
    )
    file.write_text("x\n" * (FAULTS_TOLD + 3) + "192.168.1.54|02:50:00:00:00:11")
    assert files.look().by_address == {HOME: PHONE}
    assert files.notices[0] == f"{file}: line 1: left out: must be two values with one | between them, got 'x'"
    assert files.notices[FAULTS_TOLD] == f"{file}: 3 more lines are left out"
    file.write_text("192.168.1.54|02:50:00:00:00:11")
    files.look()
    assert len(files.notices) == 1


def test_a_file_that_cannot_be_read_any_more_keeps_what_it_said(tmp_path: Path) -> None:
    file = tmp_path / "MAC_MAC.txt"
    file.write_text("02:50:00:00:00:11|02:50:00:00:00:01")
    files = MapFiles(mac_mac=MapFile(file))
    assert files.look().by_mac == {PHONE: ROUTER}
    file.unlink()
    file.mkdir()
    assert files.look().by_mac == {PHONE: ROUTER}
    assert "cannot be read" in files.notices[0]
