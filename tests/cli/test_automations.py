"""`syncd automations`, and what failures and holds say of runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer

import orjson
import pytest

from tests.cli.world import World, make_world

AUTOMATIONS = """
[automations.greet]
on = "ghl/contacts created"
origins = ["person", "backfill"]
do = [
  { name = "noted", call = "ghl.create-contact-note", with = { contactId = "{event.id}", body = "hello" } },
  { alert = { text = "noted {steps.noted.note.id}" } },
]

[automations.quiet]
schedule = "daily 07:00 Europe/London"
do = [ { alert = { text = "good morning" } } ]

[daemon]"""


def make_automated(world: World, refused: int = 1) -> World:
    """Automations, the first of whose calls are refused, and one reconciliation."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    world.edit_config("[daemon]", AUTOMATIONS.lstrip())
    world.do(lambda sandbox: sandbox.ghl.faults.add("create-contact-note", "error_before", status=422, message="not today", count=refused))
    assert world.syncd("reconcile").code == 6
    return world


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        yield make_automated(make_world(tmp_path_factory.mktemp("automated"), stack, 12))


@pytest.fixture
def ran(shared: World) -> Iterator[World]:
    """A world in which automations ran, for tests that leave it as it was; its configuration is put back."""
    written = shared.config.read_text()
    yield shared
    shared.config.write_text(written)


def test_before_anything_ran(world: World) -> None:
    """What is configured is listed; a name that is none is near another."""
    world.edit_config("[daemon]", AUTOMATIONS.lstrip())
    assert [("greet", {}), ("quiet", {})] == [(each["name"], each["runs"]) for each in world.here("automations", "--json").json]
    assert "did you mean `greet`?" in world.here("automations", "runs", "gret").err
    assert 1 == world.here("automations", "show", "1").code


def test_the_list_the_runs_and_one_of_them(ran: World) -> None:
    """With counts, states, what was sent and what was answered."""
    greet, quiet = ran.here("automations", "--json").json
    assert ({"done", "failed"}, 1) == (greet["runs"].keys(), greet["runs"]["failed"])
    assert greet["outcomes"] == {"fired": sum(greet["runs"].values())}
    assert (quiet["runs"], quiet["on"]) == ({}, "schedule daily")
    assert "ghl/contacts created" in ran.here("automations").out
    runs = ran.here("automations", "runs", "greet", "--json").json
    (failed,) = [each for each in runs if each["state"] == "failed"]
    done = next(each for each in runs if each["state"] == "done")
    assert "not today" in failed["error"]
    assert f"{failed['run']}  greet" in ran.here("automations", "runs", "greet").out
    shown = ran.here("automations", "show", str(done["run"]), "--json").json
    assert [("0", "noted", "done"), ("1", "", "done")] == [(each["path"], each["name"], each["state"]) for each in shown["steps"]]
    assert "hello" == shown["steps"][0]["sent"]["body"]
    assert "ghl.create-contact-note (noted)  done" in ran.here("automations", "show", str(done["run"])).out


TRIED = """
[automations.greet]
on = "ghl/contacts created"
when = { all = [ { field = "email", op = "exists" }, { not = { field = "firstName", op = "eq", value = "Zed" } } ] }
do = [
  { name = "noted", call = "ghl.create-contact-note", with = { contactId = "{event.id}", body = "hello {event.firstName}" } },
  { if = { field = "steps.noted.note.id", op = "exists" }, then = [ { call = "ghl.update-contact-note", with = { contactId = "{event.id}", id = "{steps.noted.note.id}", body = "again" } } ] },
  { if = { field = "event.tags", op = "contains", value = "vip" }, then = [ { wait = "2d" } ], else = [ { stop = true } ] },
  { for_each = "{event.tags}", max = 5, do = [ { alert = { text = "{item}" } } ] },
  { call = "ghl.add-tags-to-contact", with = { contactId = "{link.octopus.id}", tags = ["x"] } },
]

[daemon]"""


def test_an_event_is_tried_out(world: World) -> None:
    """What would be sent where, both ways where an answer decides, what is missing; with nothing called and no database made."""
    world.edit_config("[daemon]", TRIED.lstrip())
    record = world.folder / "record.json"
    record.write_bytes(orjson.dumps({"id": "c1", "email": "a@example.com", "firstName": "Ann", "tags": ["vip", "b"]}))
    before = world.do(lambda sandbox: sum(sandbox.ghl.stats.requests.values()))
    tried = world.here("automations", "test", "greet", "--event", str(record), "--json").json
    shown = world.here("automations", "test", "greet", "--event", str(record)).out
    steps = {each["path"]: each for each in tried["steps"]}

    assert tried["would_run"] is True
    assert ("POST", "/contacts/c1/notes", {"body": "hello Ann"}) == tuple(steps["0"]["would"][each] for each in ("method", "path", "body"))
    assert {"{event.id}": "c1", "{event.firstName}": "Ann"} == steps["0"]["templates"]
    assert ("either", ["steps.noted.note.id"]) == (steps["1"]["would"]["takes"], steps["1"]["would"]["depends_on"])
    assert "/contacts/c1/notes/(steps.noted.note.id)" == steps["1.then.0"]["would"]["path"]
    assert ("then", 2 * 86400) == (steps["2"]["would"]["takes"], steps["2.then.0"]["would"]["wait_s"])
    assert ({"max": 5, "items": 2}, "vip") == (steps["3"]["would"], steps["3.0.0"]["would"]["text"])
    assert ["{link.octopus.id}: ghl/contacts/c1 has no link in contacts yet"] == steps["4"]["missing"]
    assert "greet: it would run\n" in shown
    assert "PUT /contacts/c1/notes/(steps.noted.note.id)" in shown
    assert before == world.do(lambda sandbox: sum(sandbox.ghl.stats.requests.values()))
    assert not world.database.exists()


def test_what_keeps_an_event_from_setting_off_is_said(world: World) -> None:
    """The part of the condition that was not met, and the part of the trigger; steps behind a stop are not gone through."""
    world.edit_config("[daemon]", TRIED.lstrip())
    record = world.folder / "record.json"
    event = {"what": "created", "system": "octopus", "collection": "contacts", "id": "c1", "before": {}, "after": {"email": "a@example.com", "firstName": "Zed"}}
    record.write_bytes(orjson.dumps({"event": event}))
    tried = world.here("automations", "test", "greet", "--event", str(record), "--json").json

    assert (False, "not meant") == (tried["would_run"], tried["verdict"])
    assert [("ghl/contacts", "octopus/contacts")] == [(each["asks"], each["found"]) for each in tried["trigger"] if not each["met"]]
    assert [False, True, False, True] == [part["met"] for part in tried["condition"]]
    assert ("firstName", "Zed") == (tried["condition"][-1]["reads"], tried["condition"][-1]["found"])
    assert "2.else.0" == tried["steps"][-1]["path"]


def test_a_trial_needs_an_event(world: World) -> None:
    """One, and one that can be read; each mistake says what would fit."""
    world.edit_config("[daemon]", TRIED.lstrip())
    record = world.folder / "record.json"
    assert 2 == world.here("automations", "test", "greet").code
    assert "was told of no event yet" in world.here("automations", "test", "greet", "--last").err
    assert "cannot be read" in world.here("automations", "test", "greet", "--event", str(record)).err
    record.write_text("{")
    assert "is no JSON" in world.here("automations", "test", "greet", "--event", str(record)).err
    record.write_text('{"what": "eaten", "before": {}, "after": {}}')
    assert "holds no event" in world.here("automations", "test", "greet", "--event", str(record)).err


def test_the_newest_event_and_a_run_can_be_tried_out(ran: World) -> None:
    """Also after the condition was changed, and one that set nothing off; and what `show` printed is an event."""
    runs = ran.here("automations", "runs", "greet", "--json").json
    last = ran.here("automations", "test", "greet", "--last", "--json").json
    file = ran.folder / "run.json"
    file.write_text(ran.here("automations", "show", str(runs[0]["run"]), "--json").out)
    again = ran.here("automations", "test", "greet", "--event", str(file), "--json").json
    ran.edit_config('origins = ["person", "backfill"]', 'origins = ["person"]')
    other = ran.here("automations", "test", "greet", "--last")

    assert (True, "backfill") == (last["would_run"], last["event"]["origin"])
    assert last["event"]["id"] in [run["subject"].rpartition("/")[2] for run in runs]
    assert (True, runs[0]["subject"]) == (again["would_run"], f"ghl/contacts/{again['event']['id']}")
    assert "it would not run: the event is of an origin that is not meant" in other.out
    assert len(runs) == len(ran.here("automations", "runs", "greet", "--json").json)


def test_a_run_is_shown_as_it_went(ran: World) -> None:
    """What set it off, each step with its time, what was sent and answered, and how to go on with one that failed."""
    runs = ran.here("automations", "runs", "greet", "--json").json
    done, failed = (next(str(run["run"]) for run in runs if run["state"] == state) for state in ("done", "failed"))
    shown, other = ran.here("automations", "show", done).out, ran.here("automations", "show", failed).out
    (step, _) = ran.here("automations", "show", done, "--json").json["steps"]

    assert "created by a first listing" in shown
    assert 'sent      body: "hello"' in shown
    assert "answered  note: {" in shown
    assert step["begun"] <= step["sent_at"] <= step["ended"]
    assert "0  ghl.create-contact-note (noted)  failed" in other
    assert f"syncd automations retry {failed}, skip {failed} or give-up {failed}" in other


def test_figures_of_automations(ran: World) -> None:
    """Every event is counted once; and what the runs of a day cost is told beside the vendor's daily limit."""
    status = ran.here("status", "--json").json["automations"]
    check = ran.here("check", "--json").json["automations"]
    greet = status["greet"]

    assert greet["events"] == greet["begun"] + sum(greet["set_nothing_off"].values()) > 1
    assert (1, greet["begun"]) == (greet["failed"], greet["done"] + greet["failed"] + greet["waiting"])
    assert {"runs_a_day": greet["begun"], "calls": {"least": greet["begun"], "most": greet["begun"], "daily_limit": 200_000}} == {
        "runs_a_day": check["greet"]["runs_a_day"], "calls": check["greet"]["calls_a_day"]["ghl"]
    }  # fmt: skip
    assert "next: 1 run of automations failed: `syncd failures`" in ran.here("status").out


def test_what_takes_more_than_a_day_gives_is_warned_of(world: World) -> None:
    """By the clock alone, before anything ran; what waits for events says that there were none."""
    more = """[automations.often]
schedule = "every 10s"
do = [ { name = "flows", call = "ghl.list-workflows" }, { for_each = "{steps.flows.workflows}", max = 50, do = [ { call = "ghl.list-workflows" } ] } ]

[automations.polled]
poll = "ghl.list-location-tags"
every = "5m"
do = [ { alert = { text = "{event.name}" } } ]

[daemon]"""
    world.edit_config("[daemon]", more)
    told, shown = world.here("check", "--json").json, world.here("check")

    assert {"least": 8_640, "most": 440_640, "daily_limit": 200_000} == told["automations"]["often"]["calls_a_day"]["ghl"]
    assert {"least": 288, "most": 288, "daily_limit": 200_000} == told["automations"]["polled"]["calls_a_day"]["ghl"]
    assert told["warnings"] == [
        "often may take 440,640 calls of ghl a day, and 194,000 of its 200,000 are free for automations; what is over waits for the next day"
    ]
    assert "polled: polled every 5 min: 288 polls a day, no events yet, 288 calls of ghl a day of 200,000 (0.1%)" in shown.out
    assert f"warning: {told['warnings'][0]}" in shown.out


def test_a_mailing_system_is_called_and_polled(world: World) -> None:
    """Its operations are checked, called and polled like any other's: here everybody in a list goes into an automation, and tags are watched."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    ids = world.do(lambda sandbox: {"list": sandbox.octopus.list_id, "automation": sandbox.octopus.automation_id})
    more = f"""[automations.enrol]
on = "octopus/contacts created"
origins = ["backfill"]
do = [ {{ call = "octopus.start-automation", with = {{ automation_id = "{ids["automation"]}", contact_id = "{{event.id}}" }} }} ]

[automations.tags]
poll = "octopus.list-tags"
with = {{ list_id = "{ids["list"]}" }}
do = [ {{ alert = {{ text = "{{event.tag}}" }} }} ]

[daemon]"""
    world.edit_config("[daemon]", more)
    wrong = world.config.read_text().replace("contact_id =", "contact =")
    (world.folder / "wrong.toml").write_text(wrong)

    told = world.here("check", "--config", str(world.folder / "wrong.toml"))
    assert 3 == told.code
    assert 'start-automation takes no "contact"; did you mean `contact_id`?' in told.out
    assert 0 == world.syncd("reconcile").code
    began = world.do(lambda sandbox: (sandbox.octopus.campaigns.started[ids["automation"]], [each["id"] for each in sandbox.octopus.contacts()]))
    assert began[0]
    assert set(began[0]) <= set(began[1])
    assert len(began[0]) == len(set(began[0]))


def test_failures_show_runs(ran: World) -> None:
    """With the commands that answer them."""
    (failure,) = ran.here("failures", "--json").json
    shown = ran.here("failures")

    assert ("greet", None) == (failure["automation"], failure["number"])
    assert f"syncd automations retry {failure['run']}" in shown.out
    assert "1 run of automations failed" in shown.err


def test_answers(world: World) -> None:
    """Tried again, gone on without (whose result the next step misses), or given up: each of three failed runs has its own."""
    make_automated(world, refused=3)
    numbers = [str(each["run"]) for each in world.here("failures", "--json").json]
    answers = dict(zip(("retry", "skip", "give-up"), numbers, strict=True))
    assert [0, 0, 0] == [world.here("automations", choice, number).code for choice, number in answers.items()]
    assert "missing_value" not in world.here("holds").out
    world.syncd("reconcile")
    shown = {choice: world.here("automations", "show", number, "--json").json for choice, number in answers.items()}
    refused = world.here("automations", "retry", answers["retry"])

    assert {"retry": ("done", 2), "skip": ("parked", 0), "give-up": ("skipped", 0)} == {
        choice: (run["state"], len([each for each in run["steps"] if each["state"] == "done"])) for choice, run in shown.items()
    }
    assert 1 == world.here("holds").out.count("missing_value")
    assert [] == world.here("failures", "--json").json
    assert (1, True) == (refused.code, "did not stop" in refused.err)


def test_a_pause_stays(ran: World) -> None:
    """Until it is taken back."""
    assert "greet is paused" in ran.here("automations", "pause", "greet").out
    assert "paused by an operator" in ran.here("automations").out
    assert "greet goes on" in ran.here("automations", "resume", "greet").out
    assert None is ran.here("automations", "--json").json[0]["paused"]


def test_the_journal_tells_of_runs(ran: World) -> None:
    """In sentences, beside what the sync did."""
    told = ran.here("events").out

    assert "automation greet" in told
    assert "began: ghl/contacts/" in told


@pytest.fixture
def listener() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """An address that takes word, and what came there: the path and the text."""
    told: list[tuple[str, str]] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append((self.path, orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", told
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_address_that_is_a_secret_is_kept_nowhere(world: World, listener: tuple[str, list[tuple[str, str]]]) -> None:
    """Word goes there; neither the database nor anything that is shown has the address, only its name."""
    base, told = listener
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    more = """[automations.word]
on = "ghl/contacts created"
origins = ["backfill"]
do = [ { alert = { text = "{event.id}", webhook = { file = "hook" } } } ]

[daemon]"""
    world.edit_config("[daemon]", more)
    assert "there is no secret file" in world.here("check").out
    secret = world.folder / "hook"
    secret.write_text("http://example.com/T0K3N\n")
    secret.chmod(0o600)
    wrong = world.here("check")
    assert "automations.word.do[0].alert.webhook: what is kept there is not https, and leads off this machine" in wrong.out
    assert "T0K3N" not in wrong.out + wrong.err
    secret.write_text(f"{base}/T0K3N\n")
    done = world.syncd("reconcile")
    runs = world.here("automations", "runs", "word", "--json").json
    shown = world.here("automations", "show", str(runs[0]["run"]), "--json")

    assert {"done"} == {run["state"] for run in runs}
    assert len(runs) == len(told)
    assert {"/T0K3N"} == {path for path, _ in told}
    assert {"file": "hook"} == shown.json["steps"][0]["sent"]["webhook"]
    assert "T0K3N" not in done.out + done.err + shown.out
    assert not [path for path in world.database.parent.iterdir() if path.is_file() and b"T0K3N" in path.read_bytes()]
