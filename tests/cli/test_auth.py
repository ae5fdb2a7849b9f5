"""`syncd auth`: a person lets us in; what is kept, what is refused, and what a running daemon does with it."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.cli.letting_in import agree, ask, let_in, use_oauth, visit
from tests.cli.world import World, wait_for

SCOPES = ["contacts.readonly", "contacts.write", "locations.readonly", "locations/customFields.readonly"]


@pytest.fixture
def open_world(world: World) -> World:
    """A world whose GoHighLevel is let into by OAuth; nobody has agreed yet."""
    use_oauth(world)
    return world


def written(world: World) -> bytes:
    """Every byte below the world's folder, but for the secrets the configuration names."""
    paths = [path for path in world.folder.rglob("*") if path.is_file() and path.name not in ("client-secret", "syncd.key", "octopus-key", "ghl-token")]
    return b"".join(path.read_bytes() for path in paths)


def known_to_both(sandbox) -> dict[str, str]:
    """A contact of whom each side has exactly one."""
    theirs = [each["email_address"] for each in sandbox.octopus.contacts()]
    ours = [each.get("email") for each in sandbox.ghl.contacts()]
    return next(each for each in sandbox.ghl.contacts() if (1, 1) == (theirs.count(each.get("email")), ours.count(each.get("email"))))


def test_a_person_agrees_and_everything_works(open_world):
    """The key of the database is made, the address asks for what the configuration needs and no more, the tokens are kept, and the first sync runs with them."""
    asking = ask(open_world)
    asked = parse_qs(urlsplit(asking.url).query)
    with_code = agree(asking.url)
    process = Path("/proc") / str(asking.process.pid)
    seen = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    status, page = visit(with_code)
    result = asking.end()
    secrets = open_world.do(lambda sandbox: [*sandbox.ghl.oauth.tokens, sandbox.ghl.oauth.client_secret])
    key = open_world.database.with_suffix(".key")

    assert (0, 200) == (result.code, status), result.err
    assert SCOPES == asked["scope"][0].split()
    assert ["code"] == asked["response_type"]
    assert len(asked["state"][0]) >= 43
    assert "let in" in page
    assert "ghl is open to syncd: Location SandboxLocation00001" in result.out
    assert (0o600, 44) == (stat.S_IMODE(key.stat().st_mode), len(key.read_text().strip()))
    assert 0 == open_world.syncd("reconcile").code
    told = (result.out + result.err + page).encode() + seen + written(open_world)
    assert [] == [each for each in (*secrets, key.read_text().strip()) if each.encode() in told]


def test_the_answer_for_programs(open_world):
    """Who, what for, until when; nothing secret."""
    told = let_in(open_world, "--json").json

    assert {"system", "holder", "account", "scopes", "missing_scopes", "expires_at"} == set(told)
    assert ("Location", "SandboxLocation00001", SCOPES, []) == tuple(told[name] for name in ("holder", "account", "scopes", "missing_scopes"))


def test_scopes_that_were_not_granted_are_named(open_world):
    """At once, not in the night."""
    open_world.do(lambda sandbox: setattr(sandbox.ghl.oauth, "granted", frozenset(SCOPES) - {"contacts.write"}))
    result = let_in(open_world)

    assert 0 == result.code
    assert "not granted, and the configuration needs them: contacts.write" in result.err


def test_only_the_answer_to_this_request_counts(open_world):
    """Another state, none at all, another path: refused, and the right answer still counts afterwards."""
    asking = ask(open_world)
    right = agree(asking.url)
    base, _, query = right.partition("?")
    code = parse_qs(query)["code"][0]
    wrong = [f"{base}?code=stolen&state=guessed", f"{base}?code=stolen", f"{base}?error=access_denied&state=guessed", base.replace("callback", "other")]
    refused = [visit(each)[0] for each in wrong]

    assert [400, 400, 400, 404] == refused
    assert code not in visit(f"{base}?code={code}&state=x")[1]
    assert 200 == visit(right)[0]
    assert 0 == asking.end().code


def test_a_person_who_does_not_agree_is_believed(open_world):
    """Sent back with an error and the right state: it ends, and nothing is kept."""
    asking = ask(open_world)
    base, _, query = agree(asking.url).partition("?")
    state = parse_qs(query)["state"][0]
    status, _page = visit(f"{base}?error=access_denied&state={state}")
    result = asking.end()

    assert (400, 1) == (status, result.code)
    assert "nobody agreed" in result.err


def test_nobody_comes_back(open_world):
    """It ends by itself, with the code for later."""
    result = open_world.syncd("auth", "ghl", "--wait", "1")

    assert 5 == result.code
    assert "nobody came back within 1 s" in result.err


@pytest.mark.parametrize("alone", [False, True], ids=["the address", "the code alone"])
def test_the_address_can_be_brought_along(open_world, alone):
    """From another machine's browser: by standard input, never as an argument."""
    asking = ask(open_world, "--paste")
    back = agree(asking.url)
    asking.process.stdin.write((parse_qs(urlsplit(back).query)["code"][0] if alone else back) + "\n")
    asking.process.stdin.flush()

    assert 0 == asking.end().code


@pytest.mark.parametrize(
    ("brought", "code", "said"),
    [("http://127.0.0.1/?code=x&state=y\n", 1, "belongs to another request"), ("\n", 1, "this is no code"), ("invented\n", 4, "the code was not redeemed")],
)
def test_what_is_brought_along_is_checked(open_world, brought, code, said):
    """A foreign state, nothing, an invented code."""
    asking = ask(open_world, "--paste")
    asking.process.stdin.write(brought)
    asking.process.stdin.flush()
    result = asking.end()

    assert code == result.code
    assert said in result.err


def test_a_wrong_location_is_refused_and_nothing_is_kept(open_world):
    """The person chose another one."""
    open_world.do(lambda sandbox: setattr(sandbox.ghl.oauth, "wrong_location", "AnotherLocation00001"))
    result = let_in(open_world)

    assert 4 == result.code
    assert "the tokens are for location AnotherLocation00001" in result.err
    assert not open_world.database.exists()


def test_a_company_s_tokens_work_as_well(open_world):
    """They are proven at once by an exchange, and the first sync runs."""
    open_world.edit_config('client_id = "sandbox-app"', 'client_id = "sandbox-app"\nuser_type = "Company"')
    asking = ask(open_world)
    asked = parse_qs(urlsplit(asking.url).query)["scope"][0].split()
    visit(agree(asking.url))
    result = asking.end()

    assert 0 == result.code, result.err
    assert "oauth.write" in asked
    assert "Company SandboxCompany000001" in result.out
    assert 0 == open_world.syncd("reconcile").code


def test_a_private_token_needs_no_consent(world):
    """There is nobody to ask."""
    result = world.syncd("auth", "ghl")

    assert 1 == result.code
    assert "nobody has to agree" in result.err
    assert 1 == world.syncd("auth", "ghk").code


def test_without_consent_the_daemon_pauses_and_says_what_to_type(open_world):
    """Before anybody agreed: the system is paused with a sentence, nothing is written; after consent the running daemon goes on by itself."""
    with open_world.daemon() as daemon:
        wait_for(lambda: daemon.said("system.paused"))
        status = open_world.here("status").out
        result = let_in(open_world)
        wait_for(lambda: daemon.said("system.resumed"))

        assert "there are no tokens yet (type `syncd auth ghl`)" in status
        assert 0 == result.code, result.err
        assert "ghl is used again" in result.err
        assert 0 == open_world.syncd("reconcile").code


@pytest.mark.parametrize("trouble", ["revoked", "lost"])
def test_a_daemon_whose_token_is_lost_loses_nothing(open_world, trouble):
    """Edits made meanwhile wait; the status says what happened and what to type; after consent all arrives, and nothing was deleted."""
    assert 0 == let_in(open_world).code
    assert 0 == open_world.syncd("reconcile").code
    with open_world.daemon() as daemon:
        if trouble == "revoked":
            open_world.do(lambda sandbox: sandbox.ghl.oauth.revoke())
        else:
            open_world.do(lambda sandbox: (sandbox.ghl.faults.add("get-access-token", "reset_after"), sandbox.ghl.oauth.expire()))
        wait_for(lambda: daemon.said("system.paused"), timeout_s=40)
        before = open_world.do(lambda sandbox: len(sandbox.octopus.contacts()))
        person = open_world.do(known_to_both)
        open_world.do(lambda sandbox: sandbox.ghl.edit_as_user(person["id"], {"lastName": "Meanwhile"}))
        status = open_world.here("status").out
        assert 0 == let_in(open_world).code
        wait_for(lambda: daemon.said("system.resumed"))
        assert 0 == open_world.syncd("reconcile").code
        secrets = open_world.do(lambda sandbox: [*sandbox.ghl.oauth.tokens, sandbox.ghl.oauth.client_secret])

    assert {"revoked": "the vendor refused the refresh token", "lost": "the answer to a token refresh was lost"}[trouble] in status
    assert "type `syncd auth ghl`" in status
    assert "Meanwhile" in str(open_world.do(lambda sandbox: sandbox.octopus.contacts()))
    assert before == open_world.do(lambda sandbox: len(sandbox.octopus.contacts()))
    told = daemon.log.read_bytes() + daemon.out + status.encode() + written(open_world)
    assert [] == [each for each in secrets if each.encode() in told]


def test_tokens_that_expire_under_a_daemon_are_nobody_s_business(open_world):
    """They are renewed while it works: nothing is paused, nothing said, and an edit arrives."""
    assert 0 == let_in(open_world).code
    assert 0 == open_world.syncd("reconcile").code
    with open_world.daemon() as daemon:
        person = open_world.do(known_to_both)
        for turn in range(3):
            open_world.do(lambda sandbox: sandbox.ghl.oauth.expire())
            open_world.do(lambda sandbox: sandbox.ghl.edit_as_user(person["id"], {"lastName": f"Turn{turn}"}))  # noqa: B023 (done at once)
            wait_for(lambda: f"Turn{turn}" in str(open_world.do(lambda sandbox: sandbox.octopus.contacts())))  # noqa: B023 (done at once)

        assert [] == daemon.said("system.paused")
        assert [] == [line for line in daemon.lines() if line["level"] in ("warning", "error") and line["event"] != "sqlite.version"]
    assert 3 <= open_world.do(lambda sandbox: sandbox.ghl.oauth.refreshes)


def test_a_scope_that_is_taken_away_loses_no_edit(open_world):
    """The write that needs it waits; the status names the scope; once it is granted again the edit arrives."""
    assert 0 == let_in(open_world).code
    assert 0 == open_world.syncd("reconcile").code
    with open_world.daemon() as daemon:
        open_world.do(lambda sandbox: sandbox.ghl.oauth.narrow("contacts.write"))
        email = open_world.do(known_to_both)["email"]

        def edit(sandbox):
            (theirs,) = [each for each in sandbox.octopus.contacts() if each["email_address"] == email]
            sandbox.octopus.edit_as_user(theirs["id"], {"fields": {"LastName": "Waited"}})

        open_world.do(edit)
        wait_for(lambda: daemon.said("system.paused"))
        status = open_world.here("status").out
        assert 0 == let_in(open_world).code
        wait_for(lambda: "Waited" in str(open_world.do(lambda sandbox: sandbox.ghl.contacts())))

    assert "update-contact needs contacts.write" in status


def test_a_token_that_expires_in_the_middle_of_writing(open_world):
    """Many writes are on their way, again and again with a token that has had its time: each is made, once, and nobody is told."""
    assert 0 == let_in(open_world).code
    assert 0 == open_world.syncd("reconcile").code
    with open_world.daemon() as daemon:
        made_before = open_world.do(lambda sandbox: len(sandbox.ghl.contacts()))

        def add(sandbox):
            for number in range(40):
                sandbox.octopus.create_as_user({"email_address": f"late{number}@example.com", "fields": {"FirstName": f"Late{number}"}, "tags": []})

        def late(sandbox):
            return [each["email"] for each in sandbox.ghl.contacts() if str(each.get("email")).startswith("late")]

        open_world.do(lambda sandbox: sandbox.ghl.faults.add("create-contact", "slow", seconds=0.05, probability=1.0))
        open_world.do(add)
        for goal in (1, 12, 25, 40):
            wait_for(lambda: len(open_world.do(late)) >= goal, timeout_s=40)  # noqa: B023 (done at once)
            open_world.do(lambda sandbox: sandbox.ghl.oauth.expire())
        assert 0 == open_world.syncd("reconcile").code

        assert [] == daemon.said("system.paused")
        assert [] == daemon.said("write.failed")
    assert sorted(f"late{number}@example.com" for number in range(40)) == sorted(open_world.do(late))
    assert made_before + 40 == open_world.do(lambda sandbox: len(sandbox.ghl.contacts()))


COMPANIES = """
[syncs.companies]
match = ["email"]
source_of_truth = "ghl"
first_run = "auto"

[syncs.companies.members]
ghl = {{ collection = "businesses" }}
octopus = {{ collection = "contacts", list = "{list_id}", archive = {{ status = "unsubscribed" }} }}

[syncs.companies.fields]
email = {{ type = "email", ghl = "email", octopus = "email_address" }}
name = {{ ghl = "name", octopus = "fields.FirstName" }}

[daemon]
"""


def test_a_scope_that_is_taken_from_one_collection_stops_that_one_alone(open_world):
    """The others go on; the status names collection, scope and what to type; after consent what waited arrives, and nothing is lost."""
    list_id = open_world.do(lambda sandbox: sandbox.octopus.add_list("Companies"))
    open_world.edit_config("\n[daemon]\n", COMPANIES.format(list_id=list_id))
    company = open_world.do(lambda sandbox: sandbox.ghl.create_record_as_user("businesses", {"name": "Acme", "email": "acme@example.com"}))
    assert 0 == let_in(open_world).code
    assert 0 == open_world.syncd("reconcile").code

    def told(list_id=None):
        return str(open_world.do(lambda sandbox: sandbox.octopus.contacts(list_id=list_id)))

    assert "Acme" in told(list_id)
    with open_world.daemon() as daemon:
        person = open_world.do(known_to_both)
        open_world.do(lambda sandbox: sandbox.ghl.oauth.narrow("businesses.readonly"))
        wait_for(lambda: daemon.said("collection.paused"))
        open_world.do(lambda sandbox: sandbox.ghl.edit_record_as_user("businesses", company["id"], {"name": "Renamed"}))
        open_world.do(lambda sandbox: sandbox.ghl.edit_as_user(person["id"], {"lastName": "Goes On"}))
        wait_for(lambda: "Goes On" in told())
        status, doctor, program = open_world.here("status"), open_world.syncd("doctor", "ghl"), open_world.here("status", "--json").json
        ended = open_world.syncd("reconcile")
        assert "Acme" in told(list_id)

        assert [("ghl", "businesses")] == [(each["system"], each["collection"]) for each in daemon.said("collection.paused")]
        assert [] == daemon.said("system.paused")
        assert 0 == let_in(open_world).code
        wait_for(lambda: "Renamed" in told(list_id))

    assert "ghl/businesses: PAUSED: " in status.out
    assert "needs businesses.readonly" in status.out
    assert "next: ghl/businesses is paused, and the rest goes on; let the credential open it, then `syncd resume ghl`" in status.out
    assert program["systems"]["ghl"]["paused"] is None
    assert "needs businesses.readonly" in program["collections"]["ghl/businesses"]["paused"]
    assert "CLOSED   pause: businesses is paused: " in doctor.out
    assert (5, True) == (ended.code, "ghl/businesses is not used" in ended.err)
    assert open_world.here("status", "--json").json["collections"]["ghl/businesses"]["paused"] is None


def test_a_lost_refresh_answer_and_the_word_of_a_person(open_world):
    """`syncd resume` alone has the refresh tried again, and says once more what is wrong; with new tokens it all goes on."""
    assert 0 == let_in(open_world).code
    assert 0 == open_world.syncd("reconcile").code
    with open_world.daemon() as daemon:
        person = open_world.do(known_to_both)
        open_world.do(lambda sandbox: (sandbox.ghl.faults.add("get-access-token", "reset_after"), sandbox.ghl.oauth.expire()))
        wait_for(lambda: daemon.said("system.paused"), timeout_s=40)
        resumed = open_world.syncd("resume", "ghl")
        wait_for(lambda: len(daemon.said("system.paused")) == 2, timeout_s=40)
        open_world.do(lambda sandbox: sandbox.ghl.edit_as_user(person["id"], {"lastName": "Kept"}))
        status = open_world.here("status").out
        assert 0 == let_in(open_world).code
        wait_for(lambda: "Kept" in str(open_world.do(lambda sandbox: sandbox.octopus.contacts())))

    assert (0, "ghl is used again\n") == (resumed.code, resumed.out)
    assert "PAUSED: " in status
    assert "type `syncd auth ghl`" in status
