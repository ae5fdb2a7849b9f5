"""The groups and mailing lists of an account: what a contact's fields of these names may hold.

`survey` asks for all of them, also those that no contact shows.
The rule that keeps it true: it only reads, and what the token may not see is handed over as the refusal that it was.
It must not know: syncs, contacts, or how it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncd.connectors.activetrail import operations
from syncd.connectors.activetrail.pages import Pages
from syncd.connectors.activetrail.settings import ActiveTrailSettings
from syncd.connectors.http import Operation, Session
from syncd.connectors.kind import Named, Surveyed
from syncd.core.errors import ConnectorError, Rejected, Unauthorized
from syncd.core.record import Json

_Row = Mapping[str, Json]


async def survey(settings: ActiveTrailSettings, session: Session) -> Surveyed:
    """By what they are called together. Raises Unavailable."""
    pages = Pages(session, lambda: settings.answers().first_page)
    found: dict[str, Sequence[Named] | ConnectorError] = {}
    for title, operation in (("groups", operations.LIST_GROUPS), ("mailing lists", operations.MAILING_LISTS)):
        try:
            found[title] = [_named(settings, title, row) for row in await _rows(pages, session, operation)]
        except (Rejected, Unauthorized) as error:
            found[title] = error
    return found


async def _rows(pages: Pages, session: Session, operation: Operation) -> list[_Row]:
    if operation is operations.LIST_GROUPS:
        return [row async for row in pages.all(operation)]
    return pages.rows(operation, (await session.call(operation)).body)


def _named(settings: ActiveTrailSettings, title: str, row: _Row) -> Named:
    of_imports = title == "groups" and row.get("id") is not None and row.get("id") == settings.import_group
    return Named(id=str(row.get("id") or ""), name=str(row.get("name") or ""), about="for imports" if of_imports else "")
