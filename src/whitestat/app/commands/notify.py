"""`whitestat notify`: where messages go, and a message to try it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from whitestat.alerting.addresses import VARIABLE, addresses
from whitestat.alerting.delivery import post
from whitestat.config.sections import Config
from whitestat.core.errors import ConfigError

TITLE = "WhiteStat can reach you"
BODY = "This is the message of whitestat notify --test. Warnings and summaries will come the same way."


def notify(config: Config, say: Callable[[str], None], *, test: bool) -> int:
    """Say where messages go, by scheme alone, and with `test` whether each address takes one; the exit status."""
    urls = addresses(config.notify.file, os.environ, config.notify.to)
    if not urls:
        raise ConfigError(
            "no address to send to: name addresses as Apprise takes them (whitestat config set notify.to), a file of "
            f"them in [notify] file, or set {VARIABLE}"
        )
    if not test:
        for number, url in enumerate(urls.values(), 1):
            say(f"{number}. {url.partition(':')[0]}")
        say("whitestat notify --test sends a message to each")
        return 0
    answers = asyncio.run(post(urls, TITLE, BODY))
    for number, (url, answer) in enumerate(zip(urls.values(), answers, strict=True), 1):
        result = "delivered" if answer["ok"] is True else str(answer["reason"])
        say(f"{number}. {url.partition(':')[0]}: {result}")
    return 0 if all(answer["ok"] is True for answer in answers) else 1
