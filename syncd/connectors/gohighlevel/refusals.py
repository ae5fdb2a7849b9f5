"""Why GoHighLevel lets a call not in, told apart: its 401 and 403 mean five different things.

`closed` reads an answer.
The rule that keeps it true: only a token that is said to be expired or invalid is renewed for it, or one that is turned away without a
word; a scope that is missing is named, as the catalogue has it.
It must not know: tokens, or what is done about a refusal.
"""

from __future__ import annotations

from collections.abc import Iterable

from syncd.connectors.gohighlevel.operations import CATALOGUE
from syncd.connectors.http import Answer, Closed

# GHL: reported by users, but for the first, which is the specification's example. Whatever the case, a part of the message decides.
_SCOPE = ("not authorized for this scope",)
_CLASS = ("user type mismatch", "authclass type is not allowed")
_LOCATION = ("does not have access to this location",)
_ROUTE = ("not yet supported by the iam service",)
_VERSION = ("version header was not found",)
_HOLDERS = {"agency": "an agency's (company) token", "location": "a location's (sub-account) token"}


def closed(answer: Answer) -> Closed:
    """What a 401 or 403 means, and what a person can do about it."""
    message = answer.body.get("message") if isinstance(answer.body, dict) else None
    said = message.lower() if isinstance(message, str) else ""
    row = CATALOGUE.get(answer.operation.name)
    if _has(said, _SCOPE):
        scopes = " and ".join(sorted(row.scopes)) if row is not None and row.scopes else "one that the vendor does not state"
        return Closed(narrow=True, hint=f"the token lacks a scope: {answer.operation.name} needs {scopes}; grant it, then `syncd auth` or a new token")
    if _has(said, _CLASS):
        wanted = _HOLDERS.get(row.token if row is not None else "", "another class of token")
        return Closed(narrow=True, hint=f"the wrong class of token: {answer.operation.name} is open to {wanted}")
    if _has(said, _LOCATION):
        return Closed(hint="the token is another location's: check `location_id`, or make a token in that location")
    if _has(said, _ROUTE):
        return Closed(narrow=True, hint=f"GoHighLevel does not open {answer.operation.name} to tokens of this kind")
    if _has(said, _VERSION) or answer.status == 403:
        return Closed(hint="the token is valid and is refused all the same: check its permissions")
    return Closed(
        expired=True,
        hint="the token is not valid any more: `syncd auth` for OAuth, else make a new one, put it where the configuration names it, and reload",
    )


def _has(said: str, parts: Iterable[str]) -> bool:
    return any(part in said for part in parts)
