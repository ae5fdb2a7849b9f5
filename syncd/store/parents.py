"""Which links the records belong to that other records refer to, and what those links have on each side.

The rule that keeps it true: what is not linked is not answered.
It must not know: which fields refer to what, or what follows.
"""

from __future__ import annotations

from collections.abc import Iterable

from syncd.core.parents import Parent, Parents
from syncd.core.record import LinkId
from syncd.store.codec import pack
from syncd.store.database import Connection
from syncd.store.links import links_of
from syncd.store.planning import PlanItem


def find(tx: Connection, wanted: Iterable[Parent], numbers: Iterable[LinkId] = ()) -> Parents:
    """What is known of these parents, and of the links with these numbers."""
    linked = {Parent(item.sync, item.member, item.record_id): link for item, link in links_of(tx, [PlanItem(*each) for each in wanted]).items()}
    rows = tx.execute(
        "SELECT m.sync, m.member, m.link_id, m.record_id FROM json_each(?) AS wanted CROSS JOIN link_members AS m"
        " ON m.link_id = wanted.value",
        (pack(sorted({*linked.values(), *numbers})).decode(),),
    )
    return Parents(links=linked, records={(sync, member, LinkId(link)): record_id for sync, member, link, record_id in rows})
