"""The search index: what search can see, some seconds behind the store.

Every version is noted when it is written and becomes visible once the lag has passed; the dates search sorts by are
kept in order all the time.

Rule: notes become visible in the order they were made, so catching up costs what changed and never the whole store.

It must not know filters, pages or HTTP.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import Literal

from syncd.sandbox.gohighlevel.contact import Contact
from syncd.sandbox.moments import Clock

DateField = Literal["dateAdded", "dateUpdated"]
DATE_FIELDS: tuple[DateField, ...] = ("dateAdded", "dateUpdated")
Place = tuple[int, str]


class SearchIndex:
    """Visible versions by id, and their places by date."""

    def __init__(self, lag_s: float, clock: Clock) -> None:
        self._lag_s, self._clock = lag_s, clock
        self._visible: dict[str, Contact] = {}
        self._places: dict[DateField, list[Place]] = {field: [] for field in DATE_FIELDS}
        self._waiting: deque[tuple[float, str, Contact | None]] = deque()

    def note(self, contact_id: str, contact: Contact | None) -> None:
        """A version was written, or with None the contact deleted."""
        self._waiting.append((self._clock() + self._lag_s, contact_id, contact))

    def catch_up(self, *, everything: bool = False) -> None:
        """Make visible what has waited long enough, or all of it."""
        now = self._clock()
        while self._waiting and (everything or self._waiting[0][0] <= now):
            _, contact_id, contact = self._waiting.popleft()
            self._show(contact_id, contact)

    def visible(self) -> dict[str, Contact]:
        """What search can see now."""
        self.catch_up()
        return self._visible

    def places(self, field: DateField) -> list[Place]:
        """(milliseconds, id) of everything visible, ascending; not to be changed by the caller."""
        self.catch_up()
        return self._places[field]

    def _show(self, contact_id: str, contact: Contact | None) -> None:
        before = self._visible.pop(contact_id, None)
        for field, places in self._places.items():
            if before is not None:
                del places[bisect_left(places, _place(before, field))]
            if contact is not None:
                insort(places, _place(contact, field))
        if contact is not None:
            self._visible[contact_id] = contact


def _place(contact: Contact, field: DateField) -> Place:
    return (contact.updated_ms if field == "dateUpdated" else contact.added_ms, contact.id)
