"""What a decision looks like: the writes owed, the holds open, the decisions taken.

The values that `plan` returns and that the store, the writer and `explain` read.
The rule that keeps it true: these are facts in the hub's terms, complete enough to be explained a year later without the code.
It must not know: how they were decided, or how they are carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from syncd.core.link import Link
from syncd.core.record import FieldName, Json, MemberName


class Operation(Enum):
    """What a write does to its target."""

    CREATE = "create"
    UPDATE = "update"
    ARCHIVE = "archive"
    DELETE = "delete"


class HoldKind(Enum):
    """Why something waits for a person."""

    CONFLICT = "conflict"
    UNREADABLE = "unreadable"
    UNMAPPABLE = "unmappable"
    REQUIRED = "required"
    DELETE = "delete"
    MERGE = "merge"
    AMBIGUOUS = "ambiguous"
    NOT_STORED = "not_stored"
    OSCILLATION = "oscillation"
    UNKNOWN_CREATE = "unknown_create"
    GUARD = "guard"
    FIRST_RUN = "first_run"
    LISTING = "listing"
    UNKNOWN_STEP = "unknown_step"
    MISSING_VALUE = "missing_value"
    AUTOMATION_LOOP = "automation_loop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One owed call, in hub terms. `values` are hub normal forms; `expected` what the target showed when this was decided.

    `evidence` is the proof that a deletion or archiving rests on; there is none without.
    """

    member: MemberName
    operation: Operation
    values: Mapping[FieldName, Json]
    expected: Mapping[FieldName, Json]
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A decision waiting for a person. `sides` shows what each member has to say, for the one who decides."""

    kind: HoldKind
    reason: str
    member: MemberName | None = None
    field: FieldName | None = None
    sides: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided about one field, with everything `explain` needs: the losing values are kept here for good."""

    field: FieldName
    value: Json
    before: Json
    winner: MemberName | None
    rule: str
    losers: Mapping[MemberName, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The outcome: the link as it will be, the writes owed, the holds open, the decisions taken. `notes` name silent rules.

    `unseen` are members that owe us a look: they never showed a field that they are to be written.
    """

    link: Link
    writes: tuple[Write, ...] = ()
    holds: tuple[Hold, ...] = ()
    decisions: tuple[Decision, ...] = ()
    notes: tuple[str, ...] = ()
    unseen: tuple[MemberName, ...] = ()
