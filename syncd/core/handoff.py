"""Hand-offs: writes that another program carries out for us and speaks of later, or never.

A system behind a bridge is written by the operator's own flow: `queued → handed_off → acked | ack_timeout | failed`. What such a system
holds is what it last showed.
The rule that keeps it true: handed off is not done; a hand-off is repeated under its own name, and only when it was refused or has been
silent for longer than its patience; an acknowledgement counts whenever it comes.
It must not know: how anything is sent, signed or stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from syncd.core.outcome import Operation
from syncd.core.record import DAY, CollectionName, Json, Micros, RecordId, SystemName


class HandoffState(Enum):
    """Where a hand-off is. `ACK_TIMEOUT`: it was accepted and nobody has spoken of it since; it may still have happened."""

    QUEUED = "queued"
    HANDED_OFF = "handed_off"
    ACKED = "acked"
    ACK_TIMEOUT = "ack_timeout"
    FAILED = "failed"


class Result(Enum):
    """What a flow says became of a hand-off. `EXISTS`: it found the record that was to be made, and left it as it was.

    `BEGUN` comes before the write itself, from a flow that asks whether it is still wanted.
    """

    BEGUN = "begun"
    CREATED = "created"
    EXISTS = "exists"
    UPDATED = "updated"
    DELETED = "deleted"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    """One write as it is handed to a flow, under the same `op_id` however often. `record_id` is None for a create.

    `fields` are vendor paths; `keys` the natural keys among them, each as ``path=value``. `handed_at` is the last time it was accepted.
    `made` is the record that an acknowledgement named.
    """

    op_id: str
    system: SystemName
    collection: CollectionName
    operation: Operation
    record_id: RecordId | None
    fields: Mapping[str, Json]
    keys: tuple[str, ...] = ()
    state: HandoffState = HandoffState.QUEUED
    attempts: int = 0
    handed_at: Micros | None = None
    result: Result | None = None
    error: str | None = None
    made: RecordId | None = None

    def is_in_the_air(self, now: Micros, ack_timeout: Micros) -> bool:
        """Whether it may be at work now, so that nothing else may be handed off for its record."""
        return (
            self.state is HandoffState.HANDED_OFF
            and self.handed_at is not None
            and now - self.handed_at < patience(self.attempts, ack_timeout)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a flow said of a record: by an acknowledgement (`op_id`), a trigger, or a line of an exported file.

    `vendor_id` is the system's own id where it was told; `fields` are vendor paths; `keys` the natural keys among them, first things first,
    as ``path=value``. `said_at` is when the flow spoke, as far as it says; of two that overtook each other the later word holds. `gone`: the
    record was said to be deleted. `result` and `error` belong to an acknowledgement.
    """

    collection: CollectionName
    vendor_id: str | None
    fields: Mapping[str, Json]
    keys: tuple[str, ...]
    said_at: Micros
    gone: bool = False
    op_id: str | None = None
    result: Result | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a record last showed. `fields` is None for one that is said to be gone.

    `changed_at` is when it first showed these fields, `shown_at` when it last showed anything; both are times of receipt, on our clock.
    `said_at` is the latest moment at which a flow spoke of it, as far as flows say.
    """

    id: RecordId
    vendor_id: str | None
    fields: Mapping[str, Json] | None
    changed_at: Micros
    shown_at: Micros
    said_at: Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How well one collection behind a bridge is known.

    Every record was shown since `unverified_since` (None: there are none). `heard_at` is the last time any flow spoke. `silent` counts
    hand-offs that were accepted and not acknowledged, the oldest of them at `silent_since`; `refused` those that no hook has taken yet; `failed`
    those a flow says it could not do.
    """

    records: int
    unverified_since: Micros | None
    heard_at: Micros | None
    silent: int
    silent_since: Micros | None
    refused: int
    failed: int


def patience(attempts: int, ack_timeout: Micros) -> Micros:
    """How long an acknowledgement is waited for before the hand-off is repeated: twice as long each time, at most a day."""
    return min(max(DAY, ack_timeout), ack_timeout << min(max(attempts - 1, 0), 20))
