"""GoHighLevel's error bodies.

`message` is a string for 400, 401 and 404 and an array of strings for 422.

Rule: every refusal the emulator makes is built here, so the shapes stay the vendor's.

It must not know which request is being refused.
"""

from __future__ import annotations

from syncd.sandbox.calls import Answer, Refusal
from syncd.sandbox.truth import Json


class BodyError(ValueError):
    """What is wrong with one value of a body; collected into a 422, never an answer by itself."""


INVALID_TOKEN = "Invalid token: access token is invalid"  # noqa: S105 - a message, not a token
NO_VERSION = "version header was not found."
NO_ACCESS = "The token does not have access to this location."
NO_DUPLICATES = "This location does not allow duplicated contacts."

_MESSAGES = {
    400: "Bad Request",
    401: INVALID_TOKEN,
    403: NO_ACCESS,
    404: "Not Found",
    405: "Method Not Allowed",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
}
_ERRORS = {401: "Unauthorized", 403: "Forbidden", 422: "Unprocessable Entity"}


def error_answer(status: int, message: str | None = None) -> Answer:
    """An error with the vendor's usual message for the status, or the one given."""
    text = message or _MESSAGES.get(status, "Error")
    payload: Json = {"statusCode": status, "message": [text] if status == 422 else text}
    if status in _ERRORS:
        payload["error"] = _ERRORS[status]
    return Answer(status=status, payload=payload)


def refuse(status: int, message: str | None = None) -> Refusal:
    """A refusal to raise."""
    return Refusal(error_answer(status, message))


def unprocessable(problems: list[str]) -> Refusal:
    """A 422 naming every problem at once."""
    return Refusal(Answer(status=422, payload={"statusCode": 422, "message": problems, "error": _ERRORS[422]}))


def duplicate(contact_id: str, contact_name: str, matching_field: str) -> Refusal:
    """The 400 of a location that forbids duplicates; `meta` points at the contact that is in the way."""
    meta = {"contactId": contact_id, "contactName": contact_name, "matchingField": matching_field}
    return Refusal(Answer(status=400, payload={"statusCode": 400, "message": NO_DUPLICATES, "meta": meta}))
