"""A ``[syncs.NAME]`` section as a sync's rules.

The rule that keeps it true: rules are made even where something is wrong, so that everything is looked at; only the caller,
who knows whether there were problems, may use them.
It must not know: any vendor, or when the rules will be applied.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.config.judge import Draft, judge, required_fields
from syncd.config.members import Side, read_members
from syncd.config.rows import ROW_EXAMPLE, read_row
from syncd.config.secrets import Secrets
from syncd.config.section import Section
from syncd.config.systems import System
from syncd.core.record import FieldName, MemberName, SyncName, SystemName
from syncd.core.rules import Cap, ConflictRule, DeleteRule, FieldRule, FirstRun, Guards, MemberRule, SyncRules


def read_syncs(section: Section, systems: Mapping[SystemName, System], secrets: Secrets) -> dict[SyncName, SyncRules]:
    """Every sync."""
    return {SyncName(name): _read_sync(SyncName(name), table, systems, secrets) for name, table in section.sections("[syncs.NAME]")}


def _read_sync(name: SyncName, section: Section, systems: Mapping[SystemName, System], secrets: Secrets) -> SyncRules:
    sides = read_members(section.section("members"), systems, secrets)
    draft = Draft(
        section=section,
        sides=sides,
        rows=_read_rows(section, sides),
        match=_read_match(section),
        source_of_truth=_read_source_of_truth(section, sides),
        conflict=section.one_of("conflict", ConflictRule, ConflictRule.SOURCE_OF_TRUTH),
        delete=section.one_of("delete", DeleteRule, DeleteRule.ARCHIVE),
    )
    first_run = section.one_of("first_run", FirstRun, FirstRun.REVIEW)
    guards = _read_guards(section.section("guards"))
    section.finish()
    judge(draft)
    return SyncRules(
        name=name,
        members={side.name: _member_rule(draft, side) for side in sides.values()},
        fields=draft.rows,
        match=tuple(FieldName(key) for key in draft.match),
        source_of_truth=draft.source_of_truth,
        conflict=draft.conflict,
        delete=draft.delete,
        first_run=first_run,
        guards=guards,
    )


def _member_rule(draft: Draft, side: Side) -> MemberRule:
    return MemberRule(
        name=side.name,
        system=side.system,
        collection=side.collection,
        when=side.when,
        create=side.create,
        creates=side.creates,
        archive=side.archive,
        required=required_fields(draft, side),
        region=side.region,
        pass_every=side.pass_every,
        told_only=side.facts is not None and side.facts.abilities.told_only,
    )


def _read_rows(section: Section, sides: Mapping[MemberName, Side]) -> dict[FieldName, FieldRule]:
    fields = section.section("fields")
    rows = {FieldName(name): read_row(FieldName(name), row, sides) for name, row in fields.sections(ROW_EXAMPLE)}
    if not fields.table and isinstance(section.table.get("fields", {}), dict):
        fields.problem("a sync has at least one field", mend=f"write NAME = {ROW_EXAMPLE} for each")
    return rows


def _read_match(section: Section) -> tuple[str, ...]:
    keys = section.texts("match")
    if not keys and not section.table.get("match"):
        section.problem("says no `match`", mend='name the fields that tell two records of one person: match = ["email", "phone"]')
    return keys


def _read_source_of_truth(section: Section, sides: Mapping[MemberName, Side]) -> MemberName | None:
    written = section.text("source_of_truth")
    if written is None or written in sides:
        return MemberName(written) if written is not None else None
    section.problem(f"no member is named `{written}`", "source_of_truth", near=written, known=sides)
    return None


def _read_guards(section: Section) -> Guards:
    usual = Guards()
    guards = Guards(
        deletes=_read_cap(section.section("deletes"), usual.deletes),
        updates=_read_cap(section.section("updates"), usual.updates),
        creates=_read_cap(section.section("creates"), usual.creates),
        blanks=_read_cap(section.section("blanks"), usual.blanks),
        missing_share=section.share("missing_share", usual.missing_share),
        window=section.duration("window", usual.window, least=1),
        delete_grace=section.duration("delete_grace", usual.delete_grace),
    )
    section.finish()
    return guards


def _read_cap(section: Section, usual: Cap) -> Cap:
    cap = Cap(number=section.number("number", usual.number), share=section.share("share", usual.share))
    section.finish()
    return cap
