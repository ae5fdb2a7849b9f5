"""What a run knows: its event, and what the link of its record and the link's records show now.

The rule that keeps it true: only what is asked for is looked up, and it is looked up anew each time; what is not there is said to be missing,
together with whether it may yet come.
It must not know: what it is used for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from syncd.core.automation import Facts
from syncd.core.link import Link
from syncd.core.record import CollectionName, Json, Micros, RecordId, SyncName, SystemName
from syncd.core.rules import SyncRules
from syncd.core.templates import NOTHING, Missing, look_up, tokens
from syncd.store import links, notices, observations
from syncd.store.database import Connection
from syncd.store.planning import PlanItem
from syncd.store.runs import Run

LINKED = frozenset({"hub", "link", "members"})
"""First parts of paths that only a link can tell of."""
SIDES = frozenset({"link", "members"})
"""What a condition reads of the records on the sides of a link."""


class Knowing:
    """What one run knows at one moment; without a database nothing of any link. `may_come`: something was missing that a sync may yet bring."""

    def __init__(self, syncs: Mapping[SyncName, SyncRules], tx: Connection | None, run: Run, now: Micros) -> None:
        self._syncs = syncs
        self._tx = tx
        self._run = run
        self._now = now
        self._link: Link | None = None
        self.may_come = False

    def facts(self, names: Iterable[str], known: Mapping[str, Json], *, patient: bool) -> Facts:
        """What a condition reads: a bare name that is no field of the event's record is one of the hub. Raises Missing.

        Whoever is `patient` does without an answer while the sides of the link are being written.
        """
        own = self._run.event.get("after") or self._run.event.get("before") or {}
        roots = {"hub" if "." not in name and name not in own and self._run.sync is not None else name.partition(".")[0] for name in names}
        if roots & SIDES and patient:
            self.wait_for_sides()
        return Facts(self.about(roots, known))

    def for_template(self, written: Json, known: Mapping[str, Json]) -> dict[str, Json]:
        """What the paths in a value lead through. Raises Missing where a link is asked for that is not there, or lacks the record asked for."""
        asked = list(tokens(written))
        found = self.about({each.root for each in asked}, known)
        for each in asked:
            if each.root in LINKED and each.otherwise is None and look_up(found, each.path) is NOTHING:
                self.may_come = True
        return found

    def about(self, roots: Iterable[str], known: Mapping[str, Json]) -> dict[str, Json]:
        """What these first parts of paths stand for. Raises Missing where a link is asked for and there is none."""
        run = self._run
        found: dict[str, Json] = {
            "event": run.event,
            "now": self._now,
            "run": {"id": run.id, "automation": run.automation, "origin": run.cause.origin.value},
            **known,
        }
        wanted = LINKED & set(roots)
        if wanted and run.sync is not None:
            link = self.link()
            found["hub"] = link.values()
            found["link"] = {
                "id": link.id,
                **{name: {"id": m.ref.id, "system": m.ref.system, "collection": m.ref.collection} for name, m in link.members.items() if m.ref and not m.gone},
            }
            if "members" in wanted:
                found["members"] = self._members(link)
        return found

    def link(self) -> Link:
        """The link of the run's record, as it is now. Raises Missing."""
        if self._link is None:
            self._link = self._find()
        if self._link is None:
            self.may_come = True
            raise Missing(f"{self._run.subject} has no link in {self._run.sync} yet")
        return self._link

    def wait_for_sides(self) -> None:
        """Raises Missing while the sides of the link are being written: what they show now is not what they are about to show."""
        if self._run.sync is not None and self._tx is not None and notices.is_moving(self._tx, self.link().id):
            self.may_come = True
            raise Missing(f"the sides of link {self.link().id} are still being written")

    def _find(self) -> Link | None:
        run = self._run
        if self._tx is None:
            return None
        number = run.link
        if number is None and run.sync is not None and run.sync in self._syncs and "id" in run.event:
            place = (SystemName(run.event.get("system", "")), CollectionName(run.event.get("collection", "")))
            rules = self._syncs[run.sync]
            items = [
                PlanItem(run.sync, member.name, RecordId(run.event["id"]))
                for member in rules.members.values()
                if (member.system, member.collection) == place
            ]
            number = next(iter(links.links_of(self._tx, items).values()), None)
        return None if number is None else links.load(self._tx, [number]).get(number)

    def _members(self, link: Link) -> dict[str, Json]:
        assert self._tx is not None
        refs = {name: member.ref for name, member in link.members.items() if member.ref is not None}
        seen = observations.load(self._tx, refs.values())
        return {name: dict(seen[ref].fields or {}) for name, ref in refs.items() if ref in seen}
