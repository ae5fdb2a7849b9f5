"""ActiveTrail's webhooks as the account keeps them: which kinds of event are announced at all.

Rule: an event is announced when an active webhook has its kind, and only then.

It must not know payloads, or when and where they are sent.
"""

from __future__ import annotations

from collections.abc import Callable

from syncd.sandbox.activetrail.reading import body_of, refuse
from syncd.sandbox.calls import Answer, Call
from syncd.sandbox.moments import Clock, iso_from_seconds
from syncd.sandbox.truth import Json

NOT_BY_HAND = "contact_change"


class Hooks:
    """The webhooks of one account; `accepts` are the kinds of event that there are."""

    def __init__(self, accepts: tuple[str, ...], registered: tuple[str, ...], next_id: Callable[[], int], clock: Clock) -> None:
        self._accepts, self._next_id, self._clock = accepts, next_id, clock
        self._rows: dict[int, Json] = {}
        for name in registered:
            self._add({"name": f"syncd {name}", "event_type": name, "format": "json", "is_active": True})

    def announces(self, event_type: str) -> bool:
        """Whether an active webhook waits for this kind of event."""
        return any(row["is_active"] and row["event_type"] == event_type for row in self._rows.values())

    def list(self, _call: Call) -> Answer:
        """All of them."""
        return Answer(payload=list(self._rows.values()))

    def get(self, call: Call) -> Answer:
        """One of them."""
        return Answer(payload=self._row(call))

    def create(self, call: Call) -> Answer:
        """A new one; a name is all it needs."""
        body = body_of(call)
        if not isinstance(body.get("name"), str) or not body["name"]:
            raise refuse(400, "The name field is required.")
        if body.get("event_type", NOT_BY_HAND) not in self._accepts:
            raise refuse(400, "The value is not valid for event_type.")
        return Answer(status=201, payload=self._add(body))

    def delete(self, call: Call) -> Answer:
        """Gone."""
        del self._rows[int(self._row(call)["id"])]
        return Answer()

    def _row(self, call: Call) -> Json:
        text = call.params["webhook_id"]
        row = self._rows.get(int(text)) if text.isdecimal() else None
        if row is None:
            raise refuse(404, "The webhook was not found.")
        return row

    def _add(self, body: Json) -> Json:
        number = self._next_id()
        row = {"event_type": NOT_BY_HAND, "format": "json", "is_active": True, "parameters": [], **body}
        self._rows[number] = {**row, "id": number, "date_updated_utc": iso_from_seconds(int(self._clock()))}
        return self._rows[number]
