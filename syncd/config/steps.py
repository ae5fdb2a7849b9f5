"""The steps of an automation as plain JSON that ``core.steps`` makes them of.

The rule that keeps it true: whatever can be known to be wrong with a step is said here: operations and their parameters, paths, fields, ways that
are never gone; what is returned holds only what was understood.
It must not know: how a step is carried out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from syncd.config.kinds import OperationFacts
from syncd.config.reach import Reach, check_template, read_condition, report_no_sync
from syncd.config.secrets import UNREAD, SecretError
from syncd.config.section import Section, describe
from syncd.config.systems import System
from syncd.core.fields import Unreadable, read
from syncd.core.record import Json, SystemName
from syncd.core.steps import LOOP_MAX

EXAMPLE = '{ call = "SYSTEM.OPERATION", with = { … } }'
ITEMS_MAX = 10_000
_KINDS = ("call", "set", "wait", "if", "for_each", "stop", "alert")
_PLAIN = "is not https, and leads off this machine"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Steps as they are kept, and whether nothing that follows them is ever reached."""

    written: list[Json]
    ends: bool = False


def read_steps(section: Section, key: str, systems: Mapping[SystemName, System], reach: Reach, *, needed: bool = True) -> Steps:
    """The steps under `key`."""
    written: list[Json] = []
    ended, told = False, False
    tables = section.tables(key, EXAMPLE)
    if needed and not tables and not section.table.get(key):
        section.problem("has no steps", *((key,) if key in section else ()), mend=f"write {key} = [ {EXAMPLE} ]")
    for table in tables:
        if ended and not told:
            table.problem("is never reached: what comes before it ends the run", mend="take it out, or move it before the `stop`")
            told = True
        name = _read_name(table, reach)
        step, ends = _read_step(table, systems, reach)
        if step is not None:
            written.append({**step, **({"name": name} if name else {})})
        reach, ended = reach.with_step(name), ended or ends
        table.finish(also=(*_KINDS, "name", "with", "then", "else", "do", "max"))
    return Steps(written=written, ends=ended)


def _read_name(section: Section, reach: Reach) -> str:
    name = section.text("name") or ""
    if name and not _NAME.fullmatch(name):
        section.problem("is no name", "name", mend="a step's name has letters, digits and `_` only")
        return ""
    if name in reach.steps:
        section.problem(f"another step is named {describe(name)} already", "name")
    return name


def _read_step(section: Section, systems: Mapping[SystemName, System], reach: Reach) -> tuple[Json, bool]:
    """One step, and whether the run ends with it."""
    kinds = [kind for kind in _KINDS if kind in section]
    if len(kinds) != 1:
        what = f"does {' and '.join(kinds)} at once" if kinds else "does nothing"
        section.problem(what, mend=f"a step has one of {', '.join(_KINDS)}")
        section.settle()
        return None, False
    match kinds[0]:
        case "call":
            return _read_call(section, systems, reach), False
        case "set":
            return _read_set(section, reach), False
        case "wait":
            return {"wait": section.duration("wait", 0)}, False
        case "if":
            return _read_choice(section, systems, reach)
        case "for_each":
            return _read_loop(section, systems, reach), False
        case "alert":
            return _read_alert(section, reach), False
        case _:
            if section.take("stop") is not True:
                section.problem("is `true`", "stop", mend="write stop = true")
            return {"stop": True}, True


def _read_call(section: Section, systems: Mapping[SystemName, System], reach: Reach) -> Json:
    written = section.text("call")
    values = section.section("with")
    given = dict(values.table)
    # What the operation takes is its own row's to say.
    values.rest()
    for name, value in given.items():
        check_template(values, value, reach, name)
    found = find_operation(section, "call", written, systems)
    if found is None:
        return None
    system, row = found
    check_parameters(values, given, system, row)
    return {"call": written, "with": given}


def find_operation(
    section: Section, key: str, written: str | None, systems: Mapping[SystemName, System]
) -> tuple[System, OperationFacts] | None:
    """The operation that ``SYSTEM.OPERATION`` names, after reporting where there is none."""
    if written is None:
        if key not in section:
            section.problem("names no operation", mend=f'write {key} = "SYSTEM.OPERATION"')
        return None
    name, dot, operation = written.partition(".")
    system = systems.get(SystemName(name))
    if system is None or not dot:
        what = f'there is no system "{name}"' if dot else f"{describe(written)} names no operation"
        section.problem(what, key, near=name, known=systems if dot else (), mend="" if dot else f'write {key} = "SYSTEM.OPERATION"')
        return None
    if system.kind is None:
        return None
    if system.kind.operations is None:
        section.problem(f"{system.kind.name} has no operations that can be called by name", key)
        return None
    if operation not in system.kind.operations:
        section.problem(
            f"{name} has no operation {describe(operation)}", key, near=operation, known=_near(operation, system.kind.operations),
            mend=f"`syncd call {name} --list` shows all",
        )  # fmt: skip
        return None
    return system, system.kind.operations[operation]


def _near(word: str, known: Iterable[str]) -> list[str]:
    return [each for each in known if word[:3].casefold() in each.casefold()] or list(known)


def check_parameters(section: Section, given: Mapping[str, Json], system: System, row: OperationFacts) -> None:
    """Reports values that an operation does not take, and those that it needs."""
    assert system.kind is not None
    assert system.kind.operations is not None
    row = next((system.kind.operations[use] for name, use in row.use_instead if name in given), row)
    names = [each.name for each in row.parameters]
    known = system.kind.known_values(system.settings.options) if system.settings is not None else None
    for name in given:
        if name not in names:
            section.problem(f"{row.name} takes no {describe(name)}", name, near=name, known=names)
    for each in row.parameters:
        if each.required and each.name not in given and known is not None and each.name not in known:
            section.problem(f"{row.name} needs `{each.name}`", mend=f"write with = {{ {each.name} = … }}")


def _read_set(section: Section, reach: Reach) -> Json:
    table = section.section("set")
    values = dict(table.table)
    table.rest()
    if not values:
        section.problem("sets nothing", "set", mend="write set = { FIELD = VALUE }")
    if reach.sync is None:
        report_no_sync(section, "sets a hub's fields", reach, "set")
        return None
    for name, value in values.items():
        row = reach.sync.fields.get(name)  # type: ignore[call-overload]
        if not check_template(table, value, reach, name):
            continue
        if row is None:
            table.problem(f"{reach.sync.name} has no such field", name, near=name, known=reach.sync.fields)
        elif row.owner is not None:
            table.problem(f"belongs to {row.owner}, so only its edits count", name, mend=f"change it in {row.owner}, by a `call`")
        elif not isinstance(value, str) or "{" not in value:
            found = read(row.type, value)
            if isinstance(found, Unreadable):
                table.problem(f"{describe(value)} is {found.reason}", name)
            elif row.choices is not None and isinstance(found, str) and found not in row.choices:
                table.problem(f"{describe(value)} is none of its words", name, near=found, known=row.choices)
    return {"set": values}


def _read_choice(section: Section, systems: Mapping[SystemName, System], reach: Reach) -> tuple[Json, bool]:
    _, condition = read_condition(section, "if", reach)
    then = read_steps(section, "then", systems, reach)
    otherwise = read_steps(section, "else", systems, reach, needed=False)
    if condition is None:
        return None, False
    return {"if": condition, "then": then.written, "else": otherwise.written}, then.ends and otherwise.ends


def _read_loop(section: Section, systems: Mapping[SystemName, System], reach: Reach) -> Json:
    over = section.text("for_each")
    most = section.number("max", LOOP_MAX)
    if not 0 < most <= ITEMS_MAX:
        section.problem(f"is between 1 and {ITEMS_MAX}", "max")
    if over is not None and check_template(section, over, reach, "for_each") and not re.fullmatch(r"\{[^{}]+\}", over):
        section.problem("is the path of a list", "for_each", mend='write for_each = "{steps.NAME.items}"')
    inner = read_steps(section, "do", systems, reach.within_loop())
    return {"for_each": over, "do": inner.written, "max": most}


def _read_alert(section: Section, reach: Reach) -> Json:
    table = section.section("alert")
    text = table.text("text")
    if text is None and "text" not in table:
        table.problem("says nothing", mend='write alert = { text = "…" }')
    check_template(table, text or "", reach, "text")
    webhook = _read_address(table, reach)
    command = table.texts("command")
    for place, word in enumerate(command):
        check_template(table, word, reach, "command", place)
    if command and "{" in command[0]:
        table.problem("names a program, which no event may choose", "command", 0)
    table.finish()
    return {"alert": {"text": text or "", "webhook": webhook, "command": list(command)}}


def _read_address(section: Section, reach: Reach) -> Json:
    """Where word goes: the address itself, or where it is kept if it is a secret; that is only named in what is returned."""
    if not isinstance(section.table.get("webhook"), dict):
        url = section.text("webhook")
        fault = None if url is None else address_fault(url)
        if fault is not None:
            mend = "write https://" if fault == _PLAIN else 'write it as "https://hooks.example.com/…", without any path of the event in it'
            section.problem(fault, "webhook", mend=mend)
        return url
    written = section.take("webhook")
    try:
        url = reach.secrets.read(written) if reach.secrets is not None else UNREAD
    except SecretError as error:
        section.problem(error.what, "webhook", mend=error.mend)
        section.settle("webhook")
    else:
        fault = None if url == UNREAD else address_fault(url)
        if fault is not None:
            section.problem(f"what is kept there {fault}", "webhook", mend="keep the whole address there, https://…, in one line")
    return written


def address_fault(url: str) -> str | None:
    """Why word cannot be sent to this address, without quoting it; None where it can."""
    try:
        parts = urlsplit(url)
        host, scheme, user = parts.hostname or "", parts.scheme, parts.username
    except ValueError:
        host, scheme, user = "", "", None
    if scheme not in ("http", "https") or not host or user is not None or "{" in url:
        return "is no address on the web"
    return _PLAIN if scheme == "http" and not _is_loopback(host) else None


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None


