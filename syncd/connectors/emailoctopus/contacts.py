"""An EmailOctopus contact and a record, each made from the other.

`shown` reads a contact out of a response; `created` and `updated` make the bodies of the two kinds of write.
The rule that keeps it true: nobody is subscribed by an update. A contact that left, or has not confirmed, comes back by its own hand
only, so the word "subscribed" is in no update's body.
It must not know: HTTP, or when anything is called.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.connectors.base import Update
from syncd.connectors.emailoctopus.fields import FIELDS, STATUSES, ListFields, UnwritableError
from syncd.connectors.payload import moment
from syncd.core.fields import elements
from syncd.core.record import Json, Record, Ref

SUBSCRIBED = "subscribed"


class WouldSubscribeError(ValueError):
    """The update would subscribe somebody who unsubscribed or has not confirmed."""


def shown(contact: Mapping[str, Json], ref: Ref, known: ListFields) -> Record:
    """The record a response shows. A response shows every field of the list that is set, so the others are blank."""
    return Record(
        ref=ref,
        fields=fields_of(
            email=contact.get("email_address"),
            status=contact.get("status"),
            tags=contact.get("tags"),
            values=contact.get("fields"),
            known=known,
        ),
        modified_at=moment(contact.get("last_updated_at")),
    )


def fields_of(*, email: Json, status: Json, tags: Json, values: Json, known: ListFields) -> dict[str, Json]:
    """The values by field path, from their four places. (An empty map of values may come as an empty list.)"""
    held = values if isinstance(values, dict) else {}
    fields: dict[str, Json] = dict.fromkeys(known.by_path)
    fields.update({FIELDS + tag: _value(value) for tag, value in held.items()})
    return {**fields, "email_address": _value(email), "status": _value(status), "tags": _value(tags)}


def created(fields: Mapping[str, Json], known: ListFields) -> dict[str, Json]:
    """The body of a create; blanks are left out. Tags are a list here and a map everywhere else."""
    body: dict[str, Json] = {}
    values = {}
    for path, value in fields.items():
        if value is None:
            continue
        if path.startswith(FIELDS):
            values[path.removeprefix(FIELDS)] = known.form(path, value)
        elif path == "tags":
            body["tags"] = [known.tags.get(key, tag) for key, tag in elements(_set(value)).items()]
        else:
            body[path] = _plain(path, value)
    if values:
        body["fields"] = values
    if "email_address" not in body:
        raise UnwritableError("a contact cannot be made without `email_address`")
    return body


def updated(update: Update, known: ListFields, held: Mapping[str, Json]) -> dict[str, Json]:
    """The body of an update of a contact that holds `held`; empty when nothing is left to send. Raises UnwritableError, WouldSubscribeError."""
    body: dict[str, Json] = {}
    values = {}
    for path, value in update.changes.items():
        if path.startswith(FIELDS):
            values[path.removeprefix(FIELDS)] = known.form(path, value)
        elif path == "tags":
            body.update(_tag_changes(value, held.get("tags"), known))
        elif path == "status" and value == SUBSCRIBED:
            if held.get("status") != SUBSCRIBED:
                raise WouldSubscribeError
            # It was subscribed when last seen, so there is nothing to change; sending it could undo a later departure.
        else:
            body[path] = _plain(path, value)
    if values:
        body["fields"] = values
    return body


def missing_tags(body: Mapping[str, Json], known: ListFields) -> list[str]:
    """The tags a body attaches that the list does not have yet."""
    tags = body.get("tags", ())
    attached = [tag for tag, kept in tags.items() if kept] if isinstance(tags, dict) else list(tags)
    return [tag for tag in attached if tag.casefold() not in known.tags]


def _tag_changes(value: Json, before: Json, known: ListFields) -> dict[str, Json]:
    """Additions and removals only; a removal in the spelling the contact bears."""
    wanted, held = elements(_set(value)), elements(before)
    changes = {known.tags.get(key, tag): True for key, tag in wanted.items() if key not in held}
    changes |= {tag: False for key, tag in held.items() if key not in wanted}
    return {"tags": changes} if changes else {}


def _plain(path: str, value: Json) -> str:
    if path not in ("email_address", "status"):
        raise UnwritableError(f"there is no field `{path}`")
    if not isinstance(value, str) or not value:
        raise UnwritableError(f"`{path}` cannot be blank")
    if path == "status" and value not in STATUSES:
        raise UnwritableError(f"`status` takes one of {', '.join(STATUSES)}")
    return value


def _set(value: Json) -> list[str]:
    if value is not None and not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        raise UnwritableError("`tags` takes a list of texts")
    return value or []


def _value(value: Json) -> Json:
    """Every way of being empty is blank."""
    return None if value in ("", [], {}) else value
