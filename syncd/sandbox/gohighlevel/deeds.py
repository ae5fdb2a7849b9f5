"""What operations do: a scene to do it in, and the five deeds that most of them are.

`listing`, `getting`, `creating`, `updating` and `deleting` make a deed for one collection; a deed takes a `Scene` and returns what is known,
which is then shown in the operation's own shape.

Rule: a deed returns facts under every name the vendor has for them; which of the names an answer has is the shape's business.

It must not know HTTP, nor any one operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from syncd.sandbox.faults import FaultKind
from syncd.sandbox.gohighlevel.errors import unprocessable
from syncd.sandbox.gohighlevel.location import Location
from syncd.sandbox.gohighlevel.records import Records
from syncd.sandbox.gohighlevel.shapes import Entry
from syncd.sandbox.options import GoHighLevelOptions
from syncd.sandbox.truth import Author, Json

BEYOND = "beyond the shape"
"""The key under which a deed returns what the vendor is known to answer and its specification does not name."""
DONE = {"succeded": True, "succeeded": True, "success": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One call of one operation, already read: `ids` are the path's, and `shaping` a fault that a listing must honour."""

    entry: Entry
    ids: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    author: Author
    options: GoHighLevelOptions
    location: Location
    records: Records
    shaping: FaultKind | None = None

    @property
    def last_id(self) -> str:
        """The id the path ends with."""
        return self.ids[self.entry.path_names[-1]]

    @property
    def parents(self) -> dict[str, str]:
        """The other ids of the path: whose record it is. The location is everybody's."""
        return {name: value for name, value in self.ids.items() if name not in ("locationId", self.entry.path_names[-1])}

    @property
    def all_ids(self) -> dict[str, str]:
        """The ids of a path that ends in a collection."""
        return {name: value for name, value in self.ids.items() if name != "locationId"}

    def number(self, name: str, default: int) -> int:
        """A whole number of the query, or of the body."""
        given = self.query.get(name)
        if given is None and isinstance(self.body, dict):
            given = self.body.get(name)
        try:
            return default if given is None else int(float(given))
        except ValueError:
            raise unprocessable([f"{name} must be a number string"]) from None

    def cut(self, rows: list[Json], *, default: int = 1_000_000) -> list[Json]:
        """The page that skip or offset, and limit, ask for; less of it where a fault says so."""
        start = self.number("skip", self.number("offset", 0))
        page = rows[start : start + self.number("limit", default)]
        if self.shaping is FaultKind.EMPTY_LISTING:
            return []
        return page[: len(page) // 2] if self.shaping is FaultKind.TRUNCATED_LISTING else page

    def fields(self) -> Json:
        """The body as a record's fields."""
        return {**self.body, "locationId": self.options.location_id}


Deed = Callable[[Scene], Any]


def listing(collection: str, key: str, *by: str) -> Deed:
    """The records of the path's parents, and of the query's values where they are given; `key` is "" where the answer is the list itself."""

    def run(scene: Scene) -> Any:
        wanted = {name: _typed(scene.query[name]) for name in by if name in scene.query}
        rows = scene.records.rows(collection, {**scene.all_ids, **wanted})
        page = scene.cut(rows)
        more = len(page) > 0 and page[-1] is not rows[-1]
        return {key: page, "total": len(rows), "count": len(rows), "hasMore": more} if key else page

    return run


def getting(collection: str, key: str = "") -> Deed:
    """One record."""

    def run(scene: Scene) -> Any:
        return _under(key, scene.records.get(collection, scene.last_id, scene.parents))

    return run


def creating(collection: str, key: str = "", **defaults: Any) -> Deed:
    """A new record of the body's fields, belonging to the path's parents."""

    def run(scene: Scene) -> Any:
        return _under(key, scene.records.create(collection, {**defaults, **scene.fields(), **scene.all_ids}, scene.author))

    return run


def updating(collection: str, key: str = "") -> Deed:
    """A record with the body's fields."""

    def run(scene: Scene) -> Any:
        changes = {name: value for name, value in scene.body.items() if name != "locationId"}
        return _under(key, scene.records.update(collection, scene.last_id, changes, scene.author, scene.parents))

    return run


def deleting(collection: str, key: str = "") -> Deed:
    """A record less."""

    def run(scene: Scene) -> Any:
        gone = scene.records.delete(collection, scene.last_id, scene.author, scene.parents)
        return {**(gone if not key else {key: gone}), **DONE, "deleted": True, "message": "deleted"}

    return run


def _under(key: str, record: Json) -> Json:
    return {key: record, **DONE} if key else record


def _typed(text: str) -> Any:
    return {"true": True, "false": False}.get(text, text)
