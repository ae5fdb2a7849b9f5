"""Opportunities, invoices, businesses and the staff.

Rule: what money is worth is worked out from the items, never taken from a request.

It must not know requests or shapes.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.sandbox.gohighlevel.deeds import DONE, Deed, Scene, creating, deleting, getting, listing, updating
from syncd.sandbox.gohighlevel.errors import refuse, unprocessable
from syncd.sandbox.moments import epoch_from_iso
from syncd.sandbox.truth import Json

_PAGE, _PAGE_MAX = 20, 100
_SEARCHED = {
    "pipeline_id": "pipelineId",
    "pipeline_stage_id": "pipelineStageId",
    "contact_id": "contactId",
    "assigned_to": "assignedTo",
    "id": "id",
}


def _with_contact(scene: Scene, opportunity: Json) -> Json:
    """An opportunity as it is shown, with its contact."""
    contact = scene.location.get(opportunity["contactId"]) if opportunity.get("contactId") else None
    if contact is None:
        return opportunity
    told = {"id": contact.id, "name": contact.full_name, "email": contact.values.get("email"), "phone": contact.values.get("phone"), "tags": contact.tags}
    return {**opportunity, "contact": told}


def _values(fields: Json) -> Json:
    """Custom values in the shape they are read in."""
    if not all(isinstance(each, dict) for each in fields.get("customFields") or ()):
        raise unprocessable(["each value in customFields must be an object"])
    custom = [{"id": each.get("id") or each.get("key", ""), "fieldValue": each.get("field_value")} for each in fields.get("customFields") or ()]
    return {**fields, "customFields": custom} if "customFields" in fields else fields


def _add_opportunity(scene: Scene) -> Json:
    if scene.body["status"] == "all":
        raise unprocessable(["status must be one of the following values: open, won, lost, abandoned"])
    made = scene.records.create("opportunities", {"followers": [], "source": "public api", **_values(scene.fields())}, scene.author)
    return {"opportunity": _with_contact(scene, made)}


def _get_opportunity(scene: Scene) -> Json:
    return {"opportunity": _with_contact(scene, scene.records.get("opportunities", scene.last_id))}


def _change_opportunity(scene: Scene) -> Json:
    changed = scene.records.update("opportunities", scene.ids["id"], _values(scene.body), scene.author)
    return {"opportunity": _with_contact(scene, changed), **DONE}


def _upsert_opportunity(scene: Scene) -> Json:
    """With an id, that one; without, a new one: how the vendor matches them is not said."""
    fields = {name: value for name, value in scene.body.items() if name not in ("id", "isRemoveAllFollowers", "followersActionType")}
    if record_id := scene.body.get("id"):
        return {"opportunity": scene.records.update("opportunities", record_id, fields, scene.author), "new": False}
    return {"opportunity": scene.records.create("opportunities", fields, scene.author), "new": True}


def _search_opportunities(scene: Scene) -> Json:
    """Newest first; a page begins at its number, or after the opportunity that both of the start-afters name."""
    wanted = {field: scene.query[name] for name, field in _SEARCHED.items() if name in scene.query}
    if scene.query.get("status", "all") != "all":
        wanted["status"] = scene.query["status"]
    size = scene.number("limit", _PAGE)
    if size > _PAGE_MAX:
        raise unprocessable([f"limit must not be greater than {_PAGE_MAX}"])
    rows = list(reversed(scene.records.indexed("opportunities", wanted)))
    if words := scene.query.get("q", "").lower():
        rows = [row for row in rows if words in row.get("name", "").lower()]
    places = {row["id"]: place for place, row in enumerate(rows)}
    page_number = scene.number("page", 1)
    # One of the two alone is passed over: page one, for ever.
    together = "startAfter" in scene.query and "startAfterId" in scene.query
    start = places.get(scene.query["startAfterId"], -1) + 1 if together else (page_number - 1) * size
    page = scene.cut(rows[start:], default=size)[:size]
    meta: Json = {"total": len(rows), "currentPage": page_number}
    if page and page[-1] is not rows[-1]:
        last = page[-1]
        meta |= {"startAfterId": last["id"], "startAfter": int(epoch_from_iso(last["createdAt"]) * 1000), "nextPage": page_number + 1}
        meta["nextPageUrl"] = f"http://localhost:5058/opportunities/search?startAfterId={last['id']}"
    return {"opportunities": [_with_contact(scene, row) for row in page], "meta": meta}


def _follow(scene: Scene) -> Json:
    held = scene.records.get("opportunities", scene.last_id).get("followers", [])
    added = [each for each in scene.body["followers"] if each not in held]
    scene.records.update("opportunities", scene.last_id, {"followers": [*held, *added]}, scene.author)
    return {"followers": [*held, *added], "followersAdded": added}


def _unfollow(scene: Scene) -> Json:
    held = scene.records.get("opportunities", scene.last_id).get("followers", [])
    removed = held if scene.query.get("isRemoveAllFollowers") == "true" else [each for each in held if each in scene.body["followers"]]
    kept = [each for each in held if each not in removed]
    scene.records.update("opportunities", scene.last_id, {"followers": kept}, scene.author)
    return {"followers": kept, "followersRemoved": removed}


def _user(fields: Json) -> Json:
    """A member of staff without the password, and with what the answer makes of the rest."""
    kept = {name: value for name, value in fields.items() if name not in ("password", "locationId")}
    if {"firstName", "lastName"} <= kept.keys():
        kept["name"] = f"{kept['firstName']} {kept['lastName']}"
    roles = {"type": "type", "role": "role", "locationIds": "locationIds"}
    return {**kept, "roles": {name: kept[field] for name, field in roles.items() if field in kept}}


def _add_user(scene: Scene) -> Json:
    if scene.records.rows("users", {"email": scene.body["email"]}):
        raise refuse(400, "A user with this email already exists")
    return scene.records.create("users", _user(scene.body), scene.author)


def _change_user(scene: Scene) -> Json:
    held = scene.records.get("users", scene.last_id)
    changes = {name: value for name, value in scene.body.items() if name != "email"}
    return scene.records.update("users", scene.last_id, _user({**held, **changes}), scene.author)


def _remove_user(scene: Scene) -> Json:
    gone = scene.records.delete("users", scene.last_id, scene.author)
    return {**DONE, "message": f"Queued deleting user with e-mail {gone.get('email', '')} and name {gone.get('name', '')}."}


def _search_users(scene: Scene) -> Json:
    rows = scene.records.rows("users")
    if location := scene.query.get("locationId"):
        rows = [row for row in rows if location in row.get("locationIds", [])]
    for name in ("type", "role"):
        if name in scene.query:
            rows = [row for row in rows if row.get(name) == scene.query[name]]
    if ids := scene.query.get("ids"):
        rows = [row for row in rows if row["id"] in ids.split(",")]
    if words := scene.query.get("query", "").lower():
        rows = [row for row in rows if words in f"{row.get('name', '')} {row.get('email', '')}".lower()]
    return {"users": scene.cut(rows, default=25), "count": len(rows)}


def _users_by_email(scene: Scene) -> Json:
    """Id and e-mail alone, unless more is asked for."""
    wanted = [each.strip() for each in scene.body["emails"].split(",")]
    rows = [row for row in scene.records.rows("users") if row.get("email") in wanted]
    names = ("id", "email", *(scene.body.get("projection") or "").replace(",", " ").split())
    return {"users": [{name: row[name] for name in names if name in row} for row in scene.cut(rows, default=25)], "count": len(rows)}


def _invoice(fields: Json, *, paid: float = 0.0) -> Json:
    """An invoice's own reckoning."""
    items = fields.get("invoiceItems") or fields.get("items") or []
    total = sum(each["amount"] * each["qty"] for each in items)
    number = str(fields.get("invoiceNumber", "")).removeprefix(fields.get("invoiceNumberPrefix", ""))
    told = {"invoiceItems": items, "total": total, "amountPaid": paid, "amountDue": total - paid, "title": fields.get("title", "INVOICE")}
    return {**fields, **told, "invoiceNumber": int(number) if number.isdigit() else 0}


def _add_invoice(scene: Scene) -> Json:
    fields = {"dueDate": scene.body["issueDate"], **scene.body, "status": "draft"}
    fields["invoiceNumber"] = fields.get("invoiceNumber") or str(len(scene.records.rows("invoices")) + 1)
    return scene.records.create("invoices", _invoice(fields), scene.author)


def _change_invoice(scene: Scene) -> Json:
    held = scene.records.get("invoices", scene.last_id)
    return scene.records.update("invoices", scene.last_id, _invoice({**held, **scene.body}, paid=held["amountPaid"]), scene.author)


def _void_invoice(scene: Scene) -> Json:
    if scene.records.get("invoices", scene.last_id)["status"] == "paid":
        raise refuse(400, "A paid invoice cannot be voided")
    return scene.records.update("invoices", scene.last_id, {"status": "void"}, scene.author)


def _send_invoice(scene: Scene) -> Json:
    return {"invoice": scene.records.update("invoices", scene.last_id, {"status": "sent"}, scene.author), "smsData": {}, "emailData": {}}


def _pay_invoice(scene: Scene) -> Json:
    held = scene.records.get("invoices", scene.last_id)
    paid = held["amountPaid"] + scene.body.get("amount", held["amountDue"])
    status = "paid" if paid >= held["total"] else "partially_paid"
    changes = {"amountPaid": paid, "amountDue": held["total"] - paid, "status": status}
    return {"invoice": scene.records.update("invoices", scene.last_id, changes, scene.author), **DONE}


def _list_invoices(scene: Scene) -> Json:
    rows = scene.records.indexed("invoices", {"status": scene.query["status"]} if "status" in scene.query else {})
    if contact_id := scene.query.get("contactId"):
        rows = [row for row in rows if row["contactDetails"]["id"] == contact_id]
    return {"invoices": scene.cut(rows), "total": len(rows)}


DEEDS: Mapping[str, Deed] = {
    "search-opportunities": _search_opportunities,
    "get-opportunity": _get_opportunity,
    "list-pipelines": listing("pipelines", "pipelines"),
    "create-opportunity": _add_opportunity,
    "update-opportunity": _change_opportunity,
    "delete-opportunity": deleting("opportunities"),
    "update-opportunity-status": _change_opportunity,
    "upsert-opportunity": _upsert_opportunity,
    "add-followers": _follow,
    "remove-followers": _unfollow,
    "search-users": _search_users,
    "filter-users-by-email": _users_by_email,
    "get-user": getting("users"),
    "list-users-by-location": _search_users,
    "create-user": _add_user,
    "update-user": _change_user,
    "delete-user": _remove_user,
    "get-business": getting("businesses", "business"),
    "list-businesses-by-location": listing("businesses", "businesses"),
    "create-business": creating("businesses", "buiseness", createdBy={}, updatedBy={}),
    "update-business": updating("businesses", "buiseness"),
    "delete-business": deleting("businesses"),
    "create-invoice": _add_invoice,
    "get-invoice": getting("invoices"),
    "list-invoices": _list_invoices,
    "update-invoice": _change_invoice,
    "delete-invoice": deleting("invoices"),
    "void-invoice": _void_invoice,
    "send-invoice": _send_invoice,
    "record-invoice-payment": _pay_invoice,
}
