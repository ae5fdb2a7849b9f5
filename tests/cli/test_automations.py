"""`syncd automations`, and what failures and holds say of runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import orjson
import pytest

from tests.cli.world import World

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


@pytest.fixture
def automated(world: World) -> World:
    """A world with automations, one of whose calls is refused."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    world.edit_config("[daemon]", AUTOMATIONS.lstrip())
    world.do(lambda sandbox: sandbox.ghl.faults.add("create-contact-note", "error_before", status=422, message="not today", count=1))
    assert world.syncd("reconcile").code == 6
    return world


def test_before_anything_ran(world: World) -> None:
    """What is configured is listed; a name that is none is near another."""
    world.edit_config("[daemon]", AUTOMATIONS.lstrip())
    assert [("greet", {}), ("quiet", {})] == [(each["name"], each["runs"]) for each in world.here("automations", "--json").json]
    assert "did you mean `greet`?" in world.here("automations", "runs", "gret").err
    assert 1 == world.here("automations", "show", "1").code


def test_the_list_the_runs_and_one_of_them(automated: World) -> None:
    """With counts, states, what was sent and what was answered."""
    greet, quiet = automated.here("automations", "--json").json
    assert ({"done", "failed"}, 1) == (greet["runs"].keys(), greet["runs"]["failed"])
    assert greet["outcomes"] == {"fired": sum(greet["runs"].values())}
    assert (quiet["runs"], quiet["on"]) == ({}, "schedule daily")
    assert "ghl/contacts created" in automated.here("automations").out
    runs = automated.here("automations", "runs", "greet", "--json").json
    (failed,) = [each for each in runs if each["state"] == "failed"]
    done = next(each for each in runs if each["state"] == "done")
    assert "not today" in failed["error"]
    assert f"{failed['run']}  greet" in automated.here("automations", "runs", "greet").out
    shown = automated.here("automations", "show", str(done["run"]), "--json").json
    assert [("0", "noted", "done"), ("1", "", "done")] == [(each["path"], each["name"], each["state"]) for each in shown["steps"]]
    assert "hello" == shown["steps"][0]["sent"]["body"]
    assert "ghl.create-contact-note (noted)  done" in automated.here("automations", "show", str(done["run"])).out


def test_failures_show_runs(automated: World) -> None:
    """With the commands that answer them."""
    (failure,) = automated.here("failures", "--json").json
    shown = automated.here("failures")

    assert ("greet", None) == (failure["automation"], failure["number"])
    assert f"syncd automations retry {failure['run']}" in shown.out
    assert "1 run of automations failed" in shown.err


@pytest.mark.parametrize(("choice", "state", "count"), [("retry", "done", 2), ("skip", "parked", 0), ("give-up", "skipped", 0)])
def test_an_answer(automated: World, choice: str, state: str, count: int) -> None:
    """Tried again, gone on without (whose result the next step misses), or given up."""
    (failure,) = automated.here("failures", "--json").json
    number = str(failure["run"])
    assert automated.here("automations", choice, number).code == 0
    automated.syncd("reconcile")
    shown = automated.here("automations", "show", number, "--json").json

    assert (state, count) == (shown["state"], len([each for each in shown["steps"] if each["state"] == "done"]))
    assert ("parked" == state) == ("missing_value" in automated.here("holds").out)
    assert [] == automated.here("failures", "--json").json
    if state == "done":
        refused = automated.here("automations", "retry", number)
        assert (1, True) == (refused.code, "did not stop" in refused.err)


def test_a_pause_stays(automated: World) -> None:
    """Until it is taken back."""
    assert "greet is paused" in automated.here("automations", "pause", "greet").out
    assert "paused by an operator" in automated.here("automations").out
    assert "greet goes on" in automated.here("automations", "resume", "greet").out
    assert None is automated.here("automations", "--json").json[0]["paused"]


def test_the_journal_tells_of_runs(automated: World) -> None:
    """In sentences, beside what the sync did."""
    told = automated.here("events").out

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
