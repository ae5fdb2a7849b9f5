"""Calendars: events in a window of time, free slots, notifications in an array.

Rule: a listing of events sees the start of an event and nothing else, as the vendor's does.

It must not know requests or shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from syncd.sandbox.gohighlevel.deeds import DONE, Deed, Scene, creating, deleting, getting, listing, updating
from syncd.sandbox.gohighlevel.errors import refuse, unprocessable
from syncd.sandbox.moments import epoch_from_iso
from syncd.sandbox.truth import Json

_DAYS_MAX = 31
_HOURS = (9, 10, 14)
_LENGTH = timedelta(minutes=30)


def _book(scene: Scene) -> Json:
    return _placed(scene, "appointments", {"appointmentStatus": "new", "title": "", "users": [], "createdBy": {"source": "integration"}})


def _block(scene: Scene) -> Json:
    return _placed(scene, "blocked_slots", {})


def _placed(scene: Scene, collection: str, defaults: Json) -> Json:
    fields = {**defaults, **scene.fields()}
    if "startTime" in fields:
        start = _moment(fields["startTime"])
        fields.setdefault("endTime", (start + _LENGTH).isoformat())
    calendar = scene.records.find("calendars", fields.get("calendarId", ""))
    fields["groupId"] = (calendar or {}).get("groupId", "")
    fields["status"] = fields.get("appointmentStatus", "")
    return scene.records.create(collection, fields, scene.author)


def _rebook(scene: Scene) -> Json:
    changes = {name: value for name, value in scene.body.items() if name != "locationId"}
    if "appointmentStatus" in changes:
        changes["status"] = changes["appointmentStatus"]
    return scene.records.update("appointments", scene.last_id, changes, scene.author)


def _unbook(scene: Scene) -> Json:
    """One operation deletes appointments and blocked slots alike."""
    is_block = scene.records.find("blocked_slots", scene.last_id) is not None
    scene.records.delete("blocked_slots" if is_block else "appointments", scene.last_id, scene.author)
    return DONE


def _events(collection: str) -> Deed:
    def run(scene: Scene) -> Json:
        by = {"userId": "assignedUserId", "calendarId": "calendarId", "groupId": "groupId"}
        wanted = {field: scene.query[name] for name, field in by.items() if name in scene.query}
        if not wanted:
            raise refuse(400, "Either of userId, calendarId or groupId is required")
        first, last = scene.number("startTime", 0) / 1000, scene.number("endTime", 0) / 1000
        rows = scene.records.indexed(collection, wanted)
        return {"events": scene.cut([row for row in rows if first <= _moment(row["startTime"]).timestamp() <= last])}

    return run


def _of_contact(scene: Scene) -> Json:
    """A contact's, with times that have no offset: the location's own, as nowhere else."""
    here = ZoneInfo(scene.options.timezone)
    rows = scene.records.indexed("appointments", scene.all_ids)
    times = [{name: f"{_moment(row[name]).astimezone(here):%Y-%m-%d %H:%M:%S}" for name in ("startTime", "endTime") if name in row} for row in rows]
    return {"events": [{**row, **local} for row, local in zip(rows, times, strict=True)]}


def _free_slots(scene: Scene) -> Json:
    """Three half hours a day, less those that are booked or blocked."""
    scene.records.get("calendars", scene.ids["calendarId"])
    first, last = scene.number("startDate", 0) / 1000, scene.number("endDate", 0) / 1000
    if last - first > _DAYS_MAX * 86_400:
        raise unprocessable([f"Date range cannot be more than {_DAYS_MAX} days"])
    here = {"calendarId": scene.ids["calendarId"]}
    taken = {_moment(row["startTime"]) for kind in ("appointments", "blocked_slots") for row in scene.records.rows(kind, here) if "startTime" in row}
    free: dict[str, Json] = {}
    day = datetime.fromtimestamp(first, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    while day.timestamp() <= last:
        slots = [day + timedelta(hours=hour) for hour in _HOURS]
        open_ones = [slot.isoformat() for slot in slots if first <= slot.timestamp() <= last and slot not in taken]
        if open_ones:
            free[f"{day:%Y-%m-%d}"] = {"slots": open_ones}
        day += timedelta(days=1)
    return free


def _notify(scene: Scene) -> list[Json]:
    fields = [{"isActive": True, "deleted": False, **each, **scene.all_ids} for each in scene.body]
    return [scene.records.create("calendar_notifications", each, scene.author) for each in fields]


def _slug_is_free(scene: Scene) -> Json:
    return {"available": not scene.records.rows("calendar_groups", {"slug": scene.body["slug"]})}


def _change_notification(scene: Scene) -> Json:
    scene.records.update("calendar_notifications", scene.last_id, scene.body, scene.author, scene.parents)
    return {"message": "Notification updated"}


def _moment(text: str) -> datetime:
    try:
        return datetime.fromtimestamp(epoch_from_iso(text), UTC)
    except (ValueError, TypeError):
        raise unprocessable(["startTime must be a valid ISO 8601 date string"]) from None


DEEDS: Mapping[str, Deed] = {
    "list-calendar-groups": listing("calendar_groups", "groups"),
    "create-calendar-group": creating("calendar_groups", "group", isActive=True),
    "update-calendar-group": updating("calendar_groups", "group"),
    "update-group-status": updating("calendar_groups", "group"),
    "delete-calendar-group": deleting("calendar_groups"),
    "validate-group-slug": _slug_is_free,
    "list-calendars": listing("calendars", "calendars", "groupId"),
    "get-calendar-by-id": getting("calendars", "calendar"),
    "create-calendar": creating("calendars", "calendar", isActive=True),
    "update-calendar": updating("calendars", "calendar"),
    "delete-calendar": deleting("calendars"),
    "get-free-slots": _free_slots,
    "list-calendar-events": _events("appointments"),
    "list-blocked-slots": _events("blocked_slots"),
    "get-appointment": getting("appointments", "event"),
    "create-appointment": _book,
    "update-appointment": _rebook,
    "delete-event": _unbook,
    "create-block-slot": _block,
    "update-block-slot": updating("blocked_slots"),
    "get-contact-appointments": _of_contact,
    "list-appointment-notes": listing("appointment_notes", "notes"),
    "create-appointment-note": creating("appointment_notes", "note"),
    "update-appointment-note": updating("appointment_notes", "note"),
    "delete-appointment-note": deleting("appointment_notes"),
    "list-calendar-notifications": listing("calendar_notifications", "", "isActive", "deleted"),
    "get-calendar-notification": getting("calendar_notifications"),
    "create-calendar-notification": _notify,
    "update-notification": _change_notification,
    "delete-notification": deleting("calendar_notifications"),
    "list-calendar-resources": listing("calendar_resources", ""),
    "get-calendar-resource": getting("calendar_resources"),
    "create-calendar-resource": creating("calendar_resources", isActive=True),
    "update-calendar-resource": updating("calendar_resources"),
    "delete-calendar-resource": deleting("calendar_resources"),
}
