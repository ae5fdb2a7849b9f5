"""One list: its fields, its tags, its contacts, and the rules of writing them.

Contacts are per list and unique by e-mail; a contact is named by its uuid or by the MD5 of its e-mail.

Rule: `_apply` is the only place that changes a contact, so the store, the orders listings walk, the truth log and the
webhooks cannot disagree.

It must not know HTTP or request bodies; it takes changes already read.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

from syncd.sandbox.emailoctopus.contact import STATUSES, Contact, email_digest
from syncd.sandbox.emailoctopus.problems import out_of_limits, refuse
from syncd.sandbox.emailoctopus.reading import Changes, ListRules
from syncd.sandbox.moments import Clock
from syncd.sandbox.options import EmailOctopusOptions, ListField
from syncd.sandbox.truth import Applied, Author, TruthLog

Place = tuple[int, str]
Announce = Callable[[str, str, Contact, Author], None]


class MailingList:
    """One list and its contacts."""

    def __init__(
        self,
        name: str,
        options: EmailOctopusOptions,
        *,
        truth: TruthLog,
        clock: Clock,
        random: Random,
        announce: Announce,
        count: Callable[[Applied], None],
    ) -> None:
        self.name, self.options = name, options
        self._truth, self._clock, self._random = truth, clock, random
        self._announce, self._count = announce, count
        self.id = self._new_id()
        self.created_s = self.updated_s = int(clock())
        self.fields: dict[str, ListField] = {field.tag: field for field in options.fields}
        self.tags: dict[str, None] = dict.fromkeys(options.tags)
        self._contacts: dict[str, Contact] = {}
        self._previous: dict[str, Contact | None] = {}
        self._id_by_email: dict[str, str] = {}
        self._id_by_digest: dict[str, str] = {}
        self._places: dict[str, list[Place]] = {status: [] for status in STATUSES}

    def rules(self) -> ListRules:
        """What a body is read against."""
        return ListRules(fields=self.fields, tags=self.tags, require_existing_tags=self.options.require_existing_tags)

    def all(self) -> Iterable[Contact]:
        """Every contact, oldest first."""
        return self._contacts.values()

    def places(self, status: str) -> list[Place]:
        """(last update in seconds, id) of the contacts with this status, ascending; not to be changed."""
        return self._places[status]

    def counts(self) -> dict[str, int]:
        """How many contacts have each status."""
        return {status: len(places) for status, places in self._places.items()}

    def by_id(self, contact_id: str) -> Contact:
        """A contact known to exist."""
        return self._contacts[contact_id]

    def by_email(self, email: str) -> Contact | None:
        """The contact with this e-mail, if any."""
        contact_id = self._id_by_email.get(email)
        return None if contact_id is None else self._contacts[contact_id]

    def get(self, name: str, *, stale: bool = False) -> Contact:
        """The contact with this uuid or digest; a stale look shows the version before the current one."""
        contact = self._previous.get(self._id_by_digest.get(name.lower(), name)) if stale else self.find(name)
        if contact is None:
            raise refuse(404)
        return contact

    def find(self, name: str) -> Contact | None:
        """The contact with this id or digest, if there is one."""
        return self._contacts.get(self._id_by_digest.get(name.lower(), name))

    def create(self, changes: Changes, author: Author, *, at: float | None = None, silent: bool = False) -> Contact:
        """Add a contact; `at` back-dates it, a silent one is announced to nobody."""
        assert changes.email is not None, "a contact is created with an e-mail"
        if changes.email in self._id_by_email:
            raise refuse(409)
        cap = self.options.subscriber_cap
        if cap is not None and len(self._contacts) >= cap:
            raise out_of_limits()
        now = int(self._clock() if at is None else at)
        contact = Contact(
            id=self._new_id(),
            email=changes.email,
            fields={tag: value for tag, value in changes.fields.items() if value is not None},
            tags=tuple(name for name, wanted in changes.tags.items() if wanted),
            status=changes.status or ("pending" if self.options.double_opt_in else "subscribed"),
            created_s=now,
            updated_s=now,
        )
        self._apply(author, None, contact)
        if not silent:
            self._announce(self.id, "contact.created", contact, author)
        return contact

    def update(self, before: Contact, changes: Changes, author: Author) -> Contact:
        """Change what the body names; a new e-mail keeps the uuid and must be free."""
        if changes.email is not None and self._id_by_email.get(changes.email, before.id) != before.id:
            raise refuse(409)
        after = self._edited(before, changes)
        if replace(after, updated_s=before.updated_s) == before and not self.options.noop_touches:
            after = before
        self._apply(author, before, after)
        opted_out = after.status == "unsubscribed" and before.status != "unsubscribed"
        # An opt-out has an event of its own; whatever else changed in the same write is told as an update.
        as_before = replace(before, updated_s=after.updated_s, status=after.status if opted_out else before.status)
        if opted_out:
            self._announce(self.id, "contact.unsubscribed", after, author)
        if after != as_before:
            self._announce(self.id, "contact.updated", after, author)
        return after

    def delete(self, contact: Contact, author: Author) -> None:
        """Remove the contact and its history."""
        self._apply(author, contact, None)
        self._announce(self.id, "contact.deleted", contact, author)

    def rename_tag(self, old: str, new: str | None) -> None:
        """Rename a tag on the list and its contacts, or with None remove it; contacts are not touched in time."""
        names = {name: new if name == old else name for name in self.tags}
        self.tags = dict.fromkeys(name for name in names.values() if name is not None)
        for contact in list(self._contacts.values()):
            if old in contact.tags:
                tags = tuple(kept for name in contact.tags if (kept := new if name == old else name) is not None)
                self._contacts[contact.id] = replace(contact, tags=tags)

    def rename_field(self, old: str, new: ListField | None) -> None:
        """Replace a field, carrying values over to its new tag, or with None remove it and its values."""
        fields = {tag: new if tag == old else field for tag, field in self.fields.items()}
        self.fields = {field.tag: field for field in fields.values() if field is not None}
        for contact in list(self._contacts.values()):
            if old in contact.fields:
                values = {tag: value for tag, value in contact.fields.items() if tag != old}
                if new is not None:
                    values[new.tag] = contact.fields[old]
                self._contacts[contact.id] = replace(contact, fields=values)

    def log(self, author: Author, collection: str, name: str, before: Any, after: Any) -> None:
        """Record a write to the list itself: a tag or a field."""
        self.updated_s = int(self._clock())
        self._count(self._truth.record(author, collection, name, before, after))

    def _edited(self, before: Contact, changes: Changes) -> Contact:
        fields = {tag: value for tag, value in {**before.fields, **changes.fields}.items() if value is not None}
        wanted = {**dict.fromkeys(before.tags, True), **changes.tags}
        return Contact(
            id=before.id,
            email=changes.email or before.email,
            fields=fields,
            tags=tuple(name for name, kept in wanted.items() if kept),
            status=changes.status or before.status,
            created_s=before.created_s,
            updated_s=max(int(self._clock()), before.updated_s),
        )

    def _apply(self, author: Author, before: Contact | None, after: Contact | None) -> None:
        version = after or before
        assert version is not None, "a write needs a version before or after it"
        self._previous[version.id] = before
        if before is not None:
            self._forget(before)
        if after is not None:
            self._remember(after)
        else:
            del self._contacts[version.id]
        self._count(
            self._truth.record(
                author,
                "contacts",
                version.id,
                before.as_truth() if before else None,
                after.as_truth() if after else None,
            )
        )

    def _remember(self, contact: Contact) -> None:
        self._contacts[contact.id] = contact
        self._id_by_email[contact.email] = contact.id
        self._id_by_digest[email_digest(contact.email)] = contact.id
        self.tags.update(dict.fromkeys(contact.tags))
        insort(self._places[contact.status], (contact.updated_s, contact.id))

    def _forget(self, contact: Contact) -> None:
        del self._id_by_email[contact.email]
        del self._id_by_digest[email_digest(contact.email)]
        places = self._places[contact.status]
        del places[bisect_left(places, (contact.updated_s, contact.id))]

    def _new_id(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))
