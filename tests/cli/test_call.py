"""`syncd call`: any operation of a vendor, by its name."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.cli.world import Result, World, make_world


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of a dozen people; each test makes what it needs."""
    with ExitStack() as stack:
        yield make_world(tmp_path_factory.mktemp("call"), stack, 12)


def call(world: World, operation: str, *options: str, **values: Any) -> Result:
    return world.here("call", "ghl", operation, "--data", json.dumps(values), *options)


def a_contact(world: World) -> str:
    return str(world.do(lambda sandbox: sandbox.ghl.contacts()[0]["id"]))


def requests(world: World) -> int:
    return world.do(lambda sandbox: sandbox.ghl.stats.requests.total())


def test_a_read_prints_the_vendors_answer(vendors: World) -> None:
    """Standard output is the vendor's JSON and nothing else; the values went where the operation wants them."""
    contact_id = a_contact(vendors)
    result = call(vendors, "get-contact", contactId=contact_id)

    assert (0, "") == (result.code, result.err)
    assert contact_id == result.json["contact"]["id"]
    assert "traceId" in result.json


def test_a_write_is_sent_when_it_was_agreed_to(vendors: World) -> None:
    """With --yes it is made, and then it is there; what the configuration knows need not be given."""
    contact_id = a_contact(vendors)
    made = call(vendors, "create-contact-note", "--yes", contactId=contact_id, body="called back")
    listed = call(vendors, "get-contact-notes", contactId=contact_id)
    tag = call(vendors, "create-location-tag", "--yes", name="Regulars")

    assert (0, 0, 0) == (made.code, listed.code, tag.code)
    assert made.json["note"]["id"] in [note["id"] for note in listed.json["notes"]]
    assert "regulars" in [each["name"] for each in call(vendors, "list-location-tags").json["tags"]]


def test_a_write_off_a_terminal_is_refused_with_the_mend(vendors: World) -> None:
    """Nobody can be asked, so nothing is sent."""
    before = requests(vendors)
    result = call(vendors, "delete-contact", contactId=a_contact(vendors))

    assert (2, "", before) == (result.code, result.out, requests(vendors))
    assert "--yes" in result.err


@pytest.mark.parametrize(("answer", "code", "made"), [("n\n", 7, 0), ("y\n", 0, 1)])
def test_on_a_terminal_a_write_is_shown_and_asked_about(answer: str, code: int, made: int, vendors: World) -> None:
    """The method, the path and the body are shown first; a no sends nothing, and says so."""
    before = requests(vendors)
    ended, shown = on_terminal(
        vendors, answer, "call", "ghl", "create-contact", "--data", '{"email": "terminal@example.com", "firstName": "Tilda"}'
    )

    assert (code, before + made) == (ended, requests(vendors))
    assert "POST /contacts/" in shown
    assert '"firstName": "Tilda"' in shown
    assert ("nothing was sent" in shown) is (made == 0)


def test_missing_and_unknown_values_are_named_before_anything_is_sent(vendors: World) -> None:
    """All at once, with what was probably meant."""
    before = requests(vendors)
    result = call(vendors, "create-opportunity", "--yes", pipelineID="p", name="Deal", colour="red")

    assert (2, "", before) == (result.code, result.out, requests(vendors))
    assert "`pipelineID` is unknown: did you mean `pipelineId`?" in result.err
    assert "`colour` is unknown" in result.err
    assert "`contactId` is missing (a string)" in result.err
    assert "`status` is missing (one of open, won, lost, abandoned, all)" in result.err
    assert "`locationId`" not in result.err
    assert "syncd call ghl create-opportunity --help" in result.err


@pytest.mark.parametrize("contact_id", ["../users", "a/b", "", "a b", "..", "%2e", ["x"], {"a": 1}])
def test_nothing_but_an_id_gets_into_a_path(contact_id: Any, vendors: World) -> None:
    """A value that would lead elsewhere is refused."""
    before = requests(vendors)

    assert (2, before) == (call(vendors, "get-contact", contactId=contact_id).code, requests(vendors))


@pytest.mark.parametrize(
    ("data", "said"),
    [("{", "no JSON"), ("[1]", "one object"), ("@nowhere.json", "nowhere.json"), ("null", "one object")],
)
def test_data_that_is_no_object(data: str, said: str, vendors: World) -> None:
    """Says what is wrong with it, and how it is written."""
    result = vendors.here("call", "ghl", "get-contact", "--data", data)

    assert (2, "") == (result.code, result.out)
    assert said in result.err


def test_data_from_a_file_and_from_standard_input(vendors: World) -> None:
    """@FILE and @- stand for the object."""
    values = json.dumps({"contactId": a_contact(vendors)})
    path = vendors.folder / "data.json"
    path.write_text(values)
    from_file = vendors.here("call", "ghl", "get-contact", "--data", f"@{path}")
    piped = subprocess.run(
        [sys.executable, "-m", "syncd", "call", "ghl", "get-contact", "--data", "@-"],
        cwd=vendors.folder, env=vendors.environ(), input=values, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (0, 0) == (from_file.code, piped.returncode)
    assert from_file.json["contact"] == json.loads(piped.stdout)["contact"]


def test_a_dry_run_shows_and_sends_nothing(vendors: World) -> None:
    """Where each value goes, what was filled in, and never the token."""
    before = requests(vendors)
    result = call(vendors, "delete-invoice", "--dry-run", invoiceId="i1")
    tags = call(vendors, "remove-tags-from-contact", "--dry-run", contactId="c1", tags=["a"]).json
    location = vendors.do(lambda sandbox: sandbox.ghl.options.location_id)

    assert (0, before) == (result.code, requests(vendors))
    assert {
        "operation": "delete-invoice",
        "writes": True,
        "method": "DELETE",
        "path": "/invoices/i1",
        "headers": {"Version": "2021-07-28"},
        "query": {"altId": location, "altType": "location"},
        "body": None,
        "filled": {"altId": location, "altType": "location"},
    } == result.json
    assert ("DELETE", {"tags": ["a"]}) == (tags["method"], tags["body"])
    assert "pit-" not in result.out + result.err


def test_a_password_is_not_shown(vendors: World) -> None:
    """It is sent, and stands in no dry run."""
    staff = {"companyId": "c", "firstName": "Bo", "lastName": "Holm", "email": "bo@example.com", "type": "account", "role": "user", "locationIds": []}
    result = call(vendors, "create-user", "--dry-run", password="hunter2hunter2", **staff)

    assert (0, "…") == (result.code, result.json["body"]["password"])
    assert "hunter2" not in result.out + result.err


def test_beside_a_database(looked: World) -> None:
    """What a daemon left of the quota is where a call begins."""
    assert looked.database.exists()
    assert 0 == call(looked, "get-contact", contactId=a_contact(looked)).code


def test_all_pages_are_a_line_of_json_each(vendors: World) -> None:
    """Every contact once, and what has no pages says so."""
    result = call(vendors, "search-contacts", "--all-pages", pageLimit=5)
    pages = [json.loads(line) for line in result.out.splitlines()]
    ids = [contact["id"] for page in pages for contact in page["contacts"]]
    everyone = vendors.do(lambda sandbox: {contact["id"] for contact in sandbox.ghl.contacts()})

    assert 0 == result.code
    assert len(pages) >= 3
    assert (everyone, len(everyone)) == (set(ids), len(ids))
    assert 2 == call(vendors, "list-workflows", "--all-pages").code


def test_find_contact_is_put_together(vendors: World) -> None:
    """By id it reads, by e-mail it asks for duplicates, else it searches."""
    contact = vendors.do(lambda sandbox: sandbox.ghl.contacts()[0])
    sent = [
        call(vendors, "find-contact", "--dry-run", **values).json["operation"]
        for values in ({"contactId": contact["id"]}, {"email": contact["email"]}, {"number": "+12025550100"}, {"pageLimit": 1})
    ]

    assert ["get-contact", "get-duplicate-contact", "get-duplicate-contact", "search-contacts"] == [
        "search-contacts" if name == "find-contact" else name for name in sent
    ]
    assert contact["id"] == call(vendors, "find-contact", email=contact["email"]).json["contact"]["id"]


def test_a_recording_is_a_file(vendors: World) -> None:
    """What is no JSON comes out as the bytes it is."""
    contact_id = a_contact(vendors)
    sent = call(vendors, "send-message", "--yes", type="SMS", contactId=contact_id, message="Hello", subType="x", status="pending").json
    done = subprocess.run(
        [sys.executable, "-m", "syncd", "call", "ghl", "get-message-recording", "--data", json.dumps({"messageId": sent["messageId"]})],
        cwd=vendors.folder, env=vendors.environ(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
    )  # fmt: skip

    assert 0 == done.returncode
    assert b"RIFF" == done.stdout[:4]


def test_nothing_is_answered(vendors: World) -> None:
    """An answer without a body is said to be one, and prints nothing."""
    result = call(vendors, "import-courses", "--yes", products=[{"title": "One", "description": "x", "categories": []}])

    assert (0, "") == (result.code, result.out)
    assert "nothing" in result.err


@pytest.mark.parametrize(("fault", "code"), [({"kind": "unauthorized"}, 4), ({"kind": "error_before", "status": 422}, 1)])
def test_exit_codes(fault: dict[str, Any], code: int, vendors: World) -> None:
    """Wrong credentials and refusals have codes of their own; a refused credential names the scope that is needed."""
    order(vendors, "get-contact", **fault)
    result = call(vendors, "get-contact", contactId=a_contact(vendors))

    assert (code, "") == (result.code, result.out)
    assert ("contacts.readonly" in result.err) is (code == 4)


def test_a_create_is_never_sent_twice(vendors: World) -> None:
    """Its answer was lost: it may have happened, and that is said, with the code for a passing trouble."""
    contact_id = a_contact(vendors)
    order(vendors, "create-contact-task", kind="reset_after")
    result = call(vendors, "create-contact-task", "--yes", contactId=contact_id, title="Once", dueDate="2026-01-01T00:00:00Z", completed=False)
    tasks = call(vendors, "get-contact-tasks", contactId=contact_id).json["tasks"]

    assert (5, "") == (result.code, result.out)
    assert "may have taken effect" in result.err
    assert ["Once"] == [task["title"] for task in tasks]


def test_what_may_be_repeated_is_repeated(vendors: World) -> None:
    """A read, and a write that says the same when said twice, get over a lost answer."""
    contact_id = a_contact(vendors)
    for operation in ("get-contact", "update-contact"):
        order(vendors, operation, kind="reset_after")
    read = call(vendors, "get-contact", contactId=contact_id)
    written = call(vendors, "update-contact", "--yes", contactId=contact_id, city="Ulm")

    assert (0, 0) == (read.code, written.code)
    assert "Ulm" == written.json["contact"]["city"]


def test_the_list_reads_like_documentation(vendors: World) -> None:
    """Every operation with its method and path; a word narrows it down."""
    everything, tags = vendors.here("call", "ghl", "--list"), vendors.here("call", "ghl", "--list", "followers")
    as_data = vendors.here("call", "ghl", "--list", "--json").json

    assert len(as_data) >= 124
    assert [] == [row["name"] for row in as_data if f"  {row['name']} " not in everything.out]
    assert "add-contact-followers" in tags.out
    assert "create-invoice" not in tags.out
    assert 2 == call(vendors, "create-contact-notes").code
    assert "`create-contact-note`" in call(vendors, "create-contact-notes").err


def test_an_operation_explains_itself(vendors: World) -> None:
    """What it takes, needs, answers, what to mind, and a line to copy."""
    result = vendors.here("call", "ghl", "update-business", "--help")
    words = " ".join(result.out.split())

    assert 0 == result.code
    for said in ("PUT /businesses/{businessId}", "scope businesses.write", "2021-07-28", "under `buiseness`", "as the vendor spells it", "In the body"):
        assert said in words
    assert "syncd call ghl update-business --data '{\"businessId\": \"…\"}'" in result.out
    assert "DEPRECATED" in vendors.here("call", "ghl", "list-contacts-deprecated", "--help").out
    assert "deprecated" in call(vendors, "list-contacts-deprecated", limit=1).err


def test_a_system_without_operations(vendors: World) -> None:
    """Says which kinds have some; an unknown system is named with those there are."""
    unknown = vendors.here("call", "gohl", "--list")
    text = vendors.config.read_text()
    (vendors.folder / "hooks").write_text("{}")
    vendors.config.write_text('[systems.hats]\nkind = "17hats"\nhooks = { file = "hooks" }\nsecret = { file = "ghl-token" }\n\n' + text)
    none = vendors.here("call", "hats", "--list")
    vendors.config.write_text(text)

    assert (1, 1) == (none.code, unknown.code)
    assert "activetrail, emailoctopus, gohighlevel" in none.err
    assert "ghl, octopus" in unknown.err


def test_a_mailing_systems_operations(vendors: World) -> None:
    """Listed, told of, read and written like any other's; a vendor that knows no scopes is not said to have some."""
    listed = vendors.here("call", "octopus", "--list").out
    told = vendors.here("call", "octopus", "start-automation", "--help").out
    ids = vendors.do(lambda sandbox: {"list_id": sandbox.octopus.list_id, "automation_id": sandbox.octopus.automation_id})
    found = vendors.here("call", "octopus", "list-contacts", "--data", json.dumps({"list_id": ids["list_id"], "limit": 1})).json["data"]
    given = json.dumps({"automation_id": ids["automation_id"], "contact_id": found[0]["id"]})
    started = [vendors.here("call", "octopus", "start-automation", "--yes", "--data", given) for _ in range(2)]

    assert {"list-tags", "start-automation", "update-contact"} <= set(listed.split())
    assert "Needs the account's key, which has no scopes." in " ".join(told.split())
    assert [0, 1] == [each.code for each in started]
    assert "been through this automation already" in started[1].err
    assert [found[0]["id"]] == vendors.do(lambda sandbox: sandbox.octopus.campaigns.started[ids["automation_id"]])


def test_help_without_an_operation(vendors: World) -> None:
    """The command's own help ends with a line that can be copied; no system at all is wrong usage."""
    result = vendors.here("call", "--help")

    assert 0 == result.code
    assert "Example: syncd call ghl" in " ".join(result.out.split())
    assert 2 == vendors.here("call").code
    assert 2 == vendors.here("call", "ghl").code


def order(world: World, operation: str, **fault: Any) -> None:
    kind = fault.pop("kind")
    world.do(lambda sandbox: sandbox.ghl.faults.add(operation, kind, **fault))


def on_terminal(world: World, answer: str, *arguments: str) -> tuple[int, str]:
    """Runs a command on a terminal of its own, types an answer, and returns its code and what was shown."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "syncd", *arguments], cwd=world.folder, env=world.environ(TERM="dumb", COLUMNS="200"),
            stdin=theirs, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.write(ours, answer.encode())
        code = process.wait(timeout=60)
        os.close(theirs)
        theirs = -1
        return code, _read_all(ours)
    finally:
        os.close(ours)
        if theirs >= 0:
            os.close(theirs)


def _read_all(terminal: int) -> str:
    shown = b""
    while True:
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    return shown.decode(errors="replace")


def test_an_operation_that_is_put_together_says_what_it_could_be_given(world: World) -> None:
    """What it is put together from counts among its names: for a typo, and where nothing was given."""
    typo, bare = world.here("call", "ghl", "find-contact", "--data", '{"emial": "x@example.com"}'), world.here("call", "ghl", "find-contact")

    assert (2, 2) == (typo.code, bare.code)
    assert "`emial` is unknown: did you mean `email`?" in typo.err
    assert "or give `contactId` or `email` or `number`" in bare.err


def test_a_name_that_is_the_beginning_of_another(world: World) -> None:
    """The longer one is meant, before those that only look alike."""
    assert "did you mean `list-contacts-deprecated`?" in world.here("call", "ghl", "list-contacts").err


def test_a_deprecated_operation_says_so_once(world: World) -> None:
    """With what to use in its place, and it is carried out all the same."""
    result = world.here("call", "ghl", "list-users-by-location")

    assert (0, {"users"}) == (result.code, result.json.keys() - {"traceId"})
    assert "note: list-users-by-location is deprecated, and gone in v3: use search-users with locationId." in result.err
