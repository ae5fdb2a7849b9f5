"""`syncd discover`: what a system has today, as the configuration names it.

Every collection, used by a sync or not, with its fields; and what else a configuration or a value may name, such as calendars.
The rule that keeps it true: it only asks; what it prints can be copied into a field's row.
It must not know: any vendor.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import anyio
import typer

from syncd.cli import screen
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.passes import facts_of
from syncd.cli.text import counted, safe
from syncd.config import Settings
from syncd.config.findings import suggest
from syncd.connectors.base import DeletesVisible, FieldSpec, News
from syncd.connectors.clock import SystemClock
from syncd.connectors.kind import Named
from syncd.core.errors import ConnectorError, Unauthorized, UserError
from syncd.core.record import CollectionName, Json, SystemName
from syncd.flow.survey import Collected, Survey, collection_names, survey

app = typer.Typer()

OPTIONS_SHOWN, LABEL_SHOWN = 8, 48
_ACCESS = {
    # readable, writable, creatable
    (True, True, True): "read, write",
    (True, True, False): "read, write (not when made)",
    (True, False, True): "read; written when made only",
    (True, False, False): "read only",
    (False, True, True): "write only",
    (False, True, False): "write only (not when made)",
    (False, False, True): "written when made only",
    (False, False, False): "not open",
}


@app.command(epilog="Example: syncd discover ghl opportunities")
def discover(
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help="The system, as the configuration names it.")],
    collection: Annotated[str | None, typer.Argument(metavar="[COLLECTION]", help="One of its collections; else all.", show_default=False)] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what a system has today: collections and their fields, custom ones included, and what else can be named."""
    settings = read_settings(config, secrets=True)
    if system not in settings.systems:
        raise UserError(f"no system is called {system!r}", hint=_hint(system, sorted(settings.systems), "configured"))
    known = collection_names(settings, SystemName(system))
    if collection is not None and not any(collection in (name, name.partition("@")[0]) for name in known):
        raise UserError(f"{system} has no collection {collection!r}", hint=_hint(collection, known, "there are"))
    found = anyio.run(partial(survey, settings, SystemName(system), SystemClock(), only=collection))
    if as_json:
        screen.show_json(_as_data(found))
    else:
        _show(found, settings, SystemName(system), alone=collection is not None)
    refused = [each.schema for each in found.collections.values() if isinstance(each.schema, ConnectorError)]
    if refused and len(refused) == len(found.collections):
        # Not one could be read: there is nothing that was found.
        raise refused[0]


def _hint(written: str, known: Sequence[str], there: str) -> str:
    meant = suggest(written, known)
    return f"did you mean `{meant}`? " * bool(meant) + f"{there}: {', '.join(known)}"


def _show(found: Survey, settings: Settings, system: SystemName, *, alone: bool) -> None:
    if not alone:
        screen.show_heading(f"{system}: {counted(len(found.collections), 'collection')}")
        screen.show_rows(
            [[name, ", ".join(each.syncs) or "-", *_abilities(each)] for name, each in found.collections.items()],
            head=["collection", "in sync", "can", "webhooks", "deletions show"],
        )
    for name in found.unnamed:
        screen.show(f"{name}: there may be several; a sync's member says which", indent=2)
    for name, each in found.collections.items():
        screen.show_heading(f"{system}/{name}")
        if isinstance(each.schema, ConnectorError):
            screen.show(each.schema.message, style="yellow", indent=2)
            screen.show(each.schema.hint, indent=2)
            continue
        rows = [[path, spec.type.value, _access(spec), _label(spec), _options(spec)] for path, spec in sorted(each.schema.fields.items())]
        screen.show_rows(rows, head=["field", "type", "access", "called", "takes only"])
        if misses := facts_of(settings, (system, CollectionName(name))).misses:
            screen.show(misses, style="yellow", indent=2)
        if each.capabilities.can_create and each.capabilities.required_on_create:
            screen.show(f"one cannot be made without {', '.join(sorted(each.capabilities.required_on_create))}", indent=2)
    for title, named in found.around.items():
        screen.show_heading(f"{system}: {title}")
        if isinstance(named, ConnectorError):
            screen.show(f"not to be seen: {named.hint or named.message}", style="yellow", indent=2)
        else:
            screen.show_rows([row for each in named for row in _named_rows(each)] or [["none"]])


def _abilities(each: Collected) -> list[str]:
    can = each.capabilities
    deeds = [word for word, is_so in (("make", can.can_create), ("change", can.can_update), ("delete", can.can_delete)) if is_so]
    shown = {DeletesVisible.WEBHOOK: "by webhook", DeletesVisible.ABSENCE: "by absence", DeletesVisible.NEVER: "never"}
    return [", ".join(["read", *deeds]), "none" if can.webhooks is News.NONE else "yes", shown[can.deletes_visible]]


def _access(spec: FieldSpec) -> str:
    return _ACCESS[spec.readable, spec.writable, spec.creatable]


def _label(spec: FieldSpec) -> str:
    text = safe(spec.label)
    return text if len(text) <= LABEL_SHOWN else f"{text[: LABEL_SHOWN - 1]}…"


def _options(spec: FieldSpec) -> str:
    shown = safe(", ".join(spec.options[:OPTIONS_SHOWN]))
    return shown + f" and {len(spec.options) - OPTIONS_SHOWN} more (--json)" * (len(spec.options) > OPTIONS_SHOWN)


def _named_rows(named: Named, depth: int = 0) -> list[list[str]]:
    own = [f"{'  ' * depth}{safe(named.name)}", named.id, safe(named.about)]
    return [own, *(row for part in named.parts for row in _named_rows(part, depth + 1))]


def _as_data(found: Survey) -> dict[str, Json]:
    return {
        "collections": {name: _collection_as_data(each) for name, each in found.collections.items()},
        "unnamed": list(found.unnamed),
        **{
            title.replace(" ", "_"): {"error": named.message, "hint": named.hint} if isinstance(named, ConnectorError) else [_named_as_data(each) for each in named]
            for title, named in found.around.items()
        },
    }


def _collection_as_data(each: Collected) -> dict[str, Json]:
    can = each.capabilities
    failed = isinstance(each.schema, ConnectorError)
    return {
        "syncs": list(each.syncs),
        "can": {"create": can.can_create, "update": can.can_update, "delete": can.can_delete, "incremental": can.incremental},
        "webhooks": can.webhooks.value,
        "deletes_visible": can.deletes_visible.value,
        "required_on_create": sorted(can.required_on_create),
        "error": each.schema.message if isinstance(each.schema, ConnectorError) else None,
        "needs_authentication": failed and isinstance(each.schema, Unauthorized),
        "fields": {} if isinstance(each.schema, ConnectorError) else {path: _field_as_data(spec) for path, spec in each.schema.fields.items()},
    }


def _field_as_data(spec: FieldSpec) -> dict[str, Json]:
    return {
        "type": spec.type.value,
        "label": spec.label,
        "access": _access(spec),
        "readable": spec.readable,
        "writable": spec.writable,
        "creatable": spec.creatable,
        "options": list(spec.options),
    }


def _named_as_data(named: Named) -> dict[str, Json]:
    return {"id": named.id, "name": named.name, "about": named.about, "parts": [_named_as_data(part) for part in named.parts]}
