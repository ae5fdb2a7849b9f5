"""One row of the field table: a hub field and how each member holds it.

The rule that keeps it true: a row is judged here by itself and by its members' own fields; what rows do to each other is not.
It must not know: other rows, conflict and delete rules, or any vendor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from syncd.config.derived import read_derivation
from syncd.config.findings import suggest
from syncd.config.kinds import PathFacts
from syncd.config.members import ROW_WORDS, Side
from syncd.config.section import Section, describe
from syncd.config.words import Words, read_words
from syncd.core.derive import derived_path
from syncd.core.fields import FieldType
from syncd.core.record import FieldName, MemberName, SyncName
from syncd.core.rules import BlankRule, FieldRule, MemberField
from syncd.core.transforms import TRANSFORMS, check

ROW_EXAMPLE = '{ type = "text", MEMBER = "path", … }'


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """How one member holds the field, as written."""

    paths: tuple[str, ...]
    transform: str | None = None


def read_row(name: FieldName, row: Section, sides: Mapping[MemberName, Side]) -> FieldRule:
    """The row as a rule, after reporting what is wrong with it."""
    kind = row.one_of("type", FieldType, FieldType.TEXT)
    # A member whose key is misspelt is reported as an unknown key, and otherwise taken to be there.
    misspelt = {suggest(key, sides) for key in row.table if key not in sides and key not in ROW_WORDS}
    held = {member: side for member, side in sides.items() if member in row or member in misspelt}
    words = read_words(row, kind, held)
    members = {
        member: _member_field(row, side, cell, words)
        for member, side in held.items()
        if member in row and (cell := _read_cell(row, member)) is not None
    }
    _report_types(row, kind, {member: sides[member] for member in members}, members)
    if "derive" in row:
        return _derived_row(name, row, kind, sides, members)
    owner = _read_owner(row, held, sides)
    sources, targets = _read_direction(row, held, sides)
    blank = row.one_of("blank", BlankRule, BlankRule.PROPAGATE)
    to = _read_to(row, kind)
    if not held:
        row.problem("no member holds it", mend='write MEMBER = "path" for each member that does')
    if owner is not None and owner not in sources:
        row.problem(f"`{owner}` owns the field, but `direction` does not let it speak", "owner", mend="put it left of the arrow")
    row.finish(also=sides)
    return FieldRule(
        name=name, type=kind, members=members, owner=owner, sources=sources, targets=targets, blank=blank, choices=words.choices, to=to
    )


def _derived_row(
    name: FieldName, row: Section, kind: FieldType, sides: Mapping[MemberName, Side], members: Mapping[MemberName, MemberField]
) -> FieldRule:
    """A row that is read from other records: its member says the value, and all others are written."""
    derived = read_derivation(row, kind, sides)
    if not members:
        row.problem("no member takes it", mend='write MEMBER = "path" for each member that is to be told')
    row.finish(also=sides)
    if derived is None:
        return FieldRule(name=name, type=kind, members=members, sources=frozenset(), targets=frozenset(members))
    source = MemberField(paths=(derived_path(name),), writable=False, creatable=False)
    targets = {member: held for member, held in members.items() if member != derived.member}
    return FieldRule(
        name=name,
        type=kind,
        members={**targets, derived.member: source},
        owner=derived.member,
        sources=frozenset({derived.member}),
        targets=frozenset(targets),
        derived=derived,
    )


def _read_to(row: Section, kind: FieldType) -> SyncName | None:
    """The sync of the records that a reference names."""
    to = row.text("to")
    if kind is FieldType.REF and to is None:
        row.problem("a reference says of which sync's records it is", "type", mend='write to = "contacts"')
    if kind is not FieldType.REF and to is not None:
        row.problem(f"only a reference has `to`, and this row's type is {kind.value}", "to", mend='write type = "ref"')
    return SyncName(to) if to is not None else None


def _read_cell(row: Section, member: MemberName) -> _Cell | None:
    """A path, a list of paths, or ``{ path = …, transform = … }``."""
    written = row.take(member)
    if not isinstance(written, dict):
        return _cell(row, written, None, member)
    table = row.section(member)
    transform = table.text("transform")
    if table.table.keys() - {"path", "transform"}:
        # A misspelt `transform` is one mistake, not a missing transform as well.
        table.settle("path")
    cell = _cell(table, table.take("path"), transform, "path")
    table.finish()
    return cell


def _cell(section: Section, written: object, transform: str | None, key: str) -> _Cell | None:
    paths = tuple(written) if isinstance(written, list) else (written,)
    texts = tuple(path for path in paths if isinstance(path, str) and path)
    if not texts or texts != paths:
        section.problem("is the path of a field, or a list of paths", key, mend=f'write {key} = "path"')
        return None
    if len(set(texts)) < len(texts):
        section.problem("names one path twice", key)
    if transform is not None and transform not in TRANSFORMS:
        section.problem(f'there is no transform "{transform}"', "transform", near=transform, known=TRANSFORMS)
        return _Cell(paths=texts)
    arity = TRANSFORMS[transform].arity if transform is not None else 1
    if arity != len(texts):
        need = "one path" if arity == 1 else f"{arity} paths"
        what = (
            f"`{transform}` takes {need}, not {len(texts)}" if transform else f"{len(texts)} paths need a transform to join them"
        )
        section.problem(what, key, mend="" if transform else 'write { path = ["…", "…"], transform = "split_name" }')
        return _Cell(paths=texts)
    for broken in check(TRANSFORMS[transform]) if transform is not None else ():
        section.problem(f"the transform does not come back to where it started: {broken}", "transform")
    return _Cell(paths=texts, transform=transform)


def _member_field(row: Section, side: Side, cell: _Cell, words: Words) -> MemberField:
    known = [found for path in cell.paths if (found := _find(row, side, path)) is not None]
    values = words.of.get(side.name)
    if values is not None and cell.transform is not None and any(hub != word for hub, word in values.items()):
        row.problem("has a transform, beside which `values` do nothing", side.name, mend="keep one of the two")
    return MemberField(
        paths=cell.paths,
        transform=cell.transform,
        values=values,
        readable=all(found.readable for found in known),
        writable=all(found.writable for found in known),
        creatable=all(found.creatable for found in known),
    )


def _find(row: Section, side: Side, path: str) -> PathFacts | None:
    found = side.path(path)
    if found is None and side.facts is not None:
        what = f'{side.facts.collection} of {side.system} have no field "{path}"'
        meant = suggest(path, side.facts.paths)
        mend = "" if meant else f"`syncd discover {side.system}` lists them"
        row.problem(what, side.name, near=path, known=side.facts.paths, mend=mend)
    return found


def _report_types(
    row: Section, kind: FieldType, sides: Mapping[MemberName, Side], members: Mapping[MemberName, MemberField]
) -> None:
    """A list is never a single value: every record would be held as unreadable."""
    shown = {
        member: found.type
        for member, held in members.items()
        if held.transform is None and (found := sides[member].path(held.paths[0])) is not None and found.type is not None
    }
    sets = [member for member, type_ in shown.items() if type_ is FieldType.SET]
    if kind not in (FieldType.SET, FieldType.JSON) and sets:
        what = f"is a set at {' and '.join(sets)}, and this row's type is {kind.value}"
        row.problem(what, sets[0], mend='write type = "set"')
    for member, type_ in shown.items() if kind is FieldType.SET else ():
        if type_ not in (FieldType.SET, FieldType.JSON):
            row.problem(
                f"is one {type_.value} at {member}, and this row's type is set", member, mend="name a field that holds a set"
            )


def _read_owner(row: Section, held: Mapping[MemberName, Side], sides: Mapping[MemberName, Side]) -> MemberName | None:
    written = row.text("owner")
    if written is None or written in held:
        return MemberName(written) if written is not None else None
    if written in sides:
        row.problem(f"`{written}` does not hold this field", "owner", mend=f'give it a path here: {written} = "…"')
    else:
        row.problem(f"no member is named `{written}`", "owner", near=written, known=held)
    return None


def _read_direction(
    row: Section, held: Mapping[MemberName, Side], sides: Mapping[MemberName, Side]
) -> tuple[frozenset[MemberName], frozenset[MemberName]]:
    """``"ghl, octopus -> hats"``: whose edits count, and who may be written. Everybody where nothing is said."""
    everybody: frozenset[MemberName] = frozenset(held)
    nobody: frozenset[MemberName] = frozenset()
    written = row.text("direction")
    if written in (None, "both"):
        return everybody, everybody
    parts = [_names(part) for part in str(written).split("->")]
    if len(parts) != 2 or not all(parts):
        row.problem(
            f"{describe(written)} is no direction", "direction", mend='write "one -> other", "one, two -> three" or "both"'
        )
        return everybody, nobody
    unknown = sorted({name for part in parts for name in part if name not in held})
    for name in unknown:
        what = f"`{name}` does not hold this field" if name in sides else f"no member is named `{name}`"
        row.problem(what, "direction", near="" if name in sides else name, known=held)
    if unknown:
        return everybody, nobody
    sources, targets = (frozenset(MemberName(name) for name in part) for part in parts)
    if sources == targets:
        row.problem("has the same members on both sides", "direction", mend='write "both", or leave it out, where all may write')
    if idle := sorted(everybody - sources - targets):
        row.note(
            f"leaves out {', '.join(idle)}: nothing travels from or to there", "direction", mend="leave the path out, or name it"
        )
    return sources, targets


def _names(written: str) -> list[str]:
    return [name for part in written.split(",") if (name := part.strip())]
