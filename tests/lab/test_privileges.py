"""Root is given up once the meter is open, and metering goes on."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.lab.home import INTERNET4, PHONE, Home, Links
from tests.lab.referee import Octets, Referee
from tests.lab.service import Service, environment, running, settings
from tests.lab.traffic import flood
from tests.support.rights import rights_below
from whitestat.core.system.privileges import effective, needed_to_read, reads_afterwards
from whitestat.core.system.service_user import RESERVED, RESERVED_THROTTLE

pytestmark = pytest.mark.lab

CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_BPF = 12, 21, 39
ANSWERS = ("/api/v1/usage.html", "/metrics", "/table", "/", "/openapi.json")
PYTHON = Path("/usr/bin/python3.11")
MODULES = (
    *("whitestat", "starlette", "uvicorn", "h11", "anyio", "click", "idna", "typing_extensions"),
    *("jinja2", "markupsafe", "prometheus_client", "aiooui"),
)


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with Home(Links.CUT) as home:
        yield home


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that any user can reach, as /var/lib/whitestat is."""
    above = Path(tempfile.mkdtemp(prefix="whitestat-lab-"))
    above.chmod(0o755)
    folder = above / "whitestat"
    folder.mkdir()
    yield folder
    shutil.rmtree(above)


def public_modules(public_folder: Path) -> Path:
    """The program and what it imports, where any user can read them."""
    modules = public_folder.parent / "modules"
    for name in MODULES:
        found = find_spec(name)
        assert found and found.origin
        origin = Path(found.origin)
        if origin.name == "__init__.py":
            shutil.copytree(origin.parent, modules / name)
        else:
            shutil.copy(origin, modules)
    return modules


def as_nobody(*capabilities: str) -> tuple[str, ...]:
    """The program that starts another as nobody with these capabilities alone."""
    given = ",".join(["-all", *(f"+{each}" for each in capabilities)])
    rights = [f"--{kind}={given}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    return ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *rights)


def status(service: Service) -> dict[str, str]:
    """Of the process's main thread and, checked to be the same, of every other one."""
    found = []
    for thread in Path(f"/proc/{service.pid}/task").iterdir():
        lines = (line.partition(":") for line in (thread / "status").read_text().splitlines())
        fields = {name: value.strip() for name, _, value in lines}
        found.append({name: fields[name] for name in ("Uid", "Gid", "CapEff", "CapPrm", "CapBnd", "NoNewPrivs")})
    assert all(each == found[0] for each in found)
    return found[0]


def metered(home: Home, service: Service) -> None:
    referee = Referee(home)
    before, booked = referee.read()[PHONE], service.usage("wan").get("phone", Octets())
    flood(home[PHONE], INTERNET4, packets=5000)
    service.settle()
    now = service.usage("wan")["phone"]
    assert Octets(*(b - a for a, b in zip(booked, now, strict=True))) == referee.read()[PHONE].minus(before).wan


def test_it_holds_no_capability_and_goes_on_metering(home: Home, public_folder: Path) -> None:
    with running(home.gateway, public_folder) as service:
        metered(home, service)
        held = status(service)
        assert int(held["CapEff"], 16) == int(held["CapPrm"], 16) == int(held["CapBnd"], 16) == 0
        assert held["NoNewPrivs"] == "1"
        for path in ANSWERS:  # loaded before, or within reach still
            assert service.get(path).status == 200


def test_it_becomes_a_user_of_its_own_also_where_code_and_data_are_in_a_private_home(
    home: Home, tmp_path: Path
) -> None:
    """Python and the tests' folders are in root's own here, or below a folder that is made so."""
    tmp_path.parent.chmod(0o700)
    service = Service(home.gateway, tmp_path, settings(tmp_path))
    try:
        service.start()
        metered(home, service)
        held = status(service)
        assert held["Uid"].split() == held["Gid"].split() == [str(RESERVED)] * 4
        assert int(held["CapPrm"], 16) == 0
        assert f"runs as user {RESERVED}" in service.log
        control = (tmp_path / "whitestat.db.sock").stat()
        assert (control.st_uid, stat.S_IMODE(control.st_mode)) == (RESERVED, 0o600)
        assert service.command("name", PHONE.name, "Anna's phone").returncode == 0
        assert "Anna's phone" in service.usage("wan")
        for path in ANSWERS:
            assert service.get(path).status == 200
        shown = list(Path(f"/proc/{service.pid}/root{tmp_path.parent}").iterdir())
        assert [path.name for path in shown] == [tmp_path.name], "of the private folder it sees what it needs alone"
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
        assert service.stop() == 0, service.log
        for file in tmp_path.glob("whitestat.db*"):
            assert (file.stat().st_uid, stat.S_IMODE(file.stat().st_mode)) == (RESERVED, 0o600)
        assert not (tmp_path / "whitestat.db.sock").exists()
    finally:
        service.end()


@pytest.mark.skipif(not PYTHON.exists(), reason="needs the system's Python 3.11")
def test_nobody_with_the_meters_capabilities_alone_meters_and_then_holds_none(home: Home, public_folder: Path) -> None:
    home.gateway.run("chmod", "0700", "/sys/fs/bpf")  # as systemd mounts it; the kernel's own default is 1777
    shutil.chown(public_folder, "nobody")
    service = Service(home.gateway, public_folder, settings(public_folder))
    service.python, service.modules = str(PYTHON), str(public_modules(public_folder))
    service.prefix = as_nobody("net_raw", "bpf", "perfmon")
    try:
        service.start()
        metered(home, service)
        held = status(service)
        assert held["Uid"].split() == [str(pwd.getpwnam("nobody").pw_uid)] * 4
        assert int(held["CapEff"], 16) == int(held["CapPrm"], 16) == 0
        assert "br0 (in the kernel)" in service.log
        [notice] = service.get("/api/v1/health").json["notices"]
        assert "/sys/fs/bpf" in notice
        assert service.stop() == 0, service.log
    finally:
        service.end()


@pytest.mark.skipif(not PYTHON.exists(), reason="needs the system's Python 3.11")
def test_check_says_which_capability_is_missing_and_what_is_left(home: Home, public_folder: Path) -> None:
    shutil.chown(public_folder, "nobody")
    Service(home.gateway, public_folder, settings(public_folder))
    modules = public_modules(public_folder)
    for capabilities, missing, instead in (
        (("net_raw", "bpf", "perfmon"), None, None),
        (("net_raw",), "CAP_BPF, CAP_PERFMON", "counting packets in this process instead"),
        (("bpf", "perfmon"), "CAP_NET_RAW", "counting interface totals instead"),
        ((), "CAP_NET_RAW, CAP_BPF, CAP_PERFMON", "counting interface totals instead"),
    ):
        words = (str(PYTHON), "-m", "whitestat", "check", "--config", str(public_folder / "whitestat.toml"))
        line = home.gateway.command(*as_nobody(*capabilities), *words)
        done = subprocess.run(
            line,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env=environment() | {"PYTHONPATH": str(modules)},
        )
        assert done.returncode == (1 if missing else 0), done.stdout + done.stderr
        if missing:
            assert f"missing here: {missing}; {instead}" in done.stdout
        else:
            assert "Everything works." in done.stdout


def test_no_thread_and_no_child_has_rights_but_the_helper_that_slows_devices(home: Home, public_folder: Path) -> None:
    """Of every process below the service, while a plan that slows is in force."""
    plan = '[[plan]]\nname = "line"\nallowance = "1MB"\nwhen_over = "6Mbit/s"\n'
    with running(home.gateway, public_folder, settings(public_folder, more=plan)) as service:
        metered(home, service)
        threads = rights_below(service.pid)
        helpers = [each for each in threads if "whitestat.throttle.helper" in each.name]
        assert helpers and len(threads) > len(helpers) + 1
        for each in threads:
            assert each.no_new_privileges
            if each in helpers:
                assert each.users == {RESERVED_THROTTLE}
                assert each.capabilities == each.bounding == 1 << CAP_NET_ADMIN
            else:
                assert each.users == {RESERVED}
                assert each.capabilities == each.bounding == 0
                assert each.is_filtered


def test_a_ledger_that_was_nobodys_or_roots_becomes_the_users(home: Home, public_folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    for owner in ((0, 0), (nobody.pw_uid, nobody.pw_gid), (0, 0)):
        with running(home.gateway, public_folder) as service:
            metered(home, service)
            assert public_folder.stat().st_uid == (public_folder / "whitestat.db").stat().st_uid == RESERVED
        for path in (public_folder, *public_folder.iterdir()):
            os.chown(path, *owner)


def test_root_stays_root_where_that_is_asked_for_and_says_what_it_may(home: Home, public_folder: Path) -> None:
    config = settings(public_folder, more='[service]\nuser = "root"\n')
    with running(home.gateway, public_folder, config) as service:
        metered(home, service)
        held = status(service)
        assert held["Uid"].split() == ["0"] * 4
        assert int(held["CapPrm"], 16) == int(held["CapBnd"], 16) == 0
        assert "it can still read and change every file of root" in service.log


def test_root_is_refused_where_no_other_user_can_be_had(home: Home, public_folder: Path) -> None:
    service = Service(home.gateway, public_folder, settings(public_folder))
    service.prefix = ("setpriv", "--bounding-set=-setuid", "--inh-caps=-setuid")
    line = home.gateway.command(*service.prefix, sys.executable, "-m", "whitestat", "run", *service.words)
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, env=environment())
    assert done.returncode == 2
    assert 'user = "root" in [service]' in done.stderr
    assert not list(public_folder.glob("whitestat.db*"))


def test_what_root_alone_could_read_is_loaded_before_root_is_given_up(public_folder: Path) -> None:
    """Somebody's private home: root without capabilities is kept out of it as anybody is."""
    private = public_folder.parent / "home"
    private.mkdir(mode=0o700)
    (private / "module.py").touch()
    assert reads_afterwards(None, [Path(os.__file__)])
    os.chown(private, 4321, 4321)
    assert not reads_afterwards(None, [private / "module.py"])
    assert os.geteuid() == 0 and CAP_BPF in effective(), "the child dropped, not this process"


def test_a_user_that_does_not_exist_is_named(home: Home, tmp_path: Path) -> None:
    service = Service(home.gateway, tmp_path, settings(tmp_path, more='[service]\nuser = "no-such-user"\n'))
    done = service.command("run")
    assert done.returncode == 2
    assert "no-such-user" in done.stderr
    assert "Traceback" not in done.stderr


def test_old_kernels_keep_what_reading_maps_takes_there() -> None:
    assert needed_to_read("6.1.0-18-amd64") == frozenset()
    assert needed_to_read("5.10.0") == {CAP_BPF}
    assert needed_to_read("5.4.0-rpi7") == {CAP_SYS_ADMIN}
