"""Examining: whether each system, the database and this machine are fit, without changing anything at a vendor.

`examine` asks every system who we are and what our token opens, and gathers what the database knows of quota and webhooks. What a
connector can find out about its vendor by reading is found out where `probe` asks for it, and kept for its next start.
The rule that keeps it true: one system's trouble hides no other's, and what cannot be known is said to be unknown, never to be well.
It must not know: any vendor, or how signs are shown.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import anyio

from syncd.config import Settings
from syncd.connectors.base import News
from syncd.connectors.clock import Clock
from syncd.connectors.findings import Finding, Probing
from syncd.connectors.kind import Introduction, Kind, Opened, open_connector
from syncd.connectors.quota import QuotaStatus
from syncd.connectors.registry import KINDS
from syncd.core.errors import ConnectorError, SyncdError, Unauthorized, Unavailable, UserError
from syncd.core.record import DAY, HOUR, MINUTE, SECOND, CollectionName, Json, Micros, SystemName
from syncd.flow.assemble import answered, identity_of, keeper_of
from syncd.flow.home import database_path
from syncd.flow.scopes import needed_scopes
from syncd.store import arrivals, continuity, control
from syncd.store.arrivals import Hearing, Hearsay
from syncd.store.control import SystemRow
from syncd.store.database import Connection, is_owned
from syncd.store.master import source_of
from syncd.store.observations import Place
from syncd.store.tokens import Beside
from syncd.store.visiting import reading

SKEW_MAX: Micros = MINUTE
SILENT_AFTER: Micros = HOUR
"""Webhooks come within seconds of a change: when polls have found changes for so long after the last one came, they do not come any more."""
WAL_RESET_BUG = ((3, 7, 0), (3, 51, 2))
"""The versions of SQLite, first to last, in which a checkpoint beside a writer can corrupt a WAL."""


class Grade(Enum):
    """How a sign is to be taken, from well to what keeps things from working."""

    WELL = "well"
    NOTE = "note"
    WARNING = "warning"
    TEMPORARY = "temporary"
    ERROR = "error"
    AUTHENTICATION = "authentication"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One thing that was looked at: what it is, and what to do where it is not well."""

    about: str
    grade: Grade
    what: str
    mend: str = ""


@dataclass(slots=True, kw_only=True)
class Checkup:
    """What was found about one system. `needed` and `granted` are scopes; None: the vendor does not tell."""

    system: SystemName
    kind: str
    signs: list[Sign] = field(default_factory=list)
    who: Introduction | None = None
    needed: frozenset[str] = frozenset()
    quota: QuotaStatus | None = None
    skew: Micros | None = None
    heard: Hearsay = field(default_factory=Hearsay)
    findings: list[Finding] = field(default_factory=list)
    left_out: Mapping[str, Json] = field(default_factory=dict)

    @property
    def granted(self) -> frozenset[str] | None:
        return self.who.scopes if self.who is not None else None

    def sign(self, about: str, grade: Grade, what: str, mend: str = "") -> None:
        """Adds a sign."""
        self.signs.append(Sign(about=about, grade=grade, what=what, mend=mend))


async def examine(settings: Settings, systems: Sequence[SystemName], clock: Clock, *, probe: bool) -> list[Checkup]:
    """Every one of these systems, side by side."""
    path = database_path(settings)
    rows: Mapping[SystemName, SystemRow] = {}
    heard: Mapping[SystemName, Hearsay] = {}
    closed: Mapping[Place, str] = {}
    if path.exists():
        with reading(path) as read:
            rows, closed, heard = read(
                lambda tx: (control.systems(tx), control.paused_collections(tx), {name: arrivals.heard_from(tx, name) for name in systems})
            )
    checkups = [Checkup(system=name, kind=settings.systems[name].kind) for name in systems]
    async with anyio.create_task_group() as tasks:
        for each in checkups:
            each.heard = heard.get(each.system, each.heard)
            for (name, collection), reason in closed.items():
                if name == each.system:
                    each.sign("pause", Grade.AUTHENTICATION, f"{collection} is paused: {reason}", f"`syncd resume {name}` once that is mended")
            tasks.start_soon(_examine, settings, each, rows.get(each.system), clock, probe)
    return checkups


async def _examine(settings: Settings, checkup: Checkup, row: SystemRow | None, clock: Clock, probe: bool) -> None:
    configured, name = settings.systems[checkup.system], checkup.system
    kind, detail = KINDS[configured.kind], (row.detail or {}) if row is not None else {}
    checkup.left_out = detail.get("left_out", {})
    if row is not None and row.paused is not None:
        checkup.sign("pause", Grade.AUTHENTICATION, f"paused: {row.paused}", f"`syncd resume {name}` once that is mended")
    if row is not None and row.identity != identity_of(configured):
        checkup.sign("account", Grade.ERROR, f"used to be {row.identity}", "give the new account another system name")
    checkup.needed = needed_scopes(settings, name)
    try:
        options = answered(configured.options, detail.get("answers", {}))
        opening = open_connector(kind, name, options, clock=clock, keeper=keeper_of(settings, name, clock))  # type: ignore[arg-type]
        async with opening as opened:
            if row is not None and row.quota is not None:
                opened.quota.restore(row.quota)
            try:
                await _ask(settings, checkup, kind, opened, probe)
            finally:
                checkup.quota, skew = opened.quota.snapshot(), opened.session.skew()
                checkup.skew = skew.offset if abs(skew.offset) > skew.error else 0
    except (ConnectorError, UserError) as error:
        checkup.sign("credential", _grade(error), error.message, error.hint)
    _judge(settings, checkup, kind, clock.now())
    if probe and checkup.findings:
        await _keep(settings, checkup, clock)


async def _ask(settings: Settings, checkup: Checkup, kind: Kind, opened: Opened, probe: bool) -> None:
    if kind.introduce is not None:
        checkup.who = await kind.introduce(settings.systems[checkup.system].options, opened.session)
    for collection in _collections(settings, checkup.system):
        try:
            await opened.connector.discover(collection)
        except ConnectorError as error:
            checkup.sign(collection, _grade(error), error.message, error.hint)
        else:
            checkup.sign(collection, Grade.WELL, "the credential opens it")
        for left in checkup.left_out.get(collection, {}).get("records", []):
            checkup.sign(collection, Grade.WARNING, f"{left['name']} is left out: {left['why']}", left["mend"])
    if isinstance(opened.connector, Probing):
        checkup.findings = list(await opened.connector.probe() if probe else opened.connector.findings())


def _collections(settings: Settings, system: SystemName) -> list[CollectionName]:
    return sorted({collection for sync in settings.syncs.values() for name, collection in sync.places if name == system})


def _grade(error: SyncdError) -> Grade:
    if isinstance(error, Unauthorized):
        return Grade.AUTHENTICATION
    return Grade.TEMPORARY if isinstance(error, Unavailable) else Grade.ERROR


def _judge(settings: Settings, checkup: Checkup, kind: Kind, now: Micros) -> None:
    """What follows from what was found."""
    granted = checkup.granted
    if granted is not None and (missing := sorted(checkup.needed - granted)):
        checkup.sign(
            "scopes",
            Grade.AUTHENTICATION,
            f"the token lacks {', '.join(missing)}",
            f"grant them to the app, then `syncd auth {checkup.system}`",
        )
    elif granted is None and checkup.needed and checkup.who is not None:
        needed = ", ".join(sorted(checkup.needed))
        checkup.sign("scopes", Grade.NOTE, f"the vendor does not tell what this token opens; needed: {needed}")
    elif granted is not None:
        checkup.sign("scopes", Grade.WELL, "the token opens all that the configuration needs")
    if checkup.skew is not None and abs(checkup.skew) > SKEW_MAX:
        ahead = "ahead of" if checkup.skew > 0 else "behind"
        what = f"the vendor's clock is {abs(checkup.skew) // SECOND} s {ahead} ours"
        checkup.sign("clock", Grade.WARNING, what, "set this machine's clock (NTP); webhooks far off in time are refused")
    if checkup.quota is not None and checkup.quota.daily_limit and not checkup.quota.daily_remaining:
        checkup.sign("quota", Grade.WARNING, "today's calls are spent", "work goes on by itself as calls come free")
    abilities = [kind.capabilities(collection.partition("@")[0]) for collection in _collections(settings, checkup.system)]
    if any(each.webhooks is not News.NONE for each in abilities):
        checkup.signs += _webhooks(settings, checkup, now)


def _webhooks(settings: Settings, checkup: Checkup, now: Micros) -> Iterator[Sign]:
    daemon = settings.daemon
    if daemon.listen is None:
        yield Sign(about="webhooks", grade=Grade.NOTE, what="none are taken (`listen` is off); polls find every change")
        return
    address = f"{daemon.public_url or f'http://{daemon.listen}'}/hooks/{checkup.system}"
    if daemon.public_url is None and daemon.listen.host in ("127.0.0.1", "::1", "localhost"):
        mend = "put a proxy with https before it, and say `public_url` under [daemon]"
        yield Sign(about="webhooks", grade=Grade.NOTE, what=f"only this machine reaches {address}", mend=mend)
    yield _arriving(checkup.heard, address, now)
    if refused := checkup.heard.by_word(Hearing.REFUSED):
        why = ", ".join(f"{count:,} {reason}" for reason, count in refused.items())
        yield Sign(about="webhooks", grade=Grade.WARNING, what=f"{sum(refused.values()):,} were refused: {why}", mend=_mend(refused))
    if unknown := checkup.heard.by_word(Hearing.UNKNOWN):
        what = f"of no known kind, kept as they were seen: {', '.join(f'{count:,} {word}' for word, count in unknown.items())}"
        yield Sign(about="webhooks", grade=Grade.NOTE, what=what, mend="nothing is lost by it: polls find every change")


def _arriving(heard: Hearsay, address: str, now: Micros) -> Sign:
    """Whether webhooks come; that they do not shows where polls find what none has announced."""
    came_at, found_at = heard.last_at(Hearing.ACCEPTED), heard.last_at(Hearing.UNANNOUNCED)
    mend = f"look whether the vendor still sends them to {address}, and what it says of failed ones; polls find every change meanwhile"
    found = f"polls found {heard.count(Hearing.UNANNOUNCED):,} changes that no webhook had announced"
    if came_at is None and found_at is not None:
        return Sign(about="webhooks", grade=Grade.WARNING, what=f"none has come yet, though {found}", mend=mend)
    if came_at is None:
        mend = f"have the vendor send them to {address}, or rely on polls"
        return Sign(about="webhooks", grade=Grade.NOTE, what="none has come yet", mend=mend)
    if found_at is not None and found_at - came_at > SILENT_AFTER:
        since = f"none has come for {(now - came_at) // HOUR} h"
        return Sign(about="webhooks", grade=Grade.WARNING, what=f"{since}, though {found}", mend=mend)
    return Sign(about="webhooks", grade=Grade.WELL, what=f"they come to {address}")


def _mend(refused: Mapping[str, int]) -> str:
    """What to do about webhooks that were refused, by the reasons."""
    mends = {
        "unsigned": "no signature of the kind that is looked for: strangers, or a vendor that signs the older way",
        "forged": "look whether the vendor's key or the secret has changed (several keys may stand side by side)",
        "expired": "older than is taken: replayed, or one of the clocks is off",
        "malformed": "not what the vendor documents",
        "elsewhere": "another account's: look whether its events are meant for another system here",
    }
    return "; ".join(f"{reason}: {mends[reason]}" for reason in refused if reason in mends)


async def _keep(settings: Settings, checkup: Checkup, clock: Clock) -> None:
    """Keeps what was found out, for the connector's next start."""
    path = database_path(settings)
    answers = {each.setting: each.answer for each in checkup.findings if each.answer is not None}
    if not path.exists():
        checkup.sign("probe", Grade.NOTE, "what was found out is not kept: there is no database yet", "`syncd run` makes it; then again")
        return

    def commit(tx: Connection) -> bool:
        name, now = checkup.system, clock.now()
        if control.meet_system(tx, name, identity_of(settings.systems[name]), now) is not None:
            return False
        row = control.systems(tx)[name]
        kept = {**(row.detail or {}), "answers": {**(row.detail or {}).get("answers", {}), **answers}}
        control.note_system(tx, name, quota=row.quota, detail=kept, at=now)
        return True

    if await Beside(path).write(commit):
        checkup.sign("probe", Grade.WELL, "what was found out is kept, and used from the connector's next start on")


def database_signs(path: Path, now: Micros) -> list[Sign]:
    """The database and the library that keeps it."""
    signs = list(sqlite_signs(sqlite3.sqlite_version_info))
    if not path.exists():
        return [*signs, Sign(about="database", grade=Grade.NOTE, what=f"there is none yet: {path}")]
    with reading(path) as read:
        since, rebasing = read(lambda tx: (arrivals.kept_since(tx), continuity.rebasing(tx)))
    running = "a daemon serves it" if is_owned(path) else "no daemon is running"
    days = f"kept for {(now - since) // DAY} days" if since is not None else "never used"
    signs.append(Sign(about="database", grade=Grade.WELL, what=f"{path}: {days}; {running}"))
    signs.append(_key_sign(path))
    if rebasing is not None:
        what = "an older copy is being brought up" if rebasing is continuity.Standing.RESTORED else "an earlier database is missing"
        mend = "everything is read completely before anything is written; `syncd status` shows how far it is"
        signs.append(Sign(about="database", grade=Grade.WARNING, what=f"re-basing: {what}", mend=mend))
    return signs


def _key_sign(path: Path) -> Sign:
    """Whether the database can be opened, and where its key is."""
    source = source_of(path)
    try:
        with reading(path) as read:
            read(lambda tx: tx.vault.open(tx))
    except UserError as error:
        return Sign(about="key", grade=Grade.ERROR, what=error.message, mend=error.hint)
    if source.read is not None:
        return Sign(about="key", grade=Grade.WELL, what="the database is sealed, and its key is where the configuration says")
    what = f"the database is sealed, and its key lies beside it ({source.file.name}): a copy of the directory holds both"
    return Sign(about="key", grade=Grade.NOTE, what=what, mend="keep a copy of the key apart; `key` under [daemon] names another place")


def sqlite_signs(version: tuple[int, ...]) -> Iterator[Sign]:
    """What is to be said of a version of SQLite."""
    spelled, (first, last) = ".".join(map(str, version[:3])), WAL_RESET_BUG
    if first <= version[:3] <= last:
        what = f"SQLite {spelled} has a bug that can corrupt a database when two processes checkpoint it (fixed in 3.51.3)"
        mend = "syncd guards against it: one process writes and checkpoints; let no other program write to the database"
        yield Sign(about="sqlite", grade=Grade.WARNING, what=what, mend=mend)
    else:
        yield Sign(about="sqlite", grade=Grade.WELL, what=f"SQLite {spelled}")
