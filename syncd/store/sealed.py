"""Which columns are sealed, and to what of their row: for whatever goes over all of them.

The rule that keeps it true: what is sealed anywhere in the store is named here, with the very columns it is bound to.
It must not know: what any column means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from syncd.core.record import Json
from syncd.store.codec import key_of_text, seal, seal_text, unseal, unseal_text
from syncd.store.connection import Connection
from syncd.store.vault import number_of

_MEMBERS = (
    "coalesce((SELECT group_concat(member || '=' || record_id, '|') FROM (SELECT member, record_id FROM link_members"
    " WHERE link_id = links.id ORDER BY member)), '')"
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """One sealed column. `bound` are the expressions it is bound to, `key` the columns that name its row."""

    table: str
    column: str
    bound: tuple[str, ...]
    key: tuple[str, ...] = ("id",)
    is_text: bool = False

    def open(self, tx: Connection, held: Json, row: Sequence[Json]) -> Json:
        """The value. Raises DamagedError."""
        return (unseal_text if self.is_text else unseal)(tx, held, self.table, *row)

    def key_of(self, held: Json) -> int | None:
        """The number of the key that a value is sealed with; None where it is not sealed."""
        return key_of_text(held) if self.is_text else number_of(held)

    def close(self, tx: Connection, value: Json, row: Sequence[Json]) -> Json:
        """The value sealed with the newest key."""
        return (seal_text if self.is_text else seal)(tx, value, self.table, *row)


_REF = ("system", "collection", "record_id")
_OWED = ("key", "link_id", "member", *_REF, "operation")
_MEMBER = ("link_id", "member", *_REF, "gone")
_NOTICED = ("kind", "system", "collection", "record_id", "sync", "link_id")
SEALED: Final = (
    Sealed("observations", "fields", _REF, _REF),
    Sealed("observations", "changed", _REF, _REF),
    Sealed("observations", "evidence", _REF, _REF),
    Sealed("links", "hub", ("id", "sync", "revision", "state", _MEMBERS)),
    Sealed("link_members", "base", _MEMBER, ("link_id", "member")),
    Sealed("link_members", "agreed", _MEMBER, ("link_id", "member")),
    Sealed("outbox", "payload", _OWED),
    Sealed("outbox", "evidence", _OWED),
    Sealed("outbox", "error", ("key",), is_text=True),
    Sealed("events", "payload", ("dedupe_key",)),
    Sealed("holds", "sides", ("key",)),
    Sealed("holds", "reason", ("key",), is_text=True),
    Sealed("journal", "detail", ("id", "link_id")),
    Sealed("requests", "arguments", ("id",)),
    Sealed("requests", "progress", ("id",)),
    Sealed("requests", "result", ("id",)),
    Sealed("to_notice", "content", _NOTICED),
    Sealed("to_notice", "claims", _NOTICED),
    Sealed("claims", "content", ("place", "subject")),
    Sealed("automation_runs", "event", ("automation", "event_key", "subject", "edition", "sync", "link_id")),
    Sealed("automation_runs", "error", ("automation", "event_key"), is_text=True),
    Sealed("automation_steps", "payload", ("run_id", "path", "kind"), ("run_id", "path")),
    Sealed("automation_steps", "result", ("run_id", "path", "kind"), ("run_id", "path")),
    Sealed("automation_steps", "error", ("run_id", "path"), ("run_id", "path"), is_text=True),
    Sealed("automation_newest", "event", ("automation",), ("automation",)),
    Sealed("automation_rules", "written", ("edition",), ("edition",)),
    Sealed("bridge_records", "fields", _REF, _REF),
    Sealed("bridge_records", "vendor_name", (*_REF, "'vendor'"), _REF, is_text=True),
    Sealed("bridge_handoffs", "content", ("op_id",), ("op_id",)),
    Sealed("bridge_handoffs", "error", ("op_id",), ("op_id",), is_text=True),
    Sealed("tokens", "sealed", ("system", "version"), ("system",)),
    Sealed("removals", "why", ("request_id", *_REF), ("request_id", *_REF), is_text=True),
)
