"""What somebody may do, and who may ask what; pure."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """What an account, a token or an open network may do.

    An owner may everything; an editor sees everything and edits devices and people; a viewer sees everything; a
    person sees what own devices used while they were the person's; metrics sees `/metrics` alone.
    """

    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"
    PERSON = "person"
    METRICS = "metrics"


class Permission(StrEnum):
    """Who may ask for a path; each path declares one. What a person is answered is of own devices on all of them."""

    ANYBODY = "anybody"
    EVERYONE = "everyone known"
    PEOPLE = "who may see usage"
    READERS = "who may see all usage"
    EDITORS = "who may edit"
    OWNERS = "the owner"


MAY: dict[Permission, frozenset[Role]] = {
    Permission.ANYBODY: frozenset(Role),
    Permission.EVERYONE: frozenset(Role),
    Permission.PEOPLE: frozenset(Role) - {Role.METRICS},
    Permission.READERS: frozenset({Role.OWNER, Role.EDITOR, Role.VIEWER}),
    Permission.EDITORS: frozenset({Role.OWNER, Role.EDITOR}),
    Permission.OWNERS: frozenset({Role.OWNER}),
}


class Principal(NamedTuple):
    """Who asks. `name` is None where a network is open and nobody logged in; `by` is what the list of edits says.

    `account` is its number where a session asks, `expires_ms` when that ends at the latest, UTC milliseconds.
    """

    role: Role
    by: str
    name: str | None = None
    person: str | None = None
    account: int | None = None
    expires_ms: int | None = None

    @property
    def can_edit(self) -> bool:
        return self.role in MAY[Permission.EDITORS]
