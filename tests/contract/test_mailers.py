"""EmailOctopus's and ActiveTrail's operations by name: as the vendor's specification has them, where there is one, and answered by the emulators.

EmailOctopus publishes its specification (v2) as an OpenAPI file, which is not packaged; it is looked for where ``SYNCD_EMAILOCTOPUS_SPECS`` says, else
in ``specs/emailoctopus`` of any folder beside this checkout. ActiveTrail publishes none.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from random import Random
from time import time
from typing import Any

import pytest

from syncd.connectors.activetrail.operations import CATALOGUE as TRAIL
from syncd.connectors.calling import call
from syncd.connectors.catalogue import Catalogue, Place, Row, prepare
from syncd.connectors.clock import SystemClock
from syncd.connectors.emailoctopus.operations import CATALOGUE as OCTOPUS
from syncd.connectors.http import Session
from syncd.connectors.operating import items_of
from syncd.connectors.registry import KINDS, open_connector
from syncd.core.record import SystemName
from syncd.sandbox.activetrail import ActiveTrail
from syncd.sandbox.emailoctopus import EmailOctopus
from syncd.sandbox.options import ActiveTrailOptions, EmailOctopusOptions
from syncd.sandbox.vendor import Vendor
from tests.contract import specs

ADA = "ada@example.com"
_NAMED = os.environ.get("SYNCD_EMAILOCTOPUS_SPECS")
_FILES = sorted(Path(_NAMED).glob("openapi-v2.json") if _NAMED else specs.ROOT.parent.glob("*/specs/emailoctopus/openapi-v2.json"))
needed = pytest.mark.skipif(not _FILES, reason="EmailOctopus's OpenAPI file is not here")


@cache
def specification() -> Any:
    return json.loads(_FILES[0].read_text("utf-8"))


def resolved(schema: Any) -> Any:
    """The schema with its references followed."""
    while "$ref" in schema:
        found = specification()
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema


def kind_of(schema: Any) -> str:
    """A type as the table writes it."""
    schema = resolved(schema)
    kind = schema.get("type", "any")
    kind = kind[0] if isinstance(kind, list) else kind
    return f"array<{kind_of(schema['items'])}>" if kind == "array" else {"int": "integer"}.get(kind, kind)


def declared(described: Any) -> dict[tuple[str, str], tuple[str, bool, tuple[str, ...]]]:
    """Every parameter of an operation by place and name: its type, whether it is required, its words."""
    found = {
        (each["in"], each["name"]): (kind_of(each["schema"]), bool(each.get("required")), tuple(each["schema"].get("enum", ())))
        for each in described.get("parameters", ())
    }
    if "requestBody" in described:
        body = resolved(described["requestBody"]["content"]["application/json"]["schema"])
        forms = [resolved(each) for each in body.get("oneOf", [body])]
        for name, each in [pair for one in forms for pair in one["properties"].items()]:
            words = found.get(("body", name), ("", False, ()))[2]
            required = all(name in one.get("required", ()) for one in forms)
            found["body", name] = (kind_of(each), required, (*words, *resolved(each).get("enum", ())))
    return found


@needed
@pytest.mark.parametrize("name", list(OCTOPUS))
def test_a_row_is_what_the_specification_says(name: str) -> None:
    """Method, path, every parameter with its type and words, what is required, and the status of a success."""
    row = OCTOPUS[name]
    described = specification()["paths"][row.operation.path][row.operation.method.lower()]
    written = {(each.place.value, each.name): (each.type, each.required, each.options) for each in row.parameters}

    assert declared(described) == written
    assert min(int(code) for code in described["responses"] if code.startswith("2")) == row.success
    assert ("requestBody" in described) == bool(row.body)


@pytest.mark.parametrize(("catalogue", "name"), [*((OCTOPUS, name) for name in OCTOPUS), *((TRAIL, name) for name in TRAIL)])
def test_a_row_is_sound(catalogue: Catalogue, name: str) -> None:
    """Its path's names are its parameters, reads leave nothing in doubt, and what may not be made twice is not."""
    row = catalogue[name]
    in_path = {part[1:-1] for part in row.operation.path.split("/") if part.startswith("{")}

    assert in_path == {each.name for each in row.parameters if each.place is Place.PATH and each.required}
    assert (row.operation.method != "GET") == row.operation.writes
    assert row.replay_safe == (row.operation.method in ("GET", "PUT", "DELETE") or name == "add-group-member")
    assert bool(row.body) == any(each.place is Place.BODY for each in row.parameters)
    assert row.paging is None or row.paging.sources.keys() <= {each.name for each in row.parameters}


@asynccontextmanager
async def listening(vendor: Vendor) -> AsyncIterator[None]:
    await vendor.start()
    try:
        yield
    finally:
        await vendor.stop()


@asynccontextmanager
async def octopus() -> AsyncIterator[tuple[Session, dict[str, Any]]]:
    """A list with somebody in it, who opened a campaign and clicked; and values that lead to all of them."""
    vendor = EmailOctopus(EmailOctopusOptions(), clock=time, quotas=False, random=Random("mailers"))
    async with listening(vendor):
        ada = vendor.create_as_user({"email_address": ADA, "tags": ["vip"]})
        campaign = vendor.campaigns.add("Welcome", vendor.list_id)
        for report in ("opened", "clicked"):
            vendor.campaigns.note(campaign, report, ada)
        settings = KINDS["emailoctopus"].settings(base_url=vendor.base_url, api_key=vendor.token)
        async with open_connector(KINDS["emailoctopus"], SystemName("octopus"), settings, clock=SystemClock()) as opened:
            ids = {"list_id": vendor.list_id, "contact_id": ada["id"], "campaign_id": campaign, "automation_id": vendor.automation_id}
            yield opened.session, {**ids, "tag": "vip", "status": "clicked"}


@asynccontextmanager
async def trail() -> AsyncIterator[tuple[Session, dict[str, Any]]]:
    """An account with somebody in a group; and values that lead there."""
    vendor = ActiveTrail(ActiveTrailOptions(campaigns=("Welcome",)), clock=time, quotas=False, random=Random("mailers"))
    async with listening(vendor):
        ada = vendor.create_as_user({"email": ADA, "groups": ["Guests"], "mailing_lists": ["Everybody"]})
        group = next(number for number, name in vendor.account.groups.items() if name == "Guests")
        settings = KINDS["activetrail"].settings(base_url=vendor.base_url, token=vendor.token, calls_per_s=1000, calls_per_s_max=1000)
        async with open_connector(KINDS["activetrail"], SystemName("trail"), settings, clock=SystemClock()) as opened:
            yield opened.session, {"contact_id": ada["id"], "group_id": group, "name": "Regulars"}


WORLDS = {"octopus": (OCTOPUS, octopus), "trail": (TRAIL, trail)}
CHOSEN: Mapping[str, Mapping[str, Any]] = {
    "create-contact": {"email_address": "new@example.com", "email": "new@example.com", "status": None},
    "upsert-contact": {"email_address": ADA, "fields": {"FirstName": "Ada"}, "tags": {"vip": False}, "status": "subscribed"},
    "update-contact": {"fields": {"FirstName": "Ada"}, "tags": {"vip": True}, "status": "unsubscribed", "first_name": "Ada"},
    "update-contacts-batch": {"contacts": []},
    "create-tag": {"tag": "new"},
    "create-field": {"label": "Town", "tag": "Town", "type": "text"},
    "delete-field": {"tag": "FirstName"},
    "list-contacts": {"status": "subscribed", "tag": None},
    "add-group-member": {"email": "new@example.com"},
}


def values_of(row: Row, there: Mapping[str, Any]) -> dict[str, Any]:
    """What is needed, and what is chosen, as far as the operation takes it."""
    given = {**{each.name: there[each.name] for each in row.parameters if each.required and each.name in there}, **CHOSEN.get(row.name, {})}
    return {each.name: given[each.name] for each in row.parameters if given.get(each.name) is not None}


@pytest.mark.parametrize(("vendor", "name"), [(vendor, name) for vendor, (catalogue, _) in WORLDS.items() for name in catalogue])
async def test_a_row_is_answered(vendor: str, name: str) -> None:
    """Called by name through the real client: the status is the row's, and a listing's rows, or the record, are found with their ids."""
    catalogue, world = WORLDS[vendor]
    row = catalogue[name]
    async with world() as (session, there):
        answer = await call(session, prepare(catalogue, row, values_of(row, there), {}))

    assert row.success == answer.status or row.operation.may_say_nothing
    if row.id and answer.body is not None:
        assert [] != [key for key, _ in items_of(row, answer.body)]
        assert all(key for key, _ in items_of(row, answer.body))
