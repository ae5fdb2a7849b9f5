"""What the templates and conditions of an automation can reach: the paths that lead somewhere.

The rule that keeps it true: a path that can be known to lead nowhere is a problem; one that only a vendor's answer can tell of is let pass.
It must not know: how a path is filled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from syncd.config.kinds import CollectionFacts
from syncd.config.secrets import Secrets
from syncd.config.section import Section, describe, is_json
from syncd.core.automation import EVENT_FACTS
from syncd.core.conditions import ALWAYS, Condition, ConditionError, compile_condition
from syncd.core.record import FieldName, Json, MemberName
from syncd.core.rules import SyncRules
from syncd.core.templates import TemplateError, moment, tokens

ROOTS = ("event", "hub", "item", "link", "members", "now", "run", "steps")
LINKED = frozenset({"hub", "link", "members"})
_RUN = ("automation", "id", "origin")
_LINK = ("collection", "id", "system")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What can be reached at one place of an automation.

    `fields` are those of the event's record (None: only the vendor knows them), `open_prefixes` begin further ones; `sync` is the sync whose hub,
    links and members can be named; `members` the collections of its members as far as they are known; `steps` the named steps before this place;
    `in_loop` whether there is an item. `why_no_sync` says why there is no sync ("": that was said already), and `how_sync` how to name one. `secrets`
    reads those that are named.
    """

    fields: frozenset[str] | None
    open_prefixes: tuple[str, ...] = ()
    sync: SyncRules | None = None
    members: Mapping[MemberName, CollectionFacts] | None = None
    steps: tuple[str, ...] = ()
    in_loop: bool = False
    why_no_sync: str = ""
    how_sync: str = ""
    secrets: Secrets | None = None

    def with_step(self, name: str) -> Reach:
        """The same, behind a step of that name."""
        return replace(self, steps=(*self.steps, name)) if name else self

    def within_loop(self) -> Reach:
        """The same, for each item of a list."""
        return replace(self, in_loop=True)


def check_template(section: Section, written: Json, reach: Reach, *at: str | int) -> bool:
    """Reports every path in a value that leads nowhere; whether the value is one that can be kept."""
    if not is_json(written):
        section.problem("holds a date or a number that is none", *at, mend='write a date as a text: "2025-01-31"')
        return False
    if isinstance(written, (Mapping, list)):
        inner = written.items() if isinstance(written, Mapping) else enumerate(written)
        # Every mistake is reported, so the first one does not end it.
        kept = [check_template(section, each, reach, *at, place) for place, each in inner]
        return all(kept)
    try:
        for each in tokens(written):
            check_path(section, each.path, reach, *at)
    except TemplateError as error:
        section.problem(str(error), *at)
        return False
    return True


def read_condition(section: Section, key: str, reach: Reach) -> tuple[Condition, Json]:
    """A condition, compiled and as it is kept, after reporting what it reads that cannot be read."""
    written = section.take(key)
    if written is None:
        return ALWAYS, None
    if not is_json(written):
        section.problem("holds a date or a number that is none", key, mend='write a date as a text: "2025-01-31"')
        return ALWAYS, None
    try:
        condition = compile_condition(written)
    except ConditionError as error:
        section.problem(str(error), key)
        return ALWAYS, None
    for name in sorted(condition.fields):
        if name.partition(".")[0] in ROOTS and "." in name:
            check_path(section, name, reach, key)
        elif not _is_field(name, reach) and not (reach.sync is not None and name in reach.sync.fields):
            known = {*(reach.fields or ()), *(reach.sync.fields if reach.sync is not None else ())}
            section.problem(f"reads `{name}`, which is no field here", key, near=name, known=known)
    return condition, written


def is_late(condition: Condition, reach: Reach, *, of_hub: bool) -> bool:
    """Whether a condition reads what only a link tells. Of a hub's event the hub itself is known at once."""
    linked = LINKED - {"hub"} if of_hub else LINKED
    return any(
        name.partition(".")[0] in linked if "." in name else not of_hub and reach.fields is not None and not _is_field(name, reach)
        for name in condition.fields
    )


def check_path(section: Section, path: str, reach: Reach, *at: str | int) -> None:
    """Reports a path that leads nowhere."""
    root, _, rest = path.partition(".")
    if isinstance(moment(path, 0), (str, int)):
        return
    if root not in ROOTS:
        section.problem(f"`{{{path}}}` begins with nothing that is known here", *at, near=root, known=ROOTS)
    elif root in LINKED and reach.sync is None:
        report_no_sync(section, f"`{{{path}}}`", reach, *at)
    elif root == "item" and not reach.in_loop:
        section.problem(f"`{{{path}}}`: there is an item in `for_each` only", *at)
    elif root == "steps":
        name = rest.partition(".")[0]
        if name not in reach.steps:
            section.problem(f"`{{{path}}}`: no step before this one is named {describe(name)}", *at, near=name, known=reach.steps)
    elif root == "run" and rest and rest not in _RUN:
        section.problem(f"`{{{path}}}`: a run has no {describe(rest)}", *at, near=rest, known=_RUN)
    elif root == "event":
        _check_event(section, path, rest, reach, *at)
    elif root in LINKED:
        _check_linked(section, path, root, rest, reach, *at)


def report_no_sync(section: Section, what: str, reach: Reach, *at: str | int) -> None:
    """Reports that something needs a sync, unless why there is none has been said already."""
    if reach.why_no_sync:
        section.problem(f"{what}: {reach.why_no_sync}", *at, mend=reach.how_sync)


def _check_event(section: Section, path: str, rest: str, reach: Reach, *at: str | int) -> None:
    first, _, inner = rest.partition(".")
    name = inner if first in ("before", "after") else rest
    if not name or first in ("changed", *_plain_facts()) or _is_field(name, reach):
        return
    if name == rest and rest in EVENT_FACTS:
        return
    section.problem(f"`{{{path}}}`: the event has no {describe(name)}", *at, near=name, known={*(reach.fields or ()), *EVENT_FACTS})


def _plain_facts() -> Iterable[str]:
    return (name for name in EVENT_FACTS if name not in ("before", "after"))


def _is_field(name: str, reach: Reach) -> bool:
    if reach.fields is None or name in reach.fields:
        return True
    parts = name.split(".")
    # Below a field there may be more: a list's place, a table's name.
    shorter = (".".join(parts[:count]) for count in range(1, len(parts)))
    return any(name.startswith(prefix) for prefix in reach.open_prefixes) or any(part in reach.fields for part in shorter)


def _check_linked(section: Section, path: str, root: str, rest: str, reach: Reach, *at: str | int) -> None:
    assert reach.sync is not None
    word, _, inner = rest.partition(".")
    name = MemberName(word)
    if not rest:
        return
    if root == "hub":
        if FieldName(word) not in reach.sync.fields:
            section.problem(f"`{{{path}}}`: {reach.sync.name} has no field {describe(name)}", *at, near=name, known=reach.sync.fields)
        return
    if root == "link" and rest == "id":
        return
    if name not in reach.sync.members:
        section.problem(f"`{{{path}}}`: {reach.sync.name} has no member {describe(name)}", *at, near=name, known=reach.sync.members)
    elif root == "link" and inner not in ("", *_LINK):
        section.problem(f"`{{{path}}}`: of a member's record its {', '.join(_LINK)} are known", *at, near=inner, known=_LINK)
    elif root == "members" and inner and reach.members is not None and name in reach.members:
        facts = reach.members[name]
        if facts.path(inner) is None and facts.path(inner.partition(".")[0]) is None:
            mend = f"the id of its record is `{{link.{name}.id}}`" if inner == "id" else ""
            section.problem(f"`{{{path}}}`: {name} has no field {describe(inner)}", *at, near=inner, known=facts.paths, mend=mend)
