"""The settings as the rest of syncd sees them: frozen values, complete, already checked.

The rule that keeps it true: whatever can be wrong was reported before one of these was made, so no reader checks again.
It must not know: TOML, files, or how anything was written down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import BaseModel

from syncd.config.secrets import Secrets
from syncd.core.automation import Automation, AutomationName
from syncd.core.record import DAY, HOUR, MINUTE, SECOND, Micros, SyncName, SystemName
from syncd.core.rules import SyncRules


class LogLevel(Enum):
    """The least important log line that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where syncd listens for webhooks. Port 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemSettings:
    """One configured account. `options` is the connector's own section, secrets filled in, and therefore never shown."""

    name: SystemName
    kind: str
    region: str
    options: BaseModel = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonSettings:
    """How the daemon runs. `listen` is None where it takes no webhooks and shows no pages.

    Polls come between `poll_min` and `poll_max` apart; a complete pass every `full_pass`. What was
    read is compared as a whole every `audit_every` (None: only when asked). Hints for one record are gathered until
    it was quiet for `quiet`, at most for `quiet_max`. What is over is kept for `keep_events`, `keep_writes` and `keep_story`. `key` reads the
    master key of the database, where the configuration names one, and raises UserError where it cannot be had; without, it is in a file
    beside the database.
    """

    state: Path
    listen: Address | None = Address(host="127.0.0.1", port=8787)
    public_url: str | None = None
    poll_min: Micros = MINUTE
    poll_max: Micros = 15 * MINUTE
    full_pass: Micros = DAY
    audit_every: Micros | None = DAY
    quiet: Micros = 2 * SECOND
    quiet_max: Micros = 10 * SECOND
    log_level: LogLevel = LogLevel.INFO
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    keep_events: Micros = 14 * DAY
    keep_writes: Micros = 90 * DAY
    keep_story: Micros = 365 * DAY
    key: Callable[[], str] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """Who is told when something needs a person, besides the log. `command` is empty, and `webhook` None, where there is none.

    One subject is told once in `every` at most; a difference that nothing explains is told when it is older than `drift_after`.
    """

    webhook: str | None = None
    secret: str = field(default="", repr=False)
    command: tuple[str, ...] = ()
    every: Micros = 15 * MINUTE
    drift_after: Micros = HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything one configuration file says. `digest` changes when what a sync means changes, and only then.

    `secrets` reads those that are looked up when they are needed.
    """

    path: Path
    systems: Mapping[SystemName, SystemSettings]
    syncs: Mapping[SyncName, SyncRules]
    daemon: DaemonSettings
    digest: Mapping[SyncName, str]
    automations: Mapping[AutomationName, Automation] = field(default_factory=dict)
    secrets: Secrets | None = field(default=None, repr=False)
    alerts: AlertSettings = field(default_factory=AlertSettings)
