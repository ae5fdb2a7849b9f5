"""The ``derive`` of a row: a field that is no field of any record, but what other records of a member's system come to.

The rule that keeps it true: such a row goes one way by itself, so whatever would say otherwise in it is reported.
It must not know: how values are derived, or any vendor.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.config.kinds import CollectionFacts
from syncd.config.members import Side
from syncd.config.section import Section
from syncd.core.conditions import ALWAYS, Condition, ConditionError, compile_condition
from syncd.core.derive import Derivation, Take
from syncd.core.fields import FieldType
from syncd.core.record import MemberName, SystemName

_MOMENTS = (FieldType.INSTANT, FieldType.DATE)


def read_derivation(row: Section, kind: FieldType, sides: Mapping[MemberName, Side]) -> Derivation | None:
    """Where the row's values come from, after reporting what is wrong; None where that cannot be said."""
    section = row.section("derive")
    side, facts = _read_from(section, sides)
    take = section.one_of("take", Take, Take.COUNT)
    if "take" not in section:
        section.problem("says no `take`", mend=f'write take = one of {", ".join(f"{each.value!r}" for each in Take)}'.replace("'", '"'))
    by = _read_path(section, "by", facts, is_needed=True)
    path = _read_path(section, "field", facts, is_needed=take is not Take.COUNT)
    order = _read_path(section, "order", facts, is_needed=take is Take.LAST)
    where = _read_where(section, facts)
    section.finish()
    _report_one_way(row, side)
    _report_take(section, row, kind, take, facts, path, order)
    if side is None or facts is None or by is None:
        return None
    # The collection's own name is the whole address: one that needs more said of it was reported.
    collection = facts.kind.collection_name(facts.collection, facts.kind.member.model_construct())
    return Derivation(
        member=side.name, system=SystemName(side.system), collection=collection, by=by, take=take, path=path, order=order, where=where
    )


def _read_from(section: Section, sides: Mapping[MemberName, Side]) -> tuple[Side | None, CollectionFacts | None]:
    """``"ghl/tasks"``: a member, and the collection of its system whose records belong to the member's."""
    written = section.text("from")
    if written is None:
        if "from" not in section:
            section.problem("says no `from`", mend='write from = "MEMBER/COLLECTION", such as "ghl/tasks"')
        return None, None
    name, _, collection = written.partition("/")
    side = sides.get(MemberName(name))
    if side is None:
        section.problem(f"no member is named `{name}`", "from", near=name, known=sides)
        return None, None
    if side.facts is None:
        return side, None
    kind = side.facts.kind
    if collection not in kind.collections:
        section.problem(f'{kind.name} has no collection "{collection}"', "from", near=collection, known=kind.collections)
        return side, None
    if needed := [each.alias or key for key, each in kind.member.model_fields.items() if each.is_required()]:
        section.problem(f"{collection} of {side.system} are told apart by `{needed[0]}`, which cannot be said here", "from")
        return side, None
    facts = CollectionFacts(kind=kind, collection=collection)
    if not facts.abilities.can_list:
        section.problem(f"{collection} of {side.system} cannot be listed, so nobody knows when all of them are known", "from")
    return side, facts


def _read_path(section: Section, key: str, facts: CollectionFacts | None, *, is_needed: bool) -> str | None:
    """A path of the children."""
    path = section.text(key)
    if path is None:
        if is_needed and key not in section:
            what = {"by": "holds the id of the record it belongs to", "field": "is taken", "order": "tells which is the last"}[key]
            section.problem(f"says no `{key}`", mend=f'write {key} = "PATH", the field of each that {what}')
        return None
    found = facts.path(path) if facts is not None else None
    if facts is not None and (found is None or not found.readable):
        section.problem(f'{facts.collection} show no field "{path}"', key, near=path, known=facts.paths)
    return path


def _read_where(section: Section, facts: CollectionFacts | None) -> Condition:
    written = section.take("where")
    if written is None:
        return ALWAYS
    try:
        where = compile_condition(written)
    except ConditionError as error:
        section.problem(str(error), "where")
        return ALWAYS
    for path in sorted(where.fields) if facts is not None else ():
        if facts is not None and facts.path(path) is None:
            section.problem(f'{facts.collection} have no field "{path}"', "where", near=path, known=facts.paths)
    return where


def _report_one_way(row: Section, side: Side | None) -> None:
    for key in ("owner", "direction", "blank", "values", "to"):
        if key in row:
            row.take(key)
            row.problem("does nothing beside `derive`: such a field goes one way, and an edit of it is put back", key, mend="leave it out")
    if side is not None and side.name in row:
        row.problem(f"is derived from records of {side.name}, which therefore holds no such field itself", side.name, mend="leave it out")


def _report_take(
    section: Section, row: Section, kind: FieldType, take: Take, facts: CollectionFacts | None, path: str | None, order: str | None
) -> None:
    """The types have to fit: a count is a number, and only a moment is next or last."""
    if take is Take.COUNT:
        if kind is not FieldType.NUMBER:
            row.problem(f"counts, and this row's type is {kind.value}", "derive", mend='write type = "number"')
        for key in ("field", "order"):
            if key in section:
                section.problem("does nothing beside a count", key, mend="leave it out")
        return
    if take is Take.NEXT and order is not None:
        section.problem("does nothing beside `next`: the next is told by its `field`", "order", mend="leave it out")
    moment, key = (path, "field") if take is Take.NEXT else (order, "order")
    found = facts.path(moment) if facts is not None and moment is not None else None
    if found is not None and found.type is not None and found.type not in _MOMENTS:
        section.problem(f"is no moment but a {found.type.value}", key, mend="name a field of type instant or date")
    if take is Take.NEXT and kind not in (FieldType.DATE, FieldType.INSTANT):
        row.problem(f"takes a moment, and this row's type is {kind.value}", "derive", mend='write type = "date" or type = "instant"')
    taken = facts.path(path) if facts is not None and path is not None else None
    is_list = taken is not None and taken.type in (FieldType.SET, FieldType.JSON)
    if is_list and taken is not None and taken.type is not kind:
        section.problem(f"holds several values, and this row's type is {kind.value}", "field", mend="name a field that holds one")
