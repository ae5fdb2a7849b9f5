"""The calendar of 17hats and GoHighLevel's appointments, through the real daemon: one way, and called off rather than deleted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from syncd.sandbox import BridgeOptions, GoHighLevelOptions, Sandbox, SandboxOptions
from tests.e2e.test_bridge import World

CONFIGURATION = """\
[systems.ghl]
kind = "gohighlevel"
base_url = "{ghl[base_url]}"
location_id = "{ghl[location_id]}"
token = {{ file = "token" }}
calls_per_window = 10000

[systems.hats17]
kind = "17hats"
calendar_url = {{ file = "calendar" }}
calls_per_s = 1000

[syncs.diary]
match = ["title+start"]
source_of_truth = "hats17"
first_run = "auto"
delete = "archive"
guards = {{ delete_grace = "500ms", deletes = {{ number = 10 }} }}

[syncs.diary.members]
hats17 = {{ collection = "events" }}
ghl = {{ collection = "appointments", create = {{ calendarId = "{calendar}", contactId = "{contact}" }}, archive = {{ appointmentStatus = "cancelled" }} }}

[syncs.diary.fields]
title = {{ hats17 = "title", ghl = "title", direction = "hats17 -> ghl" }}
start = {{ type = "instant", hats17 = "start", ghl = "startTime", direction = "hats17 -> ghl" }}
end = {{ type = "instant", hats17 = "end", ghl = "endTime", direction = "hats17 -> ghl" }}
where = {{ hats17 = "location", ghl = "address", direction = "hats17 -> ghl" }}

[daemon]
state = "state"
listen = "127.0.0.1:0"
poll_min = "200ms"
poll_max = "300ms"
quiet = "100ms"
full_pass = "300ms"
"""
SOON = (datetime.now(tz=UTC) + timedelta(days=5)).replace(minute=0, second=0, microsecond=0)


def event(uid: str, title: str, hours: float = 0, **more: str) -> str:
    lines = {"UID": uid, "SUMMARY": title, "DTSTART": f"{SOON + timedelta(hours=hours):%Y%m%dT%H%M%SZ}", "DURATION": "PT1H", **more}
    return "BEGIN:VEVENT\n" + "".join(f"{name}:{value}\n" for name, value in lines.items()) + "END:VEVENT\n"


def calendar(*events: str) -> str:
    return "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//t//EN\n" + "".join(events) + "END:VCALENDAR\n"


async def test_events_become_appointments(tmp_path: Path) -> None:
    """Made once, moved with their event, cancelled when it is called off and only then; what is repeated is there each time; a broken
    calendar changes nothing, and neither does rest."""
    options = SandboxOptions(ghl=GoHighLevelOptions(index_lag_s=0.0), bridge=BridgeOptions(), quotas=False)
    async with Sandbox(options) as sandbox:
        ghl, hats = sandbox.ghl, sandbox.bridge
        contact = ghl.seed({"email": "owner@example.com"})["id"]
        place = ghl.create_record_as_user("calendars", {"name": "Studio"})["id"]
        (tmp_path / "syncd.toml").write_text(CONFIGURATION.format(ghl=ghl.describe(), calendar=place, contact=contact))
        for name, text in (("token", ghl.describe()["token"]), ("calendar", hats.describe()["calendar_url"])):
            (tmp_path / name).write_text(text + "\n")
            (tmp_path / name).chmod(0o600)
        world = World(tmp_path, sandbox)

        def diary() -> dict[str, tuple[str, str]]:
            return {row["title"]: (row["startTime"][:16], row["appointmentStatus"]) for row in ghl.records.rows("appointments")}

        repeated = event("w", "Weekly", 1, RRULE="FREQ=WEEKLY;COUNT=3")
        others = [event(f"o{number}", f"Other {number}", 10 + number) for number in range(6)]
        hats.calendar = calendar(event("a", "Shoot", LOCATION="Studio 1"), event("b", "Call"), repeated, *others)
        assert (await world.syncd("check"))[0] == 0
        async with world.daemon():
            await world.until(lambda: len(ghl.records.rows("appointments")) == 11)
            first = diary()
            hats.calendar = calendar(event("a", "Shoot", 2, SEQUENCE="1"), event("b", "Call"), repeated, *others)
            await world.until(lambda: diary()["Shoot"][0] == f"{SOON + timedelta(hours=2):%Y-%m-%dT%H:%M}")
            hats.calendar = "<html>not now</html>"
            asked = hats.stats.requests["calendar"]
            await world.until(lambda: hats.stats.requests["calendar"] >= asked + 2)
            hats.calendar = calendar(event("a", "Shoot", 2, SEQUENCE="1"), repeated, *others)
            await world.until(lambda: diary()["Call"][1] == "cancelled")
            written, asked = ghl.stats.writes_by_api, hats.stats.requests["calendar"]
            await world.until(lambda: hats.stats.requests["calendar"] >= asked + 4)
            status = json.loads((await world.syncd("status", "--json"))[1])
            broken = "BEGIN:VEVENT\nUID:endless\nSUMMARY:Private\nEND:VEVENT\n"
            hats.calendar = calendar(event("a", "Shoot", 2, SEQUENCE="1"), repeated.replace("WEEKLY", "HOURLY"), broken, *others, event("n", "New", 30))
            await world.until(lambda: "New" in diary())
            asked = hats.stats.requests["calendar"]
            await world.until(lambda: hats.stats.requests["calendar"] >= asked + 4)
            left = json.loads((await world.syncd("status", "--json"))[1])["collections"]["hats17/events"]["left_out"]
            texts = {name: " ".join((await world.syncd(*name.split()))[1].split()) for name in ("status", "doctor", "check --online")}
        logged = [json.loads(line) for line in world.log.splitlines() if b'"record.left_out"' in line]

    assert {title for title, (_, state) in first.items() if state == "cancelled"} == set()
    assert first["Shoot"][0] == f"{SOON:%Y-%m-%dT%H:%M}"
    assert len(ghl.records.rows("appointments")) == 12
    assert [title for title, (_, state) in diary().items() if state == "cancelled"] == ["Call"]
    # The new one is written, and what cannot be read is neither held against the others nor called off.
    assert ghl.stats.writes_by_api == written + 1
    assert (status["failures"], status["holds"]) == (0, {})
    why = {"w": "it repeats HOURLY, which is no appointment", "endless": "it does not say when it begins"}
    assert {each["name"]: each["why"] for each in left["records"]} == why
    for text in texts.values():
        assert all(f"{name} is left out: {reason}" in text for name, reason in why.items()), text
        assert "put its time right and save it" in text
    # Once in the log, with nothing of what it says.
    assert {each["ref"].rpartition("/")[2]: each["reason"] for each in logged} == why
    assert len(logged) == 2
    assert "Private" not in f"{logged}{left}{texts}"
