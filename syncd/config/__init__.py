"""AGREE: what the operator wrote, as frozen settings.

`check` reads a TOML file and says everything that is wrong with it, line by line; `load` gives its `Settings` or raises. The way
through: `lines` and `findings` know where and what, `section` reads a table, `systems`, `members`, `rows`, `words`, `syncs`, `automations`
(with `triggers`, `steps` and `reach`) and `daemon` read theirs, `judge` sees what only shows between them.
The rule that keeps it true: all problems at once, each with file, line, a suggestion and a mend; no secret in any message.
It must not know: any vendor. What it needs to know of connectors comes in as `KindFacts`.
"""

from syncd.config.check import Report, check, load
from syncd.config.findings import Finding
from syncd.config.kinds import KindFacts
from syncd.config.places import find_config
from syncd.config.settings import Address, AlertSettings, DaemonSettings, LogLevel, Settings, SystemSettings

__all__ = [
    "Address",
    "AlertSettings",
    "DaemonSettings",
    "Finding",
    "KindFacts",
    "LogLevel",
    "Report",
    "Settings",
    "SystemSettings",
    "check",
    "find_config",
    "load",
]
