"""EmailOctopus's endpoints: each reads a call, asks a list, and shows the result in the vendor's shape.

Rule: a batch answers 200 with its failures inside; every other refusal is the whole answer.

It must not know keys, quotas or sockets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncd.sandbox.calls import Answer, Call, Refusal, Route
from syncd.sandbox.emailoctopus.campaigns import Campaigns
from syncd.sandbox.emailoctopus.contact import Contact, shown
from syncd.sandbox.emailoctopus.listing import contacts_page, names_page
from syncd.sandbox.emailoctopus.mailing_list import MailingList
from syncd.sandbox.emailoctopus.problems import invalid, refuse
from syncd.sandbox.emailoctopus.reading import NOT_EXPECTED, read_contact, read_field, read_tag
from syncd.sandbox.faults import Reach
from syncd.sandbox.moments import iso_from_seconds
from syncd.sandbox.options import EmailOctopusOptions, ListField
from syncd.sandbox.truth import Actor, Author, Json


class Endpoints:
    """The operations of one account."""

    def __init__(self, options: EmailOctopusOptions, lists: Mapping[str, MailingList], campaigns: Campaigns) -> None:
        self._options, self._lists, self._campaigns = options, lists, campaigns

    def routes(self) -> Sequence[Route]:
        """The operations served; `batch` stands before the placeholder it would otherwise fill."""
        listing, read, write = Reach.LISTING, Reach.READ, Reach.WRITE
        contacts, one = "/lists/{list_id}/contacts", "/lists/{list_id}/contacts/{contact_id}"
        tags, fields, campaign = "/lists/{list_id}/tags", "/lists/{list_id}/fields", "/campaigns/{campaign_id}"
        table = (
            ("list-lists", "GET", "/lists", listing, self.list_lists),
            ("get-list", "GET", "/lists/{list_id}", read, self.get_list),
            ("update-contacts-batch", "PUT", contacts + "/batch", write, self.update_batch),
            ("list-contacts", "GET", contacts, listing, self.list_contacts),
            ("create-contact", "POST", contacts, write, self.create_contact),
            ("upsert-contact", "PUT", contacts, write, self.upsert_contact),
            ("get-contact", "GET", one, read, self.get_contact),
            ("update-contact", "PUT", one, write, self.update_contact),
            ("delete-contact", "DELETE", one, write, self.delete_contact),
            ("list-tags", "GET", tags, listing, self.list_tags),
            ("create-tag", "POST", tags, write, self.create_tag),
            ("rename-tag", "PUT", tags + "/{tag}", write, self.rename_tag),
            ("delete-tag", "DELETE", tags + "/{tag}", write, self.delete_tag),
            ("create-field", "POST", fields, write, self.create_field),
            ("update-field", "PUT", fields + "/{tag}", write, self.update_field),
            ("delete-field", "DELETE", fields + "/{tag}", write, self.delete_field),
            ("list-campaigns", "GET", "/campaigns", listing, self._campaigns.list_campaigns),
            ("get-campaign", "GET", campaign, read, self._campaigns.get_campaign),
            ("get-campaign-summary", "GET", campaign + "/reports/summary", read, self._campaigns.summary),
            ("get-campaign-links", "GET", campaign + "/reports/links", read, self._campaigns.links),
            ("list-campaign-contacts", "GET", campaign + "/reports", listing, self._campaigns.report),
            ("start-automation", "POST", "/automations/{automation_id}/queue", write, self._campaigns.start),
        )
        return [
            Route(operation=operation, method=method, path=path, reach=reach, handler=handler)
            for operation, method, path, reach, handler in table
        ]

    def list_lists(self, call: Call) -> Answer:
        ids, paging = names_page(call, list(self._lists), self._options.last_page_next)
        return Answer(payload={"data": [self._list_shown(self._lists[list_id]) for list_id in ids], "paging": paging})

    def get_list(self, call: Call) -> Answer:
        return Answer(payload=self._list_shown(self._list(call)))

    def list_contacts(self, call: Call) -> Answer:
        mailing_list = self._list(call)
        rows, paging = contacts_page(call, mailing_list)
        return Answer(payload={"data": [self._shown(mailing_list, row) for row in rows], "paging": paging})

    def create_contact(self, call: Call) -> Answer:
        mailing_list = self._list(call)
        changes = read_contact(_body(call), mailing_list.rules(), creating=True, email_required=True)
        contact = mailing_list.create(changes, _author(call))
        return Answer(status=201, payload=self._shown(mailing_list, contact))

    def upsert_contact(self, call: Call) -> Answer:
        mailing_list = self._list(call)
        changes = read_contact(_body(call), mailing_list.rules(), creating=False, email_required=True)
        before = mailing_list.by_email(changes.email or "")
        if before is None:
            after = mailing_list.create(changes, _author(call))
        else:
            after = mailing_list.update(before, changes, _author(call))
        return Answer(payload=self._shown(mailing_list, after))

    def update_batch(self, call: Call) -> Answer:
        mailing_list = self._list(call)
        items = _batch_items(_body(call), self._options.batch_max)
        success: list[Json] = []
        errors: list[Json] = []
        for position, item in enumerate(items):
            try:
                contact = self._update_item(mailing_list, item, f"/contacts/{position}", call)
                success.append({"success": True, "data": self._shown(mailing_list, contact)})
            except Refusal as refusal:
                errors.append({"success": False, "id": item["id"], **(refusal.answer.payload or {}), "data": None})
        return Answer(payload={"success": success, "errors": errors})

    def get_contact(self, call: Call) -> Answer:
        mailing_list = self._list(call)
        contact = mailing_list.get(call.params["contact_id"], stale=call.stale)
        return Answer(payload=self._shown(mailing_list, contact))

    def update_contact(self, call: Call) -> Answer:
        mailing_list = self._list(call)
        before = mailing_list.get(call.params["contact_id"])
        changes = read_contact(_body(call), mailing_list.rules(), creating=False, email_required=False)
        return Answer(payload=self._shown(mailing_list, mailing_list.update(before, changes, _author(call))))

    def delete_contact(self, call: Call) -> Answer:
        mailing_list = self._list(call)
        mailing_list.delete(mailing_list.get(call.params["contact_id"]), _author(call))
        return Answer(status=204)

    def list_tags(self, call: Call) -> Answer:
        names, paging = names_page(call, list(self._list(call).tags), self._options.last_page_next)
        return Answer(payload={"data": [{"tag": name} for name in names], "paging": paging})

    def create_tag(self, call: Call) -> Answer:
        mailing_list = self._list(call)
        tag = read_tag(_body(call))
        if tag in mailing_list.tags:
            raise refuse(409)
        mailing_list.tags[tag] = None
        mailing_list.log(_author(call), "tags", tag, None, {"tag": tag})
        return Answer(status=201, payload={"tag": tag})

    def rename_tag(self, call: Call) -> Answer:
        mailing_list, old = self._list(call), call.params["tag"]
        _require(old in mailing_list.tags)
        new = read_tag(_body(call))
        if new != old and new in mailing_list.tags:
            raise refuse(409)
        mailing_list.rename_tag(old, new)
        mailing_list.log(_author(call), "tags", old, {"tag": old}, {"tag": new})
        return Answer(payload={"tag": new})

    def delete_tag(self, call: Call) -> Answer:
        mailing_list, tag = self._list(call), call.params["tag"]
        _require(tag in mailing_list.tags)
        mailing_list.rename_tag(tag, None)
        mailing_list.log(_author(call), "tags", tag, {"tag": tag}, None)
        return Answer(status=204)

    def create_field(self, call: Call) -> Answer:
        mailing_list = self._list(call)
        field = read_field(_body(call))
        if field.tag in mailing_list.fields:
            raise refuse(409)
        mailing_list.fields[field.tag] = field
        mailing_list.log(_author(call), "fields", field.tag, None, _field_shown(field))
        return Answer(status=201, payload=_field_shown(field))

    def update_field(self, call: Call) -> Answer:
        mailing_list, tag = self._list(call), call.params["tag"]
        _require(tag in mailing_list.fields)
        before, field = mailing_list.fields[tag], read_field(_body(call))
        if field.tag != tag and field.tag in mailing_list.fields:
            raise refuse(409)
        mailing_list.rename_field(tag, field)
        mailing_list.log(_author(call), "fields", tag, _field_shown(before), _field_shown(field))
        return Answer(payload=_field_shown(field))

    def delete_field(self, call: Call) -> Answer:
        mailing_list, tag = self._list(call), call.params["tag"]
        _require(tag in mailing_list.fields)
        before = _field_shown(mailing_list.fields[tag])
        mailing_list.rename_field(tag, None)
        mailing_list.log(_author(call), "fields", tag, before, None)
        return Answer(status=204)

    def _update_item(self, mailing_list: MailingList, item: Json, pointer: str, call: Call) -> Contact:
        name = str(item["id"])
        if "-" not in name and not self._options.batch_accepts_md5:
            raise refuse(404)
        before = mailing_list.get(name)
        body = {key: value for key, value in item.items() if key != "id"}
        changes = read_contact(body, mailing_list.rules(), creating=False, email_required=False, prefix=pointer)
        return mailing_list.update(before, changes, _author(call))

    def _list(self, call: Call) -> MailingList:
        mailing_list = self._lists.get(call.params["list_id"])
        if mailing_list is None:
            raise refuse(404)
        return mailing_list

    def _shown(self, mailing_list: MailingList, contact: Contact) -> Json:
        return shown(contact, mailing_list.fields if self._options.blank_fields == "null" else ())

    def _list_shown(self, mailing_list: MailingList) -> Json:
        counts = mailing_list.counts()
        return {
            "id": mailing_list.id,
            "name": mailing_list.name,
            "double_opt_in": self._options.double_opt_in,
            "fields": [_field_shown(field) for field in mailing_list.fields.values()],
            "tags": list(mailing_list.tags),
            "counts": [counts] if self._options.counts_as_array else counts,
            "created_at": iso_from_seconds(mailing_list.created_s),
            "last_updated_at": iso_from_seconds(mailing_list.updated_s),
        }


def _author(call: Call) -> Author:
    return Author(actor=Actor.API, request_id=call.request_id)


def _body(call: Call) -> Any:
    try:
        return call.json()
    except ValueError:
        raise refuse(400) from None


def _require(exists: bool) -> None:
    if not exists:
        raise refuse(404)


def _batch_items(body: Any, items_max: int) -> list[Json]:
    items = body.get("contacts") if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise invalid([{"detail": "This value should be of type array.", "pointer": "/contacts"}])
    problems = [{"detail": NOT_EXPECTED, "pointer": f"/{name}"} for name in body if name != "contacts"]
    if len(items) > items_max:
        problems.append({"detail": f"This collection should contain {items_max} elements or less.", "pointer": "/contacts"})
    for position, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get("id"), str):
            problems.append({"detail": "This value should not be blank.", "pointer": f"/contacts/{position}/id"})
    if problems:
        raise invalid(problems)
    return items


def _field_shown(field: ListField) -> Json:
    body: Json = {"label": field.label, "tag": field.tag, "type": field.type, "fallback": field.fallback}
    if field.type.startswith("choice_"):
        body["choices"] = list(field.choices)
    return body
