"""The flows of one configuration, in words: what `syncd bridge guide` prints.

The rule that keeps it true: every address, name and field in it is this configuration's; what 17hats' own Zapier app does not offer is said, and
nothing is made up in its place.
It must not know: where it is printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from syncd.config import Settings
from syncd.connectors.bridge import BridgeSettings, Deed, Shape, word
from syncd.connectors.bridge.signing import SECRET
from syncd.core.record import CollectionName, Json, SystemName

_SIGNING = """\
const crypto = require('crypto');
const body = JSON.stringify(inputData.post ? JSON.parse(inputData.post) : inputData);
const id = 'msg_' + crypto.randomUUID();
const time = Math.floor(Date.now() / 1000).toString();
const signature = 'v1,' + crypto.createHmac('sha256', SECRET).update(id + '.' + time + '.' + body).digest('base64');
const headers = {'content-type': 'application/json', 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signature};
const answer = await fetch(ADDRESS, {method: 'POST', headers, body});
if (!answer.ok) throw new Error('syncd answered ' + answer.status);
return {status: answer.status};
"""
_NO_ADDRESS = "https://YOUR-PUBLIC-ADDRESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One flow to build."""

    title: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """All flows of one system, what to know before, and what cannot be done."""

    system: SystemName
    address: str
    before: tuple[str, ...]
    flows: tuple[Flow, ...]
    signing: str | None
    limits: tuple[str, ...]

    def as_json(self) -> dict[str, Json]:
        """Everything, for programs."""
        flows = [{"title": flow.title, "steps": list(flow.steps)} for flow in self.flows]
        return {"system": self.system, "address": self.address, "before": list(self.before), "flows": flows, "limits": list(self.limits)}

    def as_text(self) -> str:
        """Everything, for a person who builds them."""
        parts = [f"The flows for {self.system}", "", *self.before]
        for number, flow in enumerate(self.flows, start=1):
            parts += ["", f"{number}. {flow.title}"]
            parts += [f"   {letter}) {step}" for letter, step in zip("abcdefghij", flow.steps, strict=False)]
        if self.signing is not None:
            parts += ["", "The code that signs and posts (JavaScript; fill in the two words in capitals):", ""]
            parts += [f"    {line}" for line in self.signing.splitlines()]
        return "\n".join([*parts, "", "What cannot be done", *(f"  * {each}" for each in self.limits), ""])


def guide_of(
    settings: Settings, system: SystemName, options: BridgeSettings, shapes: Mapping[CollectionName, Shape], *, hats17: bool
) -> Guide:
    """The flows that this configuration needs."""
    public = settings.daemon.public_url or _NO_ADDRESS
    address = f"{public.rstrip('/')}/hooks/{system}"
    signs = options.secret is not None or options.header_secret is None
    flows: list[Flow] = []
    for place, shape in shapes.items():
        words = _words(settings, system, place, shape)
        flows += [*_incoming(place, shape, words, signs=signs, hats17=hats17), *_outgoing(place, shape, words, signs=signs, hats17=hats17)]
    return Guide(
        system=system,
        address=address,
        before=_before(system, address, signs=signs, hats17=hats17, missing=settings.daemon.public_url is None),
        flows=tuple(flows),
        signing=_SIGNING if signs else None,
        limits=_limits(system, hats17=hats17),
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


def _before(system: SystemName, address: str, *, signs: bool, hats17: bool, missing: bool) -> tuple[str, ...]:
    lines = []
    if hats17:
        lines.append(
            "17hats has no public API. Its own Zapier app offers contacts and nothing else: the triggers New Contact and Updated Contact, the"
            " actions Create Contact, Update Contact, Search Contact and Find or Create Contact. Enable it in Account Settings, Integrations."
        )
    lines.append(f"Everything is posted to {address}")
    if missing:
        lines.append('(the address is not known: write public_url = "https://…" under [daemon])')
    if signs:
        lines.append(f"Posts are signed with the secret of [systems.{system}], as Standard Webhooks has it.")
    else:
        lines.append(
            f"Posts carry header_secret as the header {SECRET}: that proves neither what is posted nor when. Where a flow can run code, write"
            f" secret = {{ … }} into [systems.{system}] and sign instead. (What cannot send a header may post to {address}/SECRET.)"
        )
    lines.append("Write the address of each hook you make into the file of `hooks`, a line each, as shown; it is a secret.")
    return tuple(lines)


def _post(signs: bool) -> str:
    return "Run the code below" if signs else f"Webhooks, POST, payload type JSON, with the header {SECRET}"


def _ask(signs: bool) -> str:
    return (
        f"{_post(signs)}: op_id as it came, result = begun. Where syncd refuses it (401) the run must end here: what it would write was written"
        " since, and a run that was held back for a while would undo it."
    )


def _incoming(place: CollectionName, shape: Shape, words: list[str], *, signs: bool, hats17: bool) -> list[Flow]:
    """The flows that tell of changes."""
    named = "17hats, {} Contact" if hats17 and place == "contacts" else f"your system, {{}} record of {place}"
    events = [("created", "New"), ("updated", "Updated"), *([("deleted", "Deleted")] if shape.tells_deletes else [])]
    return [
        Flow(
            title=f"{place}: tell of what was {event}",
            steps=(
                f"Trigger: {named.format(label)}.",
                f"{_post(signs)}: collection = {place}, event = {event}, id = the record's id (leave it out if there is none),",
                f"with every one of these, also where it is empty: {', '.join(f'fields__{each}' for each in words)}",
            ),
        )
        for event, label in events
    ]


def _outgoing(place: CollectionName, shape: Shape, words: list[str], *, signs: bool, hats17: bool) -> list[Flow]:
    """The flows that carry writes out."""
    app = "17hats" if hats17 else "your system"
    find = " or ".join(f"find__{word(path)}" for path in shape.keys) or "id"
    create = Flow(
        title=f"{place}: make a record",
        steps=(
            f"Trigger: Webhooks, Catch Hook. Write its address into hooks: {place}.{Deed.CREATE.value} ADDRESS",
            _ask(signs),
            f"{app}: search by {find}. Never make one without having looked: a hand-off may come twice.",
            f"If it was found, leave it as it is; else make it with fields__{', fields__'.join(words)}",
            f"Last: {_post(signs)}: op_id as it came, id = the record's id, result = created, or exists where it was found, and its"
            " fields as fields__… as they are now. (A step that finds or makes in one: result = created, found = whether it was found.)",
        ),
    )
    update = Flow(
        title=f"{place}: change a record",
        steps=(
            f"Trigger: Webhooks, Catch Hook. Write its address into hooks: {place}.{Deed.UPDATE.value} ADDRESS",
            _ask(signs),
            f"{app}: find it by id, else by {find} (what it showed last; the new value may differ).",
            "Change only the fields that came; the others were not meant.",
            f"Last: {_post(signs)}: op_id as it came, id, result = updated (gone where it was not found, failed with error = why), and its fields.",
        ),
    )
    remove = Flow(
        title=f"{place}: delete or archive a record (only if you want syncd to; without this hook nothing is ever deleted)",
        steps=(
            f"Trigger: Webhooks, Catch Hook. Write its address into hooks: {place}.{Deed.DELETE.value} ADDRESS, or {place}.{Deed.ARCHIVE.value}",
            _ask(signs),
            f"{app}: find it by id, else by {find}, and do what you want done.",
            f"Last: {_post(signs)}: op_id as it came, id, result = deleted",
        ),
    )
    return [create, update] if hats17 and place == "contacts" else [create, update, remove]


def _limits(system: SystemName, *, hats17: bool) -> tuple[str, ...]:
    common = (
        "A flow's program is not syncd: what it accepted and lost is handed off again after an hour, then ever more rarely. `syncd status` says so.",
        "No flow tells when something changed, only that it did; edits on two sides within that time are decided by the sync's rule.",
        f"Nothing but an exported file shows what no flow told of: `syncd import {system} COLLECTION FILE.csv`.",
    )
    if not hats17:
        return common
    return (
        "17hats' Zapier app cannot delete a contact or take a tag away, and may leave a field as it is where an empty value comes.",
        "Contacts deleted in 17hats are not told of by any trigger.",
        "Projects, invoices, quotes, questionnaires and appointments are not in 17hats' Zapier app: declare a collection for what else tells of them.",
        *common,
    )
