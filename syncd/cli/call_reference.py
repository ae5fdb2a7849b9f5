"""What an operation of a vendor is, as documentation: the list of them, and one of them whole.

The rule that keeps it true: all that is shown comes from the operation's row, so what is read here is what is done.
It must not know: any vendor, or how an operation is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from syncd.cli import screen
from syncd.cli.text import as_json, counted
from syncd.connectors.catalogue import Parameter, Place, Row
from syncd.core.record import Json

_SAMPLES: Mapping[str, Json] = {"number": 1, "integer": 1, "boolean": True, "object": {}}
_PLACES = {Place.PATH: "In the path", Place.QUERY: "In the query", Place.BODY: "In the body"}


def show_list(rows: Sequence[Row]) -> None:
    """The operations, group by group."""
    for group, members in groupby(rows, key=lambda row: row.group):
        screen.show_heading(group)
        screen.show_rows([[row.name, row.operation.method, row.operation.path, _marks(row)] for row in members])
    screen.say(f"{counted(len(rows), 'operation')}; `syncd call SYSTEM OPERATION --help` tells about one")


def show_row(row: Row, system: str, known: Mapping[str, Json]) -> None:
    """One operation: what it does, what it takes, what it answers, what to look out for, and how to call it."""
    screen.show(f"{row.name}: {row.title}", style="bold")
    screen.show(f"{row.operation.method} {row.operation.path}")
    if row.about:
        screen.show(row.about)
    screen.show()
    if row.deprecated:
        screen.show("DEPRECATED.", style="bold")
    for line in (_conduct(row), _admission(row), _answer(row), _pages(row)):
        if line:
            screen.show(line)
    for place, title in _PLACES.items():
        wanted = [each for each in row.parameters if each.place is place]
        if wanted:
            screen.show_heading(title)
            screen.show_rows([_told(each, known) for each in wanted])
    if row.use_instead:
        screen.show_heading("Put together from")
        screen.show_rows([[f"with {name}", use] for name, use in row.use_instead])
    if row.notes:
        screen.show_heading("Mind")
        for note in row.notes:
            screen.show(f"· {note}", indent=2)
    screen.show_heading("Example")
    screen.show(_example(row, system, known), indent=2)


def as_data(row: Row) -> dict[str, Json]:
    """One operation for programs."""
    return {
        "name": row.name,
        "title": row.title,
        "group": row.group,
        "about": row.about,
        "method": row.operation.method,
        "path": row.operation.path,
        "writes": row.operation.writes,
        "replay_safe": row.replay_safe,
        "deprecated": row.deprecated,
        "token": row.token,
        "scopes": list(row.scopes),
        "version": row.version,
        "collection": row.collection or None,
        "object": row.object or None,
        "all_pages": row.paging is not None,
        "parameters": [
            {
                "name": each.name,
                "in": each.place.value,
                "type": each.type,
                "required": each.required,
                "options": list(each.options),
                "about": each.about,
            }
            for each in row.parameters
        ],
        "notes": list(row.notes),
    }


def _marks(row: Row) -> str:
    marks = ["writes" if row.operation.writes else "reads", "in pages" if row.paging else "", "deprecated" if row.deprecated else ""]
    return ", ".join(filter(None, marks))


def _conduct(row: Row) -> str:
    if not row.operation.writes:
        return "Reads only; tried again where an answer is lost."
    again = "tried again where an answer is lost" if row.replay_safe else "never tried again where an answer is lost"
    return f"Writes: shows what will be sent and asks first (--yes does not); {again}."


def _admission(row: Row) -> str:
    return f"Needs {admission(row)}." + (f" API version {row.version}." if row.version else "")


def admission(row: Row) -> str:
    """What an operation is called with: the scope and whose token; or the account's key, where the vendor knows nothing else."""
    if row.token == "key":  # noqa: S105 - a class of tokens
        return "the account's key, which has no scopes"
    scopes = f"the scope {' and '.join(row.scopes)}" if row.scopes else "a scope that the vendor does not state"
    return f"{scopes}, and {_holder(row)}"


def _holder(row: Row) -> str:
    if row.token == "not stated":  # noqa: S105 - a class of tokens
        return "a token of a class that the vendor does not state"
    return "the token of " + " or ".join(f"an {each}" if each[0] in "aeiou" else f"a {each}" for each in row.token.split(" or "))


def _answer(row: Row) -> str:
    if row.media:
        return f"Answers {row.success} with {'something the vendor does not describe' if row.media == 'not stated' else row.media}."
    if row.collection:
        held = "with the list itself" if row.collection == "[]" else f"with a list under `{row.collection}`"
    elif row.object:
        held = f"with the record under `{row.object}`"
    else:
        held = f"with {', '.join(row.answers)}" if row.answers else "with an object"
    fields = [f"{what} `{name}`" for what, name in (("id", row.id), ("made at", row.created), ("changed at", row.updated)) if name]
    return f"Answers {row.success} {held}" + (f" ({', '.join(fields)})." if fields else ".")


def _pages(row: Row) -> str:
    return f"Comes in pages, by {', '.join(row.paging.sources)}; --all-pages prints them all, a line of JSON each." if row.paging else ""


def _told(parameter: Parameter, known: Mapping[str, Json]) -> list[str]:
    need = "required" if parameter.required else ""
    if parameter.required and parameter.name in known:
        need = "from the configuration"
    if parameter.waived:
        need = "called required"
    kind = " | ".join(map(str, parameter.options)) or parameter.type
    return [parameter.name, kind, need, f"deprecated. {parameter.about}" if parameter.deprecated else parameter.about]


def _example(row: Row, system: str, known: Mapping[str, Json]) -> str:
    given = {each.name: _sample(each) for each in row.parameters if each.required and each.name not in known}
    data = as_json(given, lines=True).replace('":', '": ').replace(',"', ', "')
    return f"syncd call {system} {row.name}" + (f" --data '{data}'" if given else "")


def _sample(parameter: Parameter) -> Json:
    if parameter.options:
        return parameter.options[0]
    return [] if parameter.type.startswith("array") else _SAMPLES.get(parameter.type, "…")
