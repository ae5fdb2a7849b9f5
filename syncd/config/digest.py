"""A sync's meaning as one short text.

Two configurations with the same digest link the same records and mean the same by every field; when it changes, agreements
made under the old one are to be looked at anew.
The rule that keeps it true: it covers members, `when`, `match`, paths, transforms, values, owners and directions, and nothing
else: caps, policies and the order of rows may change without it.
It must not know: who compares digests, or what follows.
"""

from __future__ import annotations

import hashlib
import json

from syncd.core.derive import Derivation
from syncd.core.record import Json
from syncd.core.rules import FieldRule, MemberField, MemberRule, SyncRules


def digest(rules: SyncRules) -> str:
    """The digest, 32 hexadecimal digits. The same in every process and on every machine."""
    meaning = {
        "members": {name: _member(member) for name, member in rules.members.items()},
        "fields": {name: _row(row) for name, row in rules.fields.items()},
        "match": list(rules.match),
    }
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()[:32]


def _member(member: MemberRule) -> Json:
    return {
        "system": member.system,
        "collection": member.collection,
        "when": member.when.text,
        "region": member.region,
    }


def _row(row: FieldRule) -> Json:
    return {
        "type": row.type.value,
        "members": {name: _held(held) for name, held in row.members.items()},
        "owner": row.owner,
        "sources": sorted(row.sources),
        "targets": sorted(row.targets),
        **({"to": row.to} if row.to is not None else {}),
        **({"derived": _derived(row.derived)} if row.derived is not None else {}),
        "choices": sorted(row.choices) if row.choices is not None else None,
    }


def _derived(derived: Derivation) -> Json:
    return [derived.member, *derived.children.split("/"), derived.by, derived.take.value, derived.path, derived.order, derived.where.text]


def _held(held: MemberField) -> Json:
    return {
        "paths": list(held.paths),
        "transform": held.transform,
        "values": dict(held.values) if held.values is not None else None,
    }
