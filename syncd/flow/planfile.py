"""Plan files: what a plan found, kept, so that exactly this can be carried out later.

A file is JSON, readable to its owner only, for it holds what is to be written and what is there now.
The rule that keeps it true: a file is whole and of a form we know, or it is refused; it is never written over another one.
It must not know: how a plan is made, or what becomes of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from syncd.core.errors import UserError
from syncd.core.outcome import Operation
from syncd.core.promise import Promise
from syncd.core.record import FieldName, Json, LinkId, MemberName, RecordId, SyncName, SystemName

FORM = 1
NOTE = "This file holds contents of records. Keep it to yourself, and remove it once it is applied."
_BYTES_MAX = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFile:
    """What was promised, under which rules: a digest for each sync that has a part in it."""

    made_at: str
    digests: Mapping[SyncName, str]
    promises: Sequence[Promise]


def write_file(path: Path, plan: PlanFile) -> None:
    """Writes a plan into a new file, 0600. Raises UserError where there is one already or it cannot be made."""
    body = as_json(plan)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UserError(f"there is a file {path} already", hint="name another one, or remove it") from None
    except OSError as error:
        raise UserError(f"the plan cannot be written to {path}: {error.strerror}", hint="name a file in a directory of yours") from error
    with os.fdopen(handle, "wb") as file:
        file.write(orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n")


def as_json(plan: PlanFile) -> dict[str, Json]:
    """A plan as it is kept."""
    return {
        "syncd_plan": FORM,
        "note": NOTE,
        "made_at": plan.made_at,
        "digests": dict(plan.digests),
        "writes": [{**asdict(each), "operation": each.operation.value} for each in plan.promises],
    }


def read_file(path: Path) -> PlanFile:
    """The plan in a file. Raises UserError where it is none."""
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise UserError(f"{path} is too large for a plan", hint="`syncd plan --out FILE` makes one")
        return from_json(orjson.loads(path.read_bytes()))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", hint="`syncd plan --out FILE` makes it") from error
    except orjson.JSONDecodeError as error:
        raise UserError(f"{path} is no plan: it is not JSON", hint="`syncd plan --out FILE` makes one") from error


def from_json(body: Json) -> PlanFile:
    """A plan as it was kept. Raises UserError where it is none, or of a form that this syncd does not know."""
    if not isinstance(body, dict) or body.get("syncd_plan") != FORM:
        raise UserError("this is no plan of this syncd's form", hint="make it anew: `syncd plan --out FILE`")
    try:
        return PlanFile(
            made_at=str(body["made_at"]),
            digests={SyncName(str(name)): str(digest) for name, digest in body["digests"].items()},
            promises=[_promise(each) for each in body["writes"]],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"the plan is damaged: {type(error).__name__} at {error}", hint="make it anew: `syncd plan --out FILE`") from error


def _promise(row: Mapping[str, Json]) -> Promise:
    record_id, revision = row["record_id"], row["revision"]
    return Promise(
        key=str(row["key"]),
        sync=SyncName(str(row["sync"])),
        link=LinkId(int(row["link"])),
        revision=None if revision is None else int(revision),
        member=MemberName(str(row["member"])),
        system=SystemName(str(row["system"])),
        operation=Operation(row["operation"]),
        record_id=None if record_id is None else RecordId(str(record_id)),
        records={MemberName(name): str(ref) for name, ref in row["records"].items()},
        values={FieldName(name): value for name, value in row["values"].items()},
        expected={FieldName(name): value for name, value in row["expected"].items()},
    )
