"""What the choices of a location are today: its calendars, its pipelines and their stages.

The rule that keeps it true: it only helps an operator to write a mapping, so a list that the token may not see leaves the field open.
It must not know: records.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from syncd.connectors.gohighlevel.paging import Lister, Row
from syncd.connectors.gohighlevel.table import Collection
from syncd.core.errors import Rejected, Unauthorized


async def choices(collection: Collection, lister: Lister) -> Mapping[str, Mapping[str, Any]]:
    """By path, the options of a choice, and a label that says what each option is called."""
    offered: dict[str, Mapping[str, Any]] = {}
    async for path, rows in _asked(collection, lister):
        if path in collection.fields and rows:
            called = ", ".join(f"{row['id']} = {row.get('name', '')}" for row in rows)
            offered[path] = {"options": tuple(str(row["id"]) for row in rows), "label": called}
    return offered


async def _asked(collection: Collection, lister: Lister) -> AsyncIterator[tuple[str, list[Row]]]:
    try:
        if "calendarId" in collection.fields:
            yield "calendarId", _named(await lister.all_of("list-calendars"))
        if "pipelineId" in collection.fields:
            pipelines = _named(await lister.all_of("list-pipelines"))
            yield "pipelineId", pipelines
            yield "pipelineStageId", _named([stage for each in pipelines for stage in each.get("stages") or () if isinstance(stage, dict)])
    except (Unauthorized, Rejected):
        return


def _named(rows: list[Row]) -> list[Row]:
    return [row for row in rows if isinstance(row.get("id"), str)]
