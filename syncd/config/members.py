"""The members of a sync: which records of which systems take part.

The rule that keeps it true: a member that was named stays known, whatever is wrong with it, so one mistake is reported once.
It must not know: the field table, or who wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from syncd.config.durations import MILLISECOND
from syncd.config.findings import suggest
from syncd.config.kinds import CollectionFacts, Deed, PathFacts
from syncd.config.models import validate
from syncd.config.secrets import UNREAD, SecretError, Secrets
from syncd.config.section import Section, describe, is_json
from syncd.config.systems import System
from syncd.core.conditions import ALWAYS, Condition, ConditionError, compile_condition
from syncd.core.fields import FieldType
from syncd.core.record import CollectionName, Json, MemberName, Micros, SystemName

_EXAMPLE = '{ collection = "contacts" }'
ROW_WORDS = frozenset({"type", "owner", "direction", "blank", "values", "to", "derive"})
_OURS = ("system", "collection", "when", "create", "archive", "pass_every")
_SHORTEST_PASS = 100 * MILLISECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A member as far as it could be read. `facts` is None where its system or collection is not known."""

    name: MemberName
    system: SystemName
    region: str
    collection: CollectionName
    facts: CollectionFacts | None
    when: Condition
    create: Mapping[str, Json] = field(repr=False)
    creates: bool
    archive: Mapping[str, Json] | None
    pass_every: Micros | None
    unable: Mapping[Deed, str] = field(default_factory=dict)
    """Why the system's own settings do not let a record be deleted or archived."""

    def path(self, path: str) -> PathFacts | None:
        """What may be done with a path; everything where nothing is known, None where there is no such path."""
        return self.facts.path(path) if self.facts is not None else PathFacts()


def read_members(section: Section, systems: Mapping[SystemName, System], secrets: Secrets) -> dict[MemberName, Side]:
    """Every member, in the order written, by the name it goes by in the field table."""
    sides: dict[MemberName, Side] = {}
    for name, table in section.sections(_EXAMPLE):
        if name in ROW_WORDS:
            section.problem("is a word of the field table", name, mend=f'choose another name and add system = "{name}"')
        side = _read_member(MemberName(name), table, systems, secrets)
        # Where the name itself was misspelt, the field table has it right: go on with the name that was meant.
        meant = name if "system" in table or side.system in section or side.system not in systems else side.system
        sides[MemberName(meant)] = replace(side, name=MemberName(meant))
    if len(sides) < 2:
        section.problem(f"a sync has two members or more, not {len(sides)}", mend=f"write NAME = {_EXAMPLE} for each")
    _report_twins(section, sides)
    return sides


def _read_member(name: MemberName, section: Section, systems: Mapping[SystemName, System], secrets: Secrets) -> Side:
    system = _read_system(name, section, systems)
    facts = _read_collection(section, system)
    when = _read_when(section)
    creates = section.take("create") is not False
    side = Side(
        name=name,
        system=system.name,
        region=system.region,
        collection=CollectionName(facts.collection if facts is not None else ""),
        facts=facts,
        when=when,
        create=(_read_constants(section, "create", facts, secrets) or {}) if creates else {},
        creates=creates,
        archive=_read_constants(section, "archive", facts, secrets),
        pass_every=section.duration("pass_every", 0, least=_SHORTEST_PASS) or None,
    )
    if facts is None:
        return side
    options = validate(facts.kind.member, section.rest(), section, also=_OURS)
    if options is None:
        return side
    place = facts.kind.collection_name(facts.collection, options)
    return replace(side, collection=place, unable=_unable(facts, system, place))


def _unable(facts: CollectionFacts, system: System, place: CollectionName) -> dict[Deed, str]:
    if system.settings is None:
        return {}
    found = {deed: facts.kind.unable(system.settings.options, place, deed) for deed in Deed}
    return {deed: why for deed, why in found.items() if why is not None}


def _read_system(name: MemberName, section: Section, systems: Mapping[SystemName, System]) -> System:
    written = section.text("system")
    system = systems.get(SystemName(written or name))
    if system is not None:
        return system
    at, how = (("system",), "") if written else ((), 'name the system with system = "…"')
    if written or "system" not in section:
        section.problem(f'there is no system "{written or name}"', *at, near=written or name, known=systems, mend=how)
    meant = SystemName(suggest(written or name, systems))
    return systems.get(meant, System(name=SystemName(written or name), kind=None))


def _read_collection(section: Section, system: System) -> CollectionFacts | None:
    written = section.text("collection")
    if system.kind is None:
        return None
    if written in system.kind.collections:
        return CollectionFacts(kind=system.kind, collection=written)
    if written is not None:
        what = f'{system.kind.name} has no collection "{written}"'
        section.problem(what, "collection", near=written, known=system.kind.collections)
    elif "collection" not in section:
        known = ", ".join(f'"{each}"' for each in system.kind.collections)
        section.problem("says no collection", mend=f"write collection = one of {known}")
    return None


def _read_when(section: Section) -> Condition:
    written = section.take("when")
    if written is None:
        return ALWAYS
    if not is_json(written):
        section.problem("holds a date or a number that is none", "when", mend='write a date as a text: "2025-01-31"')
        return ALWAYS
    try:
        return compile_condition(written)
    except ConditionError as error:
        section.problem(str(error), "when")
        return ALWAYS


def _read_constants(section: Section, key: str, facts: CollectionFacts | None, secrets: Secrets) -> dict[str, Json] | None:
    """``create`` or ``archive``: vendor paths and the values to put there; a secret is named, and read from where it is kept."""
    if key not in section:
        return None
    constants = dict(section.section(key).table)
    if not constants and isinstance(section.take(key), dict):
        section.problem("says nothing", key, mend="name a field and its value, or leave it out")
    for path, value in constants.items():
        found = facts.path(path) if facts is not None else PathFacts()
        if found is not None and found.secret:
            constants[path] = _read_secret(section, key, path, value, secrets)
        elif not is_json(value):
            section.problem("is a date or a number that is none", key, path, mend='write a date as a text: "2025-01-31"')
        elif found is None and facts is not None:
            section.problem(f"{facts.collection} have no such field", key, path, near=path, known=facts.paths)
        elif found is not None:
            _report_constant(section, key, path, value, found)
    return constants


def _read_secret(section: Section, key: str, path: str, written: Json, secrets: Secrets) -> str:
    try:
        return secrets.read(written)
    except SecretError as error:
        section.problem(error.what, key, path, mend=error.mend)
        section.settle(key, path)
        return UNREAD


def _report_constant(section: Section, key: str, path: str, value: Json, found: PathFacts) -> None:
    if not (found.creatable if key == "create" else found.writable):
        when = "when a record is created" if key == "create" else "on a record that exists"
        section.problem(f"cannot be written {when}", key, path, mend="name another field, or leave it out")
    elif found.type is FieldType.CHOICE and found.options and value not in found.options:
        written = value if isinstance(value, str) else ""
        section.problem(f"{describe(value)} is none of this field's options", key, path, near=written, known=found.options)


def _report_twins(section: Section, sides: Mapping[MemberName, Side]) -> None:
    seen: dict[tuple[SystemName, CollectionName], MemberName] = {}
    for side in sides.values():
        if side.collection and (twin := seen.setdefault((side.system, side.collection), side.name)) != side.name:
            what = f"is the same records as `{twin}`: {side.collection} of {side.system}"
            section.problem(what, side.name, mend="leave one of them out; within one system, sync two different collections")
