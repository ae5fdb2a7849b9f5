"""What people do: they write values unlike any other, on whatever record of a person is there at that moment.

The rule that keeps it true: every value written gets its own tag, registered with who wrote it, where, when, and over what.
It must not know: the daemon.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from syncd.connectors.base import Update
from syncd.core.fields import FieldType, as_set, elements
from syncd.core.record import DAY, Json
from tests.sim.script import SYSTEMS, Act
from tests.sim.vendor import FIELDS, Rec, Vendor, Version, tag_of

if TYPE_CHECKING:
    from tests.sim.world import World


@dataclass(slots=True, kw_only=True)
class Wrote:
    """One value a person (or a vendor's own rule) wrote. For a set: one element added (or, `removed`, taken away)."""

    tag: str
    person: int
    path: str
    system: str
    rec: Rec
    version: Version
    at: float
    before: str = ""
    removed: bool = False


class Users:
    """Everybody who edits at the vendors."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.wrote: list[Wrote] = []
        self.by_tag: dict[str, Wrote] = {}
        self.origins: dict[str, set[str]] = {}
        self.cleared: set[tuple[int, str]] = set()
        self.deleted: dict[tuple[str, int], list[tuple[float, Rec]]] = {}
        self.undeleted: dict[str, float] = {}
        self.irregular: set[int] = set()
        """People with more than one record somewhere, ever: two made, merged, made again."""
        self._numbers = count(1)

    # ---- the start

    def settle_in(self) -> None:
        """The records that are there before the daemon first runs."""
        rng = Random(self.world.script.seed + 1)
        start = self.world.options["start"]
        for person in range(self.world.options["people"] - self.world.options.get("newcomers", 0)):
            fields = self._fresh_fields(person, rng)
            places = list(self.world.vendors.values())
            if start == "one":
                places = places[:1]
            elif start == "mixed":
                places = rng.sample(places, rng.randint(1, len(places)))
            for index, vendor in enumerate(places):
                shown = dict(fields)
                if index and start in ("differ", "mixed") and rng.random() < 0.5:
                    path = rng.choice([each for each in self.world.paths if each != "email"])
                    shown[path] = [self._fresh(person, path)] if path == "tags" else self._fresh(person, path)
                rec = self._create(vendor, person, shown)
                if rec is not None:
                    # It has been there for long: every index shows it.
                    rec.now.at -= DAY
                    rec.now.modified_at -= DAY - DAY % vendor.habits.resolution

    # ---- what the script asks for

    def do(self, act: Act) -> None:
        world = self.world
        person = act.person % world.options["people"]
        vendor = world.vendors[SYSTEMS[act.system % len(world.vendors)]]
        rng = Random(act.salt)
        path = act.path if act.path in world.paths else world.paths[-1]
        records = vendor.live(person)
        rec = rng.choice(records) if records else None
        world.hits[f"act {act.kind}"] += 1
        match act.kind:
            case "create" | "recreate":
                if rec is None:
                    made = self._create(vendor, person, self._fresh_fields(person, rng, self._email_of(person)))
                    if made is not None and act.salt % 3 == 0:
                        # Made and edited within the same moment.
                        self._set(vendor, made, path)
                elif act.kind == "recreate":
                    self.delete(vendor, rec)
                    self._create(vendor, person, self._fresh_fields(person, rng, self._email_of(person)))
            case "create_both":
                email = self._email_of(person) or self._fresh(person, "email")
                for each in world.vendors.values():
                    if not each.live(person):
                        self._create(each, person, self._fresh_fields(person, rng, email))
            case "merge":
                if rec is not None and not vendor.habits.unique:
                    twin = self._create(vendor, person, dict(rec.now.fields or {}) | {"name": self._fresh(person, "name")})
                    self.delete(vendor, rec)
                    rec.merged_into = twin.id if twin else None
            case "undelete":
                gone = [each for each in vendor.records.values() if each.person == person and each.now.fields is None and each.now.actor == "user"]
                if rec is None and gone and not vendor.is_taken(gone[-1].versions[-2].fields["email"]):  # type: ignore[index]
                    self.undelete(vendor, gone[-1])
            case _ if rec is None:
                return
            case "delete":
                self.delete(vendor, rec)
            case "bump":
                vendor.bump(rec)
            case "edit":
                self._set(vendor, rec, path)
            case "copy_edit":
                # The same value is written everywhere at the same moment.
                value = self._fresh(person, path) if path != "tags" else None
                for each in world.vendors.values():
                    for other in each.live(person)[:1]:
                        self._set(each, other, path, value)
            case "clear":
                if path not in ("tags", "email"):
                    self._write(vendor, rec, path, None)
            case "email":
                self._write(vendor, rec, "email", self._fresh(person, "email"))
            case "tag":
                self._set(vendor, rec, "tags" if "tags" in world.paths else path)
            case "untag":
                self._untag(vendor, rec, rng)

    # ---- what happens at the worst moment

    def edit_meanwhile(self, vendor: Vendor, rec: Rec, update: Update) -> None:
        """Somebody edits the record while the daemon's write to it travels."""
        paths = [path for path in sorted(update.changes) if path in self.world.paths and path != "email"]
        self._set(vendor, rec, self.world.rng.choice(paths or self.world.paths[1:]))

    def drift(self, vendor: Vendor, salt: int) -> None:
        """Somebody edits, makes or deletes something between two pages of a listing."""
        rng = Random(salt)
        for person in rng.sample(range(self.world.options["people"]), 1):
            records = vendor.live(person)
            if not records:
                self._create(vendor, person, self._fresh_fields(person, rng, self._email_of(person)))
            elif rng.random() < 0.2:
                self.delete(vendor, records[0])
            else:
                self._set(vendor, records[0], self.world.paths[-1])

    def trigger(self, vendor: Vendor, rec: Rec) -> None:
        """The vendor's own rule writes something after a write of the daemon's."""
        path = self.world.paths[-1]
        if path != "email":
            self._set(vendor, rec, path)

    def delete(self, vendor: Vendor, rec: Rec) -> None:
        if rec.alive:
            vendor.delete(rec, "user")
            self.deleted.setdefault((vendor.name, rec.person), []).append((self.world.loop.vt, rec))

    def undelete(self, vendor: Vendor, rec: Rec) -> None:
        """Out of the bin again: whatever it holds is as good as written now."""
        vendor.undelete(rec)
        self.undeleted[rec.id] = self.world.loop.vt

    # ---- values

    def _fresh(self, person: int, path: str) -> Json:
        number = next(self._numbers)
        match FIELDS[path]:
            case FieldType.EMAIL:
                return f"p{person}.{number}@example.com"
            case FieldType.SET:
                return f"t{number}"
            case _:
                return f"v{number} Of p{person}, at {path} " if number % 3 else f"v{number}"

    def _fresh_fields(self, person: int, rng: Random, email: str | None = None) -> dict[str, Json]:
        fields: dict[str, Json] = {"email": email or self._fresh(person, "email")}
        for path in self.world.paths[1:]:
            if path == "tags":
                fields[path] = [self._fresh(person, path) for _ in range(rng.randint(0, 2))]
            elif rng.random() < 0.8:
                fields[path] = self._fresh(person, path)
        return fields

    def _email_of(self, person: int) -> str | None:
        for vendor in self.world.vendors.values():
            for rec in vendor.live(person):
                if rec.now.fields and rec.now.fields.get("email"):
                    if not rec.now.reads and self.world.started:
                        # Only people know yet that this is his address.
                        self.irregular.add(person)
                    return str(rec.now.fields["email"])
        if any(rec.person == person and rec.now.actor == "user" for vendor in self.world.vendors.values() for rec in vendor.records.values()):
            # Deleted by somebody, and now made anew under another address: to all but people that is somebody else.
            self.irregular.add(person)
        return None

    # ---- writing

    def _create(self, vendor: Vendor, person: int, fields: dict[str, Json]) -> Rec | None:
        if vendor.is_taken(fields.get("email")):
            return None
        if any(rec.person == person for rec in vendor.records.values()):
            self.irregular.add(person)
        rec = vendor.create(fields, person, "user")
        for path in self.world.paths:
            for tag in sorted(elements(fields.get(path))) if path == "tags" else [tag_of(fields.get(path))]:
                self._register(tag, vendor, rec, path, "")
        return rec

    def _set(self, vendor: Vendor, rec: Rec, path: str, value: Json = None) -> None:
        assert rec.now.fields is not None
        value = self._fresh(rec.person, path) if value is None else value
        if path == "tags":
            value = as_set([*elements(rec.now.fields.get("tags")).values(), value])
        self._write(vendor, rec, path, value)

    def _untag(self, vendor: Vendor, rec: Rec, rng: Random) -> None:
        assert rec.now.fields is not None
        have = elements(rec.now.fields.get("tags"))
        if not have or "tags" not in self.world.paths:
            return
        gone = rng.choice(sorted(have))
        version = vendor.update(rec, {"tags": [each for key, each in have.items() if key != gone]}, "user")
        self.cleared.add((rec.person, gone))
        self.wrote.append(
            Wrote(tag=gone, person=rec.person, path="tags", system=vendor.name, rec=rec, version=version, at=self.world.loop.vt, removed=True)
        )

    def _write(self, vendor: Vendor, rec: Rec, path: str, value: Json) -> None:
        assert rec.now.fields is not None
        if path == "email" and vendor.is_taken(value, rec):
            return
        before = rec.now.fields.get(path)
        if path == "email" and self.world.started and not self.world.monitors.is_settled():
            # The address by which it would have been found was gone before anybody looked for counterparts.
            self.irregular.add(rec.person)
        vendor.update(rec, {path: value}, "user")
        if value is None:
            self.cleared.add((rec.person, path))
        if path == "tags":
            for tag in sorted(elements(value).keys() - elements(before).keys()):
                self._register(tag, vendor, rec, path, "")
        else:
            self._register(tag_of(value), vendor, rec, path, tag_of(before))

    def _register(self, tag: str, vendor: Vendor, rec: Rec, path: str, before: str) -> None:
        wrote = Wrote(
            tag=tag, person=rec.person, path=path, system=vendor.name, rec=rec, version=rec.now, at=self.world.loop.vt, before=before
        )
        self.wrote.append(wrote)
        if tag:
            self.origins.setdefault(tag, set()).add(vendor.name)
            self.by_tag.setdefault(tag, wrote)
