"""The configuration the daemon is given: a real file, with its secrets beside it.

The rule that keeps it true: what a test changes is named by the test; everything else is quick but otherwise usual.
It must not know: how the daemon is run, or what is tested.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from syncd.sandbox import Sandbox

QUICK: Mapping[str, str] = {"poll_min": '"100ms"', "poll_max": '"100ms"', "quiet": '"50ms"', "quiet_max": '"300ms"'}
USUAL: Mapping[str, str] = {
    "match": '["email", "phone"]',
    "source_of_truth": '"ghl"',
    "conflict": '"last_modified"',
    "delete": '"archive"',
    "first_run": '"auto"',
    "guards": '{ delete_grace = "500ms" }',
}
BOUNDLESS: Mapping[str, str] = {"ghl": "calls_per_window = 10000", "octopus": "calls_burst = 10000\ncalls_per_s = 1000"}
FIELDS = """
email = { type = "email", ghl = "email", octopus = "email_address" }
first_name = { ghl = "firstName", octopus = "fields.FirstName" }
last_name = { ghl = "lastName", octopus = "fields.LastName" }
phone = { type = "phone", ghl = "phone", octopus = "fields.Phone" }
tags = { type = "set", ghl = "tags", octopus = "tags" }
plan = { type = "choice", ghl = "custom.plan", octopus = "fields.Plan", values = { gold = { octopus = "Gold" }, silver = { octopus = "Silver" }, free = { octopus = "Free" } } }
source = { ghl = "source", octopus = "fields.Source", direction = "ghl -> octopus" }
"""


@dataclass(slots=True, kw_only=True)
class Configuration:
    """One `syncd.toml`. `daemon` and `sync` are laid over the usual settings, `systems` adds to a system's section, `more` to the end; all in TOML."""

    directory: Path
    port: int
    daemon: Mapping[str, str] = field(default_factory=dict)
    sync: Mapping[str, str] = field(default_factory=dict)
    systems: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 1.0
    more: str = ""

    @property
    def path(self) -> Path:
        """The file."""
        return self.directory / "syncd.toml"

    @property
    def state(self) -> Path:
        """Where the daemon keeps what it knows."""
        return self.directory / "state"

    def write(self, sandbox: Sandbox) -> None:
        """Writes the file and the secrets for these vendors."""
        self.write_for(sandbox.ghl.describe(), sandbox.octopus.describe())

    def write_for(self, ghl: Mapping[str, str], octopus: Mapping[str, str]) -> None:
        """The same for vendors that describe themselves so."""
        self.path.write_text(self.connected(ghl, octopus) + self._contacts(octopus))

    def connected(self, ghl: Mapping[str, str], octopus: Mapping[str, str]) -> str:
        """The daemon and the two systems as the file says them; their secrets are written beside it."""
        self.keep_secret("ghl-token", ghl["token"])
        self.keep_secret("octopus-key", octopus["api_key"])
        self.keep_secret("octopus-hooks", octopus["webhook_secret"])
        pem = ghl["webhook_public_key_pem"].replace("\n", "\\n")
        daemon = {"state": f'"{self.state}"', "listen": f'"127.0.0.1:{self.port}"', **QUICK, **self.daemon}
        return f"""
[daemon]
{_rows(daemon)}

[systems.ghl]
kind = "gohighlevel"
base_url = "{ghl["base_url"]}"
location_id = "{ghl["location_id"]}"
token = {{ file = "ghl-token" }}
webhook_keys = ["{pem}"]
timeout_s = {self.timeout_s}
{self.systems.get("ghl", "")}

[systems.octopus]
kind = "emailoctopus"
base_url = "{octopus["base_url"]}"
api_key = {{ file = "octopus-key" }}
webhook_secret = {{ file = "octopus-hooks" }}
timeout_s = {self.timeout_s}
{self.systems.get("octopus", "")}
"""

    def _contacts(self, octopus: Mapping[str, str]) -> str:
        return f"""
[syncs.contacts]
{_rows({**USUAL, **self.sync})}

[syncs.contacts.members]
ghl = {{ collection = "contacts", when = {{ field = "email", op = "exists" }} }}
octopus = {{ collection = "contacts", list = "{octopus["list_id"]}", archive = {{ status = "unsubscribed" }} }}

[syncs.contacts.fields]
{FIELDS}
{self.more}
"""

    def keep_secret(self, name: str, secret: str) -> None:
        """Writes one secret where the configuration says it is."""
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_text(secret)


def _rows(table: Mapping[str, str]) -> str:
    return "\n".join(f"{name} = {value}" for name, value in table.items())
