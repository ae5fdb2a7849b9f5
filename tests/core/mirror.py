"""The same world looked at from the side: in another order, under other names, with a field less.

The rule that keeps it true: a mirror compares two plans and needs no idea of the right decision.
It must not know: worlds, or how a run goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import syncd.core.plan
from syncd.core.link import Gone, Link, Seen
from syncd.core.outcome import HoldKind, Operation, Plan
from syncd.core.record import FieldName, Json, MemberName
from syncd.core.rules import SyncRules

RENAMED = {"alpha": "zulu", "bravo": "yankee", "charlie": "xray", "delta": "whiskey"}
Shown = Mapping[MemberName, Seen | Gone]
Require = Callable[..., None]


def look_from_the_side(seed: int, require: Require, rules: SyncRules, before: Link, made: Plan, seen: Shown) -> None:
    """One of the mirrors, chosen by the seed: each costs a plan."""
    match seed % 12:
        case 0:
            order_does_not_matter(require, rules, before, made, seen)
        case 4:
            names_do_not_matter(require, rules, before, made, seen)
        case 8:
            fields_do_not_disturb_each_other(require, rules, before, made, seen)
        case _:
            pass


def order_does_not_matter(require: Require, rules: SyncRules, before: Link, made: Plan, seen: Shown) -> None:
    """The same members and fields in any order give the same plan."""
    turned = replace(
        rules, members=dict(reversed(rules.members.items())), fields=dict(reversed(rules.fields.items()))
    )
    link = replace(before, hub=dict(reversed(before.hub.items())), members=dict(reversed(before.members.items())))
    other = syncd.core.plan.plan(turned, link, dict(reversed(seen.items())))
    require(
        made.link == other.link and made.writes == other.writes and _sorted(made) == _sorted(other),
        "order does not matter", (made, other),
    )  # fmt: skip


def _sorted(made: Plan) -> list[str]:
    return sorted(map(repr, (*made.holds, *made.decisions, *made.notes)))


def names_do_not_matter(require: Require, rules: SyncRules, before: Link, made: Plan, seen: Shown) -> None:
    """The same world under other names, in another order, gives the same values, writes and holds under those names."""
    new = {MemberName(old): MemberName(name) for old, name in RENAMED.items()}
    fields = {
        name: replace(
            row, owner=new[row.owner] if row.owner else None, members={new[each]: held for each, held in row.members.items()},
            sources=frozenset(new[each] for each in row.sources), targets=frozenset(new[each] for each in row.targets),
        )
        for name, row in rules.fields.items()
    }  # fmt: skip
    renamed = replace(
        rules, fields=fields, members={new[name]: replace(member, name=new[name]) for name, member in rules.members.items()},
        source_of_truth=new[rules.source_of_truth] if rules.source_of_truth else None,
    )  # fmt: skip
    link = replace(
        before, members={new[name]: member for name, member in before.members.items()},
        hub={name: replace(each, winner=new[each.winner] if each.winner else None) for name, each in before.hub.items()},
    )  # fmt: skip
    other = syncd.core.plan.plan(renamed, link, {new[name]: shown for name, shown in seen.items()})
    back = {name: old for old, name in new.items()}
    require(_gist(made, {name: name for name in new}) == _gist(other, back), "names do not matter", (made, other))


def _gist(made: Plan, names: Mapping[MemberName, MemberName]) -> object:
    writes = sorted((names[each.member], repr((each.operation, each.values, each.expected))) for each in made.writes)
    holds = sorted(
        (str(hold.kind), str(hold.field), names[hold.member] if hold.member and hold.kind is not HoldKind.DELETE else "")
        for hold in made.holds
    )
    losers = [(each.field, {names[name]: value for name, value in each.losers.items() if name}) for each in made.decisions]
    members = {names[name]: member for name, member in made.link.members.items()}
    return made.link.state, made.link.values(), writes, holds, losers, members


def fields_do_not_disturb_each_other(require: Require, rules: SyncRules, before: Link, made: Plan, seen: Shown) -> None:
    """Without one of its fields (held or not), the link's other fields are decided and written just the same."""
    if any(isinstance(shown, Gone) for shown in seen.values()):
        return
    name = max(rules.fields)
    fewer = replace(rules, fields={each: row for each, row in rules.fields.items() if each != name})
    other = syncd.core.plan.plan(fewer, before, seen)
    for each in fewer.fields:
        require(made.link.hub.get(each) == other.link.hub.get(each), "holds are on single fields only", (each, made, other))

    def updates(plan: Plan) -> dict[MemberName, dict[FieldName, Json]]:
        kept = {
            write.member: {each: value for each, value in write.values.items() if each != name}
            for write in plan.writes if write.operation is Operation.UPDATE
        }  # fmt: skip
        return {member: values for member, values in kept.items() if values}

    require(updates(made) == updates(other), "holds are on single fields only", (made, other))
