"""Tests that attack, by the hole that they keep closed; `make attack` runs these, most of them are in every run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Hole(NamedTuple):
    """What an attacker could do, and the tests that try it: a file, or one test in it."""

    sentence: str
    tests: tuple[str, ...]


_ACCESS, _CONNECTIONS, _PLANTED = (
    "tests/web/test_access.py",
    "tests/web/test_connections.py",
    "tests/app/test_planted_files.py",
)

HOLES: Mapping[int, Hole] = {
    1: Hole(
        "Forged frames that merge one person's device into another's.",
        (
            "tests/attribution/devices/test_identity.py::test_a_forged_identity_merges_no_device_that_a_person_has_named_or_owns",
            "tests/attribution/devices/test_identity.py::test_a_forged_identity_merges_no_two_devices_in_use_at_once",
        ),
    ),
    2: Hole("Links and pipes in the service's folder that root would follow.", (_PLANTED,)),
    3: Hole("Modules and programs in the current folder that a child would load.", ("tests/core/test_children.py",)),
    4: Hole(
        "Files of the ledger that other users of the machine can read.",
        (
            f"{_PLANTED}::test_what_others_could_read_is_closed_with_one_line",
            f"{_PLANTED}::test_what_the_service_makes_is_for_its_user_alone",
        ),
    ),
    5: Hole(
        "Root, capabilities or another daemon's user after the start.",
        (
            "tests/lab/test_privileges.py",
            f"{_PLANTED}::test_it_is_never_nobody_and_the_helper_is_another_user",
            "tests/core/test_syscall_filter.py",
        ),
    ),
    6: Hole(
        "Forged addresses that fill the table of devices.",
        (
            "tests/attribution/devices/test_eviction.py",
            "tests/lab/test_degraded.py::test_forged_addresses_cost_detail_never_octets_or_memory",
            "tests/lab/test_degraded.py::test_a_new_phone_is_a_device_soon_after_forged_addresses_filled_the_table",
        ),
    ),
    7: Hole(
        "Half-sent requests and idle connections that keep others off the page.",
        (_CONNECTIONS, "tests/lab/test_storm.py"),
    ),
    8: Hole("Questions and streams that keep others waiting.", ("tests/web/test_answers.py",)),
    9: Hole(
        "Sessions, links, tokens, grants and passwords that give more than they should.",
        (
            f"{_ACCESS}::test_a_stolen_session_changes_no_accounts_and_tokens",
            f"{_ACCESS}::test_passwords_cannot_be_guessed_by_confirming",
            f"{_ACCESS}::test_a_link_sets_one_password_however_many_use_it_at_once",
            f"{_ACCESS}::test_a_token_for_metrics_reads_no_details_of_health",
            f"{_ACCESS}::test_wrong_passwords_slow_their_source_and_no_browser_that_is_known",
            "tests/web/auth/test_restricted.py",
            "tests/web/auth/test_accounts.py::test_passwords_that_are_tried_first_are_refused",
            f"{_CONNECTIONS}::test_requests_that_end_halfway_leave_no_line_in_the_log",
        ),
    ),
    10: Hole(
        "Texts, headers and mounts that others control.",
        (
            f"{_ACCESS}::test_what_comes_through_a_proxy_is_never_open",
            f"{_CONNECTIONS}::test_a_request_with_two_lengths_is_the_last_of_its_connection",
            "tests/collectors/test_pins.py",
            "tests/throttle/test_protocol.py",
        ),
    ),
}


def is_attack(name: str) -> bool:
    """Whether the test of this node id is one of them; what is behind `[` are its parameters."""
    base = name.partition("[")[0]
    return any(base in hole.tests or base.partition("::")[0] in hole.tests for hole in HOLES.values())
