"""ActiveTrail's endpoints: each reads a call, asks the account, and shows the result in the vendor's shape.

Rule: an import answers 200 with its failures inside; every other refusal is the whole answer.

It must not know tokens, quotas or sockets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syncd.sandbox.activetrail.account import Account
from syncd.sandbox.activetrail.contact import Contact, shown
from syncd.sandbox.activetrail.hooks import Hooks
from syncd.sandbox.activetrail.listing import contacts_page, page_of
from syncd.sandbox.activetrail.reading import body_of, need_identity, read_contact, refuse
from syncd.sandbox.calls import Answer, Call, Refusal, Route
from syncd.sandbox.faults import Reach
from syncd.sandbox.truth import Actor, Author, Json

IMPORT_MAX = 1000
_UNSAFE_IN_PATH = frozenset("+%&*:<>?\\")


class Endpoints:
    """The operations of one account."""

    def __init__(self, account: Account, hooks: Hooks) -> None:
        self._account, self._hooks = account, hooks

    def routes(self) -> Sequence[Route]:
        """The operations served; literal paths stand before the placeholder they would otherwise fill."""
        listing, read, write = Reach.LISTING, Reach.READ, Reach.WRITE
        members, lists = "/groups/{group_id}/members", "/mailinglist/{list_id}/members"
        hook = "/webhooks/{webhook_id}"
        table = (
            ("balance", "GET", "/account/balance", read, lambda _call: Answer(payload={"emails": 1000})),
            ("contact-fields", "GET", "/account/contactFields", read, self.contact_fields),
            ("import-contacts", "POST", "/contacts/Import", write, self.import_contacts),
            ("list-merges", "GET", "/contacts/merges", listing, self.list_merges),
            ("list-contacts", "GET", "/contacts", listing, self.list_contacts),
            ("create-contact", "POST", "/contacts", write, self.create_contact),
            ("contact-groups", "GET", "/contacts/{contact_id}/groups", read, self.contact_groups),
            ("contact-mailing-lists", "GET", "/contacts/{contact_id}/mailinglists", read, self.contact_lists),
            ("get-contact", "GET", "/contacts/{contact_id}", read, self.get_contact),
            ("update-contact", "PUT", "/contacts/{contact_id}", write, self.update_contact),
            ("delete-contact", "DELETE", "/contacts/{contact_id}", write, self.delete_contact),
            ("list-groups", "GET", "/groups", listing, self.list_groups),
            ("create-group", "POST", "/groups", write, self.create_group),
            ("list-group-members", "GET", members, listing, self.list_group_members),
            ("add-group-member", "POST", members, write, self.add_group_member),
            ("remove-group-member", "DELETE", members + "/{contact_id}", write, self.remove_group_member),
            ("list-mailing-lists", "GET", "/mailinglist", listing, self.list_mailing_lists),
            ("list-mailing-list-members", "GET", lists, listing, self.list_mailing_list_members),
            ("add-mailing-list-member", "POST", lists, write, self.add_mailing_list_member),
            ("remove-mailing-list-member", "DELETE", lists + "/{contact_id}", write, self.remove_mailing_list_member),
            ("external-map", "POST", "/external/mapping", write, self.external_map),
            ("external-unmapped", "GET", "/external/unmapped", listing, self.external_unmapped),
            ("list-campaigns", "GET", "/campaigns", listing, self.list_campaigns),
            ("list-webhooks", "GET", "/webhooks", listing, self._hooks.list),
            ("create-webhook", "POST", "/webhooks", write, self._hooks.create),
            ("get-webhook", "GET", hook, read, self._hooks.get),
            ("delete-webhook", "DELETE", hook, write, self._hooks.delete),
        )
        return [
            Route(operation=operation, method=method, path=path, reach=reach, handler=handler)
            for operation, method, path, reach, handler in table
        ]

    def contact_fields(self, _call: Call) -> Answer:
        rows = [("E-mail", "email"), ("First name", "first_name"), ("Last name", "last_name")]
        rows += [(each.label, each.slot) for each in self._account.options.slots]
        return Answer(payload=[{"field_display_name": label, "field_source_column": column} for label, column in rows])

    def list_contacts(self, call: Call) -> Answer:
        return Answer(payload=[shown(each) for each in contacts_page(call, self._account, list(self._account.all()))])

    def get_contact(self, call: Call) -> Answer:
        """By id or address; the web server in front refuses some characters in a path, however they are written."""
        if _UNSAFE_IN_PATH & set(call.params["contact_id"]):
            raise refuse(404, "The resource cannot be found.")
        return Answer(payload=shown(self._account.get(call.params["contact_id"], stale=call.stale)))

    def create_contact(self, call: Call) -> Answer:
        """A known address gives the contact that is there, deleted or not; whether it is also updated is an option."""
        changes = read_contact(body_of(call))
        need_identity(changes)
        known = self._account.known(changes.values)
        if known is None:
            return Answer(status=201, payload=shown(self._account.create(changes, _author(call))))
        if self._account.options.post_updates_existing:
            known = self._account.update(known, changes, _author(call))
        return Answer(payload=shown(known))

    def update_contact(self, call: Call) -> Answer:
        """By id only. A contact that is marked as deleted takes changes like any other, without a word."""
        number = call.params["contact_id"]
        before = next((each for each in self._account.all() if str(each.id) == number), None)
        if before is None:
            raise refuse(404, "Contact was not found.")
        after = self._account.update(before, read_contact(body_of(call)), _author(call))
        return Answer(payload=shown(after) if self._account.options.put_reply == "contact" else None)

    def delete_contact(self, call: Call) -> Answer:
        self._account.delete(self._account.get(call.params["contact_id"]), _author(call))
        return Answer()

    def import_contacts(self, call: Call) -> Answer:
        body, account = body_of(call), self._account
        rows = body.get("contacts")
        if body.get("group") not in account.groups:
            raise refuse(400, "The group was not found.")
        if not isinstance(rows, list) or not 1 <= len(rows) <= IMPORT_MAX:
            raise refuse(400, f"Between 1 and {IMPORT_MAX} contacts can be imported.")
        success, errors = 0, []
        for row in rows:
            try:
                changes = read_contact(row if isinstance(row, dict) else {})
                need_identity(changes)
                account.upsert(changes, _author(call), group=body["group"], mailing_list=body.get("mailing_list"))
                success += 1
            except Refusal as refusal:
                told = row.get("email") if isinstance(row, dict) else None
                errors.append({"email": told, "message": refusal.answer.payload["Message"]})
        return Answer(payload={"success": success, "errors": errors})

    def list_merges(self, call: Call) -> Answer:
        rows = [{"id": each.id, "new": dict(each.values), "existing_id": each.other} for each in self._account.merges.values()]
        return Answer(payload=page_of(call, self._account, rows))

    def contact_groups(self, call: Call) -> Answer:
        contact = self._account.get(call.params["contact_id"])
        return Answer(payload=_named({each: self._account.groups[each] for each in contact.groups}))

    def contact_lists(self, call: Call) -> Answer:
        contact = self._account.get(call.params["contact_id"])
        return Answer(payload=_named({each: self._account.lists[each] for each in contact.lists}))

    def list_groups(self, call: Call) -> Answer:
        return Answer(payload=page_of(call, self._account, _named(self._account.groups)))

    def create_group(self, call: Call) -> Answer:
        name = body_of(call).get("name")
        if not isinstance(name, str) or not name.strip():
            raise refuse(400, "The Name field is required.")
        number = self._account.add_group(name.strip(), _author(call))
        return Answer(status=201, payload={"id": number, "name": name.strip()})

    def list_group_members(self, call: Call) -> Answer:
        number = self._group(call)
        members = [each for each in self._account.all() if number in each.groups]
        return self._members(call, members)

    def add_group_member(self, call: Call) -> Answer:
        """Creates the contact or takes the one that is there, and adds it; one that is in the group already stays."""
        number, changes = self._group(call), read_contact(body_of(call))
        need_identity(changes)
        contact = self._account.upsert(changes, _author(call), group=number)
        return Answer(payload=None if contact is None else shown(contact))

    def remove_group_member(self, call: Call) -> Answer:
        number, contact = self._group(call), self._account.get(call.params["contact_id"])
        if number not in contact.groups:
            raise refuse(404, "The contact is not a member of the group.")
        self._account.leave(contact, _author(call), group=number)
        return Answer(status=204)

    def list_mailing_lists(self, _call: Call) -> Answer:
        """All at once: this listing takes no page."""
        return Answer(payload=_named(self._account.lists))

    def list_mailing_list_members(self, call: Call) -> Answer:
        number = self._list(call)
        return self._members(call, [each for each in self._account.all() if number in each.lists])

    def add_mailing_list_member(self, call: Call) -> Answer:
        number, body = self._list(call), body_of(call)
        groups = body.get("group_ids")
        if not isinstance(groups, list) or not groups or any(each not in self._account.groups for each in groups):
            raise refuse(400, "The group_ids field is required.")
        changes = read_contact(body)
        need_identity(changes)
        contact = self._account.upsert(changes, _author(call), group=groups[0], mailing_list=number)
        return Answer(payload=None if contact is None else shown(contact))

    def remove_mailing_list_member(self, call: Call) -> Answer:
        number, contact = self._list(call), self._account.get(call.params["contact_id"])
        if number not in contact.lists:
            raise refuse(404, "The contact is not a member of the mailing list.")
        self._account.leave(contact, _author(call), mailing_list=number)
        return Answer(status=204)

    def external_map(self, call: Call) -> Answer:
        body = body_of(call)
        external = (body.get("externalName"), body.get("externalId"))
        if not all(isinstance(each, str) and each for each in external):
            raise refuse(400, "externalId and externalName are required.")
        contact = self._account.get(str(body.get("customerId", "")))
        self._account.marks[str(external[0]), str(external[1])] = contact.id
        return Answer(payload=None)

    def external_unmapped(self, call: Call) -> Answer:
        mapped = set(self._account.marks.values())
        rows = [each for each in self._account.all() if each.id not in mapped]
        return Answer(payload=[shown(each) for each in contacts_page(call, self._account, rows)])

    def list_campaigns(self, call: Call) -> Answer:
        return Answer(payload=page_of(call, self._account, _named(dict(enumerate(self._account.options.campaigns, 501)))))

    def _members(self, call: Call, members: list[Contact]) -> Answer:
        rows: list[Json] = [shown(each) for each in contacts_page(call, self._account, members)]
        return Answer(payload=rows if self._account.options.members_as_array else {"count": len(members), "contacts": rows})

    def _group(self, call: Call) -> int:
        return _known(call.params["group_id"], self._account.groups, "The group was not found.")

    def _list(self, call: Call) -> int:
        return _known(call.params["list_id"], self._account.lists, "The mailing list was not found.")


def _author(call: Call) -> Author:
    return Author(actor=Actor.API, request_id=call.request_id)


def _named(names: dict[int, str]) -> list[Json]:
    return [{"id": number, "name": name} for number, name in names.items()]


def _known(text: str, among: dict[int, Any], message: str) -> int:
    if not text.isdecimal() or int(text) not in among:
        raise refuse(404, message)
    return int(text)
