"""What the service's user plants in its own folder, root neither opens, changes nor gives away."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from whitestat.core.errors import ConfigError, LedgerError
from whitestat.core.system.own_files import close_to_others, give
from whitestat.core.system.service_user import RESERVED, RESERVED_THROTTLE, ServiceUser, choose, throttle_user
from whitestat.ledger.files.database import open_for_writing
from whitestat.ledger.recovery.restore import restore

pytestmark = pytest.mark.needs("setpriv")

USER = ServiceUser("tester", RESERVED, RESERVED)
SECRET = b"root:secret:19000:0:99999:7:::\n"
NAMES: tuple[str, ...] = (
    "whitestat.db",
    "whitestat.db-wal",
    "whitestat.db-shm",
    "whitestat.db.flushes",
    "whitestat.db.lock",
)
NAMES += ("whitestat.db.access", "whitestat.db.sock", "whitestat.db.new", "whitestat.db.access.new")


@pytest.fixture
def place() -> Iterator[Path]:
    """`data` of the service's user, and `secret` of root beside it."""
    with TemporaryDirectory() as name:
        above = Path(name)
        above.chmod(0o755)
        data = above / "data"
        data.mkdir(mode=0o700)
        os.chown(data, RESERVED, RESERVED)
        (above / "secret").write_bytes(SECRET)
        (above / "secret").chmod(0o600)
        yield above


def untouched(place: Path) -> bool:
    found = (place / "secret").stat()
    return (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o600) and (place / "secret").read_bytes() == SECRET


def config(place: Path, more: str = "") -> Path:
    file = place / "whitestat.toml"
    file.write_text(
        f'[web]\nlisten = "127.0.0.1:0"\n[store]\npath = "{place}/data/whitestat.db"\n'
        f'[[point]]\nname = "lo"\ncollector = "interface"\ninterface = "lo"\n{more}'
    )
    return file


def ran(place: Path, *words: str, seconds: float = 120) -> str:
    """What a command of root's printed; `run` is ended after its first second of counting."""
    call = [sys.executable, "-m", "whitestat", *words, "--config", str(config(place))]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        until = time.monotonic() + seconds
        while words[0] == "run" and process.poll() is None and time.monotonic() < until:
            time.sleep(0.2)
            if stat.S_ISSOCK(_mode(place / "data/whitestat.db.sock")):
                time.sleep(1)
                process.send_signal(signal.SIGTERM)
                break
        try:
            return process.communicate(timeout=seconds)[0]
        finally:
            process.kill()


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


def as_user(*words: str) -> None:
    before = ("setpriv", "--reuid", str(RESERVED), "--regid", str(RESERVED), "--clear-groups")
    subprocess.run([*before, *words], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_link_is_followed_neither_by_the_service_nor_by_a_command(place: Path, name: str) -> None:
    as_user("ln", "-s", str(place / "secret"), str(place / "data" / name))
    for words in (["run"], ["today"], ["history"]):
        printed = ran(place, *words)
        assert "Traceback" not in printed, printed
        assert "secret:19000" not in printed
        assert untouched(place)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["whitestat.db", "whitestat.db.flushes", "whitestat.db-wal"])
def test_a_pipe_is_refused_and_waited_for_by_nothing(place: Path, name: str) -> None:
    as_user("mkfifo", str(place / "data" / name))
    for words in (["run"], ["today"]):
        assert "Traceback" not in ran(place, *words)


def test_a_second_name_of_a_file_of_roots_is_not_given_away(place: Path) -> None:
    for name in NAMES[:4]:
        os.link(place / "secret", place / "data" / name)
    give(place / "data", USER, "whitestat.db")
    assert untouched(place)
    close_to_others(place / "data", "whitestat.db", RESERVED, folder_too=True)
    assert untouched(place)


def test_a_folder_that_is_swapped_for_a_link_gives_nothing_away(place: Path) -> None:
    (place / "data").rmdir()
    (place / "etc").mkdir()
    (place / "etc/passwd").touch()
    (place / "data").symlink_to(place / "etc")
    with pytest.raises(ConfigError, match=r"holds other files too \(passwd\)"):
        give(place / "data", USER, "whitestat.db")
    assert (place / "etc").stat().st_uid == 0


def test_a_folder_that_is_shared_or_anothers_is_not_given_away(place: Path) -> None:
    shared = place / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    with pytest.raises(ConfigError, match="is shared by all users"):
        give(shared, USER, "whitestat.db")
    os.chown(place / "data", 4321, 4321)
    with pytest.raises(ConfigError, match="belongs to user 4321"):
        give(place / "data", USER, "whitestat.db")
    assert (shared.stat().st_uid, (place / "data").stat().st_uid) == (0, 4321)


def test_a_file_that_root_restored_is_the_services_again(place: Path) -> None:
    (place / "data/whitestat.db").write_bytes(b"")
    (place / "data/notes.txt").write_bytes(b"")
    give(place / "data", USER, "whitestat.db")
    assert (place / "data/whitestat.db").stat().st_uid == RESERVED
    assert (place / "data/notes.txt").stat().st_uid == 0


def test_what_others_could_read_is_closed_with_one_line(place: Path) -> None:
    data = place / "data"
    for name in NAMES[:5]:
        (data / name).touch()
        (data / name).chmod(0o644)
        os.chown(data / name, RESERVED, RESERVED)
    data.chmod(0o755)
    (line,) = close_to_others(data, "whitestat.db", RESERVED, folder_too=True)
    assert line.endswith("could read the folder, whitestat.db, whitestat.db-shm and 3 more; now they cannot")
    assert {stat.S_IMODE(path.stat().st_mode) for path in data.iterdir()} == {0o600}
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert close_to_others(data, "whitestat.db", RESERVED, folder_too=True) == []
    place.chmod(0o755)
    assert close_to_others(place, "whitestat.db", RESERVED, folder_too=True) == []
    assert stat.S_IMODE(place.stat().st_mode) == 0o755, "root's folder is not the service's to change"


def test_it_is_never_nobody_and_the_helper_is_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="other programs run as `nobody`"):
        choose("nobody")
    with pytest.raises(ConfigError, match="no user 'no-such-user'"):
        choose("no-such-user")
    service = choose(None)
    assert service and service.uid == RESERVED, "this machine has no user whitestat"
    helper = throttle_user(service)
    assert helper and helper.uid == RESERVED_THROTTLE


def test_a_number_that_is_taken_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    real = pwd.getpwuid(0)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: real)
    with pytest.raises(ConfigError, match=f"the number {RESERVED}, which it would run as, is root's here"):
        choose(None)


@pytest.mark.slow
def test_what_the_service_makes_is_for_its_user_alone(place: Path) -> None:
    (place / "data").rmdir()
    before = os.umask(0)
    try:
        ran(place, "run")
    finally:
        os.umask(before)
    assert stat.S_IMODE((place / "data").stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (place / "data").iterdir()}
    assert modes and set(modes.values()) == {0o600}


def test_a_command_of_another_user_says_how_to_run_it_instead_of_a_traceback(place: Path) -> None:
    """The ledger is private to the service's user."""
    file = config(place)
    file.chmod(0o644)
    other = ["setpriv", "--reuid=60999", "--regid=60999", "--clear-groups"]
    for command in (["today"], ["devices"], ["check"], ["run"]):
        done = subprocess.run(
            [*other, sys.executable, "-m", "whitestat", "--config", str(file), *command],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done
        assert "run this as root" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_way_is_made_by_root_that_may_not_look_into_the_folder(place: Path) -> None:
    """As in a container without CAP_DAC_READ_SEARCH, where the data folder is the service's user's."""
    call = (
        "from pathlib import Path; from whitestat.core.system.passage import make_way; "
        "from whitestat.core.system.service_user import ServiceUser; "
        f"make_way(ServiceUser('tester', {RESERVED}, {RESERVED}), [Path('/usr')], [Path('{place}/data/old.json')])"
    )
    drop = "--bounding-set=-dac_override,-dac_read_search"
    done = subprocess.run(
        ["setpriv", drop, "--inh-caps=-all", sys.executable, "-c", call], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_root_restores_nothing_through_a_link_of_the_services_user(place: Path) -> None:
    """The link leads to a file of root, which would be renamed."""
    link, backup = place / "data" / "whitestat.db", place / "backup.db"
    open_for_writing(backup).close()
    link.symlink_to(place / "secret")
    os.chown(link, RESERVED, RESERVED, follow_symlinks=False)
    names = sorted(place.iterdir())
    with pytest.raises(LedgerError, match="is a link"):
        restore(link, backup, 0)
    assert untouched(place)
    assert sorted(place.iterdir()) == names
