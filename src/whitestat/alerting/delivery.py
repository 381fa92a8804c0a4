"""Delivery of messages through a child process."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterable, Mapping

from whitestat.core.system import children

SEND_S = 120.0
ANSWER_MOST = 1 << 20
PROXIES = tuple(f"{name}_proxy" for name in ("http", "https", "all", "no"))
PROXIES += (*(name.upper() for name in PROXIES), "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
"""Variables with proxies of the network and trusted certificates."""


async def post(
    targets: Mapping[str, str], title: str, body: str, python: str = sys.executable
) -> list[dict[str, object]]:
    """Return one answer per address: `mark`, `ok`, `reason`. Network failures are answers and never raise."""
    order = {
        "targets": [{"mark": mark, "url": url} for mark, url in targets.items()],
        "title": title,
        "body": body,
    }
    try:
        child = await asyncio.create_subprocess_exec(
            *children.python("whitestat.alerting.send", python),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # a library's own words may hold an address
            env=children.environment(*PROXIES),
            cwd="/",
            start_new_session=True,  # a terminal that is closed does not end it
        )
    except OSError as error:
        reason = f"the sending process cannot be started: {os.strerror(error.errno or 0).lower()}"
        return _none_took(targets, reason)
    try:
        output, _ = await asyncio.wait_for(child.communicate(json.dumps(order).encode()), SEND_S)
        return _understood(output, targets)
    except TimeoutError:
        return _none_took(targets, f"not accepted within {SEND_S:.0f} s")
    finally:
        if child.returncode is None:  # the service ends, too
            child.kill()
            await child.wait()


def _understood(output: bytes, targets: Mapping[str, str]) -> list[dict[str, object]]:
    try:
        answers = json.loads(output[:ANSWER_MOST])
    except ValueError:
        return _none_took(targets, "the sending process failed")
    known = {str(answer["mark"]): answer for answer in answers if isinstance(answer, dict) and "mark" in answer}
    return [known.get(mark, {"mark": mark, "ok": False, "reason": "no answer"}) for mark in targets]


def _none_took(targets: Iterable[str], reason: str) -> list[dict[str, object]]:
    return [{"mark": mark, "ok": False, "reason": reason} for mark in targets]
