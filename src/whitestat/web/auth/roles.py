"""Roles, and the permissions that routes require; pure."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """Role of an account, a token or an open network.

    An owner may do everything. An editor sees everything and edits devices and people. A viewer sees everything. A
    person sees the usage of their own devices while they owned them. Metrics sees only `/metrics`.
    """

    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"
    PERSON = "person"
    METRICS = "metrics"


class Permission(StrEnum):
    """Permission that a route requires; a person gets only their own data on every route."""

    ANYBODY = "anybody"
    EVERYONE = "everyone who is logged in"
    PEOPLE = "everyone who may see usage"
    READERS = "owners, editors and viewers"
    EDITORS = "owners and editors"
    OWNERS = "owners"


MAY: dict[Permission, frozenset[Role]] = {
    Permission.ANYBODY: frozenset(Role),
    Permission.EVERYONE: frozenset(Role),
    Permission.PEOPLE: frozenset(Role) - {Role.METRICS},
    Permission.READERS: frozenset({Role.OWNER, Role.EDITOR, Role.VIEWER}),
    Permission.EDITORS: frozenset({Role.OWNER, Role.EDITOR}),
    Permission.OWNERS: frozenset({Role.OWNER}),
}


class Principal(NamedTuple):
    """Sender of a request.

    `by`: author in the list of edits. `name`: None for an open network. `account`: its number, for a session.
    `expires_ms`: end of the session at the latest, UTC milliseconds. `session`: its digest.
    """

    role: Role
    by: str
    name: str | None = None
    person: str | None = None
    account: int | None = None
    expires_ms: int | None = None
    session: str | None = None

    @property
    def can_edit(self) -> bool:
        return self.role in MAY[Permission.EDITORS]
