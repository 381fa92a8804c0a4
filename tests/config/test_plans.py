"""What `[[plan]]` may hold, what does not go together, and the plan it becomes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.configuration import faults, read
from whitestat.config.plans import plan_of
from whitestat.plans.plan import Period, Plan, Share, Tariff
from whitestat.plans.tariff import Window

PLAN = '[[plan]]\nname = "line"\nallowance = "40GB"\n'
TARIFF = '[[plan.tariff]]\nname = "night"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "whitestat.toml"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('alowance = "1GB"', "plan[1].alowance: unknown key 'alowance' (did you mean 'allowance'?)"),
        ('period = "fortnight"', "plan[1].period: must be day, week, month, or days like \"30d\", got 'fortnight'"),
        ('period = "0d"', "plan[1].period: must be day, week, month, or days like \"30d\", got '0d'"),
        ('period = "30d"', "plan[1].begins: is missing: a period of 30d needs a first day, a date like 2026-11-01"),
        ('begins = "monday"', "plan[1].begins: must be a day of the month where the period is a month"),
        ('period = "week"\nbegins = 5', "plan[1].begins: must be a weekday like monday where the period is a week"),
        (
            'period = "day"\nbegins = 5',
            "plan[1].begins: has no meaning for a period of a day; `hour` sets its beginning",
        ),
        (
            "begins = 32",
            "plan[1].begins: must be a whole number from 1 to 31, a weekday like monday, or a date like 2026-11-01, "
            "got 32",
        ),
        (
            'carry_over = "some"',
            'plan[1].carry_over: must be "none", "all", or at most an amount like "20GB", got \'some\'',
        ),
        (
            'of = "Anna"',
            'plan[1].of: must be everyone, "person Anna", "device phone" (its MAC, address or name) or "label kids", '
            "got 'Anna'",
        ),
        (
            TARIFF + 'when = ["mon-fry"]',
            'plan[1].tariff[1].when: must be times like "mon-fri 22:00-06:00", "sat,sun" or "00:00-06:00", got '
            "'mon-fry'",
        ),
        (
            TARIFF + 'when = ["22:00-25:00", "08:00-08:00"]',
            'plan[1].tariff[1].when: must be times like "mon-fri 22:00-06:00", "sat,sun" or "00:00-06:00", got '
            "'22:00-25:00', '08:00-08:00'",
        ),
        (TARIFF, "plan[1].tariff[1].when: is missing"),
        (
            TARIFF + 'when = ["sat"]\n' + TARIFF + 'when = ["sun"]',
            "plan[1].tariff[2].name: 'night' is plan[1].tariff[1] already",
        ),
        (
            'otherwise = "night"\n' + TARIFF + 'when = ["sat"]',
            "plan[1].otherwise: 'night' is the name of a [[plan.tariff]] too",
        ),
        (
            TARIFF + 'when = ["sat"]\nfactor = "third"',
            'plan[1].tariff[1].factor: must be "free", "half", "full", "double" or a percentage like "25%", '
            "got 'third'",
        ),
        (
            'shares = "equal"\n[[plan.share]]\nperson = "Bo"',
            "plan[1].shares: cannot be equal where [[plan.share]] sets shares",
        ),
        (
            '[[plan.share]]\nperson = "Bo"\nallowance = "41GB"',
            "plan[1].share: the fixed shares are 41GB, more than the plan's allowance",
        ),
        ("tariff = 5", "plan[1].tariff: must be tables under [[plan.tariff]], got 5"),
        (PLAN, "plan[2].name: 'line' is plan[1] already"),
        (
            'point = "rooter"\n[[point]]\nname = "router"\ncollector = "darkstat"\nurl = "http://192.0.2.1"',
            "plan[1].point: there is no [[point]] named 'rooter'; there are: router",
        ),
    ],
)
def test_each_fault_of_a_plan_names_the_key_and_what_it_must_be(file: Path, text: str, fault: str) -> None:
    assert faults(file, PLAN + text) == [fault]


@pytest.mark.parametrize("amount", ["40", "40 gigabytes", "-1GB", "0GB", "1.2345GB", "999999999PB", "GB"])
def test_what_is_no_amount_is_refused(file: Path, amount: str) -> None:
    text = f'[[plan]]\nname = "line"\nallowance = "{amount}"'
    assert faults(file, text) == [f'plan[1].allowance: must be an amount like "400GB" or "40GiB", got {amount!r}']


def test_more_plans_than_anybody_has_are_refused(file: Path) -> None:
    text = "".join(f'[[plan]]\nname = "p{n}"\n' for n in range(17))
    assert faults(file, text) == ["plan: there may be at most 16, got 17"]


def test_a_plan_is_what_its_tables_say(file: Path) -> None:
    text = (
        PLAN
        + 'period = "7d"\nbegins = "2026-02-28"\nof = "label kids"\ncarry_over = "all"\n'
        + TARIFF
        + 'when = ["mon-fri 00:00-06:00"]\nfactor = "free"\n[[plan.share]]\nperson = "Bo"\nparts = 3\n'
    )
    found = plan_of(read(file, text).plans[0])
    night = Window("night", frozenset(range(5)), 0, 360)
    assert found == Plan(
        "line",
        40 * 10**9,
        Period("days", length=7, since=20260228),
        tariffs=(Tariff("night", (night,), 0),),
        carry_most=None,
        shares=(Share("Bo", 3),),
        label="kids",
    )
    assert Plan.of(found.text()) == found


def test_terms_of_another_release_are_read_as_far_as_they_are_known() -> None:
    assert Plan.of('{"name":"line","allowance":5,"colour":"red"}') == Plan("line", 5)


@given(st.text())
def test_a_text_that_no_plan_made_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Plan.of(text)
