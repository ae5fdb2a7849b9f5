"""The lists of an account, each with its fields and tags: what a member of a sync may name, whether one does or not.

`survey` asks for all of them.
The rule that keeps it true: it only reads; a listing that comes back to where it was is an error and never an end.
It must not know: syncs, contacts, or how it is shown.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from syncd.connectors.emailoctopus import operations
from syncd.connectors.emailoctopus.fields import ListFields
from syncd.connectors.emailoctopus.settings import EmailOctopusSettings
from syncd.connectors.http import Operation, Session
from syncd.connectors.kind import Named, Surveyed
from syncd.core.errors import ConnectorError, Rejected, Unauthorized
from syncd.core.record import Json

_Row = Mapping[str, Json]
_PAGE_LIMIT = 100


async def survey(_settings: EmailOctopusSettings, session: Session) -> Surveyed:
    """The lists, by that name. Raises Unavailable."""
    found: Sequence[Named] | ConnectorError
    try:
        found = [await _named(session, row) async for row in _rows(session, operations.LISTS, {})]
    except (Rejected, Unauthorized) as error:
        found = error
    return {"lists": found}


async def _named(session: Session, row: _Row) -> Named:
    """One list. A list's own description need not have all of its tags, so they are listed."""
    list_id = str(row.get("id") or "")
    tags = [str(each["tag"]) async for each in _rows(session, operations.TAGS, {"list_id": list_id}) if each.get("tag")]
    fields = [Named(id="", name=path, about=f"{spec.label}, {spec.type.value}") for path, spec in ListFields.read(row).by_path.items()]
    return Named(
        id=list_id,
        name=str(row.get("name") or ""),
        about="double opt-in" if row.get("double_opt_in") is True else "",
        parts=(*fields, Named(id="", name="tags", parts=tuple(Named(id="", name=tag) for tag in tags))),
    )


async def _rows(session: Session, operation: Operation, ids: Mapping[str, str]) -> AsyncIterator[_Row]:
    """Every row of a listing; none of a list that has gone meanwhile."""
    query, after = {"limit": str(_PAGE_LIMIT)}, None
    while True:
        answer = await session.call(operation, ids=ids, query=query, accept=(404,))
        if answer.status == 404:
            return
        rows = answer.body.get("data") if isinstance(answer.body, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise session.unexpected(operation, "no list")
        for row in rows:
            yield row
        paging = answer.body.get("paging")
        further = paging.get("next") if isinstance(paging, dict) else None
        following = further.get("starting_after") if isinstance(further, dict) else None
        if not rows or not isinstance(following, str) or not following:
            return
        if following == after:
            raise session.unexpected(operation, "the page before once more")
        query, after = {**query, "starting_after": following}, following
