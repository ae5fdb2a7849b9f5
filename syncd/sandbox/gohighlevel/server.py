"""The GoHighLevel emulator: its token and version rules, its quota, and a user's hands on its location.

Rule: the token is checked before the version header and both before the quota is charged.

It must not know how contacts are stored, ordered or announced; the endpoints themselves are in `endpoints`.
"""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar

from syncd.sandbox.calls import Answer, Call
from syncd.sandbox.gate import Spend
from syncd.sandbox.gohighlevel.announcements import UNLOCATED, fired
from syncd.sandbox.gohighlevel.contact import Contact
from syncd.sandbox.gohighlevel.endpoints import Endpoints
from syncd.sandbox.gohighlevel.errors import NO_VERSION, error_answer
from syncd.sandbox.gohighlevel.events import Envelopes
from syncd.sandbox.gohighlevel.location import Location
from syncd.sandbox.gohighlevel.oauth import UNVERSIONED, OAuth
from syncd.sandbox.gohighlevel.operations import Operations
from syncd.sandbox.gohighlevel.reading import ON_CREATE, ContactReader
from syncd.sandbox.gohighlevel.records import Records
from syncd.sandbox.moments import Clock, iso_from_milliseconds
from syncd.sandbox.options import GoHighLevelOptions
from syncd.sandbox.quota import FixedWindow, SlidingWindow, daily
from syncd.sandbox.truth import Actor, Author, Json
from syncd.sandbox.vendor import Vendor

_USER = Author(actor=Actor.USER)


class GoHighLevel(Vendor):
    """One location behind the vendor's API."""

    name: ClassVar[str] = "gohighlevel"
    retry_after_name: ClassVar[str] = "Retry-After"

    def __init__(self, options: GoHighLevelOptions, *, clock: Clock, quotas: bool, random: Random) -> None:
        self.options = options
        self._envelopes = Envelopes(options, clock, random)
        super().__init__(port=options.port, token=options.token, clock=clock, random=random, delivery=self._envelopes.rules())
        self._quotas = quotas
        window = SlidingWindow if options.window == "sliding" else FixedWindow
        self._burst, self._daily = window(options.burst, options.burst_window_s), daily(options.daily)
        self._daily_left = options.daily
        self.location = Location(
            options,
            truth=self.truth,
            clock=clock,
            random=random,
            announce=lambda event, contact: self.webhooks.enqueue(self._envelopes.event(event, contact)),
            count=self.applied,
        )
        self._reader = ContactReader(options, self.location.fields)
        # Its chance is its own, so that what contacts draw stays as it was.
        own = Random(f"{options.location_id}/records")  # noqa: S311 - repeatable on purpose
        self.records = Records(
            truth=self.truth,
            clock=clock,
            random=own,
            missing_status=options.missing_status,
            lag_s=options.record_lag_s,
            count=self.applied,
            announce=self._announce,
        )
        own = Random(f"{options.location_id}/oauth")  # noqa: S311 - repeatable on purpose
        self.oauth = OAuth(options, private=lambda: self.token, clock=clock, random=own, announce=self._app_comes_and_goes)
        served = [*Endpoints(options, self.location, self._reader, self.records).routes(), *self.oauth.routes()]
        self.offer(Operations(options, self.location, self.records).routes(served))

    def authorise(self, call: Call) -> Answer | None:
        """Token first, then the version header."""
        refused = self.oauth.refusal(call)
        if refused is not None or call.path in UNVERSIONED:
            return refused
        version = call.headers.get("Version")
        if version is None:
            return error_answer(401, NO_VERSION)
        if version not in self.options.versions:
            return error_answer(400, f"Invalid API version segment {version}")
        return None

    def spend(self) -> Spend:
        """Charge the burst window, then the day."""
        if not self._quotas:
            return Spend(allowed=True, headers={})
        taken = self._burst.take()
        if taken.allowed:
            today = self._daily.take()
            self._daily_left = today.remaining
            taken = today if not today.allowed else taken
        headers = {
            "X-RateLimit-Limit-Daily": str(self.options.daily),
            "X-RateLimit-Daily-Remaining": str(self._daily_left),
            "X-RateLimit-Interval-Milliseconds": str(int(self.options.burst_window_s * 1000)),
            "X-RateLimit-Max": str(self.options.burst),
            "X-RateLimit-Remaining": str(taken.remaining),
        }
        return Spend(allowed=taken.allowed, headers=headers, wait_s=taken.wait_s)

    def too_many(self, wait_s: float) -> Answer:
        """No Retry-After unless asked for: the vendor documents none."""
        headers = {self.retry_after_name: str(int(wait_s) + 1)} if self.options.retry_after_header else {}
        return Answer(status=429, payload=error_answer(429).payload, headers=headers)

    def error(self, status: int, message: str | None = None) -> Answer:
        """An error in the vendor's shape."""
        return error_answer(status, message)

    def finish(self, call: Call, answer: Answer) -> Answer:
        """Every answer that is an object carries a `traceId`."""
        if not isinstance(answer.payload, dict):
            return answer
        payload = {**answer.payload, "traceId": call.request_id}
        return Answer(status=answer.status, payload=payload, headers=answer.headers)

    def create_as_user(self, fields: Json) -> Json:
        """A person adds a contact; `custom` holds custom values by key."""
        return self._truth(self.location.create(self._read_user(fields), _USER))

    def edit_as_user(self, contact_id: str, changes: Json) -> Json:
        """A person changes a contact."""
        return self._truth(self.location.update(contact_id, self._read_user(changes), _USER, exact=True))

    def delete_as_user(self, contact_id: str) -> None:
        """A person deletes a contact."""
        self.location.delete(contact_id, _USER)

    def create_record_as_user(self, collection: str, fields: Json) -> Json:
        """A person adds a record beside the contacts."""
        return self.records.create(collection, {"locationId": self.options.location_id, **fields}, _USER)

    def edit_record_as_user(self, collection: str, record_id: str, changes: Json) -> Json:
        """A person changes a record beside the contacts."""
        return self.records.update(collection, record_id, changes, _USER)

    def delete_record_as_user(self, collection: str, record_id: str) -> None:
        """A person deletes a record beside the contacts."""
        self.records.delete(collection, record_id, _USER)

    def seed(self, fields: Json, *, at: float | None = None) -> Json:
        """Put a contact in as if it had long been there: no webhook, no lag, no duplicate check."""
        return self._truth(self.location.create(self._read_user(fields), _USER, at=at, silent=True))

    def contacts(self) -> list[Json]:
        """Every contact as it truly is, custom values by key."""
        return [self._truth(contact) for contact in self.location.all()]

    def settle_index(self) -> None:
        """Let search see everything written so far, whatever the lag."""
        self.location.index.catch_up(everything=True)

    def describe(self) -> dict[str, Any]:
        """What a caller needs to connect."""
        return {
            "base_url": self.base_url,
            "token": self.token,
            "location_id": self.options.location_id,
            "webhook_public_key_pem": self._envelopes.public_key_pem,
            "custom_fields": {defined.field.key: defined.id for defined in self.location.fields.values()},
        }

    def _announce(self, collection: str, before: Json | None, after: Json | None) -> None:
        for name, payload in fired(collection, before, after):
            self.webhooks.enqueue(self._envelopes.record_event(name, payload, located=collection not in UNLOCATED))

    def _app_comes_and_goes(self, installed: bool) -> None:
        """The app that asks for consent, among the location's apps."""
        app_id = self.oauth.client_id
        is_there = self.records.find("apps", app_id) is not None
        if is_there and not installed:
            self.records.delete("apps", app_id, _USER)
        elif installed and not is_there:
            told = {"id": app_id, "appId": app_id, "companyId": self.oauth.company_id, "userId": "SandboxUser000000001"}
            self.create_record_as_user("apps", told)

    def _read_user(self, fields: Json) -> Json:
        body = dict(fields)
        if "custom" in body:
            custom = body.pop("custom")
            body["customFields"] = [{"key": key, "field_value": value} for key, value in custom.items()]
        return self._reader.read(body, ON_CREATE)

    def _truth(self, contact: Contact) -> Json:
        body = {**contact.as_truth(), "dateUpdated": iso_from_milliseconds(contact.updated_ms)}
        body.pop("customFields", None)
        fields = self.location.fields
        body["custom"] = {fields[field_id].field.key: value for field_id, value in contact.custom.items()}
        return body
