"""Every operation of the vendor's surface, served: read the call, do the deed, show it in the operation's shape.

Contacts themselves have endpoints of their own; all else comes from the tables of deeds.

Rule: a call is read completely, against the specification's shapes, before anything is done; and an operation that is in the surface is
served, or the emulator does not start.

It must not know what any operation does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from syncd.sandbox.calls import Answer, Call, Route
from syncd.sandbox.faults import Reach
from syncd.sandbox.gohighlevel import dealings, diary, neighbours, surroundings, threads
from syncd.sandbox.gohighlevel.deeds import BEYOND, Deed, Scene
from syncd.sandbox.gohighlevel.errors import refuse, unprocessable
from syncd.sandbox.gohighlevel.location import Location
from syncd.sandbox.gohighlevel.records import Records
from syncd.sandbox.gohighlevel.shapes import SURFACE, Entry, problems_of, query_problems, shaped
from syncd.sandbox.options import GoHighLevelOptions
from syncd.sandbox.truth import Actor, Author

_DEEDS: Mapping[str, Deed] = {
    **neighbours.DEEDS,
    **diary.DEEDS,
    **dealings.DEEDS,
    **threads.DEEDS,
    **surroundings.DEEDS,
    "import-courses": lambda _scene: None,
}
_SOUND = b"RIFF$\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00@\x1f\x00\x00@\x1f\x00\x00\x01\x00\x08\x00data\x00\x00\x00\x00"
_OURS = ("locationId", "location_id", "altId")
_READ_BY_POST = frozenset({"search-location-tasks", "filter-users-by-email", "validate-group-slug"})
# The specification names no body for these two, and a body is declared for a DELETE that needs none.
# The specification requires these and contradicts itself; nobody could send a text message otherwise.
_NOT_MEANT = {
    "send-message": ("subType should not be empty", "status should not be empty"),
    **dict.fromkeys(("create-block-slot", "update-block-slot"), ("calendarId should not be empty",)),
}
_BODILESS = frozenset({"delete-event", "add-contact-to-campaign"})


class Operations:
    """The surface of one location."""

    def __init__(self, options: GoHighLevelOptions, location: Location, records: Records) -> None:
        self._options, self._location, self._records = options, location, records
        surroundings.furnish(records, options)

    def routes(self, served: Sequence[Route]) -> Sequence[Route]:
        """Routes for everything that is not `served` yet, with literal paths before those with a placeholder."""
        taken = {(route.method, route.path) for route in served}
        mine = [self._route(entry) for entry in SURFACE.values() if (entry.method, entry.path) not in taken]
        return sorted([*served, *mine], key=lambda route: [part.startswith("{") for part in route.path.split("/")])

    def _route(self, entry: Entry) -> Route:
        serve = self._serve_file if entry.name in ("get-message-recording", "download-transcription") else self._serve
        if entry.method == "GET" or entry.name in _READ_BY_POST:
            reach = Reach.LISTING if _is_listing(entry) else Reach.READ
        else:
            reach = Reach.WRITE
        return Route(operation=entry.name, method=entry.method, path=entry.path, reach=reach, handler=lambda call: serve(entry, call))

    def _serve(self, entry: Entry, call: Call) -> Answer:
        known = _DEEDS[entry.name](self._scene(entry, call))
        if entry.answer is None:
            return Answer(status=entry.status)
        beyond = known.pop(BEYOND, {}) if isinstance(known, dict) else {}
        payload = shaped(entry.answer, known)
        return Answer(status=entry.status, payload={**payload, **beyond} if beyond else payload)

    def _serve_file(self, entry: Entry, call: Call) -> Answer:
        """A recording of silence, or a transcript."""
        message = self._records.get("messages", self._scene(entry, call).ids["messageId"])
        if entry.name == "get-message-recording":
            return Answer(payload=_SOUND, headers={"Content-Type": "audio/x-wav"})
        return Answer(payload=str(message["body"]).encode(), headers={"Content-Type": "text/plain"})

    def _scene(self, entry: Entry, call: Call) -> Scene:
        """The call, read; refused with all that is wrong with it."""
        body = self._body(entry, call)
        problems = [*query_problems(entry, call.query), *(problems_of(entry.body, body) if entry.body is not None else [])]
        problems = [each for each in problems if each not in _NOT_MEANT.get(entry.name, ())]
        if problems:
            raise unprocessable(problems)
        for name, value in _named_locations(call, body):
            if value != self._options.location_id and not (name == "locationId" and entry.name == "create-location"):
                raise refuse(403)
        contact_id = call.params.get("contactId") or (body.get("contactId") if isinstance(body, dict) else None)
        if isinstance(contact_id, str):
            self._location.get(contact_id)
        return Scene(
            entry=entry,
            ids=call.params,
            query=call.query,
            body=body,
            author=Author(actor=Actor.API, request_id=call.request_id),
            options=self._options,
            location=self._location,
            records=self._records,
            shaping=call.shaping,
        )

    def _body(self, entry: Entry, call: Call) -> Any:
        if entry.body is None or (entry.name in _BODILESS and not call.raw):
            return {}
        try:
            return call.json()
        except ValueError:
            raise refuse(400) from None


def _is_listing(entry: Entry) -> bool:
    shapes = entry.answer.values() if isinstance(entry.answer, dict) else [entry.answer]
    return isinstance(entry.answer, list) or any(isinstance(each, list) and isinstance(each[0], dict) for each in shapes)


def _named_locations(call: Call, body: Any) -> Iterator[tuple[str, Any]]:
    for where in (call.params, call.query, body if isinstance(body, dict) else {}):
        for name in _OURS:
            if name in where:
                yield name, where[name]


assert {name for name in SURFACE if name not in _DEEDS} <= {
    "search-contacts",
    "get-duplicate-contact",
    "upsert-contact",
    "create-contact",
    "get-contact",
    "update-contact",
    "delete-contact",
    "add-tags-to-contact",
    "remove-tags-from-contact",
    "find-location-by-id",
    "list-custom-fields",
    "list-location-tags",
    "get-message-recording",
    "download-transcription",
}, "an operation of the surface is not served"
