"""Campaigns and automations of the EmailOctopus emulator: what was sent, what came of it, and who was put into an automation.

Rule: a campaign is only read over the API; a contact goes through an automation once.

It must not know how contacts are stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from syncd.sandbox.calls import Answer, Call
from syncd.sandbox.emailoctopus.contact import Contact
from syncd.sandbox.emailoctopus.listing import names_page
from syncd.sandbox.emailoctopus.problems import bad_parameter, invalid, refuse
from syncd.sandbox.moments import Clock, iso_from_seconds
from syncd.sandbox.options import EmailOctopusOptions
from syncd.sandbox.truth import Json

REPORTS = ("bounced", "clicked", "complained", "opened", "sent", "unsubscribed", "not-opened", "not-clicked")
_NOT = "not-"


@dataclass(slots=True, kw_only=True)
class Campaign:
    """One campaign that was sent; `reports` are the contacts by what they did, with when."""

    id: str
    name: str
    to: tuple[str, ...]
    created_s: int
    reports: dict[str, dict[str, int]] = field(default_factory=dict)
    emails: dict[str, str] = field(default_factory=dict)

    def who(self, report: str) -> dict[str, int]:
        """The contacts of a report; those who did not are of those it was sent to."""
        if not report.startswith(_NOT):
            return self.reports.get(report, {})
        did = self.reports.get(report.removeprefix(_NOT), {})
        return {contact: at for contact, at in self.reports.get("sent", {}).items() if contact not in did}


class Campaigns:
    """The campaigns and automations of one account. `find` gives the contact with an id or a digest, in whatever list."""

    def __init__(self, options: EmailOctopusOptions, clock: Clock, random: Random, find: Callable[[str], Contact | None]) -> None:
        self._options, self._clock, self._random, self._find = options, clock, random, find
        self.campaigns: dict[str, Campaign] = {}
        self.started: dict[str, list[str]] = {}

    def add(self, name: str, list_id: str) -> str:
        """A campaign that was sent to a list; returns its id."""
        made = Campaign(id=self._new_id(), name=name, to=(list_id,), created_s=int(self._clock()))
        self.campaigns[made.id] = made
        return made.id

    def add_automation(self) -> str:
        """An automation that begins with "Started via API"; returns its id."""
        made = self._new_id()
        self.started[made] = []
        return made

    def note(self, campaign_id: str, report: str, contact: Json) -> None:
        """Somebody did something with a campaign that they were sent."""
        campaign = self.campaigns[campaign_id]
        campaign.emails[contact["id"]] = contact["email_address"]
        for each in ("sent", report):
            campaign.reports.setdefault(each, {})[contact["id"]] = int(self._clock())

    # ---- the endpoints

    def list_campaigns(self, call: Call) -> Answer:
        ids, paging = names_page(call, list(self.campaigns), self._options.last_page_next)
        return Answer(payload={"data": [_shown(self.campaigns[each]) for each in ids], "paging": paging})

    def get_campaign(self, call: Call) -> Answer:
        return Answer(payload=_shown(self._campaign(call)))

    def summary(self, call: Call) -> Answer:
        campaign = self._campaign(call)
        count = {report: len(campaign.who(report)) for report in REPORTS}
        twice = {name: {"total": count[name], "unique": count[name]} for name in ("opened", "clicked")}
        told = {"id": campaign.id, "sent": count["sent"], "bounced": {"hard": count["bounced"], "soft": 0}, **twice}
        return Answer(payload={**told, "complained": count["complained"], "unsubscribed": count["unsubscribed"]})

    def links(self, call: Call) -> Answer:
        clicks = len(self._campaign(call).who("clicked"))
        row = {"url": "https://example.com/promo-1", "clicked_total": clicks, "clicked_unique": clicks}
        return Answer(payload={"data": [row] if clicks else []})

    def report(self, call: Call) -> Answer:
        campaign, status = self._campaign(call), call.query.get("status")
        if status not in REPORTS:
            raise bad_parameter("status", "The value you selected is not a valid choice.")
        who = campaign.who(status)
        ids, paging = names_page(call, list(who), self._options.last_page_next)
        rows = [{"contact_id": each, "contact_email_address": campaign.emails[each], "occurred_at": iso_from_seconds(who[each])} for each in ids]
        return Answer(payload={"status": status, "data": rows, "paging": paging})

    def start(self, call: Call) -> Answer:
        started = self.started.get(call.params["automation_id"])
        if started is None:
            raise refuse(404)
        try:
            body = call.json()
        except ValueError:
            raise refuse(400) from None
        named = body.get("contact_id") if isinstance(body, dict) else None
        if not isinstance(named, str) or not named:
            raise invalid([{"detail": "This value should not be blank.", "pointer": "/contact_id"}])
        contact = self._find(named)
        if contact is None:
            raise refuse(404)
        if contact.id in started:
            raise refuse(409, "The contact has been through this automation already.")
        started.append(contact.id)
        return Answer(status=204)

    def _campaign(self, call: Call) -> Campaign:
        campaign = self.campaigns.get(call.params["campaign_id"])
        if campaign is None:
            raise refuse(404)
        return campaign

    def _new_id(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))


def _shown(campaign: Campaign) -> Json:
    at = iso_from_seconds(campaign.created_s)
    return {
        "id": campaign.id,
        "status": "sent",
        "name": campaign.name,
        "subject": campaign.name,
        "to": list(campaign.to),
        "from": {"name": "Otto Octopus", "email_address": "otto@example.com"},
        "content": {"html": f"<html>{campaign.name}</html>"},
        "created_at": at,
        "sent_at": at,
    }
