"""`syncd bridge`: the flows that a system without an API needs, as steps to build them.

The rule that keeps it true: what is printed follows from this configuration and from what connectors say of themselves, and holds no secret.
It must not know: what any flow does once it is built.
"""

from __future__ import annotations

from typing import Annotated

import typer

from syncd.cli import screen
from syncd.cli.bridge_guide import Guide, guide_of
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.config import Settings
from syncd.config.findings import suggest
from syncd.connectors.bridge import BRIDGE, HATS17, BridgeSettings, Shape, hats17
from syncd.connectors.bridge.events import EVENTS
from syncd.core.errors import UserError
from syncd.core.record import CollectionName, SystemName

app = typer.Typer(help="The flows that a system without an API needs.", no_args_is_help=True)

SystemArgument = Annotated[str, typer.Argument(metavar="SYSTEM", help="The system, as the configuration names it.")]


@app.command(epilog="Example: syncd bridge guide hats17")
def guide(system: SystemArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print, step by step, the flows to build in Zapier, Make or n8n for this configuration."""
    settings = read_settings(config, secrets=False)
    found = _guide(settings, system)
    screen.show_json(found.as_json()) if as_json else screen.show_text(found.as_text())


def _guide(settings: Settings, system: str) -> Guide:
    name, options, built_in = bridged_system(settings, system)
    places = sorted({each.collection for sync in settings.syncs.values() for each in sync.members.values() if each.system == name and each.collection != EVENTS})
    if not places:
        raise UserError(f"no sync has a member in {system}", hint="add one; the flows follow from what is synced")
    shapes = {place: shape for place in places if (shape := options.shape(place, built_in)) is not None}
    if missing := sorted(set(places) - shapes.keys()):
        raise UserError(
            f"{system} has no collection `{missing[0]}`", hint=f"declare it: [systems.{system}.collections.{missing[0]}]"
        )
    is_17hats = settings.systems[name].kind == HATS17.name
    return guide_of(settings, name, options, shapes, hats17=is_17hats)


def bridged_system(settings: Settings, system: str) -> tuple[SystemName, BridgeSettings, dict[str, Shape]]:
    """A system that is reached through flows, its section, and its built-in collections. Raises UserError where it is none."""
    name = SystemName(system)
    if name not in settings.systems:
        meant = suggest(system, settings.systems)
        raise UserError(
            f"no system is called {system!r}", hint=f"did you mean `{meant}`?" if meant else f"configured: {', '.join(settings.systems)}"
        )
    configured = settings.systems[name]
    if configured.kind not in (HATS17.name, BRIDGE.name) or not isinstance(configured.options, BridgeSettings):
        raise UserError(f"{system} is {configured.kind}, which has an API", hint="this is for systems that are reached through flows")
    return name, configured.options, dict(hats17.SHAPES) if configured.kind == HATS17.name else {}


def bridged_collection(settings: Settings, system: str, collection: str) -> tuple[SystemName, CollectionName, Shape]:
    """One collection of such a system. Raises UserError where there is none."""
    name, options, built_in = bridged_system(settings, system)
    shape = options.shape(collection, built_in)
    if shape is None:
        known = sorted({*built_in, *options.collections})
        raise UserError(f"{system} has no collection {collection!r}", hint=f"there are: {', '.join(known) or 'none; declare one'}")
    return name, CollectionName(collection), shape
