"""What a person may change about devices and people, as changes of rows that can be turned back; pure.

An edit never touches usage: it changes which device an episode belongs to, what a device is called, and its
owners over time. A change holds the row before and after, so undoing it is the same change the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from whitestat.attribution.devices.names import clean
from whitestat.core.errors import EditError, Missing
from whitestat.ledger.tables.people import RowKey, RowValues

"""None: there is no such row."""

EPISODE, NAME, OWNER, LABEL, PERSON, PROPOSAL = "episode", "name", "owner", "label", "person", "proposal"
PLAN, TOPUP = "plan", "topup"
SETTING = "setting"
"""No table: the key or row of the page's settings file, with its values as JSON. The ledger only notes its changes."""
TABLES = (EPISODE, NAME, OWNER, LABEL, PERSON, PROPOSAL, PLAN, TOPUP)

OPEN, CONFIRMED, REFUSED, OVER = "open", "confirmed", "refused", "over"
ALWAYS = 0
"""The day from which an owner holds a device that he always had."""
LABELS_MAX = 16
PEOPLE_MAX = 256
TOPUP_MOST = 1 << 50


class RowChange(NamedTuple):
    """One row of one table, before and after."""

    table: str
    key: RowKey
    before: RowValues
    after: RowValues


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that edits look at, by table and key.

    | table | key | row |
    |---|---|---|
    | episode | (id) | (device) |
    | name | (device) | (text), the user's own |
    | owner | (device, first day) | (person, day after the last or None); days are YYYYMMDD |
    | label | (device, text) | () |
    | person | (id) | (name) |
    | proposal | (id) | (state, device, into) |
    | plan | (id) | (name, its allowances by name with commas between, none for one that is not agreed any more) |
    | topup | (id) | (plan, instant in UTC seconds, allowance, octets) |
    """

    tables: Mapping[str, Mapping[RowKey, RowValues]] = field(default_factory=lambda: {table: {} for table in TABLES})
    now_s: int = 0

    def row(self, table: str, key: RowKey) -> RowValues:
        return self.tables[table].get(key)

    def devices(self) -> set[int]:
        return {int(row[0] or 0) for row in self.tables[EPISODE].values() if row}

    def of_device(self, table: str, device: int) -> list[RowKey]:
        """Keys that begin with the device."""
        return [key for key in self.tables[table] if key[0] == device]

    def episodes(self, device: int) -> list[int]:
        return [int(key[0]) for key, row in self.tables[EPISODE].items() if row and row[0] == device]

    def with_changes(self, changes: Iterable[RowChange]) -> Snapshot:
        """EditError where a row is not what the change found: something later touched it."""
        tables = {name: dict(rows) for name, rows in self.tables.items()}
        for table, key, before, after in changes:
            if tables[table].get(key) != before:
                raise EditError("edit", f"{table} {key[0]} was changed since; undo the later edit first")
            if after is None:
                tables[table].pop(key, None)
            else:
                tables[table][key] = after
        return Snapshot(tables, self.now_s)


class Rename(NamedTuple):
    """Give a device a name of the user's; empty text takes it away again."""

    device: int
    text: str


class AssignOwner(NamedTuple):
    """Give a device to a person (None: to no person) from a day on, YYYYMMDD; ALWAYS is its whole history."""

    device: int
    person: int | None
    from_day: int = ALWAYS


class AssignToPerson(NamedTuple):
    """Give a device to the person of that name; a missing person is added."""

    device: int
    name: str
    from_day: int = ALWAYS


class SetLabels(NamedTuple):
    """The labels a device has from now on: kids, TV room."""

    device: int
    texts: tuple[str, ...]


class Merge(NamedTuple):
    """All of a device's episodes become another's."""

    device: int
    into: int


class Split(NamedTuple):
    """Some of a device's episodes become a device of their own, or another's."""

    device: int
    episodes: tuple[int, ...]
    into: int | None = None


class Reassign(NamedTuple):
    """One episode becomes another device's."""

    episode: int
    device: int


class AddPerson(NamedTuple):
    name: str


class RenamePerson(NamedTuple):
    person: int
    name: str


class RemovePerson(NamedTuple):
    """The person's devices have no owner then."""

    person: int


class AnswerProposal(NamedTuple):
    """Confirm a proposal, which merges, or refuse it for good."""

    proposal: int
    confirmed: bool


class AddTopUp(NamedTuple):
    """More octets for the running period of a plan, or fewer; without the name of an allowance, for the plan's own."""

    plan: int
    octets: int
    allowance: str | None = None


class ChangeSettings(NamedTuple):
    """Note a change of the page's settings file, which was made already: name, value before and after as JSON."""

    values: tuple[tuple[str, str | None, str | None], ...]


class CompositeEdit(NamedTuple):
    """Several edits as one: all of them or none, and one undo takes all back."""

    edits: tuple[Edit, ...]


Edit = (
    Rename
    | AssignOwner
    | AssignToPerson
    | SetLabels
    | Merge
    | Split
    | Reassign
    | AddPerson
    | RenamePerson
    | RemovePerson
    | AnswerProposal
    | AddTopUp
    | ChangeSettings
    | CompositeEdit
)


def changes(edit: Edit, now: Snapshot) -> list[RowChange]:
    """What the edit changes, empty where all is so already; EditError names the field at fault."""
    rows = _BY_KIND[type(edit)](edit, now)
    return [row for row in rows if row.before != row.after]


def undone(rows: Iterable[RowChange]) -> list[RowChange]:
    """The changes that take these back."""
    return [RowChange(table, key, after, before) for table, key, before, after in reversed(list(rows))]


def _set(now: Snapshot, table: str, key: RowKey, after: RowValues) -> RowChange:
    return RowChange(table, key, now.row(table, key), after)


def _known(now: Snapshot, device: int, what: str = "device") -> None:
    if device not in now.devices():
        raise Missing(what, f"there is no device {device}")


def _person(now: Snapshot, person: int) -> None:
    if now.row(PERSON, (person,)) is None:
        raise Missing("person", f"there is no person {person}")


def _text(text: str, what: str) -> str:
    cleaned = clean(text)
    if not cleaned:
        raise EditError(what, "must have at least one letter or digit")
    return cleaned


def _rename(edit: Rename, now: Snapshot) -> list[RowChange]:
    _known(now, edit.device)
    row = (_text(edit.text, "name"),) if edit.text else None
    return [_set(now, NAME, (edit.device,), row)]


def _own(edit: AssignOwner, now: Snapshot) -> list[RowChange]:
    """Ends what holds on that day, and takes back what begins later."""
    _known(now, edit.device)
    if edit.person is not None:
        _person(now, edit.person)
    rows = []
    for key in now.of_device(OWNER, edit.device):
        since, row = int(key[1]), now.row(OWNER, key)
        if row and since >= edit.from_day:
            rows.append(_set(now, OWNER, key, None))
        elif row and (row[1] is None or int(row[1]) > edit.from_day):
            rows.append(_set(now, OWNER, key, (row[0], edit.from_day)))
    if edit.person is not None:
        key = (edit.device, edit.from_day)
        rows = [change for change in rows if change.key != key]
        rows.append(_set(now, OWNER, key, (edit.person, None)))
    return rows


def _give(edit: AssignToPerson, now: Snapshot) -> list[RowChange]:
    name = _text(edit.name, "person").casefold()
    for key, row in now.tables[PERSON].items():
        if row and str(row[0]).casefold() == name:
            return _own(AssignOwner(edit.device, int(key[0]), edit.from_day), now)
    added = _add_person(AddPerson(edit.name), now)
    return [*added, *_own(AssignOwner(edit.device, int(added[0].key[0]), edit.from_day), now.with_changes(added))]


def _together(edit: CompositeEdit, now: Snapshot) -> list[RowChange]:
    rows: list[RowChange] = []
    for part in edit.edits:
        step = changes(part, now)
        rows += step
        now = now.with_changes(step)
    return rows


def _label(edit: SetLabels, now: Snapshot) -> list[RowChange]:
    _known(now, edit.device)
    texts = {_text(text, "labels") for text in edit.texts}
    if len(texts) > LABELS_MAX:
        raise EditError("labels", f"at most {LABELS_MAX} for one device")
    had = {str(key[1]) for key in now.of_device(LABEL, edit.device)}
    return [_set(now, LABEL, (edit.device, text), () if text in texts else None) for text in sorted(texts ^ had)]


def _merge(edit: Merge, now: Snapshot) -> list[RowChange]:
    """The name, owners and labels of the device that stays hold; where it has none it takes over the other's."""
    _known(now, edit.device)
    _known(now, edit.into, "into")
    if edit.device == edit.into:
        raise EditError("into", "a device cannot be merged into itself")
    rows = [_set(now, EPISODE, (episode,), (edit.into,)) for episode in now.episodes(edit.device)]
    name = now.row(NAME, (edit.device,))
    if name and not now.row(NAME, (edit.into,)):
        rows.append(_set(now, NAME, (edit.into,), name))
    if not now.of_device(OWNER, edit.into):
        for key in now.of_device(OWNER, edit.device):
            rows.append(_set(now, OWNER, (edit.into, key[1]), now.row(OWNER, key)))
    if not now.of_device(LABEL, edit.into):
        rows += [_set(now, LABEL, (edit.into, key[1]), ()) for key in now.of_device(LABEL, edit.device)]
    return [*rows, *_asked_anew(edit, now)]


def _asked_anew(merged: Merge, now: Snapshot) -> list[RowChange]:
    """Open proposals about a device that is merged: into it is into the one that stays; what it was to be is over."""
    rows = []
    for key, row in now.tables[PROPOSAL].items():
        if row is None or row[0] != OPEN or merged.device not in row[1:]:
            continue
        _, device, into = row
        stays = into == merged.device and device != merged.into
        rows.append(_set(now, PROPOSAL, key, (OPEN, device, merged.into) if stays else (OVER, device, into)))
    return rows


def _split(edit: Split, now: Snapshot) -> list[RowChange]:
    _known(now, edit.device)
    own = set(now.episodes(edit.device))
    episodes = set(edit.episodes)
    if not episodes or not episodes <= own:
        raise EditError("episodes", f"must be some of the device's own: {', '.join(map(str, sorted(own)))}")
    if episodes == own:
        raise EditError("episodes", "at least one must stay with the device")
    if edit.into is not None:
        _known(now, edit.into, "into")
    target = edit.into if edit.into is not None else _unused(now, episodes)
    return [_set(now, EPISODE, (episode,), (target,)) for episode in sorted(episodes)]


def _unused(now: Snapshot, episodes: set[int]) -> int:
    """A device's number is that of its first episode where that is free, so a split turns a merge back."""
    taken = now.devices()
    free = next((episode for episode in sorted(episodes) if episode not in taken), None)
    return free if free is not None else 1 + max(taken | {int(key[0]) for key in now.tables[EPISODE]})


def _reassign(edit: Reassign, now: Snapshot) -> list[RowChange]:
    if now.row(EPISODE, (edit.episode,)) is None:
        raise Missing("episode", f"there is no episode {edit.episode}")
    _known(now, edit.device)
    return [_set(now, EPISODE, (edit.episode,), (edit.device,))]


def _add_person(edit: AddPerson, now: Snapshot) -> list[RowChange]:
    name = _free_name(edit.name, now)
    people = [int(key[0]) for key in now.tables[PERSON]]
    if len(people) >= PEOPLE_MAX:
        raise EditError("name", f"there are {PEOPLE_MAX} people already")
    return [_set(now, PERSON, (1 + max(people, default=0),), (name,))]


def _rename_person(edit: RenamePerson, now: Snapshot) -> list[RowChange]:
    _person(now, edit.person)
    return [_set(now, PERSON, (edit.person,), (_free_name(edit.name, now, edit.person),))]


def _free_name(text: str, now: Snapshot, but: int | None = None) -> str:
    name = _text(text, "name")
    for key, row in now.tables[PERSON].items():
        if row and str(row[0]).casefold() == name.casefold() and key[0] != but:
            raise EditError("name", f"there is a person {name!r} already")
    return name


def _remove_person(edit: RemovePerson, now: Snapshot) -> list[RowChange]:
    _person(now, edit.person)
    owned = [key for key, row in now.tables[OWNER].items() if row and row[0] == edit.person]
    return [*(_set(now, OWNER, key, None) for key in owned), _set(now, PERSON, (edit.person,), None)]


def _answer(edit: AnswerProposal, now: Snapshot) -> list[RowChange]:
    row = now.row(PROPOSAL, (edit.proposal,))
    if row is None:
        raise Missing("proposal", f"there is no proposal {edit.proposal}")
    state, device, into = row
    if state != OPEN:
        raise EditError("proposal", f"was {state} already")
    answered = (CONFIRMED if edit.confirmed else REFUSED, device, into)
    merged = _merge(Merge(int(device or 0), int(into or 0)), now) if edit.confirmed else []
    merged = [change for change in merged if (change.table, change.key) != (PROPOSAL, (edit.proposal,))]
    return [*merged, _set(now, PROPOSAL, (edit.proposal,), answered)]


def _top_up(edit: AddTopUp, now: Snapshot) -> list[RowChange]:
    row = now.row(PLAN, (edit.plan,))
    allowances = str(row[1]).split(",") if row and row[1] else []
    if not allowances:
        raise Missing("plan", f"there is no plan {edit.plan}")
    allowance = edit.allowance if edit.allowance is not None else allowances[0]
    if allowance not in allowances:
        raise EditError("allowance", f"the plan has none named {allowance!r}; it has: {', '.join(allowances)}")
    if not 0 < abs(edit.octets) < TOPUP_MOST:
        raise EditError("octets", f"must be more or fewer than none, and less than {TOPUP_MOST}, got {edit.octets}")
    number = 1 + max((int(key[0]) for key in now.tables[TOPUP]), default=0)
    return [_set(now, TOPUP, (number,), (edit.plan, now.now_s, allowance, edit.octets))]


def _settings(edit: ChangeSettings, now: Snapshot) -> list[RowChange]:
    def row(text: str | None) -> RowValues:
        return None if text is None else (text,)

    return [RowChange(SETTING, (name,), row(before), row(after)) for name, before, after in edit.values]


_BY_KIND: dict[type, Callable[..., list[RowChange]]] = {
    Rename: _rename,
    AssignOwner: _own,
    AssignToPerson: _give,
    CompositeEdit: _together,
    SetLabels: _label,
    Merge: _merge,
    Split: _split,
    Reassign: _reassign,
    AddPerson: _add_person,
    RenamePerson: _rename_person,
    RemovePerson: _remove_person,
    AnswerProposal: _answer,
    AddTopUp: _top_up,
    ChangeSettings: _settings,
}
