"""What hangs on a contact: tasks, notes, followers, campaigns, workflows, its business; and contacts by the hundred.

Rule: the contact itself is changed through the location alone, so that search and webhooks hear of it.

It must not know requests or shapes.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.sandbox.gohighlevel.contact import Contact, shown
from syncd.sandbox.gohighlevel.deeds import BEYOND, DONE, Deed, Scene, creating, deleting, getting, listing, updating
from syncd.sandbox.gohighlevel.errors import refuse, unprocessable
from syncd.sandbox.truth import Json

_PAGE, _PAGE_MAX = 20, 100
_BUSINESS_PAGE = 25


def _told(scene: Scene, contact: Contact) -> Json:
    return {**shown(contact, scene.options.location_id), "businessId": contact.values.get("businessId"), "followers": contact.values.get("followers", [])}


def _of_business(scene: Scene) -> Json:
    rows = [_told(scene, each) for each in scene.location.all() if each.values.get("businessId") == scene.ids["businessId"]]
    return {"contacts": scene.cut(rows, default=_BUSINESS_PAGE), "count": len(rows)}


def _old_listing(scene: Scene) -> Json:
    """Newest first; where to go on from is in a `meta` that the specification forgot. One of the two start-afters alone gives page one."""
    size = scene.number("limit", _PAGE)
    if size > _PAGE_MAX:
        raise unprocessable([f"limit must not be greater than {_PAGE_MAX}"])
    contacts = sorted(scene.location.all(), key=lambda each: (each.added_ms, each.id), reverse=True)
    total, start = len(contacts), 0
    if {"startAfter", "startAfterId"} <= scene.query.keys():
        after = (scene.number("startAfter", 0), scene.query["startAfterId"])
        start = next((place for place, each in enumerate(contacts) if (each.added_ms, each.id) < after), total)
    page = contacts[start : start + size]
    meta: Json = {"total": total}
    if start + size < total:
        meta |= {"startAfter": page[-1].added_ms, "startAfterId": page[-1].id}
    return {"contacts": scene.cut([_told(scene, each) for each in page], default=size), "count": total, BEYOND: {"meta": meta}}


def _bulk_tags(scene: Scene) -> Json:
    """Adds or removes; a contact that is not there is an error of its own."""
    what, given = scene.ids["type"], [tag.strip().lower() for tag in scene.body["tags"]]
    if what not in ("add", "remove"):
        raise refuse(400, "type must be add or remove")
    answers, errors = [], 0
    known = {each.id: each for each in scene.location.all()}
    for contact_id in scene.body["contacts"]:
        contact = known.get(contact_id)
        if contact is None:
            errors += 1
            continue
        kept = [tag for tag in contact.tags if tag not in given and not (what == "remove" and scene.body.get("removeAllTags"))]
        scene.location.update(contact_id, {"tags": [*kept, *given] if what == "add" else kept}, scene.author, exact=True)
        answers.append(contact_id)
    return {**DONE, "errorCount": errors, "responses": answers}


def _bulk_business(scene: Scene) -> Json:
    business_id = scene.body["businessId"]
    if business_id is not None:
        scene.records.get("businesses", business_id)
    for contact_id in scene.body["ids"]:
        scene.location.update(contact_id, {"businessId": business_id}, scene.author, exact=True)
    return {**DONE, "ids": scene.body["ids"]}


def _follow(scene: Scene) -> Json:
    held = scene.location.get(scene.last_id).values.get("followers", [])
    added = [each for each in scene.body["followers"] if each not in held]
    scene.location.update(scene.last_id, {"followers": [*held, *added]}, scene.author, exact=True)
    return {"followers": [*held, *added], "followersAdded": added}


def _unfollow(scene: Scene) -> Json:
    held = scene.location.get(scene.last_id).values.get("followers", [])
    removed = [each for each in held if each in scene.body["followers"]]
    kept = [each for each in held if each not in removed]
    scene.location.update(scene.last_id, {"followers": kept}, scene.author, exact=True)
    return {"followers": kept, "followersRemoved": removed}


def _enrol(collection: str) -> Deed:
    """Into a campaign or a workflow that is there; twice is once."""

    def run(scene: Scene) -> Json:
        scene.records.get(collection, scene.last_id)
        place = f"{scene.ids['contactId']}:{scene.last_id}"
        if scene.records.find(f"{collection}_contacts", place) is None:
            scene.records.create(f"{collection}_contacts", {**scene.all_ids, "id": place}, scene.author)
        return DONE

    return run


def _leave(collection: str) -> Deed:
    """Out of one; who is not in it is out of it."""

    def run(scene: Scene) -> Json:
        place = f"{scene.ids['contactId']}:{scene.last_id}"
        if scene.records.find(f"{collection}_contacts", place) is not None:
            scene.records.delete(f"{collection}_contacts", place, scene.author)
        return DONE

    return run


def _leave_all(scene: Scene) -> Json:
    for row in scene.records.rows("campaigns_contacts", {"contactId": scene.ids["contactId"]}):
        scene.records.delete("campaigns_contacts", row["id"], scene.author)
    return DONE


def _search_tasks(scene: Scene) -> Json:
    """Tasks of every contact; each of the body's values narrows them down."""
    rows = scene.records.indexed("tasks")
    for name in ("contactId", "assignedTo"):
        if wanted := scene.body.get(name):
            rows = [row for row in rows if row.get(name) in wanted]
    if "completed" in scene.body:
        rows = [row for row in rows if row["completed"] is scene.body["completed"]]
    if words := scene.body.get("query", "").lower():
        rows = [row for row in rows if words in row["title"].lower()]
    return {"tasks": scene.cut(rows, default=25)}


DEEDS: Mapping[str, Deed] = {
    "get-contacts-by-business": _of_business,
    "list-contacts-deprecated": _old_listing,
    "bulk-update-contact-tags": _bulk_tags,
    "bulk-business-update": _bulk_business,
    "add-contact-followers": _follow,
    "remove-contact-followers": _unfollow,
    "add-contact-to-campaign": _enrol("campaigns"),
    "remove-from-campaign": _leave("campaigns"),
    "remove-from-all-campaigns": _leave_all,
    "add-contact-to-workflow": _enrol("workflows"),
    "remove-from-workflow": _leave("workflows"),
    "get-contact-tasks": listing("tasks", "tasks"),
    "get-contact-task-by-id": getting("tasks", "task"),
    "create-contact-task": creating("tasks", "task"),
    "update-contact-task": updating("tasks", "task"),
    "complete-contact-task": updating("tasks", "task"),
    "delete-contact-task": deleting("tasks"),
    "search-location-tasks": _search_tasks,
    "get-contact-notes": listing("notes", "notes"),
    "get-contact-note-by-id": getting("notes", "note"),
    "create-contact-note": creating("notes", "note"),
    "update-contact-note": updating("notes", "note"),
    "delete-contact-note": deleting("notes"),
}
