"""Listings: which rows a request asks for, and which of them are on the page.

Rows come in the order of their ids. Where the account hides what is deleted, it does so after it has cut the page, so that a page may
be short though others follow.

Rule: the first page's number and the meaning of FromDate are the account's options, and hold for every listing alike.

It must not know how contacts are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from syncd.sandbox.activetrail.account import Account
from syncd.sandbox.activetrail.contact import Contact
from syncd.sandbox.activetrail.reading import Window, read_window, refuse
from syncd.sandbox.calls import Call
from syncd.sandbox.faults import FaultKind

T = TypeVar("T")
_STATES = frozenset({"ALL", "ACTIVE", "INACTIVE", "CUSTOMER_REQUEST", "BOUNCED", "SPAM_COMPLIENT", "QUARANTINED"})
_SEARCHED = ("email", "sms", "first_name", "last_name")


def contacts_page(call: Call, account: Account, among: Sequence[Contact]) -> list[Contact]:
    """The contacts of one page of a listing."""
    window = read_window(call.query, now_s=account.clock())
    if window.states not in _STATES:
        raise refuse(400, "The value is not valid for CustomerStates.")
    rows = [contact for contact in sorted(among, key=lambda each: each.id) if _matches(contact, window, account)]
    page = page_of(call, account, rows)
    return [contact for contact in page if not (contact.is_deleted and account.options.deletes == "hidden")]


def page_of(call: Call, account: Account, rows: Sequence[T]) -> list[T]:
    """One page of any rows."""
    window, options = read_window(call.query, now_s=account.clock()), account.options
    number = window.page - options.first_page
    if number < 0:
        if options.page_zero == "refused" or window.page != 0:
            raise refuse(400, "The field Page must be between 1 and 2147483647.")
        if options.page_zero == "empty":
            return []
        number = 0
    start = number * window.limit
    if call.shaping is FaultKind.PAGE_SKIP:
        start += window.limit
    if call.shaping is FaultKind.EMPTY_LISTING or (call.shaping is FaultKind.TRUNCATED_LISTING and number > 0):
        return []
    return list(rows[start : start + window.limit])


def _matches(contact: Contact, window: Window, account: Account) -> bool:
    if window.states != "ALL" and (contact.state == "Subscribed") is not (window.states == "ACTIVE"):
        return False
    at = contact.updated_s if account.options.from_date == "changed" else contact.created_s
    if not window.since_s <= at <= window.until_s:
        return False
    return any(window.search in str(contact.values.get(name, "")).lower() for name in _SEARCHED)
