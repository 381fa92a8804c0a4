"""Identity of devices: hears names, applies what users change, and proposes which devices are one.

All of it happens in the booking thread, beside the recorder. An edit is committed at once, in one transaction with its
entry in the list of edits; memory follows the ledger, never the other way round.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from sqlite3 import Connection
from typing import TYPE_CHECKING, NamedTuple, Protocol

from whitestat.attribution.devices import edits
from whitestat.attribution.devices.address_ownership import SETTLES_MS, AddressOwnership
from whitestat.attribution.devices.edits import (
    AddPerson,
    AssignOwner,
    CompositeEdit,
    Edit,
    Merge,
    RowChange,
    Snapshot,
)
from whitestat.attribution.devices.names import ShownName, clean, is_private_mac
from whitestat.attribution.devices.proposals import DeviceFacts, Proposal, proposals
from whitestat.attribution.devices.registry import DeviceRegistry
from whitestat.attribution.evidence import Evidence
from whitestat.core.errors import EditError, Missing
from whitestat.core.model import Episode, Mac
from whitestat.ledger.tables import people
from whitestat.ledger.tables.people import EditRow, ProposalRow, RowValues
from whitestat.ledger.write.writer import Writer

if TYPE_CHECKING:
    from whitestat.attribution.devices.eviction import Eviction

NAMING = frozenset(("dhcp", "mdns", "llmnr", "netbios"))
_DNS = "dns"
"""A name that others gave: remembered, and no sign that two devices are one."""
HEARD_MAX = 4096
PROPOSALS_MAX = 200
ROOM_SHARE = 8
"""A table of devices with less than this part of it free is nearly full."""
FULL = (
    "the table of devices is full ({}): what a new device uses is unattributed. Something may send with forged "
    "addresses; whitestat devices lists all, and whitestat forget removes one that is none"
)
EARLY_MAX = 1024
"""Statements of devices that are not metered yet: a device says its name before its first packets are booked."""

_CLIENT, _CLASS, _OWNER, _HOLDER = "client", "class", "owner", "holder"


class EditResult(NamedTuple):
    """An edit that was made: its number, 0 where nothing had to change, and what it changed."""

    edit: int
    changes: tuple[RowChange, ...] = ()


class UsageRecorder(Protocol):
    """What identity needs of the recorder of usage: its devices, and a flush before an edit."""

    @property
    def known(self) -> DeviceRegistry: ...

    def flush(self, *, last: bool = False) -> None:
        """Write what is pending; LedgerError or OSError where it cannot be written."""

    def keep_names(self) -> None:
        """Write the names of devices that changed."""


class Identity:
    """Goes on from what the ledger has. `known_ms` is when the service started: devices from before are no news."""

    def __init__(
        self, writer: Writer, recorder: UsageRecorder, known_ms: int, owners: Mapping[Mac, str] | None = None
    ) -> None:
        """`owners` are the people that the configuration gives devices to."""
        self._owners = dict(owners or {})
        self._writer = writer
        self._recorder = recorder
        self._known = recorder.known
        self._told_ms = known_ms
        with writer.transaction("reading of names") as connection:
            self._heard = {key: at for key, at in people.heard(connection).items() if self._known.is_episode(key[0])}
            self._last_seen = people.last_seen(connection)
            named = people.rows(connection)[edits.NAME]
        for (device,), row in named.items():  # a process that died may have left the shown name behind
            if row and self._known.name_of(int(device)) != row[0]:
                self._known.call(int(device), str(row[0]))
        self._fresh: dict[tuple[int, str, str], int] = {}
        self._early: dict[Evidence, Evidence] = {}
        self._eviction: Eviction | None = None
        self.is_curious = False
        """Whether something is new since `tend`: two devices may be known for one by it, or one has an owner."""
        self._named = {key[:2] for key in self._heard}
        self._holding = AddressOwnership(self._known, self._is_untouched)
        for (episode, kind, text), _ in sorted(self._heard.items(), key=lambda item: item[1]):
            if kind == _HOLDER:
                self._holding.remember(episode, bytes.fromhex(text))

    def hear(self, evidence: Iterable[Evidence]) -> None:
        """Take in what devices said. What one says before it is metered is kept for two minutes."""
        for claim in evidence:
            self._found(self._holding.hear(claim), claim.at_ms)
            if not self._hear(claim) and len(self._early) < EARLY_MAX:
                self._early[claim._replace(at_ms=0, until_ms=None)] = claim

    def resolved(self, device: int, name: ShownName, now_ms: int) -> None:
        """What the DNS calls an address of the device."""
        self._known.rename(device, name)
        episode = next((running.id for running in self._known.episodes() if running.device == device), None)
        if episode is not None:
            self._heard[episode, _DNS, name.text] = self._fresh[episode, _DNS, name.text] = now_ms

    def follow(self, now_ms: int) -> None:
        """What began since the last call is called as it said before; addresses are those of their holders."""
        self._found(self._holding.follow(now_ms), now_ms)
        self.is_curious = self.is_curious or any(self._unowned())
        early, self._early = self._early, {}
        for statement, claim in early.items():
            if not self._hear(claim) and now_ms - claim.at_ms < SETTLES_MS:
                self._early[statement] = claim

    def wonders(self, now_ms: int) -> bool:
        """Whether an address began a moment ago, and its device is not known yet."""
        return self._holding.wonders(now_ms)

    def edit(self, edit: Edit, by: str, now_ms: int) -> EditResult:
        """Apply an edit and note it. EditError for one that cannot be made, LedgerError where it cannot be kept."""
        self._recorder.flush()  # an edit may be about a device that the ledger has not seen yet
        with self._writer.transaction("edit") as connection:
            changed = edits.changes(edit, Snapshot(people.rows(connection), now_ms // 1000))
            row = EditRow(0, now_ms, by, action_of(edit), tuple(changed), None)
            number = people.apply(connection, row) if changed else 0
        self._follow(changed)
        return EditResult(number, tuple(changed))

    def undo(self, number: int, by: str, now_ms: int) -> EditResult:
        """Take an edit back, as an edit of its own; undoing that one does it again."""
        with self._writer.transaction("edit") as connection:
            edit = people.edit_of(connection, number)
            if not edit.changes:
                raise EditError("edit", f"edit {number} cannot be undone: what was forgotten is gone")
            later = [row for row in people.edits(connection, most=1_000_000) if row.undoes == number]
            if later:
                raise EditError("edit", f"edit {number} was undone already, by edit {later[0].id}")
            changed = edits.undone(RowChange(*change) for change in edit.changes)
            done = people.apply(connection, EditRow(0, now_ms, by, f"undo: {edit.action}", tuple(changed), number))
        self._follow(changed)
        return EditResult(done, tuple(changed))

    def reprice(self, plan: int, from_s: int | None) -> int:
        """Class a plan's usage anew, and say from which instant on; LedgerError, EditError where there is none."""
        self._recorder.flush()
        return self._writer.reprice(plan, from_s)

    def forget(self, device: int, by: str, now_ms: int) -> None:
        """Remove what identifies a device; its usage stays. EditError where there is none.

        The list of edits says that it was done, and nothing of what the device was.
        """
        self._recorder.flush(last=True)
        self._writer.fold()
        self._writer.fold_details()  # what is folded later would bring its peers and addresses back
        with self._writer.erasing(), self._writer.transaction("forgetting") as connection:
            if device not in Snapshot(people.rows(connection)).devices():
                raise Missing("device", f"there is no device {device}")
            episodes = people.forget(connection, device)
            people.apply(connection, EditRow(0, now_ms, by, f"forget device {device}", (), None))
        self._forget_heard(episodes)
        self._holding.forget(set(episodes))
        self._known.forget(device, episodes)
        self._recorder.keep_names()

    def make_room(self, now_ms: int) -> None:
        """Remove forged devices once the table is nearly full, after a flush; LedgerError, and all are kept."""
        if self._known.room >= self._known.limit // ROOM_SHARE:
            return
        from whitestat.attribution.devices.eviction import Eviction, Life  # of use in a flood, and else not loaded

        self._eviction = self._eviction or Eviction()
        with self._writer.transaction("reading of names") as connection:
            picture = Snapshot(people.rows(connection))
        touched = {key[0] for table in (edits.NAME, edits.OWNER, edits.LABEL) for key in picture.tables[table]}
        lives = [
            Life(nameless.id, nameless.start_ms, max(nameless.start_ms, self._last_seen_ms(nameless)))
            for nameless in self._known.nameless()
            if nameless.device not in touched and not self._is_owned(nameless)
        ]
        removed = self._eviction.unanswered(self._writer, lives, now_ms)
        if removed:
            self._eviction.remove(self._writer, removed, now_ms)
            self._forget_heard(set(removed))
            self._holding.forget(set(removed))
            self._known.drop(removed)

    def notices(self, now_ms: int) -> list[str]:
        """What the page should say of the room for devices. Any thread may ask."""
        evicted = self._eviction.notice(now_ms) if self._eviction else None
        return [notice for notice in (FULL.format(self._known.limit) if self.is_full else None, evicted) if notice]

    @property
    def is_full(self) -> bool:
        """Whether an address that was never seen can be no device."""
        return self._known.room <= 0

    def keep(self) -> None:
        """Write what was heard since the last time; LedgerError, and it is kept for the next."""
        if self._fresh:
            with self._writer.transaction("names") as connection:
                people.hear(connection, self._fresh)
            self._fresh = {}

    def maintain(self, now_ms: int) -> None:
        """Keep what was heard, tell of new devices, and look for devices that are one; about once a minute."""
        self.is_curious = False
        self._retire(now_ms)
        self._own(now_ms)
        facts = self._facts()
        new = [fact for fact in facts if self._told_ms < fact.first_ms <= now_ms - SETTLES_MS]
        with self._writer.transaction("names and proposals") as connection:
            people.hear(connection, self._fresh)
            kept = people.proposals(connection)
            settled = {
                frozenset(pair)
                for proposal in kept
                for pair in ((proposal.device, proposal.into), tuple(map(self._now, proposal[2:4])))
            }
            # One question about each at a time.
            pending = {proposal.device for proposal in kept if proposal.state == edits.OPEN}
            new_proposals = [
                proposal
                for proposal in self._confirmed(connection, proposals(facts, settled))
                if proposal.certain or (proposal.device not in pending and len(pending) < PROPOSALS_MAX)
            ]
            for proposal in new_proposals:
                state = "automatic" if proposal.certain else edits.OPEN
                people.add_proposal(connection, ProposalRow(0, now_ms, *proposal, state))
            probably = {proposal.device: proposal for proposal in new_proposals} | {
                proposal.device: Proposal(proposal.device, proposal.into, proposal.percent, proposal.reasons)
                for proposal in kept
            }
            for device in (fact for fact in new if not self._is_configured(fact.device)):
                self._tell(connection, now_ms, device, probably.get(device.device))
        self._fresh = {}
        self._told_ms = max([self._told_ms, *(fact.first_ms for fact in new)])
        for proposal in new_proposals:
            if proposal.certain:
                self._merge(proposal, now_ms)

    def _found(self, holders: Iterable[tuple[int, Mac]], at_ms: int) -> None:
        """Remember at which MAC an episode was found."""
        for episode, mac in holders:
            self.is_curious = True
            self._heard[episode, _HOLDER, mac.hex()] = self._fresh[episode, _HOLDER, mac.hex()] = at_ms

    def _retire(self, now_ms: int) -> None:
        silent = self._holding.retire(now_ms, self._last_seen)
        if silent:
            self._forget_heard(silent)
            with self._writer.transaction("names") as connection:
                people.unhear(connection, silent)

    def _forget_heard(self, episodes: Collection[int]) -> None:
        self._heard = {key: at_ms for key, at_ms in self._heard.items() if key[0] not in episodes}
        self._named = {key[:2] for key in self._heard}

    def _confirmed(self, connection: Connection, candidates: Sequence[Proposal]) -> Iterator[Proposal]:
        """Yield the proposals, as a question where a device of one has an owner or a name that a user gave.

        A DHCP identity can be forged, and a merge gives one device's history to the other's owner.
        """
        picture = Snapshot(people.rows(connection)) if any(item.certain for item in candidates) else None
        for proposal in candidates:
            if picture and proposal.certain:
                devices = (proposal.device, proposal.into)
                if any(_is_touched(picture, item) or self._is_configured(item) for item in devices):
                    yield proposal.uncertain()
                    continue
            yield proposal

    def _is_untouched(self, device: int) -> bool:
        """Whether no user named, labelled or assigned the device."""
        with self._writer.transaction("reading of names") as connection:
            return not _is_touched(Snapshot(people.rows(connection)), device)

    def _now(self, device: int) -> int:
        """The device that this one is merged into, if it is; a device's number is that of its first episode."""
        return self._known.device_of(device) if self._known.is_episode(device) else device

    def add_people(self, now_ms: int) -> None:
        """Make the people of the configuration before any device of theirs is seen; LedgerError where that fails.

        A person that had a device already, and was removed, stays removed.
        """
        had = {text for _, kind, text in self._heard if kind == _OWNER}
        for person in dict.fromkeys(self._owners.values()):
            if person not in had:
                self._person(person, now_ms)

    def _person(self, name: str, now_ms: int) -> int:
        """The number of the person, added if missing."""
        if name.casefold() not in self._people():
            self.edit(AddPerson(name), "configuration", now_ms)
        return self._people()[name.casefold()]

    def _is_configured(self, device: int) -> bool:
        """Whether the configuration names an address of the device: it was expected, and is no news."""
        episodes = (episode for episode in self._known.episodes() if episode.device == device)
        return any(self._known.is_configured(episode.mac or self._holding.mac_of(episode.id)) for episode in episodes)

    def _own(self, now_ms: int) -> None:
        """What the configuration says of owners, once for each device and person: a later edit of the user's holds."""
        for episode, person in self._unowned():
            number = self._person(person, now_ms)
            self.edit(AssignOwner(self._known.device_of(episode), number), "configuration", now_ms)
            self._heard[episode, _OWNER, person] = self._fresh[episode, _OWNER, person] = now_ms

    def _unowned(self) -> Iterator[tuple[int, str]]:
        """The devices, by an episode of each, that the configuration gives to a person without them so far."""
        for mac, person in self._owners.items():
            episode = self._known.episode_of(mac, None) or self._holding.latest_at(mac)
            if episode is not None and (episode, _OWNER, person) not in self._heard:
                yield episode, person

    def _people(self) -> dict[str, int]:
        with self._writer.transaction("reading of people") as connection:
            rows = people.rows(connection)[edits.PERSON]
        return {str(row[0]).casefold(): int(key[0]) for key, row in rows.items() if row}

    def _tell(self, connection: Connection, now_ms: int, device: DeviceFacts, probably: Proposal | None) -> None:
        content: dict[str, object] = {"name": self._known.name_of(device.device)}
        kind = "new-device"
        if probably:
            kind = "new-address"
            content |= {
                "of": probably.into,
                "of_name": self._known.name_of(probably.into),
                "percent": probably.percent,
            }
        people.add_event(connection, now_ms, kind, device.device, content)

    def _merge(self, certain: Proposal, now_ms: int) -> None:
        name = self._known.name_of(certain.device)
        done = self.edit(Merge(certain.device, certain.into), "whitestat", now_ms)
        with self._writer.transaction("event") as connection:
            content = {"name": name, "reasons": list(certain.reasons), "edit": done.edit}
            people.add_event(connection, now_ms, "merged", certain.into, content)

    def _hear(self, claim: Evidence) -> bool:
        """Note what a device said; False where no device has that address yet."""
        episode = self._known.episode_of(claim.mac, claim.address)
        if episode is None and claim.mac is not None:
            episode = self._holding.latest_at(claim.mac)
        if episode is None:
            return False
        name = clean(claim.name) if claim.name else ""
        statements = [
            (claim.source if claim.source in NAMING else "", name),
            (_CLIENT, claim.client.hex() if claim.client else ""),
            (_CLASS, clean(claim.vendor_class or "")),
        ]
        for kind, text in statements:
            if kind and text and len(self._heard) < HEARD_MAX * 4:
                key = episode, kind, text
                self.is_curious |= key not in self._heard
                self._named.add(key[:2])
                self._heard[key] = self._fresh[key] = claim.at_ms
        if name and claim.source in NAMING and not self._is_named_by_its_first(episode, claim.source):
            self._known.rename(self._known.device_of(episode), ShownName(name, claim.source))
        return True

    def _is_named_by_its_first(self, episode: int, kind: str) -> bool:
        """Whether the device has a name of that kind from its own first address: merged ones do not take turns."""
        device = self._known.device_of(episode)
        if episode == device or self._now(device) != device:
            return False
        return (device, kind) in self._named

    def _follow(self, changed: Sequence[RowChange]) -> None:
        """Memory follows what the ledger has; a device is called by what its own episodes say, or by the user."""
        named = {int(key[0]): after for table, key, _, after in changed if table == edits.NAME}
        gained, lost = set(named), set(named)
        for table, key, before, after in changed:
            if table == edits.EPISODE and before and after:
                self._known.reassign(int(key[0]), int(after[0] or 0))
                lost.add(int(before[0] or 0))
                gained.add(int(after[0] or 0))
        for device in gained | lost:
            own = named[device] if device in named else self._user_name(device)
            self._call(device, own, afresh=device in lost)
        self._recorder.keep_names()

    def _call(self, device: int, own: RowValues, *, afresh: bool) -> None:
        self._known.call(device, str(own[0]) if own else None, afresh=afresh)
        for (episode, kind, text), _ in sorted(self._heard.items(), key=lambda item: (item[0][0] == device, item[1])):
            if kind in NAMING | {_DNS} and self._known.device_of(episode) == device:
                self._known.rename(device, ShownName(text, kind))

    def _user_name(self, device: int) -> RowValues:
        with self._writer.transaction("reading of names") as connection:
            return people.rows(connection)[edits.NAME].get((device,))

    def _last_seen_ms(self, episode: Episode) -> int:
        return max(self._known.last_seen_ms(episode.id), self._last_seen.get(episode.id, 0))

    def _is_owned(self, episode: Episode) -> bool:
        """Whether the configuration gives the device to a person."""
        return (episode.mac or self._holding.mac_of(episode.id)) in self._owners

    def _facts(self) -> list[DeviceFacts]:
        """What is known of each device."""
        statements: dict[int, dict[str, list[tuple[int, str]]]] = {}
        for (number, kind, text), at_ms in self._heard.items():
            device = self._known.device_of(number)
            statements.setdefault(device, {}).setdefault(kind, []).append((at_ms, text))
        by_device: dict[int, list[Episode]] = {}
        for episode in self._known.episodes():
            by_device.setdefault(episode.device, []).append(episode)
        first = self._known.first_seen_ms()
        return [
            self._fact(device, episodes, statements.get(device, {}), first[device])
            for device, episodes in by_device.items()
        ]

    def _fact(
        self, device: int, episodes: list[Episode], statements: dict[str, list[tuple[int, str]]], first_ms: int
    ) -> DeviceFacts:
        macs = [episode.mac or self._holding.mac_of(episode.id) for episode in episodes]
        seen = [self._last_seen_ms(episode) for episode in episodes]
        return DeviceFacts(
            device,
            first_ms,
            max(seen),
            max((entry for kind in NAMING for entry in statements.get(kind, ())), default=(0, ""))[1] or None,
            frozenset(bytes.fromhex(text) for _, text in statements.get(_CLIENT, [])),
            max(statements.get(_CLASS, [(0, "")]))[1] or None,
            all(mac is not None and is_private_mac(mac) for mac in macs),
            frozenset(
                mac for mac, episode in zip(macs, episodes, strict=True) if mac is not None and episode.mac is None
            ),
        )


def _is_touched(picture: Snapshot, device: int) -> bool:
    """Whether a user named, labelled or assigned the device."""
    return any(picture.of_device(table, device) for table in (edits.NAME, edits.OWNER, edits.LABEL))


def action_of(edit: Edit) -> str:
    """Return the word of an edit in the list of edits, such as `rename`; each once where it is several edits."""
    if isinstance(edit, CompositeEdit):
        return ", ".join(dict.fromkeys(map(action_of, edit.edits)))
    return ACTIONS[type(edit)]


ACTIONS: dict[type, str] = {
    edits.AddPerson: "add person",
    edits.AddTopUp: "top up",
    edits.AnswerProposal: "answer",
    edits.AssignOwner: "own",
    edits.AssignToPerson: "give",
    edits.ChangeSettings: "settings",
    edits.Merge: "merge",
    edits.Reassign: "reassign",
    edits.RemovePerson: "remove person",
    edits.Rename: "rename",
    edits.RenamePerson: "rename person",
    edits.SetLabels: "label",
    edits.Split: "split",
}
"""The word of each edit in the list of edits: kept in the ledger, so it stays whatever the type is called."""
