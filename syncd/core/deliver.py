"""Whether a member can take a value, and if not, why a person should look.

The rule that keeps it true: a value that a member has no words for is held, never blanked and never guessed.
It must not know: who won, or what else is written.
"""

from __future__ import annotations

from syncd.core.decide import may_speak
from syncd.core.fields import FieldType, Unreadable, is_blank
from syncd.core.outcome import Hold, HoldKind
from syncd.core.record import Json, MemberName
from syncd.core.rules import FieldRule, MemberRule
from syncd.core.translate import from_hub


def receives(rule: FieldRule, name: MemberName, *, creating: bool = False) -> bool:
    """Whether this member may be written this field at all: by direction, and by what the vendor allows."""
    held = rule.members.get(name)
    return held is not None and name in rule.targets and (held.creatable if creating else held.writable)


def goes_unseen(rule: FieldRule, member: MemberRule, value: Json) -> bool:
    """Whether a value is sent to a member that never showed the field.

    Only where no reading would ever show it, and where nothing that stands there counts, since its edits are not taken over. A blank is not sent,
    nor is a set: they would take away what nobody has seen.
    """
    return member.told_only and not may_speak(rule, member.name) and rule.type is not FieldType.SET and not is_blank(value)


def waits(rule: FieldRule, member: MemberRule, value: Json) -> bool:
    """Whether this member cannot take this value yet, because what it refers to is not there."""
    if is_blank(value):
        return False
    out = from_hub(rule, member, value, {})
    return isinstance(out, Unreadable) and out.waits


def undeliverable(rule: FieldRule, member: MemberRule, value: Json) -> Hold | None:
    """Why this member cannot take this value, if it cannot."""
    if is_blank(value):
        if rule.name not in member.required:
            return None
        reason = f"{member.name} has no record without {rule.name}, so it cannot be cleared there"
        return Hold(kind=HoldKind.REQUIRED, member=member.name, field=rule.name, reason=reason, sides={"hub": None})
    out = from_hub(rule, member, value, {})
    if isinstance(out, Unreadable):
        return Hold(
            kind=HoldKind.UNMAPPABLE, member=member.name, field=rule.name, reason=out.reason, sides={"hub": value}
        )
    return None
