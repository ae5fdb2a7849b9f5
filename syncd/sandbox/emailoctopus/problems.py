"""EmailOctopus's error bodies, RFC 7807 under `application/json`.

Rule: every refusal the emulator makes is built here, and validation problems carry a JSON pointer to the value.

It must not know which request is being refused.
"""

from __future__ import annotations

from syncd.sandbox.calls import Answer, Refusal
from syncd.sandbox.truth import Json

_TYPES = "https://emailoctopus.com/api-documentation/v2#"
_USUAL = {
    400: ("bad-request", "Bad request."),
    401: ("unauthorized", "Invalid key."),
    403: ("access-denied", "Access denied."),
    404: ("not-found", "Resource not found."),
    405: ("method-not-allowed", "Method not allowed."),
    409: ("conflict", "Resource already exists."),
    415: ("unsupported-media-type", "Unsupported media type."),
    422: ("unprocessable-content", "Unprocessable content."),
    429: ("too-many-requests", "Too many requests."),
    500: ("internal-error", "Internal error."),
}


def problem(status: int, detail: str | None = None, *, kind: str | None = None) -> Json:
    """A problem body with the vendor's usual type and detail for the status."""
    usual_kind, usual_detail = _USUAL.get(status, ("internal-error", "Internal error."))
    return {
        "title": "An error occurred.",
        "detail": detail or usual_detail,
        "status": status,
        "type": _TYPES + (kind or usual_kind),
    }


def problem_answer(status: int, detail: str | None = None) -> Answer:
    """A problem as an answer."""
    return Answer(status=status, payload=problem(status, detail))


def refuse(status: int, detail: str | None = None, *, kind: str | None = None) -> Refusal:
    """A refusal to raise."""
    return Refusal(Answer(status=status, payload=problem(status, detail, kind=kind)))


def invalid(errors: list[Json]) -> Refusal:
    """A 422 with every validation problem, each `{detail, pointer}`."""
    return Refusal(Answer(status=422, payload={**problem(422), "errors": errors}))


def bad_parameter(parameter: str, detail: str) -> Refusal:
    """A 400 about a query parameter."""
    return Refusal(Answer(status=400, payload={**problem(400), "errors": [{"parameter": parameter, "detail": detail}]}))


def out_of_limits() -> Refusal:
    """The plan is full; retrying cannot help."""
    return refuse(422, "The plan's subscriber limit has been reached.", kind="out-of-limits")
