"""A file of names and owners: every fault has a line and a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whitestat.attribution.devices.device_csv import MapLine, read_map
from whitestat.core.errors import ImportFault


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "map.csv"


def test_columns_may_come_in_any_order(file: Path) -> None:
    file.write_text('\ufeffPerson,Address,Name\r\nAnna,2001:DB8::1,"TV, big"\r\n\r\n,192.0.2.1,x\r\n')
    assert read_map(file) == [
        MapLine("2001:db8::1", {"name": "TV, big", "person": "Anna"}),
        MapLine("192.0.2.1", {"name": "x"}),
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1: must have mac"),
        ("mac\n", "line 1: must have mac"),
        ("mac,nmae\n", "must name columns"),
        ("mac,mac\n", "must name columns"),
        ("mac,name\n02:50\n", "line 2: has 1 cells"),
        ("mac,name\nx,y\n", "line 2: 'x' is no address"),
        ("mac,name\n,y\n", "line 2: does not say which device"),
        ('mac,name\n"x', "not CSV"),
        ("device,name\n" + "1,x\n" * 1001, "more than 1000"),
    ],
)
def test_faults_are_named(file: Path, text: str, fault: str) -> None:
    file.write_text(text)
    with pytest.raises(ImportFault, match=fault):
        read_map(file)


@pytest.mark.parametrize("head", ["Name, MAC\n", "User, MAC Address\n", "Naam; wie, Toestel\n", ""])
def test_the_first_line_of_dalla_stats_file_may_say_anything(file: Path, head: str) -> None:
    file.write_text(f"{head}John, CB-BD-AB-90-2D-38\nAnna, cbbd.ab90.2d39\n")
    assert read_map(file) == [
        MapLine("cb:bd:ab:90:2d:38", {"person": "John"}),
        MapLine("cb:bd:ab:90:2d:39", {"person": "Anna"}),
    ]


def test_macs_and_dates_may_be_written_in_several_ways(file: Path) -> None:
    file.write_text("mac,person,from\nCBBDAB902D38,A,2026/11/1\ncb:bd:ab:90:2d:38,B,2026-11-01\n")
    assert read_map(file) == [
        MapLine("cb:bd:ab:90:2d:38", {"person": "A", "from": "2026-11-01"}),
        MapLine("cb:bd:ab:90:2d:38", {"person": "B", "from": "2026-11-01"}),
    ]


def test_a_bad_line_costs_itself_alone_where_it_can_be_told(file: Path) -> None:
    file.write_bytes(
        b"\xef\xbb\xbfmac,name\r\n02:50:00:00:00:11,K\xfcche\r\n02:50:00:00:00:12,TV\r\nx,y\r\n" + bytes(20)
    )
    left_out: list[str] = []
    assert read_map(file, left_out) == [MapLine("02:50:00:00:00:12", {"name": "TV"})]
    assert left_out == [f"{file}: line 2: is not UTF-8 text", f"{file}: line 4: 'x' is no address"]
    with pytest.raises(ImportFault, match="line 2: is not UTF-8 text"):
        read_map(file)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200))
def test_any_octets_are_read_or_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    try:
        read_map(file)
    except ImportFault as fault:
        assert str(file) in str(fault)
