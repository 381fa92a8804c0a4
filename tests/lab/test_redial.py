"""A link that comes back under another index, as after a PPPoE re-dial."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import pytest

from tests.lab.far import at_rest, octets
from tests.lab.joined import HERE4, LINK, THERE4, Joined, apart, await_addresses, provider, session, tunnel
from tests.lab.machine import SLOWER, NoLabError
from tests.lab.service import Service, running, settings
from tests.lab.traffic import flood

pytestmark = pytest.mark.lab

REATTACH_S = 2
LIVES = 3
NEGOTIATION = 200
"""Octets at most of the IPCP and IPV6CP of one dial: they are in a PPP interface's counter and are no IP."""

Life = Callable[[Joined], AbstractContextManager[None]]
"""Makes the link, for the length of a block."""


@contextmanager
def crossed(ends: Joined) -> Iterator[None]:
    """A tunnel, for as long as somebody holds it."""
    with tunnel(ends):
        for machine, address in zip(ends, (HERE4, THERE4), strict=True):
            machine.run("sysctl", "-qw", f"net.ipv6.conf.{LINK}.disable_ipv6=1")
            machine.ip(f"address add {address}/24 dev {LINK}")
        yield


def killed(ends: Joined) -> AbstractContextManager[None]:
    """A PPPoE session of which this end goes without a farewell."""
    return session(ends, ended_by=signal.SIGKILL)


@pytest.mark.parametrize(
    ("line", "life"),
    [(nullcontext, crossed), (provider, session), (partial(provider, echo_s=1), killed)],
    ids=("tun", "pppoe", "pppoe-killed"),
)
def test_a_link_without_a_header_that_comes_back_is_metered_within_two_seconds(
    tmp_path: Path, line: Life, life: Life
) -> None:
    """A PPPoE re-dial, and what is like it: the interface goes, and is there again under another index."""
    try:
        with apart() as ends, line(ends):
            redialled(ends, life, tmp_path)
    except NoLabError as error:
        pytest.skip(str(error))


def redialled(ends: Joined, life: Life, folder: Path) -> None:
    config = settings(folder, LINK).replace(f'interface = "{LINK}"', f'interface = "{LINK}"\nwait = true')
    with running(ends.here, folder, config) as service:
        total, lives = 0, set()
        for _ in range(LIVES):
            with life(ends):
                assert until(service, "ok") < REATTACH_S * SLOWER
                lives.add(ends.here.run("cat", f"/sys/class/net/{LINK}/ifindex"))
                await_addresses(ends, "inet")
                flood(ends.there, HERE4, packets=3000, rate=20_000 // SLOWER)
                point = at_rest(ends, service)
                total += point["far"]
            until(service, "waiting")
        service.settle()
        assert len(lives) == LIVES
        (point,) = service.get("/api/v1/coverage?start=2000-01-01&end=2100-01-01").json["points"]
        assert octets(point) == point["frame_octets_interface"] == total
        assert point["octets_unattributed"] <= (0 if life is crossed else LIVES * NEGOTIATION)


def until(service: Service, state: str) -> float:
    """Seconds until the point is in `state`."""
    began = time.monotonic()
    while service.get("/api/v1/health").json["points"][0]["state"] != state:
        assert time.monotonic() - began < 10 * SLOWER
        time.sleep(0.02)
    return time.monotonic() - began
