"""The ActiveTrail emulator: its token, its quota, its account, and a user's hands on it.

Rule: the token stands alone in its header, without a word before it; of the quota nothing is told but the refusal.

It must not know how contacts are stored, ordered or announced; the endpoints themselves are in `endpoints`.
"""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar

from syncd.sandbox.activetrail.account import Account
from syncd.sandbox.activetrail.contact import Contact
from syncd.sandbox.activetrail.endpoints import Endpoints
from syncd.sandbox.activetrail.events import event, rules
from syncd.sandbox.activetrail.hooks import NOT_BY_HAND, Hooks
from syncd.sandbox.activetrail.reading import need_identity, read_contact, refuse
from syncd.sandbox.calls import Answer, Call
from syncd.sandbox.gate import Spend
from syncd.sandbox.moments import Clock
from syncd.sandbox.options import ActiveTrailOptions
from syncd.sandbox.quota import TokenBucket
from syncd.sandbox.truth import Actor, Author, Json
from syncd.sandbox.vendor import Vendor

_USER = Author(actor=Actor.USER)


class ActiveTrail(Vendor):
    """One account behind the vendor's API."""

    name: ClassVar[str] = "activetrail"
    retry_after_name: ClassVar[str] = "Retry-After"

    def __init__(self, options: ActiveTrailOptions, *, clock: Clock, quotas: bool, random: Random) -> None:
        self.options = options
        super().__init__(port=options.port, token=options.token, clock=clock, random=random, delivery=rules(options))
        self._bucket = TokenBucket(options.burst, options.per_second) if quotas else None
        self.account = Account(options, truth=self.truth, clock=clock, announce=self._announce, count_write=self.applied)
        kinds = tuple(dict.fromkeys((NOT_BY_HAND, options.manual_event)))
        registered = kinds if options.webhook_events is None else options.webhook_events
        self._hooks = Hooks(kinds, registered, self.account.next_id, clock)
        self.offer(Endpoints(self.account, self._hooks).routes())

    def authorise(self, call: Call) -> Answer | None:
        """The bare token."""
        return None if call.headers.get("Authorization") == self.token else self.error(401, "Authorization has been denied.")

    def spend(self) -> Spend:
        """Take one token from the bucket, and say nothing of it."""
        if self._bucket is None:
            return Spend(allowed=True, headers={})
        taken = self._bucket.take()
        return Spend(allowed=taken.allowed, headers={}, wait_s=taken.wait_s)

    def too_many(self, wait_s: float) -> Answer:
        """The 429, with whole seconds to wait only where the option asks for them."""
        headers = {self.retry_after_name: str(int(wait_s) + 1)} if self.options.retry_after_header else {}
        return Answer(status=429, payload={"Message": "Too many requests."}, headers=headers)

    def error(self, status: int, message: str | None = None) -> Answer:
        """An error in the vendor's shape."""
        return Answer(status=status, payload={"Message": message or "An error has occurred."})

    def finish(self, call: Call, answer: Answer) -> Answer:  # noqa: ARG002 - the vendors' shared shape
        """Nothing to add."""
        return answer

    def create_as_user(self, fields: Json) -> Json:
        """A person adds a contact: the API's own names, and `groups` and `mailing_lists` by name."""
        changes = read_contact(fields)
        need_identity(changes)
        if self.account.known(changes.values) is not None:
            raise refuse(400, "The contact exists.")
        # One event a person's click: the contact is announced when it is where it belongs.
        contact = self.account.create(changes, _USER, silent=bool(fields.get("groups") or fields.get("mailing_lists")))
        return self._truth(self._belong(contact, fields))

    def edit_as_user(self, contact_id: str, changes: Json) -> Json:
        """A person changes a contact; `groups` and `mailing_lists` are the whole set."""
        before = self.account.get(contact_id)
        read = read_contact({name: "" if value is None else value for name, value in changes.items()})
        return self._truth(self._belong(self.account.update(before, read, _USER), changes))

    def delete_as_user(self, contact_id: str) -> None:
        """A person deletes a contact."""
        self.account.delete(self.account.get(contact_id), _USER)

    def leave_as_user(self, contact_id: str) -> Json:
        """The contact unsubscribes by its own hand."""
        return self.edit_as_user(contact_id, {"status": 2})

    def seed(self, fields: Json, *, at: float | None = None) -> Json:
        """Put a contact in as if it had long been there: no webhook."""
        contact = self.account.create(read_contact(fields), _USER, at=at, silent=True)
        # Belonging counts as a change, so a seeded contact is put in with it at once and its time kept.
        return self._truth(self._belong(contact, fields, silent=True))

    def contacts(self) -> list[Json]:
        """Every contact as it truly is; what is only marked as deleted is none."""
        return [self._truth(contact) for contact in self.account.all() if not contact.is_deleted]

    def describe(self) -> dict[str, Any]:
        """What a caller needs to connect."""
        return {"base_url": self.base_url, "token": self.token, "webhook_secret": self.options.webhook_secret}

    def _belong(self, contact: Contact, fields: Json, *, silent: bool = False) -> Contact:
        """Puts a contact into just the groups and lists that are named, making those that are missing."""
        groups, lists = contact.groups, contact.lists
        if "groups" in fields:
            groups = self._numbers(fields["groups"] or [], self.account.groups)
        if "mailing_lists" in fields:
            lists = self._numbers(fields["mailing_lists"] or [], self.account.lists)
        return self.account.place(contact, _USER, groups=groups, lists=lists, silent=silent)

    def _numbers(self, names: list[str], known: dict[int, str]) -> tuple[int, ...]:
        numbers = {name: number for number, name in known.items()}
        for name in names:
            if name not in numbers:
                numbers[name] = self.account.next_id()
                known[numbers[name]] = name
        return tuple(numbers[name] for name in names)

    def _truth(self, contact: Contact) -> Json:
        return {**contact.as_truth(), **self.account.names(contact)}

    def _announce(self, contact: Contact, author: Author) -> None:
        kind = NOT_BY_HAND if author.actor is Actor.API else self.options.manual_event
        if self._hooks.announces(kind):
            self.webhooks.enqueue(event(contact))
