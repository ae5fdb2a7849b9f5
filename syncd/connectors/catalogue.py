"""What a vendor offers by name: every operation a row of data, and a request made of a row and one flat object.

`Catalogue` holds the rows; `prepare` turns a row and the caller's values into a `Prepared` request, or says all that is wrong with them.
The rule that keeps it true: a value goes where its row says and nowhere else, so what is missing or unknown is named before anything is
sent; what the row's documents contradict is remarked on and left to the vendor.
It must not know: any vendor, or how a request is sent.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import quote

import orjson

from syncd.connectors.http import Operation
from syncd.core.errors import UserError
from syncd.core.record import Json

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_SEGMENT_MAX = 128
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "object": (dict,),
}


class Place(StrEnum):
    """Where a parameter travels."""

    PATH = "path"
    QUERY = "query"
    BODY = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One value an operation takes. `type` is string, number, integer, boolean, object, array<…> or any; `options` are the documented values.

    `required` says that a call without it is refused here; `waived` that the vendor's documents call it required and contradict themselves.
    """

    name: str
    place: Place
    type: str
    required: bool
    waived: bool
    deprecated: bool
    options: tuple[Json, ...]
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """How a listing goes on. `sources` maps a parameter to where its next value is, `rows` being the number of rows seen so far and
    ``last.x`` the field x of the last row; places separated by ``|`` are tried in order. `more` names a flag in the answer that says whether
    there is more; `drops` are parameters that only fit the first page.
    """

    sources: Mapping[str, str]
    more: str | None
    drops: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """How many calls of one operation travel as one of another (`use`), where all but one of their values are the same.

    That one, `collect`, is gathered into a list, `into`, of at most `most`; `also` are values that `use` takes besides. `done` is the key of the
    answer under which each of them is told that was dealt with: by itself, or as a table that has it under `id` and holds what is in `mark`.
    """

    use: str
    collect: str
    into: str
    also: Mapping[str, Json]
    most: int
    done: str
    id: str
    mark: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One operation. `operation` is what the session calls, its path still with ``{names}``.

    `replay_safe` says that a second call after a lost answer does no harm. `collection` and `object` are the keys of the answer that hold
    the rows or the record (``[]``: the answer is the list itself), `id`, `created` and `updated` the fields of a record. `body` is whether
    parameters travel in an object or in an array of one. `use_instead` lists, for an operation that is put together from others, which
    one answers when a parameter is given. `media` is what the answer is where it is no JSON. `bulk` is how several calls travel as one, where
    the vendor has that. `items` is where an answer keeps what it lists, where that is neither rows nor a record: names, and ``*`` for each of them.
    """

    operation: Operation
    title: str
    group: str
    about: str
    parameters: tuple[Parameter, ...]
    token: str
    scopes: tuple[str, ...]
    version: str
    deprecated: bool
    replay_safe: bool
    success: int
    answers: tuple[str, ...]
    media: str
    body: str
    collection: str
    object: str
    id: str
    created: str
    updated: str
    paging: Paging | None
    use_instead: tuple[tuple[str, str], ...]
    bulk: Bulk | None
    items: str
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name operators call it by."""
        return self.operation.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request ready to be sent. `filled` are the values that were not given but are known; `remarks` what a person should hear first."""

    row: Row
    operation: Operation
    query: Mapping[str, str | list[str]]
    body: Json
    filled: Mapping[str, Json] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


class Catalogue(Mapping[str, Row]):
    """Rows by name, read from a table when they are first asked for."""

    def __init__(self, table: bytes, headers: Callable[[str], Mapping[str, str]]) -> None:
        """`table` is JSON, ``{"operations": [row, …]}``; `headers` gives the headers that ask for a version of the vendor's API."""
        self._raw: dict[str, Json] = {raw["slug"]: raw for raw in orjson.loads(table)["operations"]}
        self._headers = headers
        self._rows: dict[str, Row] = {}

    def __getitem__(self, name: str) -> Row:
        if name not in self._rows:
            self._rows[name] = _row(self._raw[name], self._headers)
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def named(self, name: str) -> Row:
        """The row of that name. Raises UserError with the names that are near."""
        if name in self:
            return self[name]
        longer = [each for each in self if name and each.startswith(name)][:3]
        near = longer or difflib.get_close_matches(name, self, n=3) or [each for each in self if name and name in each][:5]
        raise UserError(f"there is no operation `{name}`", hint=f"did you mean {_either(near)}?" if near else "--list shows all")

    def matching(self, word: str = "") -> list[Row]:
        """The rows that have the word in their name, title, group, path or description; all without one."""
        wanted = word.casefold()
        rows = [self[name] for name in self]
        return [row for row in rows if wanted in f"{row.name} {row.title} {row.group} {row.operation.path} {row.about}".casefold()]


def prepare(catalogue: Catalogue, row: Row, given: Mapping[str, Json], known: Mapping[str, Json]) -> Prepared:
    """The request for these values; required ones that are `known` need not be given. Raises UserError with every problem."""
    row = _chosen(catalogue, row, given)
    required = {each.name for each in row.parameters if each.required}
    filled = {name: value for name, value in known.items() if name in required and name not in given}
    values = {**given, **filled}
    problems = [*_unknown(row, values), *_missing(row, values)]
    query: dict[str, str | list[str]] = {}
    body: dict[str, Json] = {}
    path = row.operation.path
    for each in row.parameters:
        if each.name not in values:
            continue
        value = values[each.name]
        match each.place:
            case Place.BODY:
                body[each.name] = value
            case Place.QUERY if (written := _as_query(value)) is not None:
                query[each.name] = written
            case Place.PATH if (segment := _as_segment(value)) is not None:
                path = path.replace("{" + each.name + "}", segment)
            case _:
                problems.append(f"`{each.name}` cannot stand in the {each.place}: give {_form(each)}")
    if problems:
        raise UserError(f"{row.name} was not called", problems=problems)
    return Prepared(
        row=row,
        operation=replace(row.operation, path=path),
        query=query,
        body={"": None, "object": body, "array": [body]}[row.body],
        filled=filled,
        remarks=(*_remarks(row, values),),
    )


def _chosen(catalogue: Catalogue, row: Row, given: Mapping[str, Json]) -> Row:
    """An operation that is put together from others becomes the one that the given values call for."""
    return next((catalogue[use] for name, use in row.use_instead if name in given), row)


def _unknown(row: Row, values: Mapping[str, Json]) -> Iterator[str]:
    names = [*(each.name for each in row.parameters), *(given for given, _ in row.use_instead)]
    for name in values:
        if name not in names:
            # In any spelling first: contactid is contactId before it is contacts.
            same = [each for each in names if each.replace("_", "").casefold() == name.replace("_", "").casefold()]
            near = same or difflib.get_close_matches(name, names, n=2)
            yield f"`{name}` is unknown" + (f": did you mean {_either(near)}?" if near else "")


def _missing(row: Row, values: Mapping[str, Json]) -> Iterator[str]:
    instead = f"; or give {_either([given for given, _ in row.use_instead])}" if row.use_instead else ""
    for each in row.parameters:
        if each.required and each.name not in values:
            yield f"`{each.name}` is missing ({_form(each)})" + (f": {each.about}" if each.about else "") + instead


def _remarks(row: Row, values: Mapping[str, Json]) -> Iterator[str]:
    """What the documents say against this call; they are wrong too often to refuse it for that."""
    if row.deprecated:
        said = next((note for note in row.notes if note.startswith("Deprecated")), "deprecated")
        yield f"{row.name} is {said[0].lower()}{said[1:]}"
    for each in row.parameters:
        if each.waived and each.name not in values:
            yield f"`{each.name}` is not given; the documents call it required, and contradict themselves"
        if each.name not in values or values[each.name] is None:
            continue
        if each.deprecated:
            yield f"`{each.name}` is deprecated"
        if each.options and values[each.name] not in each.options and not isinstance(values[each.name], list):
            yield f"`{each.name}` is documented to be one of {', '.join(map(str, each.options))}"
        elif each.place is Place.BODY and not _fits(each.type, values[each.name]):
            yield f"`{each.name}` is documented to be {_form(each)}"


def _fits(kind: str, value: Json) -> bool:
    if kind.startswith("array<"):
        return isinstance(value, list)
    wanted = _TYPES.get(kind)
    return wanted is None or (isinstance(value, wanted) and (bool in wanted or not isinstance(value, bool)))


def _form(parameter: Parameter) -> str:
    """``a string``, ``an array of strings``, ``one of a, b``."""
    if parameter.options:
        return f"one of {', '.join(map(str, parameter.options))}"
    kind = parameter.type
    if kind.startswith("array<"):
        inner = kind.removeprefix("array<").removesuffix(">")
        return "an array" if inner == "any" else f"an array of {inner}s"
    return "anything" if kind == "any" else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _as_query(value: Json) -> str | list[str] | None:
    if isinstance(value, list):
        items = [_as_text(each) for each in value]
        return None if None in items else [each for each in items if each is not None]
    return _as_text(value)


def _as_text(value: Json) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else None


def _as_segment(value: Json) -> str | None:
    """Ids and keys; nothing that a server or a proxy could take for more than one step of a path."""
    text = _as_text(value) or ""
    return quote(text, safe="") if len(text) <= _SEGMENT_MAX and _SEGMENT.fullmatch(text) else None


def _either(names: Sequence[str]) -> str:
    return " or ".join(f"`{name}`" for name in names)


def _row(raw: Mapping[str, Json], headers: Callable[[str], Mapping[str, str]]) -> Row:
    method, _, path = raw["call"].partition(" ")
    paging = raw.get("paging")
    return Row(
        operation=Operation(
            name=raw["slug"],
            method=method,
            path=path,
            writes=raw["writes"],
            headers=headers(raw.get("version", "")),
            any_body="media" in raw,
            may_say_nothing=raw.get("silent", False),
        ),
        title=raw["name"],
        group=raw["group"],
        about=raw.get("about", ""),
        parameters=tuple(_parameter(each, raw.get("waived", ())) for each in raw["parameters"]),
        token=raw.get("token", ""),
        scopes=tuple(raw.get("scopes", ())),
        version=raw.get("version", ""),
        deprecated=raw.get("deprecated", False),
        replay_safe=raw["replay"] == "safe",
        success=raw["success"],
        answers=tuple(raw.get("answers", ())),
        media=raw.get("media", ""),
        body=raw.get("body", ""),
        collection=raw.get("collection", ""),
        object=raw.get("object", ""),
        id=raw.get("id", ""),
        created=raw.get("created", ""),
        updated=raw.get("updated", ""),
        paging=Paging(sources=paging["from"], more=paging.get("more"), drops=tuple(paging.get("drop", ()))) if paging else None,
        use_instead=tuple((each["given"], each["use"]) for each in raw.get("any_of", ())),
        bulk=_bulk(raw["bulk"]) if "bulk" in raw else None,
        items=raw.get("items", ""),
        notes=tuple(raw.get("notes", ())),
    )


def _bulk(raw: Mapping[str, Json]) -> Bulk:
    return Bulk(
        use=raw["use"],
        collect=raw["collect"],
        into=raw["into"],
        also=raw["with"],
        most=raw["most"],
        done=raw["done"],
        id=raw["id"],
        mark=raw["mark"],
    )


def _parameter(raw: Mapping[str, Json], waived: Sequence[str]) -> Parameter:
    return Parameter(
        name=raw["name"],
        place=Place(raw["in"]),
        type=raw["type"],
        required=raw.get("required", False) and raw["name"] not in waived,
        waived=raw["name"] in waived,
        deprecated=raw.get("deprecated", False),
        options=tuple(raw.get("options", ())),
        about=raw.get("about", ""),
    )
