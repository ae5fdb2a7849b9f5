"""`syncd metrics`: the state as Prometheus metrics, for a collector of text files.

The rule that keeps it true: a number that `status` tells is told here under one name, with the same meaning; names and reasons of the
configuration are labels, and nothing of a record is.
It must not know: how the state came to be, or who collects it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

import syncd
from syncd.cli import screen
from syncd.cli.options import ConfigOption, read_settings
from syncd.cli.state import state_of
from syncd.core.errors import UserError
from syncd.core.record import SECOND, Json
from syncd.flow.home import database_path
from syncd.store.database import is_owned
from syncd.store.visiting import reading

app = typer.Typer()
OutOption = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write to this file, all at once, instead of standard output.")]
MODE = 0o644
"""A collector runs as somebody else, and nothing here is a person's."""


@app.command(epilog="Example: syncd metrics --out /var/lib/prometheus/node-exporter/syncd.prom")
def metrics(config: ConfigOption = None, out: OutOption = None) -> None:
    """Print how things stand as Prometheus metrics: quotas, ages, writes, holds, outcomes, automations.

    Reads the database only, so it is safe at any time. Run it every minute, with --out into the folder that your node exporter's textfile collector reads.
    """
    settings = read_settings(config, secrets=False)
    path = database_path(settings)
    state: Mapping[str, Json] = {}
    if path.exists():
        with reading(path) as read:
            state = read(lambda tx: state_of(tx, settings))
    text = rendered(state, running=is_owned(path))
    if out is None:
        screen.show_text(text)
    else:
        _write(out, text)


def rendered(state: Mapping[str, Json], *, running: bool) -> str:
    """The metrics of a state (empty: there is no database yet), as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(_State(state, running=running))
    return generate_latest(registry).decode()


def _write(out: Path, text: str) -> None:
    """Puts the file in place at once, so that nobody collects half of it."""
    try:
        with NamedTemporaryFile("w", dir=out.parent, prefix=f".{out.name}.", delete=False) as file:
            file.write(text)
            os.fchmod(file.fileno(), MODE)
        Path(file.name).replace(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}", hint="name a file in a folder that exists and is yours to write in") from error


@dataclass(frozen=True, slots=True)
class _Gauge:
    """A gauge with one row for each name under a part of the state, and one value in it."""

    name: str
    about: str
    value: Sequence[str]
    scale: float = 1.0


_SYSTEMS = (
    _Gauge("syncd_quota_calls", "Calls that the vendor allows at once.", ("quota", "limit")),
    _Gauge("syncd_quota_calls_free", "Calls of these that are free now.", ("quota", "remaining")),
    _Gauge("syncd_quota_daily_calls", "Calls that the vendor allows a day.", ("quota", "daily_limit")),
    _Gauge("syncd_quota_daily_calls_free", "Calls of these that are left today.", ("quota", "daily_remaining")),
    _Gauge("syncd_writes_owed", "Writes that wait to be carried out.", ("writes_owed",)),
)
_COLLECTIONS = (
    _Gauge("syncd_records", "Records that are known and not deleted.", ("records",)),
    _Gauge("syncd_polled_timestamp_seconds", "When the collection was last read.", ("polled_at",), 1 / SECOND),
    _Gauge("syncd_listed_timestamp_seconds", "When the last complete listing ended.", ("complete_at",), 1 / SECOND),
)
_SYNCS = (_Gauge("syncd_plans_waiting", "Records that wait to be planned.", ("plans_waiting",)),)


class _State(Collector):
    """The state, as prometheus_client asks for it."""

    def __init__(self, state: Mapping[str, Json], *, running: bool) -> None:
        self._state = state
        self._running = running

    def collect(self) -> Iterator[Metric]:
        """Every family; those about a database only where there is one."""
        yield _one("syncd_info", "The version, as a label.", 1, version=syncd.__version__)
        yield _one("syncd_daemon_running", "Whether a daemon holds the database.", int(self._running))
        if not self._state:
            return
        for part, label, gauges in (("systems", "system", _SYSTEMS), ("collections", "collection", _COLLECTIONS), ("syncs", "sync", _SYNCS)):
            yield from (_gauge(gauge, label, self._state[part]) for gauge in gauges)
        yield _table("syncd_paused", "Whether a system is paused.", "system", {name: bool(each["paused"]) for name, each in self._state["systems"].items()})
        yield _one("syncd_events_waiting", "Webhooks that were acknowledged and wait to be looked after.", self._state["events_waiting"])
        yield _one("syncd_looking_deleted", "Records that look deleted and are not yet known to be.", self._state["looking_deleted"])
        yield _table("syncd_writes", "Writes that are kept, by state; dead ones are listed by `syncd failures`.", "state", self._state["writes"])
        yield _table("syncd_holds", "Decisions that wait for a person, by kind.", "kind", self._state["holds"])
        yield self._links()
        yield from self._outcomes()
        yield from self._automations()

    def _links(self) -> Metric:
        found = GaugeMetricFamily("syncd_links", "Links, by state.", labels=("sync", "state"))
        for sync, each in self._state["syncs"].items():
            for state, count in each["links"].items():
                found.add_metric((sync, state), count)
        return found

    def _outcomes(self) -> Iterator[Metric]:
        """What was looked at, and what came of it: the sum of the outcomes but `failed` is what was looked at."""
        told = self._state["outcomes"]
        yield _one("syncd_looked", "Records that were looked at.", told["looked"], counter=True)
        found = CounterMetricFamily("syncd_outcomes", "What came of them.", labels=("sync", "outcome", "reason"))
        for each in told["each"]:
            found.add_metric((each["sync"], each["outcome"], each["reason"]), each["count"])
        yield found

    def _automations(self) -> Iterator[Metric]:
        events = CounterMetricFamily("syncd_automation_events", "What an automation was told of.", labels=("automation",))
        idle = CounterMetricFamily("syncd_automation_events_ignored", "What of it set nothing off, and why.", labels=("automation", "reason"))
        begun = CounterMetricFamily("syncd_automation_runs_begun", "Runs that were begun.", labels=("automation",))
        kept = GaugeMetricFamily("syncd_automation_runs", "Runs that are kept, by state.", labels=("automation", "state"))
        paused = GaugeMetricFamily("syncd_automation_paused", "Whether an automation is paused.", labels=("automation",))
        for name, each in self._state["automations"].items():
            events.add_metric((name,), each["events"])
            begun.add_metric((name,), each["begun"])
            paused.add_metric((name,), bool(each["paused"]))
            for reason, count in each["set_nothing_off"].items():
                idle.add_metric((name, reason), count)
            for state in ("done", "waiting", "failed", "held", "skipped"):
                kept.add_metric((name, state), each[state])
        yield from (events, begun, idle, kept, paused)


def _one(name: str, about: str, value: float, *, counter: bool = False, **labels: str) -> Metric:
    family = CounterMetricFamily if counter else GaugeMetricFamily
    found = family(name, about, labels=tuple(labels))
    found.add_metric(tuple(labels.values()), value)
    return found


def _table(name: str, about: str, label: str, values: Mapping[str, float]) -> Metric:
    found = GaugeMetricFamily(name, about, labels=(label,))
    for key, value in values.items():
        found.add_metric((key,), value)
    return found


def _gauge(gauge: _Gauge, label: str, rows: Mapping[str, Json]) -> Metric:
    """One row for each name whose value is known."""
    found = GaugeMetricFamily(gauge.name, gauge.about, labels=(label,))
    for name, row in rows.items():
        value = row
        for key in gauge.value:
            value = value[key]
        if value is not None:
            found.add_metric((name,), value * gauge.scale)
    return found
