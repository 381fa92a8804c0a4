"""Old databases of WhiteStat: every generation, what stands there twice, and what is damaged."""

from __future__ import annotations

import gzip
import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.old_databases import GENERATIONS, OldDatabase
from whitestat.attribution.devices.names import ShownName
from whitestat.attribution.locality import Locality
from whitestat.core.calendar import parse_instant
from whitestat.core.errors import ImportFault
from whitestat.core.model import Address, Counts
from whitestat.core.units import address_bytes, kb_octets, mac_bytes
from whitestat.importers.history import ImportedHistory, ImportedHost
from whitestat.importers.whitestat import read
from whitestat.importers.whitestat_folder import read as folder

ZONE = ZoneInfo("Asia/Kolkata")
FIXTURES = Path(__file__).parents[1] / "fixtures" / "whitestat"
A, B, ROUTER = "02:00:5e:00:00:0a", "02:00:5e:00:00:0b", "02:00:5e:00:00:01"


def is_local(address: Address) -> bool:
    return Locality().kind(address) == "local"


def history(path: Path) -> ImportedHistory:
    return read(path, ZONE, is_local)


def unpacked(name: str, folder: Path) -> Path:
    path = folder / name
    path.write_bytes(gzip.decompress((FIXTURES / f"{name}.gz").read_bytes()))
    return path


def host(ip: str, mac: str | None) -> ImportedHost:
    return ImportedHost(mac and mac_bytes(mac), address_bytes(ip))  # type: ignore[arg-type]


def usage(found: ImportedHistory) -> dict[tuple[int, ImportedHost], Counts]:
    days = list(found.days())
    assert len(days) == found.rows
    assert [day.day for day in days] == sorted(day.day for day in days)
    return {(day.day, day.host): day.counts for day in days}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_generation_is_read(tmp_path: Path, generation: str) -> None:
    old = OldDatabase(tmp_path / "WhiteStat.db", generation)
    old.add("usagehistory", "192.168.1.10", A, "2021-01-29", 50.0, 2.5, LastSeen="2021-01-29 20:00:00", LSSeconds=5)
    old.add("dailyusage", "192.168.1.10", A, "2021-01-30", 113720.18000000001, 0.0, IS_LOCAL=1, LOCAL=1)
    assert usage(history(old.path)) == {
        (20210129, host("192.168.1.10", A)): Counts(51_200, 2_560),
        (20210130, host("192.168.1.10", A)): Counts(kb_octets(113720.18), 0),
    }


@pytest.mark.parametrize("name", ["v3_v4", "v5", "v6_20210209", "v7_20210212", "v9_v11"])
def test_the_tables_upstream_published_are_known(name: str, tmp_path: Path) -> None:
    assert usage(history(unpacked(f"empty_{name}.db", tmp_path))) == {}


def test_what_version_5_itself_wrote_is_read(tmp_path: Path) -> None:
    found = history(unpacked("WhiteStat_v5_filled.db", tmp_path))
    assert set(found.hosts) == {host("192.168.1.10", A), host("192.168.1.11", B), host("0.0.0.0", B)}
    assert "2 addresses that are not local" in found.left_out[0]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_day_in_both_tables_is_that_of_the_daily_one(tmp_path: Path, generation: str) -> None:
    old = OldDatabase(tmp_path / "WhiteStat.db", generation)
    old.add("usagehistory", "192.168.1.10", A, "2021-01-30", 999.0, 999.0)
    old.add("dailyusage", "192.168.1.10", A, "2021-01-30", 10.0, 1.0)
    assert usage(history(old.path)) == {(20210130, host("192.168.1.10", A)): Counts(10_240, 1_024)}


@pytest.mark.parametrize("generation", ["v1", "v3"])
def test_of_a_row_that_stands_there_twice_the_largest_is_the_last(tmp_path: Path, generation: str) -> None:
    old = OldDatabase(tmp_path / "WhiteStat.db", generation)
    for kilobytes in (10.0, 30.0, 20.0):
        old.add("dailyusage", "192.168.1.10", A, "2021-01-30", kilobytes, 1.0)
    assert list(usage(history(old.path)).values()) == [Counts(30_720, 1_024)]


def test_the_far_end_of_the_same_traffic_is_left_out_and_said(tmp_path: Path) -> None:
    old = OldDatabase(tmp_path / "WhiteStat.db")
    old.add("dailyusage", "192.168.1.10", A, "2021-01-30", 10.0, 1.0)
    old.add("dailyusage", "198.51.100.7", ROUTER, "2021-01-30", 1.0, 10.0)
    found = history(old.path)
    assert list(usage(found)) == [(20210130, host("192.168.1.10", A))]
    assert found.left_out == ("1 addresses that are not local, the other end of the same traffic (11.3 kB)",)


@pytest.mark.parametrize("generation", ["v6", "v9"])
def test_the_databases_own_word_on_what_is_local_counts(tmp_path: Path, generation: str) -> None:
    old = OldDatabase(tmp_path / "WhiteStat.db", generation)
    for ip, local in (("203.0.113.5", 1), ("192.168.1.10", 0)):
        old.add("dailyusage", ip, A, "2021-01-30", 1.0, 1.0, IS_LOCAL=local, LOCAL=local)
    assert list(usage(history(old.path))) == [(20210130, host("203.0.113.5", A))]


def test_names_are_the_latest_and_those_people_gave_go_first(tmp_path: Path) -> None:
    old = OldDatabase(tmp_path / "WhiteStat.db")
    for day, name in (("2021-01-28", "old.lan"), ("2021-01-29", "laptop.lan"), ("2021-01-30", "(none)")):
        old.add("usagehistory", "192.168.1.10", A, day, 1.0, 1.0, Hostname=name)
    assert history(old.path).hosts[host("192.168.1.10", A)].name == ShownName("laptop", "dns")
    new = OldDatabase(tmp_path / "new.db", "v9").name("DName", "192.168.1.10", "a.lan").name("MName", A, "Annas laptop")
    new.add("dailyusage", "192.168.1.10", A, "2021-01-30", 1.0, 1.0)
    assert history(new.path).hosts[host("192.168.1.10", A)].name == ShownName("Annas laptop", "user")


@pytest.mark.parametrize("name", ["", "(none)", "(multicast)", B, None])
def test_what_is_no_name_is_none(tmp_path: Path, name: str | None) -> None:
    old = OldDatabase(tmp_path / "WhiteStat.db").add("dailyusage", "192.168.1.10", A, "2021-01-30", 1, 1, Hostname=name)
    assert history(old.path).hosts[host("192.168.1.10", A)].name is None


def test_a_host_was_seen_from_its_first_day_to_its_last_sight(tmp_path: Path) -> None:
    old = OldDatabase(tmp_path / "WhiteStat.db")
    old.add("usagehistory", "192.168.1.10", A, "2021-01-29", 1.0, 1.0, LastSeen="2021-01-29 20:00:00")
    old.add("dailyusage", "192.168.1.10", A, "2021-01-30", 1.0, 1.0, LastSeen="2021-01-30 08:15:00")
    sight = history(old.path).hosts[host("192.168.1.10", A)]
    assert (sight.first_s, sight.last_s) == (
        parse_instant("2021-01-29", ZONE),
        parse_instant("2021-01-30T08:15", ZONE),
    )


@pytest.mark.parametrize("mac", ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "my router", "01:00:5e:00:00:fb"])
def test_what_is_no_devices_mac_is_none(tmp_path: Path, mac: str) -> None:
    old = OldDatabase(tmp_path / "WhiteStat.db").add("dailyusage", "192.168.1.10", mac, "2021-01-30", 1.0, 1.0)
    assert list(history(old.path).hosts) == [host("192.168.1.10", None)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("192.168.1.300", A, "2021-01-30", 1.0, 1.0), "dailyusage, row 1: not an IP address: '192.168.1.300'"),
        (("192.168.1.11", A, "1970-01-01", 1.0, 1.0), "row 1: DATE: of a clock that was not set"),
        (("192.168.1.11", A, "01/30/2021", 1.0, 1.0), "row 1: DATE: not a date"),
        (("192.168.1.11", A, "2021-02-30", 1.0, 1.0), "row 1: day is out of range"),
        (("192.168.1.11", A, "2021-01-30", -1.0, 1.0), "row 1: not an amount of KB: -1.0"),
        (("192.168.1.11", A, "2021-01-30", 1.0, "much"), "row 1: not an amount of KB: 'much'"),
        (("192.168.1.11", A, "2021-01-30", float("inf"), 1.0), "row 1: not an amount of KB: inf"),
    ],
)
def test_a_row_that_cannot_be_is_named_and_costs_itself_alone(
    tmp_path: Path, row: tuple[str, str, str, float, object], said: str
) -> None:
    old = OldDatabase(tmp_path / "WhiteStat.db").add("dailyusage", *row)
    with pytest.raises(ImportFault, match="nothing is imported"):
        history(old.path)
    old.add("dailyusage", "192.168.1.10", A, "2021-01-30", 1.0, 1.0)
    found = history(old.path)
    assert usage(found) == {(20210130, host("192.168.1.10", A)): Counts(1024, 1024)}
    assert found.left_out[0].startswith("1 row that cannot be read: dailyusage, row 1: ")
    assert said in found.left_out[0]


@pytest.mark.parametrize("spelled", [A.upper(), A.replace(":", "-")])
def test_other_spellings_of_a_mac_and_of_a_date_are_the_same_row(tmp_path: Path, spelled: str) -> None:
    old = OldDatabase(tmp_path / "WhiteStat.db").add("dailyusage", "192.168.1.10", A, "2021-01-30", 10.0, 1.0)
    row = {"IP": "192.168.1.10", "KBIn": 9.0, "KBOut": 1.0}
    old.add_all("usagehistory", [row | {"MAC": spelled, "DATE": "2021-1-30"}, row | {"MAC": A, "DATE": "2021/01/30"}])
    assert usage(history(old.path)) == {(20210130, host("192.168.1.10", A)): Counts(10_240, 1_024)}


def test_a_host_name_that_is_not_utf_8_costs_nothing(tmp_path: Path) -> None:
    old = OldDatabase(tmp_path / "WhiteStat.db").add("dailyusage", "192.168.1.10", A, "2021-01-30", 1.0, 1.0)
    with closing(sqlite3.connect(old.path)) as connection:
        connection.execute("UPDATE dailyusage SET Hostname = CAST(x'6bfc636865' AS TEXT)")
        connection.commit()
    assert list(usage(history(old.path)).values()) == [Counts(1024, 1024)]


def test_a_folder_is_its_database_and_its_map_files(tmp_path: Path) -> None:
    old = OldDatabase(tmp_path / "House.db")
    for mac in (A, B):
        old.add("dailyusage", "192.168.1.10", mac, "2021-01-30", 1.0, 1.0, Hostname="x.lan")
    with pytest.raises(ImportFault, match=r"there is no WhiteStat\.db in it"):
        folder(tmp_path, ZONE, is_local)
    (tmp_path / "WhiteStatConfig.json").write_text('{"DBFile": "House.db", "MAC_HOST_MAP": "names.txt"}')
    (tmp_path / "MAC_MAC.txt").write_text(f"{B}|{A}")
    (tmp_path / "names.txt").write_text(f"{A}|TV of Anna\nnonsense")
    found = folder(tmp_path, ZONE, is_local)
    assert {key: sight.name for key, sight in found.hosts.items()} == {
        host("192.168.1.10", A): ShownName("TV of Anna", "user")
    }
    assert sum(each.counts.octets for each in found.days()) == 4096
    assert "names.txt: line 2: left out" in found.left_out[0]
    assert usage(folder(old.path, ZONE, is_local)).keys() == {host_day(A), host_day(B)}


def host_day(mac: str) -> tuple[int, ImportedHost]:
    return 20210130, host("192.168.1.10", mac)


def test_a_damaged_file_says_where(tmp_path: Path) -> None:
    old = OldDatabase(tmp_path / "WhiteStat.db")
    old.add_all(
        "usagehistory",
        [
            {"IP": f"192.168.1.{n % 250}", "MAC": A, "DATE": f"20{n:02}-01-01 00:00:00", "KBIn": 1.0, "KBOut": 1.0}
            for n in range(90)
        ],
    )
    content = bytearray(old.path.read_bytes())
    content[4096:4112] = b"\xff" * 16  # the head of a table's first page
    old.path.write_bytes(content)
    with pytest.raises(ImportFault, match="damaged"):
        history(old.path)
    old.path.write_bytes(bytes(content[:5000]))
    with pytest.raises(ImportFault, match=str(old.path)):
        history(old.path)


@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\0" + bytes(2000)])
def test_what_is_no_database_of_whitestat_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "WhiteStat.db"
    path.write_bytes(content)
    with pytest.raises(ImportFault, match=r"WhiteStat\.db: "):
        history(path)


def test_another_programs_database_is_refused_by_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    sqlite3.connect(path).execute("CREATE TABLE dailyusage (IP TEXT, LastSeen TEXT)").connection.close()
    with pytest.raises(ImportFault, match="table dailyusage has no column DATE"):
        history(path)


def test_nothing_is_written_to_it_or_beside_it(tmp_path: Path) -> None:
    old = OldDatabase(tmp_path / "WhiteStat.db").add("dailyusage", "192.168.1.10", A, "2021-01-30", 1.0, 1.0)
    before = hashlib.sha256(old.path.read_bytes()).digest()
    usage(history(old.path))
    assert [each.name for each in tmp_path.iterdir()] == ["WhiteStat.db"]
    assert hashlib.sha256(old.path.read_bytes()).digest() == before


def test_a_write_that_was_not_finished_is_not_guessed_at(tmp_path: Path) -> None:
    old = OldDatabase(tmp_path / "WhiteStat.db").add("dailyusage", "192.168.1.10", A, "2021-01-30", 1.0, 1.0)
    (tmp_path / "WhiteStat.db-journal").write_bytes(b"x" * 600)
    with pytest.raises(ImportFault, match=r"WhiteStat\.db-journal shows a write"):
        history(old.path)


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 2**45)), min_size=1, max_size=20, unique_by=lambda e: e[0])
)
def test_every_octet_comes_back_to_the_two_decimals_it_was_kept_with(
    tmp_path_factory: pytest.TempPathFactory, days: list[tuple[int, int]]
) -> None:
    old = OldDatabase(tmp_path_factory.mktemp("old") / "WhiteStat.db")
    rows = {f"20{day:02}-05-01": round(octets / 1024, 2) for day, octets in days}
    for day, kilobytes in rows.items():
        old.add("usagehistory", "192.168.1.10", A, day, kilobytes, 0.0)
    found = usage(history(old.path))
    assert {day: round(counts.octets_in / 1024, 2) for (day, _), counts in found.items()} == {
        int(day.replace("-", "")): kilobytes for day, kilobytes in rows.items()
    }
