"""The one location: its contacts, and the rules of writing them.

Creates, edits and deletes from the API and from a person end here; each is stored, logged, noted for search and
announced in one step.

Rule: this is the only place that changes a contact, and every change goes through `_apply`, so store, truth log,
index and webhooks cannot disagree.

It must not know HTTP or request bodies; it takes changes already read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from string import ascii_letters, digits
from typing import Any

from syncd.sandbox.gohighlevel.contact import Contact
from syncd.sandbox.gohighlevel.errors import duplicate, refuse
from syncd.sandbox.gohighlevel.index import SearchIndex
from syncd.sandbox.gohighlevel.reading import DefinedField
from syncd.sandbox.moments import Clock
from syncd.sandbox.options import GoHighLevelOptions
from syncd.sandbox.truth import Applied, Author, Json, TruthLog

Announce = Callable[[str, Contact], None]
_ALPHABET = ascii_letters + digits
_DND_FIELDS = frozenset({"dnd", "dndSettings", "inboundDndSettings"})


class Location:
    """Contacts of one location."""

    def __init__(
        self,
        options: GoHighLevelOptions,
        *,
        truth: TruthLog,
        clock: Clock,
        random: Random,
        announce: Announce,
        count: Callable[[Applied], None],
    ) -> None:
        self.options = options
        self.index = SearchIndex(options.index_lag_s, clock)
        self._truth, self._clock, self._random = truth, clock, random
        self._announce, self._count = announce, count
        self.made_tags: set[str] = set()
        self._contacts: dict[str, Contact] = {}
        self._previous: dict[str, Contact | None] = {}
        self._by: dict[str, dict[str, dict[str, None]]] = {"email": {}, "phone": {}}
        self.fields = {
            defined.id: defined for defined in (DefinedField(id=self.new_id(), field=field) for field in options.custom_fields)
        }

    def new_id(self) -> str:
        """Twenty letters and digits, as the vendor's ids are."""
        return "".join(self._random.choices(_ALPHABET, k=20))

    def all(self) -> Iterable[Contact]:
        """Every contact, oldest first."""
        return self._contacts.values()

    def get(self, contact_id: str, *, stale: bool = False) -> Contact:
        """The contact, or the refusal the vendor gives for a missing one."""
        contact = self._previous.get(contact_id) if stale else self._contacts.get(contact_id)
        if contact is None:
            raise refuse(self.options.missing_status, f"Contact with id {contact_id} not found")
        return contact

    def tag_names(self) -> set[str]:
        """Every tag: those that were made, and those that a contact has."""
        return self.made_tags | {tag for contact in self.all() for tag in contact.tags}

    def find(self, email: str | None, phone: str | None, *, besides: str = "") -> tuple[Contact, str] | None:
        """The oldest contact with this e-mail, else with this phone, and which of the two matched."""
        for name, value in (("email", email), ("phone", phone)):
            for contact_id in self._by[name].get(value or "", ()):
                if contact_id != besides:
                    return self._contacts[contact_id], name
        return None

    def create(self, changes: Json, author: Author, *, at: float | None = None, silent: bool = False) -> Contact:
        """Add a contact. `at` back-dates it; a silent one is announced to nobody and visible to search at once."""
        self._refuse_duplicates(changes, silent=silent)
        now = self._milliseconds(at)
        contact = Contact(id=self.new_id(), values=_merged({}, changes), added_ms=now, updated_ms=now)
        self._apply(author, None, contact)
        if silent:
            self.index.catch_up(everything=True)
        else:
            self._announce("ContactCreate", contact)
        return contact

    def update(self, contact_id: str, changes: Json, author: Author, *, exact: bool = False) -> Contact:
        """Change the named fields; `exact` takes tags literally and fires only the fitting events.

        `dateUpdated` moves even when nothing else does: undocumented, and the hardest reading for an engine.
        """
        before = self.get(contact_id)
        self._refuse_duplicates(changes, besides=contact_id)
        after = Contact(
            id=before.id,
            values=_merged(before.values, changes, merge_tags=self.options.put_tags == "merge" and not exact),
            added_ms=before.added_ms,
            updated_ms=max(self._milliseconds(None), before.updated_ms),
        )
        self._apply(author, before, after)
        self._announce_update(before, after, narrow=exact)
        return after

    def delete(self, contact_id: str, author: Author) -> None:
        """Remove the contact for good."""
        before = self.get(contact_id)
        self._apply(author, before, None)
        self._announce("ContactDelete", before)

    def _announce_update(self, before: Contact, after: Contact, *, narrow: bool) -> None:
        """An edit of only tags or only do-not-disturb has an event of its own; a PUT also fires the general one."""
        changed = {name for name in {*before.values, *after.values} if before.values.get(name) != after.values.get(name)}
        plain = changed - {"tags"} - _DND_FIELDS
        if plain or (changed and not narrow) or (not changed and self.options.noop_update_fires):
            self._announce("ContactUpdate", after)
        if "tags" in changed:
            self._announce("ContactTagUpdate", after)
        if changed & {"dnd", "dndSettings"}:
            self._announce("ContactDndUpdate", after)

    def _refuse_duplicates(self, changes: Json, *, besides: str = "", silent: bool = False) -> None:
        if self.options.allow_duplicates or silent:
            return
        found = self.find(changes.get("email"), changes.get("phone"), besides=besides)
        if found is not None:
            raise duplicate(found[0].id, found[0].full_name, found[1])

    def _apply(self, author: Author, before: Contact | None, after: Contact | None) -> None:
        version = after or before
        assert version is not None, "a write needs a version before or after it"
        contact_id = version.id
        self._previous[contact_id] = before
        if before is not None:
            self._forget(before)
        if after is not None:
            self._contacts[contact_id] = after
            self._remember(after)
        else:
            del self._contacts[contact_id]
        self._count(
            self._truth.record(
                author,
                "contacts",
                contact_id,
                before.as_truth() if before else None,
                after.as_truth() if after else None,
            )
        )
        self.index.note(contact_id, after)

    def _remember(self, contact: Contact) -> None:
        for name, ids in self._by.items():
            if name in contact.values:
                ids.setdefault(contact.values[name], {})[contact.id] = None

    def _forget(self, contact: Contact) -> None:
        for name, ids in self._by.items():
            if name in contact.values:
                holders = ids[contact.values[name]]
                del holders[contact.id]
                if not holders:
                    del ids[contact.values[name]]

    def _milliseconds(self, at: float | None) -> int:
        return int((self._clock() if at is None else at) * 1000)


def _merged(before: Mapping[str, Any], changes: Json, *, merge_tags: bool = False) -> Json:
    """The values after an edit: only named fields change, None clears, custom fields change one by one."""
    values: Json = dict(before)
    for name, given in changes.items():
        value = given if given is None else _joined(name, values.get(name), given, merge_tags=merge_tags)
        if value in (None, [], {}):
            values.pop(name, None)
        else:
            values[name] = value
    return values


def _joined(name: str, held: Any, given: Any, *, merge_tags: bool) -> Any:
    """A value that is given only in part, joined with what is held."""
    if name == "customFields":
        return {field_id: kept for field_id, kept in {**(held or {}), **given}.items() if kept is not None}
    if name == "dndSettings":
        return {**(held or {}), **given}
    if name == "tags" and merge_tags:
        return list(dict.fromkeys([*(held or []), *given]))
    return given
