"""The EmailOctopus emulator: its key, its quota, its lists, and a user's hands on them.

Rule: a POST or PUT must say `application/json`, and a body is read completely before anything is written.

It must not know how contacts are stored, ordered or announced; the endpoints themselves are in `endpoints`.
"""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar

from syncd.sandbox.calls import Answer, Call
from syncd.sandbox.emailoctopus.campaigns import Campaigns
from syncd.sandbox.emailoctopus.contact import Contact
from syncd.sandbox.emailoctopus.endpoints import Endpoints
from syncd.sandbox.emailoctopus.events import Envelopes
from syncd.sandbox.emailoctopus.mailing_list import MailingList
from syncd.sandbox.emailoctopus.problems import problem_answer
from syncd.sandbox.emailoctopus.reading import Changes, read_contact
from syncd.sandbox.gate import Spend
from syncd.sandbox.moments import Clock, iso_from_seconds
from syncd.sandbox.options import EmailOctopusOptions
from syncd.sandbox.quota import TokenBucket
from syncd.sandbox.truth import Actor, Author, Json
from syncd.sandbox.vendor import Vendor

_USER = Author(actor=Actor.USER)


class EmailOctopus(Vendor):
    """One account behind the vendor's API."""

    name: ClassVar[str] = "emailoctopus"
    retry_after_name: ClassVar[str] = "X-RateLimit-Retry-After"

    def __init__(self, options: EmailOctopusOptions, *, clock: Clock, quotas: bool, random: Random) -> None:
        self.options = options
        self._envelopes = Envelopes(options, clock, random)
        self._lists: dict[str, MailingList] = {}
        super().__init__(port=options.port, token=options.api_key, clock=clock, random=random, delivery=self._envelopes.rules())
        self._clock, self._random = clock, random
        self._bucket = TokenBucket(options.burst, options.per_second) if quotas else None
        self.list_id = self.add_list(options.list_name)
        # Numbers of its own, so that whoever is there has the same id whether or not there are campaigns.
        self.campaigns = Campaigns(options, clock, Random(self.list_id), self._find)  # noqa: S311 - repeatable on purpose
        self.automation_id = self.campaigns.add_automation()
        self.offer(Endpoints(options, self._lists, self.campaigns).routes())

    def add_list(self, name: str) -> str:
        """A further list with the same fields and tags; returns its id."""
        mailing_list = MailingList(
            name,
            self.options,
            truth=self.truth,
            clock=self._clock,
            random=self._random,
            announce=self._announce,
            count=self.applied,
        )
        self._lists[mailing_list.id] = mailing_list
        return mailing_list.id

    def authorise(self, call: Call) -> Answer | None:
        """The key, then the content type of a body."""
        if call.headers.get("Authorization") != f"Bearer {self.token}":
            return problem_answer(401)
        content_type = call.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if call.method in ("POST", "PUT") and content_type != "application/json":
            return problem_answer(415)
        return None

    def spend(self) -> Spend:
        """Take one token from the bucket."""
        if self._bucket is None:
            return Spend(allowed=True, headers={})
        taken = self._bucket.take()
        headers = {"X-RateLimiting-Remaining": str(taken.remaining)}
        return Spend(allowed=taken.allowed, headers=headers, wait_s=taken.wait_s)

    def too_many(self, wait_s: float) -> Answer:
        """The 429, with whole seconds to wait unless the option leaves them out."""
        headers = {self.retry_after_name: str(int(wait_s) + 1)} if self.options.retry_after_header else {}
        return Answer(status=429, payload=problem_answer(429).payload, headers=headers)

    def error(self, status: int, message: str | None = None) -> Answer:
        """An error in the vendor's shape."""
        return problem_answer(status, message)

    def finish(self, call: Call, answer: Answer) -> Answer:  # noqa: ARG002 - the vendors' shared shape
        """Nothing to add: this vendor sends no request id."""
        return answer

    def create_as_user(self, fields: Json, *, list_id: str | None = None) -> Json:
        """A person adds a contact: `email_address`, `fields`, `tags` (array), `status`."""
        mailing_list = self._list(list_id)
        return self._truth(mailing_list.create(self._read_user(mailing_list, fields, email_required=True), _USER))

    def edit_as_user(self, contact_id: str, changes: Json, *, list_id: str | None = None) -> Json:
        """A person changes a contact; `tags` may be an array (the whole set) or an object (only those named)."""
        mailing_list = self._list(list_id)
        before = mailing_list.get(contact_id)
        read = self._read_user(mailing_list, changes, email_required=False)
        if isinstance(changes.get("tags"), list):
            read.tags = {**dict.fromkeys(before.tags, False), **read.tags}
        return self._truth(mailing_list.update(before, read, _USER))

    def delete_as_user(self, contact_id: str, *, list_id: str | None = None) -> None:
        """A person deletes a contact."""
        mailing_list = self._list(list_id)
        mailing_list.delete(mailing_list.get(contact_id), _USER)

    def seed(self, fields: Json, *, at: float | None = None, list_id: str | None = None) -> Json:
        """Put a contact in as if it had long been there: no webhook."""
        mailing_list = self._list(list_id)
        changes = self._read_user(mailing_list, fields, email_required=True)
        return self._truth(mailing_list.create(changes, _USER, at=at, silent=True))

    def contacts(self, *, list_id: str | None = None) -> list[Json]:
        """Every contact of the list as it truly is."""
        return [self._truth(contact) for contact in self._list(list_id).all()]

    def describe(self) -> dict[str, Any]:
        """What a caller needs to connect."""
        return {
            "base_url": self.base_url,
            "api_key": self.token,
            "list_id": self.list_id,
            "webhook_secret": self.options.webhook_secret,
        }

    def _find(self, name: str) -> Contact | None:
        found = (mailing_list.find(name) for mailing_list in self._lists.values())
        return next((contact for contact in found if contact is not None), None)

    def _list(self, list_id: str | None) -> MailingList:
        return self._lists[list_id or self.list_id]

    def _read_user(self, mailing_list: MailingList, fields: Json, *, email_required: bool) -> Changes:
        """A person may also type field tags at the top level, and invent a tag on the spot."""
        known = {"email_address", "fields", "tags", "status"}
        body = {name: value for name, value in fields.items() if name in known}
        loose = {name: value for name, value in fields.items() if name not in known}
        if loose:
            body["fields"] = {**loose, **body.get("fields", {})}
        tags = body.get("tags")
        mailing_list.tags.update(dict.fromkeys(tags or ()))
        as_array = isinstance(tags, list)
        return read_contact(body, mailing_list.rules(), creating=as_array, email_required=email_required)

    def _truth(self, contact: Contact) -> Json:
        return {**contact.as_truth(), "last_updated_at": iso_from_seconds(contact.updated_s)}

    def _announce(self, list_id: str, event: str, contact: Contact, author: Author) -> None:
        if author.actor is Actor.API and self.options.exclude_api_events:
            return
        self.webhooks.enqueue(self._envelopes.event(list_id, event, contact))
