"""The command `import` over a real ledger: what it books, shows, refuses and does not do twice."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import resource
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.importers.conftest import NOW_MS
from tests.support.examples import examples
from tests.support.importing import FIXTURES, ZONE, A, B, Home
from tests.support.old_databases import OldDatabase
from whitestat.app.commands import importing
from whitestat.app.takeover import import_old
from whitestat.attribution.locality import Locality
from whitestat.config import loader
from whitestat.core.calendar import parse_instant
from whitestat.core.errors import ConfigError
from whitestat.core.model import Counts
from whitestat.importers.progress import Progress
from whitestat.ledger.read.queries import Queries
from whitestat.ledger.write.writer import Writer

NOW_S = parse_instant("2026-11-24T08:00", ZONE)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def a_few_days(home: Home) -> None:
    home.old.add("usagehistory", "192.168.1.10", A, "2026-11-20", 100.0, 1.0, Hostname="phone.lan")
    home.old.add("usagehistory", "192.168.1.11", B, "2026-11-20", 7.0, 3.0, Hostname="(none)")
    home.old.add("dailyusage", "192.168.1.10", A, "2026-11-21", 50.0, 2.0, LastSeen="2026-11-21 08:00:00")


ROW = {"MAC": "", "KBIn": 1.0, "KBOut": 1.0}
BOOKED = {
    ("2026-11-20", "phone"): Counts(102_400, 1_024),
    ("2026-11-20", B): Counts(7_168, 3_072),
    ("2026-11-21", "phone"): Counts(51_200, 2_048),
}


def test_old_days_are_booked_to_their_days_and_devices(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    a_few_days(home)
    assert home.run("whitestat", home.old.path) == 0
    assert home.days() == BOOKED
    said = capsys.readouterr().out
    assert "Booked: 2 days from 2026-11-20 to 2026-11-21, as 'whitestat import'." in said
    assert "New devices: 2." in said


def test_a_second_run_books_nothing(home: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    a_few_days(home)
    home.run("whitestat", home.old.path)
    moved = tmp_path / "copy.db"
    shutil.copy(home.old.path, moved)
    capsys.readouterr()
    for path in (home.old.path, moved):
        assert home.run("whitestat", path) == 0
        assert "Nothing to book" in capsys.readouterr().out
    assert home.days() == BOOKED


def test_of_data_that_has_grown_what_is_new_is_booked(home: Home) -> None:
    a_few_days(home)
    home.run("whitestat", home.old.path)
    home.old.add("usagehistory", "192.168.1.10", A, "2026-11-21", 999.0, 999.0)  # the daily table still goes first
    home.old.add("dailyusage", "192.168.1.10", A, "2026-11-22", 1.0, 0.0)
    home.run("whitestat", home.old.path)
    assert home.days() == BOOKED | {("2026-11-22", "phone"): Counts(1_024, 0)}


def test_a_dry_run_says_the_same_and_books_nothing(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    a_few_days(home)
    home.old.add("dailyusage", "203.0.113.9", B, "2026-11-21", 1.0, 1.0)
    assert home.run("whitestat", home.old.path, "--dry-run") == 0
    assert not home.store.exists()
    said = capsys.readouterr().out
    assert "Would be booked: 2 days from 2026-11-20 to 2026-11-21" in said
    assert re.search(r"phone +153\.6 kB +3\.1 kB +156\.7 kB", said)
    assert "Left out: 1 addresses that are not local" in said


def test_a_dry_run_may_be_made_while_the_service_runs(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    a_few_days(home)
    with closing(Writer(home.store, ZONE)):
        assert home.run("whitestat", home.old.path, "--dry-run") == 0
        assert home.run("whitestat", home.old.path) == 1
    assert "stop it first" in capsys.readouterr().err
    assert home.days() == {}


def test_a_damaged_row_is_named_and_costs_itself_alone(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    a_few_days(home)
    home.old.add("usagehistory", "192.168.1.10", A, "2026-11-22", "much", 0.0)
    for words in (["--dry-run"], []):
        assert home.run("whitestat", home.old.path, *words) == 0
        said = "Left out: 1 row that cannot be read: usagehistory, row 3: not an amount of KB: 'much'."
        assert said in capsys.readouterr().out
    assert home.days() == BOOKED


def test_a_known_device_keeps_its_name_and_gets_its_history(home: Home) -> None:
    home.count("2026-11-23T12:00", Counts(5, 5))
    a_few_days(home)
    home.run("whitestat", home.old.path)
    assert home.days() == BOOKED | {("2026-11-23", "phone"): Counts(5, 5)}


def test_days_that_were_counted_here_are_not_booked_again(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    a_few_days(home)
    home.count("2026-11-20T06:00", Counts(5, 5))
    home.run("whitestat", home.old.path)
    assert home.days()["2026-11-20", "phone"] == Counts(5, 5)
    assert "Left out: 1 day (2026-11-20): already in the ledger" in capsys.readouterr().out


def test_the_day_of_the_change_has_both_one_after_the_other(home: Home) -> None:
    a_few_days(home)
    home.count("2026-11-21T09:00", Counts(5, 5))
    home.run("whitestat", home.old.path)
    assert home.days() == BOOKED | {("2026-11-21", "phone"): Counts(51_205, 2_053)}


def test_totals_are_nobodys_and_stay_out_where_hosts_are(home: Home) -> None:
    home.count("2026-11-19T12:00", Counts(5, 5))
    for _ in range(2):
        assert home.run("vnstat", FIXTURES / "vnstat" / "two_years.json") == 0
    found = home.days()
    assert found["2026-11-18", None] == Counts(100, 10)
    assert ("2026-11-19", None) not in found
    assert found["2026-11-20", None] == Counts(300, 30)


def test_darkstat_leaves_its_days_and_its_hosts(home: Home) -> None:
    for name in ("live.export", "lan.export", "day2.log", "live.export"):
        assert home.run("darkstat", FIXTURES / "darkstat_export" / name) == 0
    assert home.days() == {("2026-11-21", None): Counts(504, 504, 6, 6)}
    with closing(Queries(home.store, ZONE)) as queries:
        assert A in [each.mac for each in queries.devices()]


@pytest.mark.parametrize(
    ("program", "path", "said"),
    [
        ("darkstat", "nowhere", "nowhere: cannot be read: no such file or directory"),
        ("vnstat", ".", "cannot be read: is a directory"),
        ("whitestat", "nowhere", "nowhere: there is no such file"),
    ],
)
def test_what_is_not_there_is_said(
    home: Home, capsys: pytest.CaptureFixture[str], program: str, path: str, said: str
) -> None:
    assert home.run(program, path) == 1
    assert said in capsys.readouterr().err


def at_home(home: Home) -> importing.ImportTarget:
    return importing.ImportTarget(home.store, ZONE, Locality(), NOW_S)


def test_the_first_start_takes_over_what_lies_beside_it_and_the_next_does_not(home: Home) -> None:
    a_few_days(home)
    before = home.old.path.read_bytes()
    with closing(Writer(home.store, ZONE)) as writer:
        importing.import_once(writer, home.old.path, at_home(home))
    assert (home.days(), home.old.path.read_bytes()) == (BOOKED, before)
    home.old.add("dailyusage", "192.168.1.10", A, "2026-11-23", 1.0, 0.0)
    with closing(Writer(home.store, ZONE)) as writer:
        importing.import_once(writer, home.old.path, at_home(home))
    assert home.days() == BOOKED


def test_a_first_start_beside_damage_or_nothing_goes_on(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    home.old.path.write_bytes(b"no database at all")
    with closing(Writer(home.store, ZONE)) as writer, caplog.at_level(logging.INFO):
        importing.import_once(writer, home.old.path, at_home(home))
        assert "nothing is imported" in caplog.text
        importing.import_once(writer, home.old.path.with_name("none.db"), at_home(home))
    assert home.days() == {}


def test_the_service_looks_for_it_in_the_folder_of_the_store(home: Home) -> None:
    a_few_days(home)
    loaded = loader.load(home.config, {}, root=True)
    for folder, expected in ((home.store.parent.parent, {}), (home.store.parent, BOOKED)):
        if folder == home.store.parent:
            shutil.copy(home.old.path, folder)
        import_old(loaded, ZONE)
        assert (home.days() if home.store.exists() else {}) == expected


def test_the_service_takes_over_the_file_that_is_named(home: Home) -> None:
    a_few_days(home)
    named = home.old.path.rename(home.old.path.with_name("House.db"))
    with home.config.open("a") as file:
        file.write(f'old = "{named}"\n')
    import_old(loader.load(home.config, {}, root=True), ZONE)
    assert home.days() == BOOKED


def test_a_file_system_that_ignores_case_keeps_the_old_database_as_it_is(home: Home) -> None:
    """WhiteStat.db and whitestat.db are one file there; a link stands for that here."""
    a_few_days(home)
    loaded = loader.load(home.config, {}, root=True)
    old = home.store.with_name("WhiteStat.db")
    if old != home.old.path:
        shutil.copy(home.old.path, old)
    os.link(old, home.store)
    before = old.read_bytes()
    with pytest.raises(ConfigError, match=r"is the database of an older WhiteStat, .* name another file in \[store\]"):
        import_old(loaded, ZONE)
    assert old.read_bytes() == before


def test_a_ledger_that_is_also_found_as_the_old_database_is_no_old_database(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Writer(home.store, ZONE)):
        pass
    home.store.with_name("WhiteStat.db").unlink(missing_ok=True)
    os.link(home.store, home.store.with_name("WhiteStat.db"))
    import_old(loader.load(home.config, {}, root=True), ZONE)
    assert home.days() == {}
    assert caplog.text == ""


@pytest.mark.slow
def test_years_of_history_leave_no_memory_behind_in_the_service(home: Home) -> None:
    days = [f"2026-{day // 28 + 1:02}-{day % 28 + 1:02} 00:00:00" for day in range(280)]
    hosts = [{**ROW, "IP": f"10.0.0.{number}", "Hostname": f"pc{number}"} for number in range(100)]
    home.old.add_all("usagehistory", (host | {"DATE": day} for day in days for host in hosts))
    shutil.copy(home.old.path, home.store.parent)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    import_old(loader.load(home.config, {}, root=True), ZONE)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 10_000
    assert sum(counts.octets_in for counts in home.days().values()) == len(days) * len(hosts) * 1024


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_drawn_on_a_terminal_alone() -> None:
    for out, drawn in ((Terminal(), True), (io.StringIO(), False)):
        progress = Progress(200, out)
        for done in range(0, 201, 10):
            progress(done)
        progress.end()
        assert ("100 % of 200 rows" in out.getvalue()) is drawn
        assert out.getvalue().count("\r") == (22 if drawn else 0)


amounts = st.integers(0, 10**6).map(lambda octets: round(octets / 1024, 2))
days = st.sampled_from(["2026-11-18", "2026-11-19", "2026-12-01"])
table = st.dictionaries(st.tuples(st.sampled_from([10, 11, 12]), st.sampled_from([A, B]), days), amounts, max_size=6)


@pytest.mark.slow
@examples(25)
@given(table, table)
def test_runs_over_data_that_grows_end_where_one_run_over_the_last_of_it_does(
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[tuple[int, str, str], float],
    more: dict[tuple[int, str, str], float],
) -> None:
    grown = {key: max(first.get(key, 0.0), more.get(key, 0.0)) for key in {*first, *more}}
    results = []
    for states in ([first, grown, grown], [grown]):
        home = Home(tmp_path_factory.mktemp("home"))
        for number, state in enumerate(states):
            old = OldDatabase(home.store.parent.parent / f"{number}.db")
            for (ip, mac, day), kilobytes in state.items():
                old.add("usagehistory", f"192.168.1.{ip}", mac, day, kilobytes, 0.0)
            assert home.run("whitestat", old.path) == 0
        results.append({key: counts for key, counts in home.days().items() if counts.octets})
    assert results[0] == results[1]


def test_a_source_that_forgot_days_meanwhile_books_no_more_than_its_month(home: Home, tmp_path: Path) -> None:
    def printed(*days: int, total: int) -> Path:
        rows = [{"date": {"year": 2026, "month": 10, "day": day}, "rx": 100 * day, "tx": 0} for day in days]
        month = {"date": {"year": 2026, "month": 10}, "rx": total, "tx": 0}
        interface = {"name": "eth0", "traffic": {"day": rows, "month": [month]}}
        file = tmp_path / f"{total}-{len(days)}.json"
        file.write_text(json.dumps({"jsonversion": "2", "interfaces": [interface]}))
        return file

    home.run("vnstat", printed(1, 2, 3, total=600))
    for file, total in ((printed(3, total=600), 600), (printed(total=600), 600), (printed(total=900), 900)):
        home.run("vnstat", file)
        assert sum(counts.octets for counts in home.days().values()) == total
    assert home.days()["2026-10-03", None] == Counts(300)


def test_a_device_is_not_seen_in_the_future(home: Home) -> None:
    with closing(sqlite3.connect(home.old.path)) as connection:  # version 1 did not keep the time
        connection.executescript("DROP TABLE dailyusage; DROP TABLE usagehistory; DROP TABLE timeframe")
    old = OldDatabase(home.old.path, "v1").add("dailyusage", "192.168.1.10", A, "2026-12-01", 1.0, 1.0)
    home.run("whitestat", old.path)
    with closing(Queries(home.store, ZONE)) as queries:
        (device,) = queries.devices()
    assert device.last_seen_ms == NOW_MS


def test_an_option_about_another_programs_files_is_refused(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--month-rotate", "5"], ["--unit", "kB"], ["--lan"], ["--interface", "eth0"]):
        assert home.run("whitestat", home.old.path, *words) == 2
        assert f"{words[0]}: is an option for" in capsys.readouterr().err


def test_the_command_takes_the_day_on_which_months_begin(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    file = FIXTURES / "vnstat" / "month_rotate_15.json"
    assert home.run("vnstat", file) == 1
    assert "say --month-rotate DAY, where 6 to 20 would agree" in capsys.readouterr().err
    assert home.run("vnstat", file, "--month-rotate", "15") == 0
    assert home.days() == {("2022-10-20", None): Counts(1_000), ("2022-11-05", None): Counts(1_300)}
