"""What can be typed, and that something runs for each of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from whitestat.app.command_parser import LAST_COUNTS
from whitestat.app.main import COMMANDS, run_command
from whitestat.app.parser import command_line, parsers

PARSER = command_line()


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse with one parser for all tests: to build it takes longer than to use it."""
    return PARSER.parse_args(arguments)


Levels = list[tuple[str, argparse.ArgumentParser]]
"""A command as it is typed: its words, each with what can be typed behind it."""


def test_every_command_that_can_be_typed_can_be_run_and_no_other() -> None:
    assert {each.get_default("command") for each in parsers(PARSER)} - {None} == set(COMMANDS)


def test_without_a_command_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([]) == 0
    assert "Start the service" in capsys.readouterr().out


def test_a_configuration_without_a_command_is_refused_with_the_command_to_use(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_command(["--config", "mine.toml"]) == 2
    assert "whitestat run --config FILE starts the service" in capsys.readouterr().err


def is_sentence(text: str | None) -> bool:
    return bool(text) and str(text)[0].isupper() and str(text).endswith(".") and "  " not in str(text)


def test_every_command_option_and_argument_has_a_help_sentence() -> None:
    missing = []
    for parser in parsers(PARSER):
        texts = {"": parser.description}
        for action in parser._actions:
            if not isinstance(action, argparse._SubParsersAction):
                texts[action.option_strings[-1] if action.option_strings else action.dest] = action.help
        missing += [(parser.prog, name, text) for name, text in texts.items() if not is_sentence(text)]
    assert missing == []


def test_the_help_in_a_list_of_commands_is_the_sentence_of_the_command() -> None:
    for parser in parsers(PARSER):
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                listed = {choice.dest: choice.help for choice in action._choices_actions}
                assert listed == {name: child.description for name, child in action.choices.items()}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("todya", "unknown command 'todya' (did you mean 'today'?); whitestat --help lists all"),
        ("people renmae Anna Ann", "unknown command 'renmae' (did you mean 'rename'?); whitestat people --help"),
        ("import vnstst FILE", "unknown word 'vnstst' (did you mean 'vnstat'?), expected one of "),
        ("users add bob --role editr", "argument --role: unknown word 'editr' (did you mean 'editor'?)"),
        ("today --jsn", "unknown option '--jsn' (did you mean '--json'?); whitestat today --help lists all"),
        ("today now", "unknown argument 'now'; whitestat today --help lists all"),
    ],
)
def test_a_mistyped_word_is_refused_with_the_nearest_one(
    words: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        parse(words.split())
    assert refused.value.code == 2
    assert text in capsys.readouterr().err


def test_an_amount_to_take_off_is_no_option() -> None:
    options = parse(["plan", "topup", "home", "-5GB", "--allowance", "peak"])
    assert (options.command, options.amount, options.allowance) == ("plan", "-5GB", "peak")


def commands(word: str, of: argparse.ArgumentParser) -> Iterator[Levels]:
    """Every way from a parser down to a word that runs something."""
    below = [action for action in of._actions if isinstance(action, argparse._SubParsersAction)]
    if not any(action.required for action in below):
        yield [(word, of)]
    for action in below:
        for name, parser in action.choices.items():
            for rest in commands(name, parser):
                yield [(word, of), *rest]


def options_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.option_strings and action.dest not in ("help", "version")]


def example(action: argparse.Action) -> list[str]:
    """A value that the option or the argument takes, other than its default."""
    if action.nargs == 0 or isinstance(action, argparse._SubParsersAction):
        return []
    return [next(str(word) for word in action.choices or ["3"] if word != action.default)]


def line(levels: Levels, at: int | None = None, option: list[str] | None = None, *, last: bool = False) -> list[str]:
    """The command with its arguments, and an option behind the word `at`, or behind all."""
    words: list[str] = []
    for number, (word, parser) in enumerate(levels):
        arguments = [value for each in parser._actions if not each.option_strings for value in example(each)]
        words += [word] if number else []
        words += option or [] if number == at and not last else []
        words += arguments
    return words + (option or [] if last else [])


PLACES = [
    (levels, at, action)
    for levels in commands("whitestat", PARSER)
    for at, (_, parser) in enumerate(levels)
    for action in options_of(parser)
]


@pytest.mark.parametrize(
    ("levels", "at", "action"),
    PLACES,
    ids=[
        " ".join([*(word for word, _ in levels[1:]), f"{at}", action.option_strings[-1]])
        for levels, at, action in PLACES
    ],
)
def test_an_option_has_its_effect_wherever_the_usage_shows_it_or_is_refused(
    levels: Levels, at: int, action: argparse.Action, capsys: pytest.CaptureFixture[str]
) -> None:
    name = action.option_strings[-1]
    option = [name, *example(action)]
    used = any(each.dest == action.dest for each in options_of(levels[-1][1]))
    assert used or name != "--config"
    if not used:
        with pytest.raises(SystemExit) as refused:
            parse(line(levels, at, option))
        assert refused.value.code == 2
        assert name in capsys.readouterr().err
        return
    told = parse(line(levels, at, option))
    assert told == parse(line(levels, len(levels) - 1, option, last=True))
    assert told != parse(line(levels))


@pytest.mark.parametrize(
    "levels", list(commands("whitestat", PARSER)), ids=lambda levels: " ".join(w for w, _ in levels)
)
def test_of_an_option_given_twice_the_last_counts_and_the_help_says_so(levels: Levels) -> None:
    words = [word for word, _ in levels[1:]]
    twice = ["--config", "first", *words[:1], *line(levels)[1:], "--config", "last"]
    assert parse(twice if words else ["--config", "first", "--config", "last"]).config == Path("last")
    assert LAST_COUNTS in " ".join(levels[-1][1].format_help().split())


@pytest.mark.parametrize(
    "words",
    [
        "token --json list --csv",
        "token --csv list --json",
        "token list --json --csv",
        "users --json add bob",
        "people --csv remove bob",
        "throttle --json lift bob",
        "proposals --csv confirm 3",
        "plan topup home",
        "today --nonsense",
        "nonsense",
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        parse(words.split())
    assert refused.value.code == 2
    assert "usage: whitestat" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", ["--config {} users add bob", "users --config {} add bob", "users add bob --config {}"]
)
def test_a_configuration_that_is_named_is_the_one_that_is_used(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    assert run_command(words.format(path).split()) == 2
    assert str(path) in capsys.readouterr().err


def test_an_example_is_printed_of_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["config", "--example", "--config", str(tmp_path / "mine.toml")]) == 2
    assert "--config: not used with --example" in capsys.readouterr().err


def test_an_import_prints_no_listing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["devices", "--json", "--import", str(tmp_path / "devices.csv")]) == 2
    assert "--json" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        "--config mine plan topup home -5GB",
        "plan --config mine topup home -5GB",
        "plan topup home -5GB --config mine",
        "plan topup --config mine home -- -5GB",
    ],
)
def test_an_amount_to_take_off_is_no_option_wherever_others_stand(words: str) -> None:
    options = parse(words.split())
    assert (options.plan, options.amount, options.config) == ("home", "-5GB", Path("mine"))


@pytest.mark.parametrize("group", ["users", "token", "people", "proposals", "throttle"])
def test_list_is_the_same_as_the_name_of_a_group_alone(group: str) -> None:
    assert vars(parse([group, "list", "--json"])) == vars(parse([group, "--json"]))
