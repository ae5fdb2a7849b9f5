"""How a record is addressed where the vendor needs more than its own id, and how the vendor says that there is none.

A task or a note can only be read through its contact, so its record id is both: ``CONTACT:NOTE``. This is the one place that says so.
The rule that keeps it true: no id of this vendor's holds a colon, so an address is taken apart as it was put together.
It must not know: which collections have parents, or what is done with an address.
"""

from __future__ import annotations

from syncd.connectors.address import is_id
from syncd.connectors.http import Answer
from syncd.core.record import RecordId

BETWEEN = ":"


def address(own: str, parent: str | None) -> RecordId:
    """The record id of a record, below its parent where it has one."""
    return RecordId(own if parent is None else f"{parent}{BETWEEN}{own}")


def parts(record_id: RecordId, *, has_parent: bool) -> tuple[str, str | None] | None:
    """The record's own id and its parent's; None where that is no address of such a record."""
    parent, between, own = record_id.rpartition(BETWEEN)
    if bool(between) is not has_parent or not is_id(own) or (has_parent and not is_id(parent)):
        return None
    return own, parent if has_parent else None


def says_gone(answer: Answer) -> bool:
    """GHL: a missing record is a 400 that says so; 404 is declared for almost nothing, and read the same."""
    if answer.status == 404:
        return True
    message = answer.body.get("message") if isinstance(answer.body, dict) else None
    return answer.status == 400 and isinstance(message, str) and "not found" in message.lower()
