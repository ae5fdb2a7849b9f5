"""What a location has that is no record of a sync and that a configuration names all the same: calendars, pipelines, staff, custom fields.

`survey` asks for all of them.
The rule that keeps it true: it only reads, and what the token may not see is handed over as the refusal that it was.
It must not know: syncs, or how it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from syncd.connectors.calling import call, rows_of
from syncd.connectors.catalogue import prepare
from syncd.connectors.gohighlevel.fields import CUSTOM
from syncd.connectors.gohighlevel.operations import CATALOGUE
from syncd.connectors.gohighlevel.settings import GoHighLevelSettings, known_values
from syncd.connectors.http import Session
from syncd.connectors.kind import Named, Surveyed
from syncd.core.errors import ConnectorError, Rejected, Unauthorized
from syncd.core.record import Json

_Row = Mapping[str, Json]


async def survey(settings: GoHighLevelSettings, session: Session) -> Surveyed:
    """By what they are called together. Raises Unavailable."""
    found: dict[str, list[Named] | ConnectorError] = {}
    for title, (operation, given, named) in _ASKED.items():
        row = CATALOGUE[operation]
        try:
            answer = await call(session, prepare(CATALOGUE, row, given, known_values(settings)))
        except (Rejected, Unauthorized) as error:
            found[title] = error
        else:
            found[title] = [named(cast("_Row", each)) for each in rows_of(row, answer.body) if isinstance(each, dict)]
    return found


def _text(row: _Row, *names: str) -> str:
    return " ".join(str(row[name]) for name in names if isinstance(row.get(name), str) and row[name])


def _plain(row: _Row) -> Named:
    return Named(id=_text(row, "id"), name=_text(row, "name"))


def _pipeline(row: _Row) -> Named:
    stages = row.get("stages") or ()
    return Named(id=_text(row, "id"), name=_text(row, "name"), parts=tuple(_plain(each) for each in stages if isinstance(each, dict)))


def _person(row: _Row) -> Named:
    return Named(id=_text(row, "id"), name=_text(row, "name") or _text(row, "firstName", "lastName"), about=_text(row, "email"))


def _custom_field(row: _Row) -> Named:
    model, key = _text(row, "model") or "contact", _text(row, "fieldKey")
    return Named(id=_text(row, "id"), name=CUSTOM + key.removeprefix(f"{model}."), about=f"{_text(row, 'name')}, {_text(row, 'dataType')}, of {model}s")


_ASKED: Mapping[str, tuple[str, Mapping[str, Json], Callable[[_Row], Named]]] = {
    "custom fields": ("list-custom-fields", {"model": "all"}, _custom_field),
    "calendars": ("list-calendars", {"showDrafted": True}, _plain),
    "pipelines": ("list-pipelines", {}, _pipeline),
    # The search is for agencies' tokens to ask page after page; of one location this lists all at once.
    "users": ("list-users-by-location", {}, _person),
}
