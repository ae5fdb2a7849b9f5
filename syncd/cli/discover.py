"""`syncd discover`: the fields a system has today, as the configuration names them.

The rule that keeps it true: it only asks; what it prints can be copied into a field's row.
It must not know: any vendor.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Annotated

import anyio
import typer

from syncd.cli import screen
from syncd.cli.options import SET_UP, ConfigOption, JsonOption, read_settings
from syncd.cli.text import safe
from syncd.config import Settings
from syncd.connectors.base import FieldSpec, Schema
from syncd.connectors.clock import SystemClock
from syncd.core.errors import UserError
from syncd.core.record import SystemName
from syncd.flow.assemble import connect_systems

app = typer.Typer()

SystemArgument = Annotated[str, typer.Argument(metavar="SYSTEM", help="The system, as the configuration names it.")]


@app.command(rich_help_panel=SET_UP, epilog="Example: syncd discover ghl")
def discover(system: SystemArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the fields a system has today, custom ones included."""
    settings = read_settings(config, secrets=True)
    if system not in settings.systems:
        raise UserError(f"no system is called {system!r}", hint=f"configured: {', '.join(sorted(settings.systems))}")
    schemas = anyio.run(_ask, settings, SystemName(system))
    if as_json:
        screen.show_json({schema.collection: {path: _as_json(spec) for path, spec in schema.fields.items()} for schema in schemas})
        return
    for schema in schemas:
        screen.show_heading(f"{system}/{schema.collection}")
        rows = [
            [path, spec.type.value, _written(spec), safe(spec.label), safe(", ".join(spec.options))]
            for path, spec in sorted(schema.fields.items())
        ]
        screen.show_rows(rows, head=["field", "type", "may be written", "called", "takes only"])


async def _ask(settings: Settings, system: SystemName) -> list[Schema]:
    collections = sorted({collection for sync in settings.syncs.values() for name, collection in sync.places if name == system})
    if not collections:
        raise UserError(f"no sync has a member in {system}", hint="add one; what a system has is asked per collection")
    async with AsyncExitStack() as stack:
        connectors, _quotas = await connect_systems(settings, SystemClock(), stack)
        return [await connectors[system].discover(collection) for collection in collections]


def _written(spec: FieldSpec) -> str:
    if spec.writable:
        return "yes"
    return "when made" if spec.creatable else "no"


def _as_json(spec: FieldSpec) -> dict[str, object]:
    return {
        "type": spec.type.value,
        "label": spec.label,
        "readable": spec.readable,
        "writable": spec.writable,
        "creatable": spec.creatable,
        "options": list(spec.options),
    }
