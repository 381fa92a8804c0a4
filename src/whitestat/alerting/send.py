"""The short-lived child that sends one message, so that the library for it (20 MB) never stays in the service.

Reads {"targets": [{"mark", "url"}], "title", "body"} on its standard input, and prints [{"mark", "ok", "reason"}].
Addresses hold passwords: none of them is printed, logged or put in a command line.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, TextIO


def send(order: dict[str, Any]) -> list[dict[str, object]]:
    """Each address by itself, so that it is known which one took it."""
    try:
        import apprise
    except ImportError:
        reason = "Apprise is not installed: pip install 'whitestat[notify]'"
        return [{"mark": target["mark"], "ok": False, "reason": reason} for target in order["targets"]]
    logging.getLogger("apprise").disabled = True
    logging.disable(logging.CRITICAL)
    return [_one(apprise, target, order) for target in order["targets"]]


def _one(apprise: Any, target: dict[str, str], order: dict[str, Any]) -> dict[str, object]:
    sender = apprise.Apprise()
    if not sender.add(target["url"]):
        return {"mark": target["mark"], "ok": False, "reason": "not an address that Apprise supports"}
    took = bool(sender.notify(title=order["title"], body=order["body"], body_format=apprise.NotifyFormat.TEXT))
    return {"mark": target["mark"], "ok": took, "reason": "" if took else "was refused"}


def main(orders: TextIO, answers: TextIO) -> int:
    json.dump(send(json.load(orders)), answers)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.stdin, sys.stdout))
