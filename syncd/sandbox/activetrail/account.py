"""One ActiveTrail account: its contacts, its groups and mailing lists, and the queue of contacts that should be merged.

Contacts are unique by e-mail and by mobile number. A write that would give one contact what identifies another is not carried out in
that field but put into the merge queue, where a person settles it.

Rule: `_apply` is the only place that changes a contact, so the store, the truth log and the webhooks cannot disagree.

It must not know HTTP or request bodies; it takes changes already read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import count

from syncd.sandbox.activetrail.contact import IDENTITY, Contact
from syncd.sandbox.activetrail.reading import Changes, refuse
from syncd.sandbox.moments import Clock
from syncd.sandbox.options import ActiveTrailOptions
from syncd.sandbox.truth import Actor, Applied, Author, Json, TruthLog

Announce = Callable[[Contact, Author], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """A write that waits: `values` were meant for the contact `target` (None: a new one) and identify `other` too."""

    id: int
    target: int | None
    other: int
    values: Json


class Account:
    """The state of one account."""

    def __init__(
        self, options: ActiveTrailOptions, *, truth: TruthLog, clock: Clock, announce: Announce, count_write: Callable[[Applied], None]
    ) -> None:
        self.options = options
        self._truth, self.clock, self._announce, self._count = truth, clock, announce, count_write
        self._ids = count(1_000_001)
        self.groups: dict[int, str] = {next(self._ids): name for name in options.groups}
        self.lists: dict[int, str] = {next(self._ids): name for name in options.mailing_lists}
        self.merges: dict[int, Merge] = {}
        self.marks: dict[tuple[str, str], int] = {}
        self._contacts: dict[int, Contact] = {}
        self._previous: dict[int, Contact | None] = {}
        self._by_identity: dict[tuple[str, str], int] = {}

    def all(self) -> Iterable[Contact]:
        """Every contact that is kept, the deleted ones of a soft-deleting account included, oldest first."""
        return self._contacts.values()

    def get(self, name: str, *, stale: bool = False) -> Contact:
        """The contact with this id or lower-case e-mail; a stale look shows the version before the current one."""
        number = int(name) if name.isdecimal() else self._by_identity.get(("email", name), 0)
        contact = self._previous.get(number) if stale else self._contacts.get(number)
        if contact is None or (contact.is_deleted and self.options.deletes == "hidden"):
            raise refuse(404, "Contact was not found.")
        return contact

    def known(self, values: Json) -> Contact | None:
        """The contact that these values identify, deleted or not: by e-mail, else by mobile number."""
        for name in IDENTITY:
            number = self._by_identity.get((name, str(values.get(name))))
            if number is not None:
                return self._contacts[number]
        return None

    def create(self, changes: Changes, author: Author, *, at: float | None = None, silent: bool = False) -> Contact:
        """Add a contact that nothing identifies yet; `at` back-dates it, a silent one is announced to nobody."""
        now = int(self.clock() if at is None else at)
        contact = Contact(
            id=next(self._ids),
            values={name: value for name, value in changes.values.items() if value is not None},
            groups=(),
            lists=(),
            state=changes.state or "Subscribed",
            is_do_not_mail=bool(changes.is_do_not_mail),
            is_deleted=False,
            created_s=now,
            updated_s=now,
        )
        return self._apply(author, None, contact, silent=silent)

    def upsert(self, changes: Changes, author: Author, *, group: int | None = None, mailing_list: int | None = None) -> Contact | None:
        """Create or update by what identifies the contact, and let it join; None when it went to the merge queue."""
        before = self.known(changes.values)
        if before is not None and self._conflict(before, changes) is not None:
            self._queue(before, changes)
            return None
        contact = self.create(changes, author) if before is None else self.update(before, changes, author)
        return self.join(contact, author, group=group, mailing_list=mailing_list)

    def update(self, before: Contact, changes: Changes, author: Author) -> Contact:
        """Change what the body names. What identifies another contact stays as it was, and the pair is queued."""
        if self._conflict(before, changes) is not None:
            self._queue(before, changes)
            changes = replace(changes, values={name: value for name, value in changes.values.items() if name not in IDENTITY})
        values = {name: value for name, value in {**before.values, **changes.values}.items() if value is not None}
        after = replace(
            before,
            values=values,
            state=changes.state or before.state,
            is_do_not_mail=before.is_do_not_mail if changes.is_do_not_mail is None else changes.is_do_not_mail,
            is_deleted=before.is_deleted if changes.is_deleted is None else changes.is_deleted,
        )
        return self._apply(author, before, after)

    def join(self, before: Contact, author: Author, *, group: int | None = None, mailing_list: int | None = None) -> Contact:
        """Add to a group, to a mailing list, or to both; what it is in already it stays in."""
        after = replace(before, groups=_with(before.groups, group), lists=_with(before.lists, mailing_list))
        return self._apply(author, before, after)

    def leave(self, before: Contact, author: Author, *, group: int | None = None, mailing_list: int | None = None) -> None:
        """Take out of a group or a mailing list."""
        kept = tuple(each for each in before.groups if each != group)
        self._apply(author, before, replace(before, groups=kept, lists=tuple(each for each in before.lists if each != mailing_list)))

    def place(
        self, before: Contact, author: Author, *, groups: tuple[int, ...], lists: tuple[int, ...], silent: bool = False
    ) -> Contact:
        """Make the groups and lists just these; a silent one keeps its time too."""
        return self._apply(author, before, replace(before, groups=groups, lists=lists), silent=silent)

    def delete(self, contact: Contact, author: Author) -> None:
        """Remove the contact, or mark it, as the account does; no webhook tells of it."""
        after = None if self.options.deletes == "hard" else replace(contact, is_deleted=True)
        self._apply(author, contact, after, silent=True)

    def settle_merges(self) -> int:
        """A person settles the queue: each pair becomes one contact, and the other one's id is gone. Returns how many."""
        waiting, self.merges = list(self.merges.values()), {}
        user = Author(actor=Actor.USER)
        for merge in waiting:
            other = self._contacts.get(merge.other)
            if other is not None:
                self._apply(user, other, None, silent=True)
            target = self._contacts.get(merge.target) if merge.target is not None else None
            changes = Changes(values=dict(merge.values))
            if target is not None:
                self.update(target, changes, user)
            else:
                self.create(changes, user)
        return len(waiting)

    def names(self, contact: Contact) -> Json:
        """The names of what a contact belongs to."""
        return {
            "groups": [self.groups[each] for each in contact.groups if each in self.groups],
            "mailing_lists": [self.lists[each] for each in contact.lists if each in self.lists],
        }

    def add_group(self, name: str, author: Author) -> int:
        """A new group, whatever others are called."""
        number = next(self._ids)
        self.groups[number] = name
        self._count(self._truth.record(author, "groups", str(number), None, {"name": name}))
        return number

    def next_id(self) -> int:
        """An id for anything else that is kept."""
        return next(self._ids)

    def _conflict(self, before: Contact, changes: Changes) -> int | None:
        """The other contact that the new values identify."""
        for name in IDENTITY:
            other = self._by_identity.get((name, str(changes.values.get(name))))
            if other is not None and other != before.id:
                return other
        return None

    def _queue(self, before: Contact, changes: Changes) -> None:
        other = self._conflict(before, changes)
        assert other is not None, "only a conflict waits"
        number = next(self._ids)
        self.merges[number] = Merge(id=number, target=before.id, other=other, values=dict(changes.values))

    def _apply(self, author: Author, before: Contact | None, after: Contact | None, *, silent: bool = False) -> Contact:
        if after is not None and after == before:
            return after
        if after is not None and before is not None and not (silent and not after.is_deleted):
            after = replace(after, updated_s=max(int(self.clock()), before.updated_s))
        version = after or before
        assert version is not None, "a write needs a version before or after it"
        self._previous[version.id] = before
        if before is not None:
            self._forget(before)
        if after is not None:
            self._contacts[after.id] = after
            self._by_identity.update({(name, str(after.values[name])): after.id for name in IDENTITY if name in after.values})
        else:
            del self._contacts[version.id]
        self._count(
            self._truth.record(
                author, "contacts", str(version.id), before.as_truth() if before else None, after.as_truth() if after else None
            )
        )
        if not silent and after is not None:
            self._announce(after, author)
        return version

    def _forget(self, contact: Contact) -> None:
        for name in IDENTITY:
            self._by_identity.pop((name, str(contact.values.get(name))), None)


def _with(held: tuple[int, ...], added: int | None) -> tuple[int, ...]:
    return held if added is None or added in held else (*held, added)
