"""The page's file of settings: what it may set, what wins over it, and what happens where it is faulty."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.configuration import HOME
from whitestat.config import page_file
from whitestat.config.loader import load, with_page
from whitestat.config.schema import declared
from whitestat.config.sections import Config
from whitestat.config.settings import rows, settings
from whitestat.config.tables import SECTIONS
from whitestat.core.errors import ConfigError

Load = Callable[..., Config]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Load root's file and the page's file of these texts."""

    def load_texts(roots: str = "", page: str | None = None, **environ: str) -> Config:
        file, store = tmp_path / "whitestat.toml", tmp_path / "whitestat.db"
        file.write_text(f'store.path = "{store}"\n{roots}')
        file.chmod(0o600)
        if page is not None:
            page_file.write(page_file.path_of(store), page)
        return load(file, HOME | environ, root=False)

    return load_texts


def fault(config: Config) -> str:
    assert config.layers
    return config.layers.fault


def sources(config: Config) -> dict[str, tuple[object, str, bool]]:
    """Return value, file name of the source and whether it is fixed, of each key."""
    layers = config.layers
    assert layers
    return {one.name: (one.value, Path(one.source).name, bool(one.fixed)) for one in settings(layers, layers.page)}


def test_the_page_sets_what_the_file_leaves_open_and_the_file_wins(loaded: Load) -> None:
    config = loaded("billing.day = 5\n", 'timezone = "Europe/Stockholm"\n[billing]\nday = 9\nhour = 3\n')
    assert (config.billing.day, config.billing.hour, config.timezone) == (5, 3, "Europe/Stockholm")
    told = sources(config)
    assert told["billing.day"] == (5, "whitestat.toml", True)
    assert told["billing.hour"] == (3, "whitestat.db.settings.toml", False)
    assert told["csv.keep"] == (None, "default", False)
    assert told["store.path"][2] and told["web.certificate"] == (None, "default", True)


def test_the_environment_wins_over_the_page_and_is_named(loaded: Load) -> None:
    config = loaded(page='timezone = "Europe/Stockholm"\n', TZ="Europe/Berlin")
    assert config.timezone == "Europe/Berlin"
    assert sources(config)["timezone"] == ("Europe/Berlin", "the environment: TZ", True)


def test_a_row_of_the_file_is_fixed_as_a_whole(loaded: Load) -> None:
    config = loaded(
        '[[plan]]\nname = "line"\nallowance = "40GB"\n',
        '[[plan]]\nname = "line"\nallowance = "1GB"\n[[plan]]\nname = "kids"\nof = "label kids"\n',
    )
    assert [(plan.name, plan.allowance) for plan in config.plans] == [("line", 40_000_000_000), ("kids", None)]
    assert any("plan 'line' has no effect" in notice for notice in config.notices)
    [section] = [section for section in SECTIONS if section.name == "plan"]
    assert config.layers
    told = rows(config.layers, config.layers.page, section)
    assert [(row.name, bool(row.fixed)) for row in told] == [("line", True), ("kids", False)]


ROOTS = [
    ("web.certificate", '"/etc/shadow"'),
    ("web.key", '"/etc/shadow"'),
    ("web.proxies", '["0.0.0.0/0"]'),
    ("service.user", '"root"'),
    ("store.path", '"/etc/passwd"'),
    ("store.old", '"/etc/passwd"'),
    ("lan.leases", '["/etc/shadow"]'),
    ("lan.mac_host", '"/etc/shadow"'),
    ("csv.folder", '"/etc"'),
    ("notify.file", '"/etc/shadow"'),
]


@pytest.mark.parametrize(("key", "value"), ROOTS)
def test_what_could_own_the_machine_counts_from_roots_file_alone(loaded: Load, key: str, value: str) -> None:
    config = loaded(page=f"{key} = {value}\n")
    assert f"{key}: only root's configuration file may set it" in fault(config)
    assert config == replace(loaded(), notices=config.notices)


def test_every_path_is_roots_and_secrets_are_marked() -> None:
    keys = [one for section in SECTIONS for one in declared(section.holds)]
    assert {one.name for one in keys if "path" in one.key.kind.words and one.name != "base"} <= {
        one.name for one in keys if one.is_roots
    }
    assert [one.name for one in keys if one.key.secret] == ["password", "to"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('web.listen = "0.0.0.0:80"', "web.listen: must be host:port with a port from 1024"),
        ('[[point]]\nname = "x"\ncollector = "of-a-package"', "point[1].collector: must be one of"),
        ('[[point]]\nname = "x"\ncollector = "darkstat"\nurl = "http://192.0.2.1"\nonly = "(a+)+$"', "only root's"),
        ('[[point]]\nname = "x"\ncollector = "kernel"', "is missing: collector 'kernel' needs it"),
        ("billing.day = 99", "billing.day: must be a whole number from 1 to 31, got 99"),
        ("billing.dya = 1", "(did you mean 'day'?)"),
        ("billing.day = ", "line 1"),
        ('notify.to = ["syslog://"]', "notify.to: must be addresses like"),
        ('notify.to = ["dbus://x"]', "notify.to: must be addresses like"),
        ('notify.to = ["slack://a/b/c?template=/etc/passwd"]', "without a file in them"),
        ('store.flush = "30s"\nstore.retention.second = "1h"', "store.flush: must be"),
    ],
)
def test_a_fault_is_told_as_in_the_file_and_the_service_still_starts(loaded: Load, line: str, said: str) -> None:
    config = loaded(page=line)
    assert said in fault(config) and "whitestat.db.settings.toml" in fault(config)
    assert any("the settings before are in use" in notice for notice in config.notices)


def test_a_faulty_file_leaves_those_in_use_that_it_last_started_with(loaded: Load, tmp_path: Path) -> None:
    page = page_file.path_of(tmp_path / "whitestat.db")
    page_file.write(page_file.good_of(page), "billing.day = 7\n")
    config = loaded(page="billing.day = 77\n")
    assert config.billing.day == 7 and "got 77" in fault(config)


def test_retention_and_flush_are_checked_over_both_files(loaded: Load) -> None:
    assert loaded(page='store.retention.second = "1h"\n').store.flush_s == 1
    assert "store.flush: must be" in fault(loaded('store.flush = "30s"\n', 'store.retention.second = "1h"\n'))


def test_a_plan_of_the_page_may_name_a_point_of_the_file(loaded: Load) -> None:
    point = '[[point]]\nname = "lan"\ncollector = "kernel"\ninterface = "br0"\n'
    assert not fault(loaded(point, '[[plan]]\nname = "line"\npoint = "lan"\n'))
    assert "there is no [[point]] named 'wan'" in fault(loaded(point, '[[plan]]\nname = "line"\npoint = "wan"\n'))


def test_a_document_is_checked_without_a_file(loaded: Load) -> None:
    config = loaded("billing.hour = 2\n")
    assert with_page(config, {"billing": {"day": 3}}).billing.day == 3
    with pytest.raises(ConfigError, match=r"billing\.day"):
        with_page(config, {"billing": {"day": "x"}})
    assert config.billing.day == 1


def test_a_link_a_pipe_and_a_giant_are_refused(loaded: Load, tmp_path: Path) -> None:
    page = page_file.path_of(tmp_path / "whitestat.db")
    page.symlink_to("/etc/passwd")
    assert "symbolic link" in fault(loaded())
    page.unlink()
    os.mkfifo(page)
    assert "must be a plain file" in fault(loaded())
    page.unlink()
    page.write_text("#" * (page_file.MOST_OCTETS + 1))
    assert "more than" in fault(loaded())


def test_writing_is_private_and_leaves_nothing_beside(tmp_path: Path) -> None:
    page = tmp_path / "whitestat.db.settings.toml"
    page_file.write(page, "a = 1\n")
    page_file.write(page, "a = 22\n")
    assert page.read_text() == "a = 22\n"
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [page]


def test_versions_are_bounded(tmp_path: Path) -> None:
    page = tmp_path / "whitestat.db.settings.toml"
    for number in range(1, 51, 2):
        page_file.keep_version(page, number, f"a = {number}\n")
    assert page_file.versions(page) == list(range(1, 51, 2))[-page_file.VERSIONS_KEPT :]
    assert page_file.read(page_file.version_of(page, 49)) == "a = 49\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_file_that_is_mounted_by_itself_is_written_in_place(tmp_path: Path) -> None:
    """rename(2) onto a mount point answers EBUSY; a child has the mount in a namespace of its own."""
    page, outside = tmp_path / "whitestat.db.settings.toml", tmp_path / "outside.toml"
    page.write_text("")
    outside.write_text("a = 'something longer'\n")
    script = (
        "import ctypes, os, sys\nfrom pathlib import Path\nfrom whitestat.config import page_file\n"
        "libc = ctypes.CDLL(None, use_errno=True)\nassert libc.unshare(0x20000) == 0\n"
        "assert libc.mount(b'none', b'/', None, 0x44000, None) == 0\n"
        "assert libc.mount(sys.argv[1].encode(), sys.argv[2].encode(), None, 0x1000, None) == 0\n"
        "page_file.write(Path(sys.argv[2]), 'a = 2\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(outside), str(page)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert outside.read_text() == "a = 2\n" and page.read_text() == ""
    assert {path.name for path in tmp_path.iterdir()} == {page.name, outside.name}
