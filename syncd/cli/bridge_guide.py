"""The flows of one configuration, step by step: what `syncd bridge guide` prints.

The rule that keeps it true: every address, name and field in it is this configuration's; what 17hats' own Zapier app does not offer is said, and
nothing is made up in its place.
It must not know: where it is printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncd.config import Settings
from syncd.connectors.bridge import BridgeSettings, Deed, Shape, word
from syncd.connectors.bridge.signing import SECRET
from syncd.core.deliver import goes_unseen, receives
from syncd.core.record import CollectionName, Json, SystemName

_SIGNING = """\
const ADDRESS = '{address}';
const SECRET = 'THE TEXT IN YOUR SECRET FILE';
const crypto = require('crypto');
const body = JSON.stringify(inputData);
const id = 'msg_' + crypto.randomUUID();
const time = Math.floor(Date.now() / 1000).toString();
const signature = 'v1,' + crypto.createHmac('sha256', SECRET).update(id + '.' + time + '.' + body).digest('base64');
const headers = {{'content-type': 'application/json', 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signature}};
const answer = await fetch(ADDRESS, {{method: 'POST', headers, body}});
if (!answer.ok) throw new Error('syncd answered ' + answer.status);
return {{status: answer.status}};
"""
_NO_ADDRESS = "https://YOUR-PUBLIC-ADDRESS"
_LETTERS = "abcdefghij"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a flow: what it is, and the rows to fill in, as name and value."""

    what: str
    rows: tuple[tuple[str, str], ...] = ()
    then: str = ""

    def lines(self) -> list[str]:
        """For a person."""
        wide = max((len(name) for name, _ in self.rows), default=0)
        rows = [f"        {name:<{wide}}  {value}" for name, value in self.rows]
        return [self.what, *rows, *([f"      {self.then}"] if self.then else [])]

    def as_json(self) -> Json:
        """For programs."""
        return {"what": self.what, "rows": dict(self.rows), "then": self.then or None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One flow to build."""

    title: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """All flows of one system, what to know before, how to see that they work, and what cannot be done."""

    system: SystemName
    address: str
    before: tuple[str, ...]
    flows: tuple[Flow, ...]
    signing: str | None
    after: tuple[str, ...]
    limits: tuple[str, ...]

    def as_json(self) -> dict[str, Json]:
        """Everything, for programs."""
        flows = [{"title": flow.title, "steps": [step.as_json() for step in flow.steps]} for flow in self.flows]
        return {
            "system": self.system, "address": self.address, "before": list(self.before), "flows": flows, "code": self.signing,
            "after": list(self.after), "limits": list(self.limits),
        }  # fmt: skip

    def as_text(self) -> str:
        """Everything, for a person who builds them."""
        parts = [f"{len(self.flows)} flows for {self.system}", "", "Before you begin", *_listed(self.before)]
        for number, flow in enumerate(self.flows, start=1):
            parts += ["", f"{number}. {flow.title}"]
            for letter, step in zip(_LETTERS, flow.steps, strict=False):
                first, *rest = step.lines()
                parts += [f"   {letter}) {first}", *rest]
        if self.signing is not None:
            parts += ["", "The code that signs and posts (JavaScript; the same in every step that says so):", ""]
            parts += [f"    {line}" for line in self.signing.splitlines()]
        return "\n".join([*parts, "", "To see that it works", *_listed(self.after), "", "What cannot be done", *_listed(self.limits), ""])


def _listed(lines: Sequence[str]) -> list[str]:
    return [f"  * {each}" for each in lines]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Builder:
    """What every step needs to be written down: how posts are made, and what the system and its fields are called."""

    system: SystemName
    address: str
    signs: bool
    hats17: bool

    @property
    def app(self) -> str:
        return "17hats" if self.hats17 else "Your system's app"

    def post(self, why: str, rows: Sequence[tuple[str, str]], *, then: str = "") -> Step:
        """A step that posts to syncd."""
        if self.signs:
            what = f"{why}: Code by Zapier, Run Javascript, with the code below. Its Input Data, a row each:"
            return Step(what=what, rows=tuple(rows), then=then)
        around = (("URL", self.address), ("Payload Type", "json"), ("Headers", f"{SECRET}: the text in your header_secret file"), ("Data", "a row each:"))
        return Step(what=f"{why}: Webhooks by Zapier, POST.", rows=(*around, *rows), then=then)

    def asks(self) -> Step:
        """The step that asks whether the run may go on."""
        return self.post(
            "Ask whether it is still wanted",
            (("op_id", "op_id of step a"), ("result", "begun")),
            then="Where syncd answers 401 this step fails and the run ends there, as it must: what it would write was written since.",
        )

    def trigger(self, place: CollectionName, *deeds: Deed) -> Step:
        """The step that takes a hand-off."""
        lines = " or ".join(f"{place}.{deed.value} ADDRESS" for deed in deeds)
        return Step(what=f"Trigger: Webhooks by Zapier, Catch Hook. Write its address into the hooks file as a line: {lines}")

    def fields(self, shape: Shape, words: Sequence[str], source: str) -> list[tuple[str, str]]:
        """A row for each field, with what it is called in the system."""
        return [(f"fields__{each}", f"{shape.fields[shape.by_word[each]].label or each}{source}") for each in words]


def guide_of(
    settings: Settings, system: SystemName, options: BridgeSettings, shapes: Mapping[CollectionName, Shape], *, hats17: bool
) -> Guide:
    """The flows that this configuration needs."""
    public = settings.daemon.public_url or _NO_ADDRESS
    address = f"{public.rstrip('/')}/hooks/{system}"
    build = _Builder(
        system=system, address=address, signs=options.secret is not None or options.header_secret is None, hats17=hats17
    )
    flows: list[Flow] = []
    for place, shape in shapes.items():
        words = _words(settings, system, place, shape)
        flows += [*_incoming(build, place, shape, words), *_outgoing(build, place, shape, words)]
    return Guide(
        system=system,
        address=address,
        before=_before(build, options, list(shapes), missing=settings.daemon.public_url is None),
        flows=tuple(flows),
        signing=_SIGNING.format(address=address) if build.signs else None,
        after=_after(build, next(iter(shapes))),
        limits=_limits(system, _sent_unseen(settings, system), hats17=hats17),
    )


def _words(settings: Settings, system: SystemName, place: CollectionName, shape: Shape) -> list[str]:
    """The fields that the syncs use, the natural keys and what a new record needs, in the words of flows."""
    used = {
        path
        for sync in settings.syncs.values()
        for member in sync.members.values()
        if (member.system, member.collection) == (system, place)
        for row in sync.fields.values()
        if member.name in row.members
        for path in row.members[member.name].paths
    }
    return [word(path) for path in shape.fields if path in used | set(shape.keys) | shape.required]


def _sent_unseen(settings: Settings, system: SystemName) -> list[str]:
    """The fields that only go there, in the words of flows."""
    rows = [
        (row, member)
        for sync in settings.syncs.values()
        for member in sync.members.values()
        if member.system == system
        for row in sync.fields.values()
        # Any value stands for all.
        if receives(row, member.name) and goes_unseen(row, member, True)
    ]
    return sorted({word(path) for row, member in rows for path in row.members[member.name].paths})


def _before(build: _Builder, options: BridgeSettings, places: Sequence[CollectionName], *, missing: bool) -> tuple[str, ...]:
    lines = []
    if build.hats17:
        lines.append(
            "17hats has no public API. Its own Zapier app offers contacts and nothing else: the triggers New Contact and Updated Contact, the"
            " actions Create Contact, Update Contact, Search Contact and Find or Create Contact. Enable it in Account Settings, Integrations."
        )
    lines.append(f"Every flow posts to {build.address}")
    if missing:
        lines.append('The address is not known: write public_url = "https://…" under [daemon], and put a proxy with https there.')
    lines.append("Make the secret: (umask 077; openssl rand -hex 32 > FILE), with FILE as the configuration names it.")
    if build.signs:
        if options.secret is None:
            lines.append(f"Write secret = {{ file = … }} into [systems.{build.system}]; without one no post is taken.")
        lines.append("Posts are signed with it, as Standard Webhooks has it.")
    else:
        lines.append(
            f"Posts carry header_secret as the header {SECRET}: that proves neither what is posted nor when. Where a flow can run code, write"
            f" secret = {{ … }} into [systems.{build.system}] and sign instead. (What cannot send a header may post to {build.address}/SECRET.)"
        )
    deeds = ", ".join(f"{place}.{deed.value} ADDRESS" for place in places for deed in (Deed.CREATE, Deed.UPDATE))
    lines.append(f"The hooks file has a line for each hook you make, and is as secret: {deeds}")
    lines.append("The steps are named as in Zapier. In Make: Custom webhook, and HTTP, Make a request; in n8n: Webhook, HTTP Request, and Code.")
    return tuple(lines)


def _incoming(build: _Builder, place: CollectionName, shape: Shape, words: Sequence[str]) -> list[Flow]:
    """The flows that tell of changes."""
    named = "17hats, {} Contact" if build.hats17 and place == "contacts" else f"{build.app}, {{}} record of {place}"
    events = [("created", "New"), ("updated", "Updated"), *([("deleted", "Deleted")] if shape.tells_deletes else [])]
    return [
        Flow(
            title=f"{place}: tell of what was {event}",
            steps=(
                Step(what=f"Trigger: {named.format(label)}."),
                build.post(
                    "Tell syncd",
                    (
                        ("collection", place), ("event", event), ("id", "the record's own id; no row if the trigger shows none"),
                        *build.fields(shape, words, " of step a"),
                    ),
                    then="Every row stays, also where its value is empty: a field that is not named is not known to be blank.",
                ),
            ),
        )
        for event, label in events
    ]  # fmt: skip


def _outgoing(build: _Builder, place: CollectionName, shape: Shape, words: Sequence[str]) -> list[Flow]:
    """The flows that carry writes out."""
    contacts = build.hats17 and place == "contacts"
    search = "17hats, Search Contact" if contacts else f"{build.app}: search"
    by = ", then by ".join(f"find__{word(path)} of step a" for path in shape.keys) or "id of step a"
    shown = build.fields(shape, words, ", as the record has it now")
    create = Flow(
        title=f"{place}: make a record",
        steps=(
            build.trigger(place, Deed.CREATE),
            build.asks(),
            Step(what=f"{search} by {by}. Go on where nothing is found. Never make one without having looked: a hand-off may come twice."),
            Step(
                what=f"Only where nothing was found (a Path or a Filter): {'17hats, Create Contact' if contacts else f'{build.app}: make it'}.",
                rows=tuple((label, f"{name} of step a") for name, label in build.fields(shape, words, "")),
                then="Where it was found, leave it as it is.",
            ),
            build.post(
                "Acknowledge",
                (("op_id", "op_id of step a"), ("result", "created; exists where step c found it"), ("id", "the record's own id, if it has one"), *shown),
                then="With a step that finds or makes in one: result = created, and a row `found` with whether it was found.",
            ),
        ),
    )
    return [create, _change(build, place, by, search, shown), *([] if contacts else [_remove(build, place, by, search)])]


def _change(build: _Builder, place: CollectionName, by: str, search: str, shown: Sequence[tuple[str, str]]) -> Flow:
    return Flow(
        title=f"{place}: change a record",
        steps=(
            build.trigger(place, Deed.UPDATE),
            build.asks(),
            Step(what=f"{search} by id of step a, where it has one, else by {by} (what the record showed last; the new value may differ)."),
            Step(what=f"{build.app}: change it. Only the fields__… that came; the others were not meant."),
            build.post(
                "Acknowledge",
                (
                    ("op_id", "op_id of step a"), ("result", "updated; gone where step c found none; failed where it could not be done"),
                    ("error", "why, where it failed"), ("id", "the record's own id, if it has one"), *shown,
                ),
            ),
        ),
    )  # fmt: skip


def _remove(build: _Builder, place: CollectionName, by: str, search: str) -> Flow:
    return Flow(
        title=f"{place}: delete or archive a record (only if you want syncd to; without this hook nothing is ever deleted)",
        steps=(
            build.trigger(place, Deed.DELETE, Deed.ARCHIVE),
            build.asks(),
            Step(what=f"{search} by id of step a, where it has one, else by {by}, and do what you want done."),
            build.post("Acknowledge", (("op_id", "op_id of step a"), ("result", "deleted"), ("id", "the record's own id, if it has one"))),
        ),
    )


def _after(build: _Builder, place: CollectionName) -> tuple[str, ...]:
    return (
        f"`syncd check` says which hook a delete rule lacks; `syncd import {build.system} {place} FILE.csv` tells syncd who is there already.",
        "Change a record there and look at `syncd events -f`: the change is told within the time the trigger takes.",
        "Change it elsewhere: `syncd status` counts hand-offs that nobody acknowledged, and `syncd explain` shows what became of one.",
    )


def _limits(system: SystemName, unseen: Sequence[str], *, hats17: bool) -> tuple[str, ...]:
    only_there = (f"{', '.join(unseen)}: sent over whatever stands there, for these only go there, and no flow need show them.",) if unseen else ()
    common = (
        *only_there,
        "Any other field is written to a record only once a flow or a file has shown it there, as empty too: nobody knows what would be lost.",
        "A flow's program is not syncd: what it accepted and lost is handed off again after an hour, then ever more rarely. `syncd status` says so.",
        "No flow tells when something changed, only that it did; edits on two sides within that time are decided by the sync's rule.",
        f"Nothing but an exported file shows what no flow told of: `syncd import {system} COLLECTION FILE.csv`.",
    )
    if not hats17:
        return common
    return (
        "17hats' Zapier app cannot delete a contact or take a tag away, and may leave a field as it is where an empty value comes.",
        'What is deleted elsewhere: delete = "review" asks you each time; delete = "archive" with archive = { type = "Other" } marks it there.',
        "Contacts deleted in 17hats are not told of by any trigger.",
        "Projects, invoices, quotes, questionnaires and appointments are not in 17hats' Zapier app: declare a collection for what else tells of them.",
        *common,
    )
