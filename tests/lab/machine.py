"""One machine of the lab: a network namespace with its own /sys, and the programs that run in it."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000
SLOWER = int(os.environ.get("WHITESTAT_SLOWER", "1"))
"""How many times longer things may take: more than once where a processor is emulated (`make links`)."""
TOOLS = ("ip", "nft", "nsenter", "unshare", "setpriv", "sysctl")
TRAFFIC_TOOLS = ("iperf3", "cc")
_HOLD = """
mount -t sysfs sysfs /sys && mount -t bpf bpf /sys/fs/bpf && mount --bind /dev/null /etc/resolv.conf &&
echo ready && exec cat
"""
"""A network of its own to look at in /sys, a place to pin maps, and no name server to ask outside the lab."""


class NoLabError(Exception):
    """This machine cannot hold a lab; says what is missing."""


class LabError(Exception):
    """A command of the lab failed; carries its output."""


def missing(*more: str) -> str | None:
    """Why no lab can be built here, or one that needs `more` programs, in a sentence; None when it can."""
    if os.geteuid() != 0:
        return "the lab builds network namespaces, which needs root"
    absent = [tool for tool in (*TOOLS, *more) if not shutil.which(tool)]
    if absent:
        return f"the lab needs {', '.join(absent)} (Debian: iproute2 nftables util-linux procps iperf3 gcc)"
    probe = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        return f"this kernel or container refuses network namespaces: {probe.stderr.strip()}"
    return None


class Machine:
    """A namespace that lives as long as this object, or this process, whichever ends first.

    It is held by a `cat` on a pipe of ours: when we die, however we die, `cat` reads the end of the file,
    the namespace goes, and its links with it. Nothing has a name that two runs could quarrel over.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._running: list[subprocess.Popen[str]] = []
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", _HOLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout and self._holder.stderr
        if self._holder.stdout.readline() != "ready\n":
            raise NoLabError(f"no namespace for {name}: {self._holder.stderr.read().strip()}")
        self.pid = self._holder.pid
        self.run("ip", "link", "set", "lo", "up")

    def command(self, *words: str) -> list[str]:
        """The command line that runs `words` inside; the process keeps its pid (nsenter only execs)."""
        return ["nsenter", "--target", str(self.pid), "--net", "--mount", *words]

    def run(self, *words: str, stdin: str | None = None, timeout: float = 60 * SLOWER) -> str:
        """Run to the end; returns standard output, raises LabError with both streams."""
        done = subprocess.run(
            self.command(*words), input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode:
            raise LabError(f"{self.name}: {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def ip(self, words: str) -> str:
        return self.run("ip", *words.split())

    def sysctl(self, **settings: int) -> None:
        """Names with dots written as double underscores; those the kernel lacks are an error."""
        self.run("sysctl", "-qw", *[f"{name.replace('__', '.')}={value}" for name, value in settings.items()])

    def start(
        self,
        *words: str,
        env: dict[str, str] | None = None,
        stdout: int | None = subprocess.PIPE,
        stderr: int | None = subprocess.STDOUT,
        folder: Path | None = None,
    ) -> subprocess.Popen[str]:
        """Start a program inside; it ends with the machine at the latest."""
        process = subprocess.Popen(
            self.command("setpriv", "--pdeathsig", "KILL", *words),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
            env=env,
            cwd=folder,
        )
        self._running.append(process)
        return process

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread is in the machine's network: sockets made here belong to it for good."""
        with (
            Path("/proc/thread-self/ns/net").open("rb") as home,
            Path(f"/proc/{self.pid}/ns/net").open("rb") as there,
        ):
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(home.fileno())

    def connect(self, host: str, port: int, timeout: float = 10 * SLOWER) -> socket.socket:
        with self.inside():
            return socket.create_connection((host, port), timeout=timeout)

    def close(self) -> None:
        for process in self._running:
            end(process)
        assert self._holder.stdin and self._holder.stdout and self._holder.stderr
        self._holder.stdin.close()
        self._holder.wait()
        self._holder.stdout.close()
        self._holder.stderr.close()


def end(process: subprocess.Popen[str]) -> None:
    """End a program of ours: asked first, made to after three seconds; its pipes are closed."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(3 * SLOWER)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdout, process.stderr):
        if stream and not stream.closed:
            stream.close()


def _setns(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
