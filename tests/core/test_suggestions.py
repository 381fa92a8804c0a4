"""One suggestion for a mistyped word, whatever was typed."""

from __future__ import annotations

from whitestat.core.suggestions import did_you_mean, nearest


def test_a_similar_word_is_suggested_and_others_are_not() -> None:
    assert did_you_mean("houer", ["day", "hour"]) == " (did you mean 'hour'?)"
    assert did_you_mean("xyz", ["day", "hour"]) == ""
    assert did_you_mean("day", []) == ""


def test_without_a_limit_there_is_always_a_nearest_word() -> None:
    assert nearest("xyz", ["day"], 0.0) == "day"


def test_a_very_long_word_takes_no_long_time() -> None:
    assert did_you_mean("hour" * 1_000_000, ["hour"]) == ""
