"""The mistakes only a sync tool can see: rules that are each in order, and together cannot work.

The rule that keeps it true: everything said here follows from the rules and the connectors' own facts, before any record is read.
It must not know: how a rule was written, or any record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from syncd.config.kinds import Deed
from syncd.config.members import Side
from syncd.config.section import Section, describe
from syncd.core.decide import may_speak
from syncd.core.fields import FieldType
from syncd.core.match import parts_of
from syncd.core.record import FieldName, Json, MemberName
from syncd.core.rules import ConflictRule, DeleteRule, FieldRule, MemberField

_NO_IDENTITY = frozenset({FieldType.REF, FieldType.BOOL, FieldType.SET, FieldType.JSON})


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A sync as read so far, and where to report."""

    section: Section
    sides: Mapping[MemberName, Side]
    rows: Mapping[FieldName, FieldRule]
    match: tuple[str, ...]
    source_of_truth: MemberName | None
    conflict: ConflictRule
    delete: DeleteRule

    def written(self, row: FieldName) -> Mapping[str, Json]:
        """The row as it stands in the file."""
        table: Mapping[str, Json] = self.section.table["fields"][row]
        return table


def judge(draft: Draft) -> None:
    """Reports every mistake that lies between the parts."""
    _judge_winner(draft)
    _judge_match(draft)
    _judge_delete(draft)
    _judge_doubles(draft)
    _judge_required(draft)
    for row in draft.rows.values():
        _judge_secrets(draft, row)
        _judge_targets(draft, row)
        _judge_sources(draft, row)
        _judge_words(draft, row)
    for side in draft.sides.values():
        _judge_when(draft, side)
        _tell_unseen(draft, side)
        if Deed.READ in side.unable:
            draft.section.problem(f"{side.name} cannot read {side.collection}: {side.unable[Deed.READ]}", "members", side.name, "collection")


def required_fields(draft: Draft, side: Side) -> frozenset[FieldName]:
    """The hub fields that hold what the vendor asks of a new record and `create` does not give."""
    asked = _asked_of(side)
    return frozenset(row.name for row, held in _rows_of(draft, side.name) if asked.intersection(held.paths))


def _rows_of(draft: Draft, member: MemberName) -> Iterator[tuple[FieldRule, MemberField]]:
    return ((row, row.members[member]) for row in draft.rows.values() if member in row.members)


def _asked_of(side: Side) -> frozenset[str]:
    if side.facts is None or not side.facts.abilities.can_create:
        return frozenset()
    return side.facts.abilities.required_on_create - side.create.keys()


def _parties(row: FieldRule) -> frozenset[MemberName]:
    """The members of a row, also those whose path could not be read."""
    return row.sources | row.targets | row.members.keys()


def _all_understood(draft: Draft, side: Side) -> bool:
    """Whether every path of this member was understood, so that one which is missing is truly missing."""
    rows = [row for row in draft.rows.values() if side.name in _parties(row) and not (row.derived and row.derived.member == side.name)]
    return all(side.name in row.members and all(side.path(path) for path in row.members[side.name].paths) for row in rows)


def _judge_winner(draft: Draft) -> None:
    """A conflict nobody wins would stand for ever; `review` at least says that a person decides."""
    if draft.conflict is ConflictRule.REVIEW or draft.source_of_truth is not None or "source_of_truth" in draft.section:
        return
    what = (
        "nobody wins when both edits could be the later one"
        if draft.conflict is ConflictRule.LAST_MODIFIED
        else "nobody wins when two members change one field"
    )
    names = ", ".join(draft.sides)
    at = ("conflict",) if "conflict" in draft.section else ()
    draft.section.problem(what, *at, mend=f'write source_of_truth = one of {names}, or conflict = "review"')


def _judge_match(draft: Draft) -> None:
    for place, key in enumerate(draft.match):
        parts = parts_of(FieldName(key))
        for part in parts:
            row = draft.rows.get(part)
            if row is None:
                draft.section.problem(f"`{part}` is no field of this sync", "match", place, near=part, known=draft.rows)
            elif row.derived is not None:
                draft.section.problem(f"`{key}` is derived from other records, which tell nobody apart", "match", place)
            elif len(parts) == 1 and row.type in _NO_IDENTITY:
                mend = f'match by it together with another field: "{key}+…"' if row.type is FieldType.REF else "match by e-mail or phone"
                draft.section.problem(f"`{key}` is a {row.type.value}, which tells nobody apart", "match", place, mend=mend)
    keys = {key for key in draft.match if draft.rows.keys() >= set(parts_of(FieldName(key)))}
    for member in draft.sides:
        if keys and not any(all(member in _parties(draft.rows[part]) for part in parts_of(FieldName(key))) for key in keys):
            what = f"{member} holds none of the match keys, so each of its records would be made a second time elsewhere"
            draft.section.problem(what, "match", mend=f"give {member} a path for one of {', '.join(sorted(keys))}")


def _judge_delete(draft: Draft) -> None:
    for side in draft.sides.values():
        if draft.delete is DeleteRule.PROPAGATE and side.facts is not None and not side.facts.abilities.can_delete:
            what = f"{side.name} cannot delete {side.facts.collection}"
            draft.section.problem(what, "delete", mend='write delete = "archive", "unlink" or "review"')
        elif draft.delete is DeleteRule.PROPAGATE and Deed.DELETE in side.unable:
            what = f"{side.name} cannot delete {side.collection}: {side.unable[Deed.DELETE]}"
            mend = 'or write delete = "review", which asks you each time, or delete = "archive" and an `archive` for it'
            draft.section.problem(what, "delete", mend=mend)
        elif draft.delete is DeleteRule.ARCHIVE and side.archive is not None and Deed.ARCHIVE in side.unable:
            what = f"{side.name} cannot mark {side.collection}: {side.unable[Deed.ARCHIVE]}"
            mend = 'or leave `archive` out, so that the record stays there, or write delete = "review", which asks you each time'
            draft.section.problem(what, "members", side.name, "archive", mend=mend)
        elif draft.delete is DeleteRule.ARCHIVE and side.archive is None:
            what = f"{side.name} has no `archive`, so a record deleted elsewhere stays there, no longer in the sync"
            draft.section.note(what, "members", side.name, mend="write archive = { FIELD = VALUE } to mark it instead")
        elif draft.delete is not DeleteRule.ARCHIVE and side.archive is not None:
            draft.section.note(f'does nothing under delete = "{draft.delete.value}"', "members", side.name, "archive")


def _judge_doubles(draft: Draft) -> None:
    """Two hub fields that may both write one vendor field would take turns for ever."""
    for member in draft.sides:
        writer: dict[str, FieldName] = {}
        for row, held in _rows_of(draft, member):
            for path in held.paths if member in row.targets and held.writable else ():
                if (other := writer.setdefault(path, row.name)) != row.name:
                    what = f'`{other}` writes "{path}" of {member} as well'
                    draft.section.problem(what, "fields", row.name, member, mend="let one of them only read it, by `direction`")


def _judge_required(draft: Draft) -> None:
    for side in draft.sides.values():
        if side.facts is None or not side.creates or not any(side.name in row.targets for row in draft.rows.values()):
            continue
        for path in sorted(_asked_of(side)) if _all_understood(draft, side) else ():
            rows = [(row, held) for row, held in _rows_of(draft, side.name) if path in held.paths]
            if not rows:
                what = f'{side.name} makes no {side.facts.collection} without "{path}"'
                mend = f'map it in `fields`, or write create = {{ "{path}" = … }}'
                draft.section.problem(what, "members", side.name, mend=mend)
            elif not any(side.name in row.targets and held.creatable for row, held in rows):
                what = f'no record is ever made in {side.name}: it asks for "{path}", which this sync may not write there'
                draft.section.note(what, "fields", rows[0][0].name, side.name)


def _judge_secrets(draft: Draft, row: FieldRule) -> None:
    """What a sync carries is kept and shown; a secret is neither."""
    for member, held in row.members.items():
        for path in held.paths:
            if (found := draft.sides[member].path(path)) is not None and found.secret:
                mend = f'write create = {{ "{path}" = {{ credential = "…" }} }} for {member} in `members`'
                draft.section.problem(f'"{path}" of {member} is a secret, and no field of a sync', "fields", row.name, member, mend=mend)


def _judge_targets(draft: Draft, row: FieldRule) -> None:
    """A member must take what comes from others. An owner takes nothing, and neither does the only source."""
    for member in sorted(row.targets & row.members.keys()):
        held, others = row.members[member], (row.sources if row.owner is None else {row.owner}) - {member}
        if held.writable or not others:
            continue
        path = " and ".join(describe(path) for path in held.paths)
        if held.creatable:
            what = f"{path} of {member} is set when a record is made and never again, so later edits do not arrive"
            draft.section.note(what, "fields", row.name, member)
            continue
        if row.derived is not None:
            mend = f"name a field of {member} that can be written"
        elif "direction" in draft.written(row.name):
            mend = f"take {member} from the right of the arrow"
        elif row.owner is not None:
            mend = f'write owner = "{member}", or leave its path out'
        else:
            mend = f'write direction = "{_way_around(row, member)}" or owner = "{member}"'
        draft.section.problem(
            f"{path} of {member} is read-only, and this row would write it", "fields", row.name, member, mend=mend
        )


def _way_around(row: FieldRule, member: MemberName) -> str:
    """The direction that differs least from this row and does not write `member`."""
    targets = sorted(row.targets - {member})
    sources = sorted(row.sources) if len(targets) > 1 else [member]
    return f"{', '.join(sources)} -> {', '.join(targets)}"


def _judge_sources(draft: Draft, row: FieldRule) -> None:
    for member in sorted(row.sources & row.members.keys()):
        side, others = draft.sides[member], row.targets - {member}
        hidden = [path for path in row.members[member].paths if (found := side.path(path)) is not None and not found.readable]
        if hidden and others and row.owner in (None, member):
            what = f'"{hidden[0]}" of {member} is never shown, so nothing can come from there'
            draft.section.problem(
                what, "fields", row.name, member, mend=f'write direction = "{", ".join(sorted(others))} -> {member}"'
            )


def _tell_unseen(draft: Draft, side: Side) -> None:
    """Says what is written over what nobody saw, at a member that is known only by what was told of it."""
    if side.facts is None or not side.facts.abilities.told_only:
        return
    sent = [row.name for row, held in _rows_of(draft, side.name) if side.name in row.targets and held.writable and not may_speak(row, side.name)]
    seen = [name for name in sent if draft.rows[name].type is FieldType.SET]
    if one_way := [name for name in sent if name not in seen]:
        what = f"nothing is read from {side.name}: {', '.join(one_way)} only go there, and are written over whatever stands there, shown by a flow or not"
        draft.section.note(what, "members", side.name)
    if seen:
        what = f"{', '.join(seen)} of {side.name} is written to a record only once a flow or a file has shown it: a set written unseen would take things away"
        draft.section.note(what, "members", side.name)


def _judge_words(draft: Draft, row: FieldRule) -> None:
    for member, held in row.members.items():
        found = draft.sides[member].path(held.paths[0])
        if found is None or not found.options or not held.values or member not in row.targets:
            continue
        for hub, word in held.values.items():
            if word not in found.options:
                what = f'{member} knows no "{word}" here'
                at = (hub,) if isinstance(draft.written(row.name)["values"], dict) else ()
                draft.section.problem(what, "fields", row.name, "values", *at, near=word, known=found.options)


def _judge_when(draft: Draft, side: Side) -> None:
    for name in sorted(side.when.fields):
        row = draft.rows.get(FieldName(name))
        if row is None:
            what = f"reads `{name}`, which is no field of this sync"
            mend = "" if draft.rows else "write the `fields` table"
            draft.section.problem(what, "members", side.name, "when", near=name, known=draft.rows, mend=mend)
        elif row.derived is not None:
            what = f"reads `{name}`, which is derived from other records: nobody takes part because of it"
            draft.section.problem(what, "members", side.name, "when", mend="read a field of the record itself")
        elif side.name not in row.members:
            what = f"reads `{name}`, which {side.name} does not hold: there it always looks blank"
            draft.section.note(what, "members", side.name, "when")
