"""`syncd doctor`: who we are, what our tokens open, what is left of quotas, clocks, webhooks, the database; and what it ends with."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from syncd.connectors.clock import SystemClock
from syncd.core.record import DAY, HOUR, SystemName
from syncd.flow.examine import Grade, database_signs, sqlite_signs
from syncd.sandbox import ActiveTrailOptions, Sandbox, SandboxOptions
from syncd.store import arrivals
from syncd.store.arrivals import Heard, Hearing
from tests.cli.letting_in import let_in, use_oauth
from tests.cli.world import Vendors, World

TRAIL = """\
[systems.trail]
kind = "activetrail"
base_url = "{base_url}"
token = {{ file = "trail-token" }}
calls_per_s = 10000
calls_per_s_max = 10000

[systems.other]
kind = "activetrail"
base_url = "{base_url}"
token = {{ file = "trail-token" }}
calls_per_s = 10000
calls_per_s_max = 10000

[syncs.contacts]
match = ["email"]
source_of_truth = "trail"

[syncs.contacts.members]
trail = {{ collection = "contacts" }}
other = {{ collection = "contacts" }}

[syncs.contacts.fields]
email = {{ type = "email", trail = "email", other = "email" }}

[daemon]
state = "state"
"""


def signs(told, system: str, about: str) -> list[tuple[str, str]]:
    """What is said of something: grade and words."""
    return [(each["grade"], each["what"]) for each in told["systems"][system]["signs"] if each["about"] == about]


def test_everything_is_well(synced: World):
    """Every system is told by name, with what is left of its quota; nothing is written anywhere."""
    before = synced.do(lambda sandbox: sandbox.ghl.stats.writes_by_api + sandbox.octopus.stats.writes_by_api)
    result = synced.syncd("doctor", "--json")
    told = result.json
    ghl = told["systems"]["ghl"]

    assert 0 == result.code, result.err
    assert ("Sandbox location", "a private token") == (ghl["account"], ghl["holder"])
    assert [("well", "the credential opens it")] == signs(told, "ghl", "contacts")
    assert (100, 200_000) == (ghl["quota"]["limit"], ghl["quota"]["daily_limit"])
    assert ghl["quota"]["remaining"] < 100
    assert 0 == ghl["clock_skew_s"]
    assert before == synced.do(lambda sandbox: sandbox.ghl.stats.writes_by_api + sandbox.octopus.stats.writes_by_api)
    assert {"sqlite", "database", "key"} == {each["about"] for each in told["machine"]}


def test_what_cannot_be_known_is_said_to_be_unknown(synced: World):
    """A private token does not tell what it opens."""
    told = synced.syncd("doctor", "ghl", "--json").json

    assert {"ghl"} == set(told["systems"])
    assert (None, None) == (told["systems"]["ghl"]["scopes"]["granted"], told["systems"]["ghl"]["scopes"]["missing"])
    assert "contacts.write" in told["systems"]["ghl"]["scopes"]["needed"]
    assert [("note", "none has come yet")] == signs(told, "ghl", "webhooks")[1:]


def test_people_can_read_it(synced: World):
    """Each sign with its mark, what it is about, and what to do."""
    out = synced.syncd("doctor").out

    assert "ghl (gohighlevel)" in out
    assert "account   Sandbox location (a private token)" in out
    assert "note     webhooks: only this machine reaches http://127.0.0.1:0/hooks/ghl" in out
    assert "this machine" in out
    assert "SQLite" in out


def test_a_scope_a_private_token_lacks_is_named_where_it_shows(world: World):
    """The read that needs it is refused, and says so."""
    world.do(lambda sandbox: sandbox.ghl.oauth.narrow("locations/customFields.readonly"))
    result = world.syncd("doctor", "ghl", "--json")
    (told,) = [each for each in result.json["systems"]["ghl"]["signs"] if each["about"] == "contacts"]

    assert (4, "authentication") == (result.code, told["grade"])
    assert "needs locations/customFields.readonly" in told["mend"]


def test_scopes_are_compared_where_the_token_tells(world: World):
    """An OAuth token that lacks one the configuration needs: named before anything needs it."""
    use_oauth(world)
    world.do(lambda sandbox: setattr(sandbox.ghl.oauth, "granted", frozenset({"contacts.readonly", "locations.readonly", "locations/customFields.readonly"})))
    assert 0 == let_in(world).code
    result = world.syncd("doctor", "ghl", "--json")
    ghl = result.json["systems"]["ghl"]

    assert (4, ["contacts.write"]) == (result.code, ghl["scopes"]["missing"])
    assert "OAuth, Location" == ghl["holder"]
    assert ghl["expires_at"]
    assert [("authentication", "the token lacks contacts.write")] == signs(result.json, "ghl", "scopes")


def test_a_credential_that_opens_nothing(world: World):
    """One system's trouble hides no other's, and the code tells what kind it is."""
    (world.folder / "octopus-key").write_text("wrong\n")
    result = world.syncd("doctor", "--json")

    assert 4 == result.code
    assert ["authentication"] == [grade for grade, _ in signs(result.json, "octopus", "contacts@" + world.do(lambda sandbox: sandbox.octopus.list_id))]
    assert [("well", "the credential opens it")] == signs(result.json, "ghl", "contacts")


def test_a_vendor_that_does_not_answer(world: World):
    """Temporary: come back later."""
    world.do(lambda sandbox: sandbox.ghl.faults.add("*", "error_before", status=503, count=50))
    result = world.syncd("doctor", "ghl", "--json")

    assert (5, "temporary") == (result.code, signs(result.json, "ghl", "credential")[0][0])


def test_a_paused_system_says_why(world: World):
    """With the sentence it was paused with."""
    world.syncd("reconcile")
    with closing(sqlite3.connect(world.database, isolation_level=None)) as database:
        database.execute("UPDATE systems SET paused = 'because of a test' WHERE system = 'ghl'")
    result = world.syncd("doctor", "ghl", "--json")

    assert (4, [("authentication", "paused: because of a test")]) == (result.code, signs(result.json, "ghl", "pause"))


def test_a_clock_that_is_off(world: World, monkeypatch: pytest.MonkeyPatch):
    """The vendor's clock as its answers tell it, against ours, in words."""
    now = SystemClock.now
    monkeypatch.setattr(SystemClock, "now", lambda self: now(self) - 300_000_000)
    out = world.here("doctor", "ghl").out

    assert "the vendor's clock is 300 s ahead of ours" in out or "the vendor's clock is 299 s ahead of ours" in out
    assert "WARNING  clock" in out


def heard(world: World, *counts: tuple[Hearing, str, int, int]) -> None:
    """What a daemon counted: kind, word, how often, and how long ago the last was."""
    now = SystemClock().now()
    with closing(sqlite3.connect(world.database)) as database, database:
        arrivals.note(
            database,
            [Heard(system=SystemName("ghl"), what=what, word=word, count=count, last_at=now - ago) for what, word, count, ago in counts],
        )


def test_webhooks_are_told_of(world: World):
    """When the last one came; how many were refused and why; of what unknown kinds they were; that none are taken where that is so."""
    world.syncd("reconcile")
    heard(
        world, (Hearing.ACCEPTED, "contacts", 41, 2 * HOUR), (Hearing.REFUSED, "forged", 3, HOUR), (Hearing.REFUSED, "too big", 1, DAY),
        (Hearing.UNKNOWN, "SurveySubmit", 7, HOUR), (Hearing.UNWANTED, "tasks", 5, HOUR), (Hearing.UNANNOUNCED, "contacts", 2, 2 * HOUR),
    )  # fmt: skip
    result, told = world.syncd("doctor", "ghl"), world.syncd("doctor", "ghl", "--json").json
    world.edit_config('listen = "127.0.0.1:0"', 'listen = "off"')
    silent = world.syncd("doctor", "ghl", "--json").json
    about = told["systems"]["ghl"]["webhooks"]
    _local, comes, refused, unknown = signs(told, "ghl", "webhooks")

    assert ({"contacts": 41}, {"forged": 3, "too big": 1}, "forged") == (about["accepted"], about["refused"], about["last_refused_for"])
    assert about["last_accepted_at"] < about["last_refused_at"]
    assert ("well", "they come to http://127.0.0.1:0/hooks/ghl") == comes
    assert ("warning", "4 were refused: 3 forged, 1 too big") == refused
    assert ("note", "of no known kind, kept as they were seen: 7 SurveySubmit") == unknown
    assert "webhooks     41 accepted, the last one 2 h ago" in result.out
    assert "refused      4 webhooks, the last one 1 h ago (forged)" in result.out
    assert "unwanted     5 webhooks that no sync reads: tasks 5" in result.out
    assert [("note", "none are taken (`listen` is off); polls find every change")] == signs(silent, "ghl", "webhooks")


@pytest.mark.parametrize(
    ("came", "found", "grade", "said"),
    [
        (None, HOUR, "warning", "none has come yet, though polls found 9 changes that no webhook had announced"),
        (30 * HOUR, HOUR, "warning", "none has come for 30 h, though polls found 9 changes that no webhook had announced"),
        (30 * HOUR, 30 * HOUR, "well", "they come to"),
        (30 * HOUR, None, "well", "they come to"),
        (None, None, "note", "none has come yet"),
    ],
    ids=["never one", "no more", "one was missed then", "nothing happens", "nothing yet"],
)
def test_webhooks_that_stopped_coming_show_by_what_polls_find(world: World, came: int | None, found: int | None, grade: str, said: str):
    """A silence in which polls found changes is none that nobody edited in."""
    world.syncd("reconcile")
    heard(world, *((what, "contacts", 9, ago) for what, ago in ((Hearing.ACCEPTED, came), (Hearing.UNANNOUNCED, found)) if ago is not None))
    graded, what = signs(world.syncd("doctor", "ghl", "--json").json, "ghl", "webhooks")[1]

    assert grade == graded
    assert what.startswith(said)


def test_a_system_that_is_not_there(world: World):
    """A typo gets its suggestion."""
    result = world.here("doctor", "ghk")

    assert 1 == result.code
    assert "did you mean `ghl`" in result.err


@pytest.mark.parametrize(
    ("version", "grade"),
    [((3, 6, 23), Grade.WELL), ((3, 7, 0), Grade.WARNING), ((3, 40, 1), Grade.WARNING), ((3, 51, 2), Grade.WARNING), ((3, 51, 3), Grade.WELL), ((4, 0, 0), Grade.WELL)],
)
def test_a_sqlite_with_the_bug_is_warned_of(version, grade):
    """From 3.7.0 to 3.51.2."""
    (sign,) = sqlite_signs(version)

    assert grade is sign.grade
    assert ".".join(map(str, version)) in sign.what


def test_the_database_tells_its_age_and_its_re_basing(world: World):
    """How long it has been kept; that an older copy is being brought up."""
    assert any("there is none yet" in sign.what for sign in database_signs(world.database, 0))
    world.syncd("reconcile")
    with closing(sqlite3.connect(world.database, isolation_level=None)) as database:
        database.execute("INSERT INTO meta (key, value) VALUES ('rebasing', 'restored') ON CONFLICT (key) DO UPDATE SET value = excluded.value")
    told = database_signs(world.database, SystemClock().now() + 3 * DAY)

    assert any("kept for 3 days; no daemon is running" in sign.what for sign in told)
    assert [Grade.WARNING] == [sign.grade for sign in told if "re-basing" in sign.what]


class _TrailVendors(Vendors):
    """ActiveTrail is among them."""

    def __init__(self) -> None:
        super().__init__()
        self.sandbox = Sandbox(SandboxOptions(quotas=False, trail=ActiveTrailOptions(first_page=0)))


@pytest.fixture
def trail(tmp_path: Path):
    """A world of two names for one ActiveTrail account."""
    vendors = _TrailVendors()
    vendors.start()
    try:
        world = World(tmp_path, vendors)
        told = vendors.do(lambda sandbox: sandbox.describe())["activetrail"]
        for number in range(3):
            vendors.do(lambda sandbox: sandbox.trail.create_as_user({"email": f"p{number}@example.com"}))  # noqa: B023 (done at once)
        world.config.write_text(TRAIL.format(base_url=told["base_url"]))
        (tmp_path / "trail-token").write_text(told["token"] + "\n")
        (tmp_path / "trail-token").chmod(0o600)
        yield world
    finally:
        vendors.stop()


def test_what_a_vendor_leaves_open_is_found_out_and_kept(trail: World):
    """Asked for with --probe, kept in the database, and used from the connector's next start on without being asked again."""
    trail.syncd("reconcile", "--timeout", "20")
    first = trail.syncd("doctor", "trail", "--probe", "--json")
    found = {each["setting"]: each["answer"] for each in first.json["systems"]["trail"]["findings"]}
    before = trail.do(lambda sandbox: sandbox.trail.stats.requests["list-contacts"])
    again = trail.syncd("doctor", "trail", "--probe", "--json").json
    asked = trail.do(lambda sandbox: sandbox.trail.stats.requests["list-contacts"]) - before
    other = trail.syncd("doctor", "other", "--probe", "--json").json

    assert 0 == found["first_page"]
    assert ("well", "what was found out is kept, and used from the connector's next start on") == signs(first.json, "trail", "probe")[0]
    assert (0, found) == (asked, {each["setting"]: each["answer"] for each in again["systems"]["trail"]["findings"]})
    assert {"first_page", "from_date", "webhook_events", "deletion"} == {each["setting"] for each in other["systems"]["other"]["findings"]}


def test_without_a_database_nothing_is_kept_and_that_is_said(trail: World):
    """Looking makes no database."""
    told = trail.syncd("doctor", "trail", "--probe", "--json").json

    assert "note" == signs(told, "trail", "probe")[0][0]
    assert not trail.database.exists()
