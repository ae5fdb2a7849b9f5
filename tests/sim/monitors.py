"""Monitors: they stand at the vendors' doors and judge every request with an effect by the truth at that moment.

The rule that keeps it true: data is judged by the vendors' own records and by who wrote which value; the daemon's database is asked only
whether an intent was committed before its request left.
It must not know: why the daemon wants something.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncd.core.fields import FieldType
from syncd.core.record import SECOND, Json
from syncd.store import writes
from syncd.store.codec import unseal
from tests.sim.users import Wrote
from tests.sim.vendor import FIELDS, Rec, Vendor, same, tag_of, tags_in

if TYPE_CHECKING:
    from tests.sim.world import World

SURE_S = 10.0
"""A reading counts as known to the daemon so long after it, if nothing broke meanwhile."""
LATE_S = 15.0
"""A look before a write is at most so old when the write arrives."""


def told_of(world: World, kind: str) -> list[Any]:
    """What the journal tells in its rows of one kind."""
    connection = world.process.connection
    rows = connection.execute("SELECT id, link_id, detail FROM journal WHERE kind = ?", (kind,))
    return [unseal(connection, detail, "journal", number, link) for number, link, detail in rows]


def losers_of(world: World) -> set[str]:
    """Every value the journal keeps as a loser, and every one that a hold shows."""
    found: set[str] = set()
    connection = world.process.connection
    for told in told_of(world, "field.decided"):
        kind = FIELDS.get(told["field"], FieldType.TEXT)
        for value in told["losers"].values():
            found |= tags_in(kind, value)
    if world.script.has("partial"):
        # Known: beside a write that the vendor ignored, an edit passes for the vendor's spelling of it. The journal shows it.
        for told in told_of(world, "write.done"):
            for path, value in told.get("shown", {}).items():
                found |= tags_in(FIELDS[path], value) - tags_in(FIELDS[path], told["values"].get(path))
    for key, sides in connection.execute("SELECT key, sides FROM holds"):
        for value in unseal(connection, sides, "holds", key).values():
            if isinstance(value, str):
                found |= tags_in(FieldType.TEXT, value)
    return found


class Monitors:
    """What is watched while the run goes on."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.effects: Counter[str] = Counter()
        self.again: Counter[tuple[str, str, str]] = Counter()
        self.redundant = 0
        self.narrow = 0
        self._refused: Counter[str] = Counter()
        self._in_flight: set[tuple[str, str]] = set()

    # ---- a request leaves the daemon

    def leaving(self, operation: str, vendor: Vendor, record_id: str | None, fields: Mapping[str, Json]) -> None:
        """S10: its intent is committed as sent, and nothing else is on its way to the same record."""
        world = self.world
        rows = world.process.connection.execute(
            "SELECT id FROM outbox WHERE system = ? AND state = 'sent' AND record_id IS ?", (vendor.name, record_id)
        ).fetchall()
        wanted = {"create": ("create",), "delete": ("delete",), "update": ("update", "archive")}[operation]
        sent = writes.load(world.process.connection, [number for (number,) in rows])
        if not any(each.operation.value in wanted and self._covers(each.values, fields) for each in sent):
            world.fail("S10", f"{operation} of {vendor.name} {record_id} left without a committed intent: {dict(fields)}")
        gone = {path for path in fields if path in world.paths and path not in world.rules.fields}
        if gone and operation != "create" and world.loop.vt - world.changed_at > 5:
            world.fail("S2", f"{operation} of {vendor.name} {record_id} carries {sorted(gone)}, which are not mapped any more")
        if record_id is not None:
            key = (vendor.name, record_id)
            if key in self._in_flight:
                world.fail("S10", f"two requests in the air for {vendor.name} {record_id}")
            self._in_flight.add(key)

    def refused(self, vendor: Vendor, operation: str) -> None:
        """S13: what a vendor refused for good is not sent again until there is something else to say, or a person says so."""
        world = self.world
        rows = world.process.connection.execute(
            "SELECT id FROM outbox WHERE system = ? AND state = 'sent' AND operation = ?", (vendor.name, operation)
        ).fetchall()
        if len(rows) != 1 or world.operator_acted or world.restored_at:
            return
        (sent,) = writes.load(world.process.connection, rows[0])
        key = f"{vendor.name} {operation} of link {sent.link}: {sorted(sent.values.items())}"
        self._refused[key] += 1
        said = sum(wrote.path != "" for wrote in world.users.wrote if world.loop.vt - wrote.at < 300)
        if self._refused[key] > 3 + said:
            world.fail("S13", f"{key} was refused {self._refused[key]} times, and is sent again")

    def landed(self, vendor: Vendor, ids: list[Any]) -> None:
        for each in ids:
            self._in_flight.discard((vendor.name, each))

    def process_died(self) -> None:
        self._in_flight.clear()

    @staticmethod
    def _covers(values: Mapping[str, Json], fields: Mapping[str, Json]) -> bool:
        return all(same(path, value, values.get(path)) for path, value in fields.items() if path in FIELDS and path != "archived")

    # ---- a link lets go of a record

    def unlinked(self, system: str, record_id: str) -> None:
        """S4: a link keeps its record for as long as there is one, unless a person says otherwise.

        One that came out of the bin again without the daemon having seen it since is to the daemon as gone as before; so is one of which the vendor
        said twice that it has no such record.
        """
        world = self.world
        if world.hits["denied"] > 1:
            return
        rec = world.vendors[system].records.get(record_id)  # type: ignore[call-overload]
        if rec is not None and rec.alive and not self._was_deleted(rec) and not world.operator_acted and not world.restored_at:
            world.fail("S4", f"a link lets go of {record_id}, which is alive")

    # ---- a request takes effect

    def arriving(self, operation: str, vendor: Vendor, rec: Rec | None, fields: Mapping[str, Json]) -> int:
        """Judges an effect just before it happens; answers whom a create is about."""
        world = self.world
        self.effects[f"{vendor.name} {operation}"] += 1
        world.trace(f"{operation} {vendor.name} {rec.id if rec else ''} {sorted(fields.items())}")
        if world.quiet_since is not None:
            world.fail("S6", f"{operation} of {vendor.name} {rec.id if rec else ''} {dict(fields)} after everything agreed")
        if operation == "create":
            return self._create(vendor, fields)
        assert rec is not None
        if operation == "delete":
            self._delete(vendor, rec)
        else:
            self._values(vendor, rec.person, rec, fields)
            self._update(vendor, rec, fields)
        return rec.person

    def _create(self, vendor: Vendor, fields: Mapping[str, Json]) -> int:
        world = self.world
        person = self._person(fields)
        if person is None:
            world.fail("S2", f"{vendor.name} is asked to make a record of nobody: {dict(fields)}")
            return -1
        self._values(vendor, person, None, fields)
        if person in world.users.irregular or person in world.touched_by_operator:
            return person
        there = vendor.live(person)
        # What a person just brought back from the bin, nobody can know of yet.
        made = [rec for rec in there if rec.born_by == "syncd" and not self._was_deleted(rec)]
        if world.restored_at:
            # What was made after the copy is found again by its address alone.
            made = [rec for rec in made if same("email", (rec.now.fields or {}).get("email"), fields.get("email"))]
            if world.script.has("empty", "short", "skipped_page", "hidden", "masked", "garbled"):
                # Two sources failed at once: the copy knows nothing of it, and the listing that should show it, or its address, did not.
                made = []
        if self._is_asked_whether_made(vendor):
            # Its row was damaged while the create was in doubt: whether it is there is a question to a person.
            made = []
        if there:
            # Excused or not, there are two from now on.
            world.users.irregular.add(person)
        if made and not world.script.has("lag_more"):
            world.fail("S3", f"a second record of person {person} is made in {vendor.name}: {made[0].id} is there")
        known = [rec for rec in there if rec.born_by == "user" and not self._was_deleted(rec) and self._known_as(rec, fields.get("email"), 60 + world.declared_lag(vendor))]
        if known and any(when is not None for when in world.had["when"]):
            # What is outside the filter of its member is nobody's counterpart.
            world.users.irregular.add(person)
        elif known and not world.script.has("lag_more", "masked", "garbled", "denied", "stale_get"):
            world.fail("S3", f"a double of {known[0].id} is made in {vendor.name}, which the daemon had read")
        elif vendor.habits.find and self.is_settled() and not world.script.has("masked", "garbled", "denied", "stale_get", "stall", "suspend"):
            # Of a machine that sleeps between an answer and what follows from it nothing can be asked.
            askable = [rec for rec in there if rec.born_by == "user" and self._had_for(rec, fields.get("email"), self._ask_s(vendor))]
            if askable:
                world.fail("S3", f"a double of {askable[0].id} is made in {vendor.name}, which was not asked")
        self._resurrection(vendor, person)
        return person

    def _person(self, fields: Mapping[str, Json]) -> int | None:
        for path in ("email", "name", "note", "tags"):
            for tag in tags_in(FIELDS[path], fields.get(path)):
                if tag in self.world.users.by_tag:
                    return self.world.users.by_tag[tag].person
        return None

    def _known_as(self, rec: Rec, email: Json, ago_s: float) -> bool:
        """Whether the daemon read, so long ago and surely, that this record has this address; and it has it still."""
        if not same("email", rec.now.fields and rec.now.fields.get("email"), email):
            return False
        return any(
            self.surely_read(version, "email", ago_s)
            for version in rec.versions
            if version.fields is not None and same("email", version.fields.get("email"), email)
        )

    def _is_asked_whether_made(self, vendor: Vendor) -> bool:
        rows = self.world.process.connection.execute(
            "SELECT 1 FROM holds AS h JOIN links AS l ON l.id = h.link_id WHERE h.kind = 'unknown_create' AND l.state = 'unlinked' AND h.member = ?",
            (vendor.name,),
        )
        return rows.fetchone() is not None

    def _ask_s(self, vendor: Vendor) -> float:
        """How long a record must have been there, in seconds, for the look-up before a create to have shown it."""
        options, lag_s = self.world.options, 0.0 if vendor.habits.finds_at_once else self.world.declared_lag(vendor)
        if self.world.script.has("slow", "jump"):
            return LATE_S + lag_s
        return float(2 + 4 * options["latency"] + 10 * options["disk_s"]) + lag_s

    def _had_for(self, rec: Rec, email: Json, seconds: float) -> bool:
        """Whether the record has had this address for so long that a look-up of just now shows it, whatever listings show."""
        now = self.world.true_time()
        newest = [version for version in rec.versions if version.at <= now - seconds * SECOND][-1:]
        held = [rec.now, *newest]
        return bool(newest) and all(same("email", each.fields and each.fields.get("email"), email) for each in held)

    def _resurrection(self, vendor: Vendor, person: int) -> None:
        world = self.world
        gone = world.users.deleted.get((vendor.name, person), [])
        if world.script.has("lag_more"):
            # A listing that runs behind by more than the vendor admits cannot be told from one made again.
            return
        if not gone or not any(self.surely_read(version, "email", SURE_S) for version in gone[-1][1].versions):
            return
        at, rec = gone[-1]
        if rec.id in world.users.undeleted or world.hits["flip"] or world.hits["lost"]:
            # A link that was lost, or whose row was damaged, is forgotten, with what it knew of deletions.
            return
        if not rec.versions[-2].reads:
            # Whether the edit had arrived there, or been made there too, before the deletion is known to nobody but the vendor.
            return
        last = rec.versions[-2].fields or {}
        newer = [
            wrote
            for wrote in world.users.wrote
            if wrote.person == person and wrote.system != vendor.name
            and (
                wrote.at > at or wrote.removed or not wrote.tag or wrote.tag not in tags_in(FIELDS[wrote.path], last.get(wrote.path))
                # Written on both sides at once, and spelt otherwise there: to all but people that edit never arrived here.
                or world.vendors[wrote.system].kept(wrote.path, last.get(wrote.path)) != last.get(wrote.path)
            )
        ]  # fmt: skip
        if not newer and not self._is_asked(person):
            world.fail("S5", f"{rec.id}, deleted by a person, is made again in {vendor.name} though nobody edited it elsewhere")

    def _is_asked(self, person: int) -> bool:
        """Whether a field of this person waits for somebody's word: an edit that nobody has judged yet is one."""
        rows = self.world.process.connection.execute(
            "SELECT m.system, m.record_id FROM holds AS h JOIN link_members AS m ON m.link_id = h.link_id"
            " WHERE h.kind = 'conflict' AND h.state = 'open'"
        )
        return any((rec := self.world.vendors[system].records.get(each)) and rec.person == person for system, each in rows)

    def _delete(self, vendor: Vendor, rec: Rec) -> None:
        world = self.world
        if not world.allows("delete", "propagate") and not world.operator_acted:
            world.fail("S11", f"{rec.id} is deleted in {vendor.name} though the rule is {world.options['delete']}")
        lost = [
            other
            for name, each in world.vendors.items()
            if name != vendor.name
            for other in each.records.values()
            if other.person == rec.person and self._was_deleted(other)
        ]
        if not lost:
            # A listing that runs behind by more than the vendor admits shows what we deleted: it is made again, and gone again with the next.
            ours = [each for name, other in world.vendors.items() if name != vendor.name for each in other.records.values() if each.person == rec.person and not each.alive]
            if not (ours and world.script.has("lag_more")):
                world.fail("S11", f"{rec.id} is deleted in {vendor.name} though it was deleted by nobody anywhere else")
            return
        if rec.person in world.users.irregular or world.somebody_owned or world.was_frozen(60):
            return
        for path in world.rules.fields.keys() - world.carried:
            cur = tags_in(FIELDS[path], (rec.now.fields or {}).get(path))
            for tag in cur:
                wrote = world.users.by_tag.get(tag)
                if wrote is None or wrote.system != vendor.name or wrote.rec is not rec or wrote.version is rec.versions[0]:
                    continue
                shown_there = any(tag in tags_in(FIELDS[path], (v.fields or {}).get(path)) for other in lost for v in other.versions)
                if not shown_there and self.surely_read(wrote.version, path, LATE_S) and not world.operator_acted:
                    world.fail("S11", f"{rec.id} is deleted in {vendor.name} with an edit of {path} ({tag}) that the other side never had")

    def _was_deleted(self, rec: Rec) -> bool:
        """Whether a person deleted it, and had not brought it back for long enough for the daemon to have seen it."""
        if not rec.alive:
            return rec.now.actor == "user"
        back = self.world.users.undeleted.get(rec.id)
        return back is not None and not any(
            self.surely_read(version, "email", LATE_S) for version in rec.versions if version.seq > self._last_gone(rec)
        )

    @staticmethod
    def _last_gone(rec: Rec) -> int:
        return max(version.seq for version in rec.versions if version.fields is None)

    def _values(self, vendor: Vendor, person: int, rec: Rec | None, fields: Mapping[str, Json]) -> None:
        """S2: every value written is one that a person gave this field of this person."""
        world = self.world
        for path, value in fields.items():
            if path == "archived":
                continue
            if path in world.carried:
                if not world.automated.may_carry(person, value):
                    world.fail("S2", f"{vendor.name} {rec.id if rec else 'new'}: {path} is given {value!r}, which no automation can have set")
                continue
            for tag in tags_in(FIELDS[path], value):
                wrote = world.users.by_tag.get(tag)
                if wrote is None or wrote.path != path or wrote.person != person:
                    world.fail("S2", f"{vendor.name} {rec.id if rec else 'new'}: {path} is given {value!r}, which nobody wrote there")
            held = rec is not None and (rec.now.fields or {}).get(path) is not None
            excused = path == "tags" or (person, path) in world.users.cleared or person in world.users.irregular or world.somebody_owned
            if held and value in (None, []) and not excused:
                world.fail("S22", f"{vendor.name} {rec and rec.id}: {path} is cleared, which nobody did")

    def _update(self, vendor: Vendor, rec: Rec, fields: Mapping[str, Json]) -> None:
        world = self.world
        for path, value in fields.items():
            if path in ("archived", "tags", *world.carried):
                continue
            held, tag = (rec.now.fields or {}).get(path), tag_of(value)
            if tag == tag_of(held):
                self.redundant += 1
                if world.users.origins.get(tag) == {vendor.name} and world.looks_are_honest and rec.person not in world.users.irregular:
                    world.fail("S6", f"{rec.id}.{path}: {held!r}, written by a person here, is written again as {value!r}")
            self.again[rec.id, path, tag] += 1
            over = world.users.by_tag.get(tag_of(held))
            if over is None or tag == tag_of(held) or world.somebody_owned:
                continue
            wrote = world.users.by_tag.get(tag)
            blind = over.rec is rec and not any(path in v.shown for v in rec.versions if self._holds(v, path, held))
            if blind and world.was_frozen(60):
                # Looked at before the machine slept, written after it.
                world.facts["overwritten unread in its sleep"] += 1
            elif blind and not self.is_settled():
                # A first sync goes by its listing of at most ten minutes ago.
                world.facts["overwritten unread in a first sync"] += 1
            elif blind and world.loop.vt - over.at > LATE_S and world.looks_are_honest and over.version.actor == "user":
                world.fail("S1", f"{rec.id}.{path}: {tag_of(held)} stood for {world.loop.vt - over.at:.1f} s and is overwritten unread")
            elif blind:
                self.narrow += 1
            known = wrote is not None and self._supersedes(over, wrote) and self.surely_read(over.version, path, 5.0)
            if known and world.looks_are_honest and rec.person not in world.users.irregular and over.tag not in losers_of(world):
                world.fail("S12", f"{rec.id}.{path}: {tag} is written over {over.tag}, which came after it and was read")

    def is_settled(self) -> bool:
        rows = self.world.process.connection.execute("SELECT settled_at FROM syncs WHERE settled_at IS NOT NULL").fetchall()
        backlog = self.world.process.connection.execute("SELECT 1 FROM outbox WHERE state = 'sent' AND priority >= 30").fetchall()
        return bool(rows) and not backlog

    @staticmethod
    def _holds(version: Any, path: str, value: Json) -> bool:
        return version.fields is not None and same(path, version.fields.get(path), value)

    @staticmethod
    def _supersedes(later: Wrote, earlier: Wrote) -> bool:
        """Whether whoever wrote the later value had the earlier one before his eyes."""
        return bool(earlier.tag) and later.before == earlier.tag

    def surely_read(self, version: Any, path: str, ago_s: float) -> bool:
        """Whether the daemon read this version's field so long ago, and lived on long enough to have kept it."""
        now, since = self.world.loop.vt, max(self.world.restored_at, default=-1.0)
        return any(
            path in paths and since < at <= now - ago_s and not any(at - 0.001 <= broke <= at + SURE_S for broke in self.world.breaks)
            for at, paths in version.reads
        )
