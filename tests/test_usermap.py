"""A file of names and owners: every fault has a line and a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whitestat.errors import ImportFault
from whitestat.usermap import MapLine, read_map


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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200))
def test_any_octets_are_read_or_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    try:
        read_map(file)
    except ImportFault as fault:
        assert str(file) in str(fault)
