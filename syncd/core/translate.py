"""Between one member's words and the hub's: paths, transforms, value maps.

`to_hub` reads a vendor record into hub normal forms; `from_hub` says which vendor paths must hold what.
The rule that keeps it true: what cannot be said in the other's words is returned as `Unreadable`, never guessed and never blank.
It must not know: who wins, or any vendor's API.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.core.fields import FieldType, Unreadable, elements, is_blank, read
from syncd.core.link import Interval, Seen
from syncd.core.record import FieldName, Json, Micros
from syncd.core.rules import FieldRule, MemberField, MemberRule, SyncRules
from syncd.core.transforms import TRANSFORMS


def to_hub(rules: SyncRules, member: MemberRule, record: Mapping[str, Json]) -> dict[FieldName, Json | Unreadable]:
    """Every hub field that the record shows, in normal form. A field of which any path is missing was not shown."""
    shown: dict[FieldName, Json | Unreadable] = {}
    for rule in rules.fields.values():
        held = rule.members.get(member.name)
        if held is not None and held.paths[0] in record and (len(held.paths) == 1 or all(path in record for path in held.paths)):
            shown[rule.name] = _field_to_hub(rule, held, member.region, record)
    return shown


def see(
    rules: SyncRules, member: MemberRule, record: Mapping[str, Json], changed: Mapping[str, Interval]
) -> Seen:
    """A vendor record as the planner sees it; `changed` gives the change interval of vendor paths."""
    fields = to_hub(rules, member, record)
    intervals: dict[FieldName, Interval] = {}
    for name in fields:
        known = [changed[path] for path in rules.fields[name].members[member.name].paths if path in changed]
        if known:
            intervals[name] = max(known, key=lambda each: each.until)
    return Seen(fields=fields, changed=intervals)


def from_hub(rule: FieldRule, member: MemberRule, value: Json, before: Mapping[str, Json]) -> dict[str, Json] | Unreadable:
    """The vendor paths that stand for a hub value, or Unreadable where this member has no words for it.

    `before` is the record as last seen: a set keeps the member's own spelling of the elements it already has.
    """
    held = rule.members[member.name]
    if rule.type is FieldType.REF and not is_blank(value):
        return _id_out(rule, held, value)
    if is_blank(value):
        return dict.fromkeys(held.paths, [] if rule.type is FieldType.SET else None)
    if rule.type is FieldType.SET and held.transform is None:
        (path,) = held.paths
        return {path: _elements_out(held, value, read(FieldType.SET, before.get(path), member.region))}
    if rule.type is not FieldType.SET and rule.choices is not None and value not in rule.choices:
        return Unreadable(raw=str(value), reason=f"{value!r} is none of the values listed for {rule.name}")
    word = _word_out(held, value)
    parts = TRANSFORMS[held.transform].from_hub(word) if held.transform is not None else (word,)
    return dict(zip(held.paths, parts, strict=True))


def change_interval(
    *, since: Micros | None, until: Micros, modified: Micros | None, skew: Micros, error: Micros
) -> Interval:
    """When a record changed, on our clock: between two looks at it, cut by the vendor's own modified time.

    `since` and `until` are our looks that showed it without and with the change. `modified` is the vendor's time, `skew` its clock
    minus ours, `error` the uncertainty of that plus the grain of the vendor's times. A modified time that cannot be true, being
    outside both looks, is not believed.
    """
    if modified is None:
        return Interval(since, until)
    earliest, latest = modified - skew - error, modified - skew + error
    if earliest > until or (since is not None and latest < since):
        return Interval(since, until)
    return Interval(earliest - 1 if since is None else max(since, earliest - 1), min(until, latest))


def _field_to_hub(rule: FieldRule, held: MemberField, region: str, record: Mapping[str, Json]) -> Json | Unreadable:
    if held.transform is None:
        raw = record[held.paths[0]]
    else:
        raw = TRANSFORMS[held.transform].to_hub([record[path] for path in held.paths])
    value = read(rule.type, raw, region)
    if isinstance(value, Unreadable) or is_blank(value):
        return value
    if rule.type is FieldType.REF:
        known = (held.links or {}).get(value)
        return Unreadable(raw=value, reason=f"waits until {value} is linked in {rule.to}", waits=True) if known is None else known
    if rule.choices is not None or held.values is not None:
        return _word_in(rule, held, value)
    return value


def _id_out(rule: FieldRule, held: MemberField, value: Json) -> dict[str, Json] | Unreadable:
    """The member's own id of the record that a reference names."""
    own = (held.values or {}).get(value)
    if own is None:
        return Unreadable(raw=str(value), reason=f"waits until what it refers to in {rule.to} is there too", waits=True)
    return {held.paths[0]: own}


def _word_in(rule: FieldRule, held: MemberField, value: Json) -> Json | Unreadable:
    """A member's own word as the hub's: by the value map, else itself, if it is one of the listed choices."""
    if rule.type is FieldType.SET:
        words = [_hub_word(held, each) for each in value]
        return read(FieldType.SET, words)
    word = _hub_word(held, value)
    if rule.choices is not None and word not in rule.choices:
        known = {choice.casefold(): choice for choice in rule.choices}
        word = known.get(str(word).casefold(), word)
        if word not in rule.choices:
            return Unreadable(raw=str(value)[:200], reason=f"{value!r} is none of the values listed for {rule.name}")
    return word


def _hub_word(held: MemberField, word: Json) -> Json:
    for hub, own in (held.values or {}).items():
        if own == word or (isinstance(word, str) and own.casefold() == word.casefold()):
            return hub
    return word


def _elements_out(held: MemberField, value: Json, before: Json | Unreadable) -> list[Json]:
    """A set in the member's words: the spelling it has already, else its word by the value map, else the hub's spelling."""
    shown = () if isinstance(before, Unreadable) else elements(before).values()
    own = {element: word for word in shown for element in elements([_hub_word(held, word)])}
    words = {element: word for hub, word in (held.values or {}).items() for element in elements([hub])}
    return [own.get(element) or words.get(element, spelling) for element, spelling in elements(value).items()]


def _word_out(held: MemberField, value: Json) -> Json:
    return held.values.get(value, value) if held.values is not None and isinstance(value, str) else value
