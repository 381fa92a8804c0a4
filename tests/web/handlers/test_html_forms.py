"""The forms of a usage answer, for any number of rows and any name."""

from __future__ import annotations

import csv
import io
import json
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whitestat.core.calendar import instant_text
from whitestat.core.model import Counts, Scope
from whitestat.ledger.read.queries import DeviceName, UsageQuery, UsageRow
from whitestat.query import encode
from whitestat.query.encode import ROWS_A_PIECE, UsageAnswer, plain_cell

ZONE = ZoneInfo("Asia/Kathmandu")
names = st.none() | st.text(max_size=30) | st.sampled_from(["=1+1", "+1", "-1", "@x", "\t=1", "a,b", 'a"b', "\r\n"])
counts = st.builds(Counts, *[st.integers(0, 2**70)] * 4, st.sampled_from([0, 1]))
rows = st.builds(
    UsageRow,
    st.integers(1_000_000_000, 2_000_000_000),
    st.none() | st.builds(DeviceName, st.integers(1, 99), names, st.just("02:50:00:00:00:11")),
    st.sampled_from(Scope),
    st.just("lan"),
    counts,
)


def answer_of(found: list[UsageRow]) -> UsageAnswer:
    return UsageAnswer(UsageQuery(0, 60, by=("device", "scope", "point")), found, ZONE)


@given(st.lists(rows, max_size=5), st.sampled_from([1, ROWS_A_PIECE]))
def test_json_says_every_octet_whatever_the_size(found: list[UsageRow], times: int) -> None:
    answer = json.loads("".join(answer_of(found * times).as_json()))
    assert [row["octets"] for row in answer["rows"]] == [row.counts.octets for row in found * times]
    assert all(row["start"].endswith("+05:45") for row in answer["rows"])


@given(st.lists(rows, max_size=5), st.sampled_from([1, encode.KINDS_HELD]))
def test_json_is_what_each_row_says_written_compactly(found: list[UsageRow], kinds: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode, "KINDS_HELD", kinds)
        text = "".join(answer_of(found * 2).as_json())
    answer = json.loads(text)
    assert text == json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    for told, row in zip(answer["rows"], found * 2, strict=True):
        into, out, *packets, unsplit = row.counts
        assert told == {
            "start": instant_text(row.start_s, ZONE),
            "device": row.device and row.device._asdict(),
            "scope": row.scope,
            "point": row.point,
            "octets": into + out + unsplit,
            "octets_in": None if unsplit else into,
            "octets_out": None if unsplit else out,
            "packets_in": packets[0],
            "packets_out": packets[1],
        }


@given(st.lists(rows, max_size=5), st.sampled_from([(), ("device",), ("device", "scope", "point", "person")]))
def test_csv_is_the_cells_of_each_row_as_a_writer_writes_them(found: list[UsageRow], by: tuple[str, ...]) -> None:
    answer = UsageAnswer(UsageQuery(0, 60, by=by), found * 2, ZONE)
    expected = io.StringIO()
    writer = csv.writer(expected)
    writer.writerow(answer.columns)
    writer.writerows([plain_cell(cell) for cell in answer.cells(row)] for row in found * 2)
    assert "".join(answer.as_csv()) == expected.getvalue()


@given(st.lists(rows, max_size=5), st.sampled_from([1, ROWS_A_PIECE]))
def test_csv_has_a_line_for_each_row_and_no_formula(found: list[UsageRow], times: int) -> None:
    text = "".join(answer_of(found * times).as_csv())
    lines = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [int(line["octets"]) for line in lines] == [row.counts.octets for row in found * times]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for line in lines for cell in line.values())
