"""What flows post to us: acknowledgements of what they were handed, and word of what changed.

A post is one object or a list of them::

    {"collection": "contacts", "event": "updated", "id": "…", "fields": {"email": "…", …}}          word of a change
    {"op_id": "contacts.…", "result": "begun"}                                                       may a run go on?
    {"op_id": "contacts.…", "result": "created", "id": "…", "fields": {…}}                           an acknowledgement

Fields may also stand flat, as ``fields__email``, which is how some programs write what is nested.
The rule that keeps it true: a post that does not prove itself causes nothing; one that is not understood is refused whole, so that the flow
shows its builder what is wrong.
It must not know: where anything is kept, or what was handed off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from syncd.connectors import payload
from syncd.connectors.base import WebhookRefused
from syncd.connectors.bridge import signing
from syncd.connectors.bridge.settings import BridgeSettings
from syncd.connectors.bridge.shapes import Shape
from syncd.core.handoff import Result, Said
from syncd.core.record import SECOND, CollectionName, Json, Micros

_WORDS_MAX = 1_000
_TEXT_MAX = 200
_EVENTS = {"created": False, "updated": False, "changed": False, "deleted": True}
_FLAT = "fields__"
_YES = frozenset({"true", "yes", "1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One delivery that proved itself. `id` is None where nothing in it tells a repetition from news, `key` the name of what
    proved it.
    """

    key: str
    id: str | None
    said: tuple[Said, ...]


class Posts:
    """Reads the posts of one system. Raises UserError where a secret could be guessed."""

    def __init__(self, settings: BridgeSettings, shape: Callable[[CollectionName], Shape | None]) -> None:
        self._keys, self._header_keys = settings.signing_keys(), settings.header_keys()
        self.window: Micros = settings.window_s * SECOND
        self._shape = shape

    def read(self, headers: Mapping[str, str], body: bytes, now: Micros) -> Post | WebhookRefused:
        """What a post says, or why it is refused."""
        post_id: str | None = None
        if signing.SIGNATURE in headers:
            proof = signing.verify(headers, body, self._keys, now=now, window=self.window)
            if isinstance(proof, WebhookRefused):
                return proof
            key, said_at = proof
            post_id = headers[signing.ID]
        else:
            carried = signing.carries(headers, self._header_keys)
            if isinstance(carried, WebhookRefused):
                return carried
            key, said_at = carried, now
        rows = payload.read(body)
        rows = rows if isinstance(rows, list) else [rows]
        if not rows or len(rows) > _WORDS_MAX:
            return WebhookRefused.MALFORMED
        words = [self._said(row, said_at) if isinstance(row, dict) else None for row in rows]
        said = tuple(word for word in words if word is not None)
        return Post(key=key, id=post_id, said=said) if len(said) == len(words) else WebhookRefused.MALFORMED

    def _said(self, row: Mapping[str, Json], said_at: Micros) -> Said | None:
        """One word, or None where it is not understood."""
        op_id = _text(row.get("op_id"))
        collection = CollectionName(_text(row.get("collection")) or "" if op_id is None else collection_of(op_id))
        shape, nested = self._shape(collection), row.get("fields") or {}
        if shape is None or not isinstance(nested, dict):
            return None
        flat = {name.removeprefix(_FLAT): value for name, value in row.items() if name.startswith(_FLAT)}
        fields = shape.taken({**flat, **nested})
        said = Said(
            collection=collection,
            vendor_id=_text(row.get("id")),
            fields=fields,
            keys=shape.natural_keys(fields),
            said_at=said_at,
        )
        return self._news(row, said) if op_id is None else _acknowledgement(row, said, op_id)

    def _news(self, row: Mapping[str, Json], said: Said) -> Said | None:
        event = _text(row.get("event")) or ""
        if event not in _EVENTS or (said.vendor_id is None and not said.keys):
            return None
        return replace(said, gone=_EVENTS[event])


def collection_of(op_id: str) -> str:
    """The collection that a hand-off's own name begins with."""
    return op_id.rpartition(".")[0]


def _acknowledgement(row: Mapping[str, Json], said: Said, op_id: str) -> Said | None:
    result = _result(row)
    if result is None:
        return None
    return replace(said, op_id=op_id, result=result, error=_text(row.get("error")) if result is Result.FAILED else None)


def _result(row: Mapping[str, Json]) -> Result | None:
    """What an acknowledgement says; a flow that finds or makes in one step says `found` with it."""
    word = str(row.get("result") or "").strip().lower()
    if word not in {each.value for each in Result}:
        return None
    found = str(row.get("found") or "").strip().lower() in _YES
    return Result.EXISTS if found and word == Result.CREATED.value else Result(word)


def _text(value: Json) -> str | None:
    """A short text, or None; programs send numbers as ids, too."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    text = str(value).strip()
    return text if 0 < len(text) <= _TEXT_MAX else None
