"""What can be typed, and that something runs for each of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from whitestat.cli import COMMANDS
from whitestat.options import _parser, parse


def parsers(of: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """It and all below it."""
    yield of
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from parsers(each)


def test_every_command_that_can_be_typed_can_be_run_and_no_other() -> None:
    assert {each.get_default("command") for each in parsers(_parser())} - {None} == set(COMMANDS)


def test_without_a_word_the_service_runs() -> None:
    assert parse([]).command == "run"


def test_an_amount_to_take_off_is_no_option() -> None:
    options = parse(["plan", "topup", "home", "-5GB", "--allowance", "peak"])
    assert (options.command, options.amount, options.allowance) == ("plan", "-5GB", "peak")
