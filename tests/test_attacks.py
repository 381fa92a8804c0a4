"""Each hole that an examination found has tests that attack it, and these exist."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.attacks import HOLES, Hole, is_attack

ROOT = Path(__file__).parents[1]


def test_every_hole_is_there() -> None:
    assert list(HOLES) == list(range(1, 11))


@pytest.mark.parametrize("hole", HOLES.values(), ids=map(str, HOLES))
def test_the_tests_of_a_hole_exist(hole: Hole) -> None:
    assert hole.tests
    for name in hole.tests:
        path, _, test = name.partition("::")
        functions = {
            node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)
        }
        assert test in functions if test else any(each.startswith("test_") for each in functions), name


def test_parameters_of_a_test_make_no_difference() -> None:
    assert is_attack("tests/web/test_answers.py::test_whatever[a::b-1]")
    assert not is_attack("tests/web/test_access.py::test_log_in_and_out")
