"""The rules of a run's one sync, as its options say.

The rule that keeps it true: the same options give the same rules, and nothing but the options is looked at.
It must not know: which options have changed, or when.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from syncd.core.conditions import ALWAYS, compile_condition
from syncd.core.fields import FieldType
from syncd.core.record import MINUTE, CollectionName, FieldName, MemberName, SyncName, SystemName
from syncd.core.rules import (
    BlankRule,
    Cap,
    ConflictRule,
    DeleteRule,
    FieldRule,
    FirstRun,
    Guards,
    MemberField,
    MemberRule,
    SyncRules,
)
from tests.sim.vendor import FIELDS

SYNC = SyncName("contacts")
CARRIED = ("note",)
"""Fields that no person writes in a world with automations (`carried` in its options)."""
WIDE = Cap(number=10_000, share=1.0)


def rules_of(options: Mapping[str, Any], vendors: Iterable[str]) -> SyncRules:
    """The rules over these systems."""
    names = [MemberName(name) for name in vendors]
    rows = {}
    for path in ("email", *options["fields"], *options.get("carried", ())):
        owner = names[options["owner"]] if options["owner"] is not None and path == options["fields"][0] and path != "tags" else None
        targets = frozenset(names)
        sources = frozenset(names[:1]) if options["direction"] and path == options["fields"][-1] else frozenset(names)
        rows[FieldName(path)] = FieldRule(
            name=FieldName(path), type=FIELDS[path], members={name: MemberField(paths=(path,)) for name in names}, owner=owner,
            sources=sources, targets=targets, blank=BlankRule(options["blank"]) if FIELDS[path] is FieldType.TEXT else BlankRule.PROPAGATE,
        )  # fmt: skip
    tight = Guards(
        deletes=Cap(number=1, share=0.0), updates=Cap(number=6, share=0.0), creates=Cap(number=2, share=0.0),
        blanks=Cap(number=1, share=0.0), delete_grace=2 * MINUTE,
    )  # fmt: skip
    wide = Guards(deletes=WIDE, updates=WIDE, creates=WIDE, blanks=WIDE, delete_grace=2 * MINUTE)
    archive = {"archived": "yes"} if options["delete"] == "archive" else None
    return SyncRules(
        name=SYNC,
        members={
            name: MemberRule(
                name=name, system=SystemName(name), collection=CollectionName("contacts"), archive=archive,
                when=compile_condition({"field": options["fields"][0], "op": "exists"}) if number == options["when"] else ALWAYS,
            )
            for number, name in enumerate(names)
        },
        fields=rows,
        match=(FieldName("email"),),
        source_of_truth=names[options["truth"]],
        conflict=ConflictRule(options["conflict"]),
        delete=DeleteRule(options["delete"]),
        first_run=FirstRun(options["first_run"]),
        guards=tight if options["tight"] else wide,
    )
