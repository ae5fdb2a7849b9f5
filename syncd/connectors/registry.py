"""Which kinds of systems there are.

`KINDS` maps the word an operator writes (``kind = "gohighlevel"``) to the kind.
The rule that keeps it true: a connector is added by one line here and nothing else outside its own folder.
It must not know: anything about a vendor beyond its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from syncd.connectors import activetrail, bridge, emailoctopus, gohighlevel
from syncd.connectors.kind import Kind, MemberOptions, Opened, Secret, Settings, open_connector

__all__ = ["KINDS", "Kind", "MemberOptions", "Opened", "Secret", "Settings", "open_connector"]

KINDS: Mapping[str, Kind] = MappingProxyType(
    {kind.name: kind for kind in (gohighlevel.KIND, emailoctopus.KIND, activetrail.KIND, bridge.HATS17, bridge.BRIDGE)}
)
