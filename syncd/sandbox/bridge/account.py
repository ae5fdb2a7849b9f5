"""The records behind the flows: kept, changed and told of, with no API at all.

Rule: whoever writes, a flow or a person, goes through here, so that each write is logged and each change fires its trigger.

It must not know hooks, signatures or acknowledgements.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from syncd.sandbox.calls import Answer, Refusal
from syncd.sandbox.options import BridgeOptions
from syncd.sandbox.truth import Applied, Author, Json, TruthLog

KEYS = ("email", "phone")
Announce = Callable[[str, str, Json], None]
"""Called with the collection, what happened, and the record."""


class Account:
    """Records of several collections, each with an id of its own."""

    def __init__(self, options: BridgeOptions, *, truth: TruthLog, announce: Announce, count_write: Callable[[Applied], None]) -> None:
        self._truth, self._announce, self._count_write = truth, announce, count_write
        self._required, self._fields = options.required, options.fields
        self._rows: dict[str, dict[str, Json]] = {}
        self._numbers = count(7_000_001)

    def all(self, collection: str) -> list[Json]:
        """Every record, oldest first."""
        return [dict(row) for row in self._rows.get(collection, {}).values()]

    def get(self, collection: str, record_id: str) -> Json | None:
        """One record, or None."""
        row = self._rows.get(collection, {}).get(record_id)
        return None if row is None else dict(row)

    def find(self, collection: str, wanted: Json) -> Json | None:
        """The oldest record with the same address, else with the same telephone number, as the program's search step does it."""
        for name in KEYS:
            text = _alike(wanted.get(name))
            for row in self._rows.get(collection, {}).values():
                if text and _alike(row.get(name)) == text:
                    return dict(row)
        return None

    def create(self, collection: str, fields: Json, author: Author, *, silent: bool = False) -> Json:
        """A new record."""
        missing = [name for name in self._required if fields.get(name) in (None, "")]
        if missing:
            raise Refusal(Answer(status=422, payload={"message": f"{missing[0]} is required"}))
        given = {name: _kept(value) for name, value in fields.items() if name != "id"}
        row = {"id": str(next(self._numbers)), **dict.fromkeys(self._fields), **given}
        self._rows.setdefault(collection, {})[row["id"]] = row
        self._log(author, collection, row["id"], None, row)
        if not silent:
            self._announce(collection, "created", dict(row))
        return dict(row)

    def update(self, collection: str, record_id: str, changes: Json, author: Author) -> Json:
        """The named fields of a record; a write that changes nothing fires its trigger all the same."""
        before = self._row(collection, record_id)
        after = {**before, **{name: _kept(value) for name, value in changes.items()}}
        self._rows[collection][record_id] = after
        self._log(author, collection, record_id, before, after)
        self._announce(collection, "updated", dict(after))
        return dict(after)

    def delete(self, collection: str, record_id: str, author: Author) -> None:
        """Gone."""
        before = self._row(collection, record_id)
        del self._rows[collection][record_id]
        self._log(author, collection, record_id, before, None)
        self._announce(collection, "deleted", before)

    def _row(self, collection: str, record_id: str) -> Json:
        row = self._rows.get(collection, {}).get(record_id)
        if row is None:
            raise Refusal(Answer(status=404, payload={"message": "There is no such record."}))
        return row

    def _log(self, author: Author, collection: str, record_id: str, before: Json | None, after: Json | None) -> None:
        self._count_write(self._truth.record(author, collection, record_id, before, after))


def _kept(value: Any) -> Any:
    return None if value in ("", []) else value


def _alike(value: Any) -> str:
    return "".join(str(value or "").split()).casefold()
