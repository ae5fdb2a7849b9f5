"""Looking at the vendors for `check`: credentials, fields, and what today's records are like.

The rule that keeps it true: it only reads, one system's trouble does not hide another's, and it keeps keys and counts, never records.
It must not know: how findings are shown, or any vendor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field

from rich.status import Status

from syncd.cli import screen
from syncd.cli.lost_fields import report_lost, watched_places
from syncd.cli.text import counted, safe
from syncd.config import Finding, Settings
from syncd.config.findings import Findings
from syncd.config.lines import locate
from syncd.connectors.base import Connector, Schema
from syncd.connectors.clock import SystemClock
from syncd.connectors.left_out import LeavesOut
from syncd.connectors.quota import Priority, priority
from syncd.connectors.registry import KINDS
from syncd.core.errors import ConnectorError, Unauthorized
from syncd.core.fields import FieldType, Unreadable, equal, is_blank
from syncd.core.record import Json, MemberName, SyncName, SystemName
from syncd.core.rules import FieldRule, MemberRule, SyncRules
from syncd.core.translate import from_hub, to_hub
from syncd.flow.assemble import connect_systems
from syncd.flow.linking import keys_of
from syncd.flow.schemas import resolve
from syncd.store.observations import Place

Progress = Callable[[str], None]
_NAMELESS = SyncName("")
_DEAR_CALLS_MAX = 250
"""Where a listing costs a call a parent, so many calls are enough to see what the records are like."""


@dataclass(slots=True)
class Looked:
    """What the vendors said. `refused` are credentials that open no door, `unreached` systems that did not answer; `listed`, how many
    records a collection has: counted where all were read, else as the vendor says.
    """

    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    listed: dict[Place, int] = field(default_factory=dict)


@contextmanager
def progress(*, shown: bool) -> Iterator[Progress]:
    """Somewhere to say how far it is."""
    if not shown:
        yield lambda _text: None
        return
    with Status("connecting", console=screen.console(messages=True)) as status:
        yield lambda text: status.update(safe(text))


async def look(settings: Settings, report: Progress) -> Looked:
    """Asks every system of the configuration."""
    looked = Looked()
    findings = Findings(str(settings.path), locate(settings.path.read_text("utf-8-sig")))
    async with AsyncExitStack() as stack:
        connectors, _quotas = await connect_systems(settings, SystemClock(), stack)
        schemas = await _discover(settings, connectors, looked)
        _report_lost_fields(settings, schemas, findings)
        _report_options(settings, schemas, findings)
        report_lost(settings, schemas, findings)
        rules = {name: resolve(each, settings, schemas)[0] for name, each in settings.syncs.items()}
        for sync in rules.values():
            for member in sync.members.values():
                if (member.system, member.collection) in schemas:
                    await _look_at_records(sync, member, connectors[member.system], looked, report)
    looked.problems += findings.problems
    looked.notes += findings.notes
    return looked


async def _discover(settings: Settings, connectors: Mapping[SystemName, Connector], looked: Looked) -> dict[Place, Schema]:
    places = sorted({place for sync in settings.syncs.values() for place in sync.places} | watched_places(settings))
    schemas: dict[Place, Schema] = {}
    for system, collection in places:
        try:
            schemas[system, collection] = await connectors[system].discover(collection)
        except ConnectorError as error:
            (looked.refused if isinstance(error, Unauthorized) else looked.unreached).append(f"{system}: {error}")
        else:
            looked.facts.append(f"{system}: the credential opens {collection}")
    return schemas


def _report_lost_fields(settings: Settings, schemas: Mapping[Place, Schema], findings: Findings) -> None:
    """Custom fields that the account does not have."""
    for sync, rule, member, paths in _mapped(settings):
        place = (member.system, member.collection)
        kind = KINDS[settings.systems[member.system].kind]
        for path in paths if place in schemas else ():
            if kind.resolve(schemas[place], path) is None:
                findings.problem(
                    ("syncs", sync.name, "fields", rule.name, member.name),
                    f"{member.system} has no field `{path}`",
                    near=path,
                    known=schemas[place].fields,
                )


def _report_options(settings: Settings, schemas: Mapping[Place, Schema], findings: Findings) -> None:
    """Words of a choice that the member does not take."""
    for sync, rule, member, paths in _mapped(settings):
        schema = schemas.get((member.system, member.collection))
        path = KINDS[settings.systems[member.system].kind].resolve(schema, paths[0]) if schema is not None else None
        options = schema.fields[path].options if schema is not None and path is not None else ()
        if rule.type is not FieldType.CHOICE or rule.choices is None or not options:
            continue
        words = {choice: (rule.members[member.name].values or {}).get(choice, choice) for choice in sorted(rule.choices)}
        where = ("syncs", sync.name, "fields", rule.name, "values")
        for choice, word in words.items():
            if word not in options and member.name in rule.targets:
                what = f"{member.name} takes no `{word}` for {choice}"
                findings.problem((*where, choice, member.name), what, near=word, known=options)


def _mapped(settings: Settings) -> Iterator[tuple[SyncRules, FieldRule, MemberRule, tuple[str, ...]]]:
    for sync in settings.syncs.values():
        for rule in sync.fields.values():
            for name, held in rule.members.items():
                if rule.derived is not None and rule.derived.member == name:
                    continue
                yield sync, rule, sync.members[name], held.paths


@dataclass(slots=True)
class _Tally:
    """What one member's records are like, as counts."""

    records: int = 0
    outside: int = 0
    keyless: int = 0
    keys: Counter[tuple[str, str]] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    crooked: Counter[str] = field(default_factory=Counter)

    def count(self, sync: SyncRules, member: MemberRule, fields: Mapping[str, Json]) -> None:
        """Takes one record into account."""
        self.records += 1
        shown = to_hub(sync, member, fields)
        readable = {name: None if isinstance(value, Unreadable) else value for name, value in shown.items()}
        if not member.when.admits(readable):
            self.outside += 1
            return
        found = keys_of(sync, member, fields)
        self.keyless += not found
        self.keys.update(found.items())
        for name, value in shown.items():
            if isinstance(value, Unreadable):
                self.unreadable[name] += 1
                self.reasons.setdefault(name, value.reason)
            elif not is_blank(value) and not _returns(sync.fields[name], member, value, fields):
                self.crooked[name] += 1


def _returns(rule: FieldRule, member: MemberRule, value: Json, fields: Mapping[str, Json]) -> bool:
    """Whether a value survives being written back to where it came from."""
    words = from_hub(rule, member, value, fields)
    if isinstance(words, Unreadable):
        return False
    alone = SyncRules(name=_NAMELESS, members={member.name: member}, fields={rule.name: rule}, match=(), source_of_truth=None)
    back = to_hub(alone, member, {**fields, **words}).get(rule.name)
    return not isinstance(back, Unreadable) and equal(rule.type, back, value)


async def _look_at_records(
    sync: SyncRules, member: MemberRule, connector: Connector, looked: Looked, report: Progress
) -> None:
    tally, token, calls = _Tally(), None, 0
    is_dear = connector.capabilities(member.collection).pass_every is not None
    where = f"{sync.name}: {member.name}"
    try:
        while True:
            with priority(Priority.BACKFILL):
                page = await connector.page(member.collection, token=token)
            for record in page.records:
                tally.count(sync, member, record.fields)
            report(f"{where}: {tally.records:,} of {page.total or '?'} records")
            calls += page.calls
            if (token := page.next) is None:
                looked.listed[member.system, member.collection] = tally.records
                break
            if is_dear and calls >= _DEAR_CALLS_MAX:
                if page.total is not None:
                    looked.listed[member.system, member.collection] = page.total
                looked.facts.append(f"{where}: all would take many calls; these are the first {counted(tally.records, 'record')}")
                break
    except ConnectorError as error:
        (looked.refused if isinstance(error, Unauthorized) else looked.unreached).append(f"{member.system}: {error}")
    looked.facts += _told(where, tally, member.name)
    for left in connector.left_out(member.collection) if isinstance(connector, LeavesOut) else ():
        looked.facts.append(f"{where}: {left.name} is left out: {left.why}; {left.mend}")


def _told(where: str, tally: _Tally, member: MemberName) -> list[str]:
    """What was counted, in sentences."""
    lines = [f"{where}: {counted(tally.records, 'record')}"]
    if tally.outside:
        lines.append(f"{where}: {counted(tally.outside, 'record')} outside its `when`")
    if tally.keyless:
        lines.append(f"{where}: {counted(tally.keyless, 'record')} without any match key; they take no part")
    shared: Counter[str] = Counter()
    for (name, _value), count in tally.keys.items():
        shared[name] += count if count > 1 else 0
    for name, count in sorted(shared.items()):
        if count:
            told = f"{counted(count, 'record')} share their {name} with another"
            lines.append(f"{where}: {told}; where that leaves it open who is meant, you are asked")
    for name, count in sorted(tally.unreadable.items()):
        lines.append(f"{where}: {name} cannot be read in {counted(count, 'record')}: {tally.reasons[name]}")
    for name, count in sorted(tally.crooked.items()):
        lines.append(f"{where}: {name} of {counted(count, 'record')} would not come back the same from {member}")
    return lines
