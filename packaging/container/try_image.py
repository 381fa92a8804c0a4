"""Runs an image as a container engine would: its own user, environment and commands, nothing writable but the data.

No engine is needed: a network and mount namespace of the lab, a read-only bind mount, and chroot.
    PYTHONPATH=. python packaging/container/try_image.py ARCH      after packaging/container/image PYTHON ARCH
"""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.darkstat import PORT, Darkstat
from tests.lab.machine import LabError, Machine
from tests.support.old_databases import OldDatabase
from tests.support.rights import rights_below

HEALTHY_S = 90
"""An emulated one takes a while."""

BECOMING = "+chown,+setuid,+setgid"
"""What compose.yaml gives the one that reads darkstat."""

METERING = "+net_raw,+bpf,+perfmon,+net_bind_service,+chown,+setuid,+setgid"
"""What compose.yaml gives the one that meters."""

MAC = "02:50:00:00:00:02"
PACKETS = 20
OLD_DAY = "2026-01-30"
LEFT = {
    "DATA_STORE": "/mnt/whitestat",
    "MAC_HOST_MAP": "MAC_HOST.txt",
    "DARKSTAT_URL": "http://192.168.1.5:777",
    "IdleSeconds": 1,
    "UpdateDBSeconds": 1,
    "SERVER_PORT": 18777,
    "LAN_SEGMENT_MASKS": "192.168.50",
    "LAN_ROUTERS_TO_SKIP": "",
}
"""A WhiteStatConfig.json; the environment goes before it."""

NATIVE = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armv7"}


def main(arch: str) -> None:
    image = f"whitestat:{arch}"
    config = json.loads(_buildah("inspect", "--type", "image", image))["Docker"]["config"]
    with _unpacked(image) as root:
        uid, gid = _ids(root, config["User"])
        said = _run(root, config, (uid, gid), [])
        _hold("counts eth0 (interface totals)" in said, f"it was to count totals:\n{said}")
        _run(root, config, (uid, gid), [], tls=True)
        _reads_darkstat(root, config, (uid, gid), [])
        # WhiteStat 5 ran as root, so its folder is root's; and so is one that Docker makes.
        as_root = ["setpriv", "--inh-caps=-all", f"--bounding-set=-all,{BECOMING}"]
        _reads_darkstat(root, config, (0, 0), as_root, becomes=uid)
        _reads_darkstat(root, config, (1000, 1000), as_root, becomes=1000, starts=(0, 0))
        if arch == NATIVE.get(platform.machine()):  # an emulator of programs has no bpf(2)
            said = _run(root, config, (0, 0), ["setpriv", "--inh-caps=-all", f"--bounding-set=-all,{METERING}"])
            _hold("counts eth0 (in the kernel)" in said, f"it was to meter in the kernel:\n{said}")


def _reads_darkstat(
    root: Path,
    config: dict[str, Any],
    owner: tuple[int, int],
    prefix: list[str],
    *,
    becomes: int | None = None,
    starts: tuple[int, int] | None = None,
) -> None:
    """`owner` has the folder, and `starts` (the same by default) starts it, which `becomes` another user or stays.

    In WhiteStat 5's place, with what that left in its folder, until a poll of a real darkstat is booked."""
    with TemporaryDirectory() as data, TemporaryDirectory() as home, closing(Machine("container")) as machine:
        Path(data, "WhiteStatConfig.json").write_text(json.dumps(LEFT))
        Path(data, "MAC_HOST.txt").write_text(f"{MAC}|this machine")
        old = OldDatabase(Path(data, "WhiteStat.db")).add("usagehistory", "192.168.50.2", MAC, OLD_DAY, 12.5, 3.25).path
        before = old.read_bytes()
        for each in (Path(data), *Path(data).iterdir()):
            os.chown(each, *owner)
        _mounts(machine, root, Path(data))
        _network(machine)
        machine.ip(f"link set eth0 address {MAC}")
        machine.ip("neighbour add 192.168.50.1 lladdr 02:50:00:00:00:01 dev eth0 nud permanent")
        with closing(Darkstat(machine, Path(home), "eth0")), Path(data, "log").open("w") as output:
            environment = [*config["Env"], f"DARKSTAT_URL=http://127.0.0.1:{PORT}"]
            user, group = starts or owner
            enter = ["chroot", f"--userspec={user}:{group}", "--groups=", str(root), "env", "-i", *environment]
            process = machine.start(*enter, *prefix, *config["Entrypoint"], *config["Cmd"], stdout=output.fileno())
            began = time.monotonic()
            _until(lambda: _ask(machine, "/api/v1/health")["status"] == "ok", Path(data, "log"))
            healthy_s = time.monotonic() - began
            with machine.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                for _ in range(PACKETS):
                    sock.sendto(bytes(1000), ("192.168.50.1", 9))
            _until(lambda: _sent_kb(_ask(machine, "/json")) >= PACKETS * 1028 // 1024, Path(data, "log"))
            took_s = time.monotonic() - began
            (row,) = _ask(machine, f"/json/history?start={OLD_DAY}&end={OLD_DAY}")["data"]
            _hold(row[:2] + row[4:6] == ["192.168.50.2", MAC, 12.5, 3.25], f"of {OLD_DAY} it says {row}")
            _hold(old.read_bytes() == before, "WhiteStat.db must stay as it is")
            resident = Path(f"/proc/{process.pid}/status").read_text().partition("VmRSS:")[2].split()[0]
            _holds_no_rights(process.pid, owner[0] if becomes is None else becomes)
            process.terminate()
            _hold(process.wait(30) == 0, f"SIGTERM: exit {process.returncode}\n{Path(data, 'log').read_text()}")
        print(
            f"image: darkstat read as user {owner[0]}, healthy after {healthy_s:.1f} s, "
            f"the first poll booked after {took_s:.1f} s, {resident} kB resident then"
        )


def _holds_no_rights(pid: int, user: int) -> None:
    """Every thread of the service, and of every process below it, is that user, without a capability."""
    for thread in rights_below(pid):
        _hold(thread.users == {user}, f"{thread.name} ({thread.pid}) runs as {thread.users}")
        _hold(not thread.capabilities, f"{thread.name} ({thread.pid}) holds capabilities {thread.capabilities:x}")


def _until(true: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + HEALTHY_S
    while True:
        with suppress(OSError, HTTPException):
            if true():
                return
        _hold(time.monotonic() < until, f"not in {HEALTHY_S} s:\n{log.read_text()}")
        time.sleep(0.1)


def _ask(machine: Machine, path: str) -> Any:
    """The answer to a request from within the machine, as JSON."""
    connection = HTTPConnection("127.0.0.1", 777, timeout=10)
    connection.sock = machine.connect("127.0.0.1", 777)
    with closing(connection):
        connection.request("GET", path)
        return json.load(connection.getresponse())


def _sent_kb(frame: dict[str, Any]) -> float:
    """KBOut of the machine in WhiteStat 5's frame, under the name that its map file gives it."""
    rows = (dict(zip(frame["columns"], row, strict=True)) for row in frame["data"])
    return sum(float(row["KBOut"]) for row in rows if row["Hostname"] == "this machine")


def _run(root: Path, config: dict[str, Any], owner: tuple[int, int], prefix: list[str], *, tls: bool = False) -> str:
    """From the start to the first healthy answer and to SIGTERM; returns what it printed."""
    user = owner[0] or _ids(root, config["User"])[0]  # root becomes the image's own user
    with TemporaryDirectory() as data, closing(Machine("container")) as machine:
        os.chown(data, *owner)
        more = _certify(Path(data), owner) if tls else []
        _mounts(machine, root, Path(data))
        _network(machine)
        log = Path(data, "log")
        enter = ["chroot", f"--userspec={owner[0]}:{owner[1]}", "--groups=", str(root), "env", "-i", *config["Env"]]
        health = [*enter, *config["Healthcheck"]["Test"][1:]]
        _hold(not _succeeds(machine, health), "the health check must fail before anything runs")
        began = time.monotonic()
        with log.open("w") as output:
            command = [*enter, *prefix, *config["Entrypoint"], *config["Cmd"], *more]
            process = machine.start(*command, stdout=output.fileno())
        while not _succeeds(machine, health):
            _hold(process.poll() is None, f"it ended with {process.returncode}:\n{log.read_text()}")
            _hold(time.monotonic() - began < HEALTHY_S, f"not healthy in {HEALTHY_S} s:\n{log.read_text()}")
            time.sleep(0.1)
        took_s = time.monotonic() - began
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
        _holds_no_rights(process.pid, user)
        _hold(Path(data, "whitestat.db").stat().st_uid == user, "the database must be its user's")
        process.terminate()
        _hold(process.wait(30) == 0, f"SIGTERM: exit {process.returncode}\n{log.read_text()}")
        resident = status["VmRSS"].strip()
        how = " by TLS" if tls else ""
        print(f"image: healthy after {took_s:.1f} s{how} as user {user} without capabilities, {resident} resident")
        return log.read_text()


def _certify(data: Path, owner: tuple[int, int]) -> list[str]:
    """A certificate of its own, and the words by which it is served with that."""
    subject = ["-subj", "/CN=whitestat", "-keyout", str(data / "key.pem"), "-out", str(data / "certificate.pem")]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run(["openssl", "req", "-x509", "-nodes", *curve, *subject], check=True, capture_output=True)
    (data / "whitestat.toml").write_text('[web]\ncertificate = "/data/certificate.pem"\nkey = "/data/key.pem"\n')
    for each in data.iterdir():
        os.chown(each, *owner)
    return ["--config", "/data/whitestat.toml"]


def _buildah(*words: str) -> str:
    environment = os.environ | {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
    return subprocess.run(["buildah", *words], check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


@contextmanager
def _unpacked(image: str) -> Iterator[Path]:
    container = _buildah("from", "--pull-never", image).strip()
    try:
        yield Path(_buildah("mount", container).strip())
    finally:
        _buildah("rm", container)


def _ids(root: Path, user: str) -> tuple[int, int]:
    for line in (root / "etc/passwd").read_text().splitlines():
        name, _, uid, gid, *_ = line.split(":")
        if name == user:
            return int(uid), int(gid)
    raise LabError(f"the image has no user {user!r}")


def _mounts(machine: Machine, root: Path, data: Path) -> None:
    """They are the machine's own and go with it."""
    machine.run("mount", "--bind", str(root), str(root))
    machine.run("mount", "-o", "remount,bind,ro", str(root))
    for kind, place in (("proc", "proc"), ("sysfs", "sys"), ("tmpfs", "tmp")):
        machine.run("mount", "-t", kind, kind, str(root / place))
    machine.run("mount", "--bind", "/dev", str(root / "dev"))
    machine.run("mount", "--bind", "/sys/fs/bpf", str(root / "sys/fs/bpf"))
    machine.run("mount", "--bind", str(data), str(root / "data"))


def _network(machine: Machine) -> None:
    """One interface with the default route, and low ports for everybody, as Docker sets it."""
    machine.ip("link add eth0 type veth peer name far0")
    machine.ip("link set far0 up")
    machine.ip("link set eth0 up")
    machine.ip("address add 192.168.50.2/24 dev eth0")
    machine.ip("route add default via 192.168.50.1")
    machine.sysctl(net__ipv4__ip_unprivileged_port_start=0)


def _succeeds(machine: Machine, words: list[str]) -> bool:
    done: subprocess.CompletedProcess[Any] = subprocess.run(
        machine.command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30, check=False
    )
    return done.returncode == 0


def _hold(held: bool, otherwise: str) -> None:
    if not held:
        raise LabError(otherwise)


if __name__ == "__main__":
    main(*sys.argv[1:])
