"""Everything a location holds beside its contacts: a dictionary of records for each collection.

Rule: every change is stored, logged as truth, announced and stamped in one step, and a record is never changed in place, so what an answer shows
stays as it was.

It must not know shapes, requests or what any collection means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from string import ascii_letters, digits
from typing import Any

from syncd.sandbox.gohighlevel.errors import refuse
from syncd.sandbox.moments import Clock, iso_from_milliseconds
from syncd.sandbox.truth import Applied, Author, Json, TruthLog

Announce = Callable[[str, Json | None, Json | None], None]
"""Told of every change: the collection, the record before it, the record after it."""
_ALPHABET = ascii_letters + digits
# One moment under every name that the vendor has for it; an answer's shape picks the one it knows.
_ADDED = ("dateAdded", "createdAt")
_UPDATED = ("dateUpdated", "updatedAt", "lastActionDate")


class Records:
    """The collections of one location."""

    def __init__(
        self,
        *,
        truth: TruthLog,
        clock: Clock,
        random: Random,
        missing_status: int,
        lag_s: float,
        count: Callable[[Applied], None],
        announce: Announce,
    ) -> None:
        self._truth, self._clock, self._random = truth, clock, random
        self._missing_status, self._count, self._announce = missing_status, count, announce
        self._lag_s, self._made_at = lag_s, dict[tuple[str, str], float]()
        self._kept: dict[str, dict[str, Json]] = {}
        self._of_contact: dict[tuple[str, str], dict[str, None]] = {}

    def now_ms(self) -> int:
        """The location's clock."""
        return int(self._clock() * 1000)

    def new_id(self) -> str:
        """Twenty letters and digits, as the vendor's ids are."""
        return "".join(self._random.choices(_ALPHABET, k=20))

    def rows(self, collection: str, where: Mapping[str, Any] | None = None) -> list[Json]:
        """The records that hold these values, oldest first."""
        wanted, kept = where or {}, self._kept.get(collection, {})
        # A location has many contacts with a few records each: what belongs to one is found without looking at all.
        found = [kept[each] for each in self._of_contact.get((collection, wanted["contactId"]), ())] if "contactId" in wanted else kept.values()
        return [each for each in found if all(each.get(name) == value for name, value in wanted.items())]

    def indexed(self, collection: str, where: Mapping[str, Any] | None = None) -> list[Json]:
        """Those that a listing shows by now: a new one takes a while to be among them."""
        old = self._clock() - self._lag_s
        return [each for each in self.rows(collection, where) if self._made_at.get((collection, each["id"]), old) <= old]

    def find(self, collection: str, record_id: str) -> Json | None:
        """The record, if there is one."""
        return self._kept.get(collection, {}).get(record_id)

    def get(self, collection: str, record_id: str, where: Mapping[str, Any] | None = None) -> Json:
        """The record, or the refusal the vendor gives for a missing one; one that belongs to another parent is missing, too."""
        record = self.find(collection, record_id)
        if record is None or any(record.get(name) != value for name, value in (where or {}).items()):
            raise refuse(self._missing_status, f"{collection.removesuffix('s')} with id {record_id} not found")
        return record

    def create(self, collection: str, fields: Json, author: Author) -> Json:
        """Adds a record."""
        at = iso_from_milliseconds(self.now_ms())
        record_id = fields.get("id") or self.new_id()
        self._made_at[collection, record_id] = self._clock()
        return self._apply(collection, author, None, {**dict.fromkeys((*_ADDED, *_UPDATED), at), **fields, "id": record_id, "_id": record_id})

    def furnish(self, collection: str, record_id: str, fields: Json) -> None:
        """Puts a record in as if it had always been there: not logged, not counted."""
        at = iso_from_milliseconds(self.now_ms())
        stamped = {**dict.fromkeys((*_ADDED, *_UPDATED), at), **fields, "id": record_id, "_id": record_id}
        self._keep(collection, None, stamped)

    def update(self, collection: str, record_id: str, changes: Json, author: Author, where: Mapping[str, Any] | None = None) -> Json:
        """Changes the named fields; None clears."""
        before = self.get(collection, record_id, where)
        after = {name: value for name, value in {**before, **changes}.items() if value is not None}
        after |= dict.fromkeys(_UPDATED, iso_from_milliseconds(self.now_ms()))
        return self._apply(collection, author, before, {**after, "id": record_id, "_id": record_id})

    def delete(self, collection: str, record_id: str, author: Author, where: Mapping[str, Any] | None = None) -> Json:
        """Removes a record; what it was."""
        before = self.get(collection, record_id, where)
        del self._kept[collection][record_id]
        self._made_at.pop((collection, record_id), None)
        self._of_contact.get((collection, before.get("contactId", "")), {}).pop(record_id, None)
        self._count(self._truth.record(author, collection, record_id, before, None))
        self._announce(collection, before, None)
        return before

    def _apply(self, collection: str, author: Author, before: Json | None, after: Json) -> Json:
        self._keep(collection, before, after)
        self._count(self._truth.record(author, collection, after["id"], before, after))
        self._announce(collection, before, after)
        return after

    def _keep(self, collection: str, before: Json | None, after: Json) -> None:
        self._kept.setdefault(collection, {})[after["id"]] = after
        was, now = (before or {}).get("contactId"), after.get("contactId")
        if isinstance(was, str) and was != now:
            self._of_contact.get((collection, was), {}).pop(after["id"], None)
        if isinstance(now, str):
            self._of_contact.setdefault((collection, now), {})[after["id"]] = None
