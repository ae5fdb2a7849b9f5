"""`syncd demo` as a newcomer runs it, and its referee before worlds that are not as they should be."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.cli.demo_daemon import Daemon
from syncd.cli.demo_verify import Expected, Quiet, gather, ghl_row, octopus_row, verify
from syncd.core.errors import UserError
from syncd.sandbox import Actor, Operation, Sandbox
from syncd.sandbox.people import Part, Population, populate
from syncd.sandbox.truth import Author

ROOT = Path(__file__).resolve().parents[2]
API = Author(actor=Actor.API, request_id="a request")
USER = Author(actor=Actor.USER)


def start(*arguments: str, temporary: Path) -> subprocess.Popen[str]:
    """The command as a process of its own, with a place for temporary files that can be looked into."""
    return subprocess.Popen(
        [sys.executable, "-m", "syncd", "demo", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}, cwd=ROOT,
    )


def children_of(directory: Path) -> list[str]:
    """Command lines of processes that name a file in this directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in words and "syncd run" in words:
            found.append(words)
    return found


def run(*arguments: str, temporary: Path, timeout_s: float) -> tuple[int, str, str]:
    process = start(*arguments, temporary=temporary)
    try:
        out, err = process.communicate(timeout=timeout_s)
    finally:
        process.kill()
        process.wait()
    return process.returncode, out, err


# ---- the command


def test_once_ends_well(tmp_path: Path) -> None:
    """Both sides agree, the tally says so in one JSON object, and nothing is left behind."""
    code, out, err = run("--once", "--json", "--seed", "5", temporary=tmp_path, timeout_s=120)

    assert (0, 1) == (code, out.count("\n")), err
    tally = json.loads(out)
    assert [] == tally["differences"]
    assert (True, 5, False) == (tally["ok"], tally["seed"], tally["chaos"])
    # 39 in both; 10 on one side, one more added on each in the edits, one deleted.
    assert (39, 50) == (tally["linked"], tally["people_on_both"])
    assert {"ghl": 6, "octopus": 6} == tally["created"]
    assert (9, 0) == (tally["edits"], tally["writes_at_rest"])
    # Both twins and the one they are like, and the plan without a counterpart.
    assert 4 == tally["held"]
    assert "Everything is as the rules say." in err
    assert [] == list(tmp_path.iterdir())
    assert [] == children_of(tmp_path)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_chaos_ends_well(seed: int, tmp_path: Path) -> None:
    """Failing vendors, lost webhooks and a kill -9 change nothing about how it ends."""
    code, out, err = run("--once", "--chaos", "--json", "--seed", str(seed), temporary=tmp_path, timeout_s=600)

    assert 0 == code, err
    tally = json.loads(out)
    assert ([], 50, 0) == (tally["differences"], tally["people_on_both"], tally["writes_at_rest"])
    assert tally["faults"] > 10
    assert "kill -9" in err
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    """Left running it ends with 0 on Ctrl-C or SIGTERM: no traceback, no daemon, no files; a second signal does no harm."""
    process = start(temporary=tmp_path)
    try:
        assert process.stdout is not None
        lines = []
        while not any("… is in" in line for line in lines):
            lines.append(process.stdout.readline())
            assert lines[-1], "it ended before an edit arrived"
        assert len(children_of(tmp_path)) == 1
        process.send_signal(number)
        time.sleep(0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()

    assert (0, "") == (process.returncode, err)
    assert "Stopped." in out
    assert [] == list(tmp_path.iterdir())
    assert [] == children_of(tmp_path)


def test_stopped_before_it_compared(tmp_path: Path) -> None:
    """With `--once`, a stop is not a success."""
    process = start("--once", temporary=tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)

    assert (130, "") == (process.returncode, err)
    assert "Stopped before anything was compared." in out
    assert [] == list(tmp_path.iterdir())


def test_keep_keeps_what_can_be_looked_at(tmp_path: Path) -> None:
    """`--keep` leaves a configuration, secrets that only we may read, the log and the database; `--minutes` ends it by itself."""
    kept = tmp_path / "kept"
    code, out, err = run("--keep", str(kept), "--minutes", "0.05", temporary=tmp_path, timeout_s=60)

    assert (0, "") == (code, err)
    assert f"syncd status -c {kept}/syncd.toml" in out
    config = tomllib.loads((kept / "syncd.toml").read_text())
    assert "auto" == config["syncs"]["contacts"]["first_run"]
    secrets = [kept / name for name in ("ghl-token", "octopus-key", "octopus-webhook-secret")]
    assert [0o600] * 3 == [stat.S_IMODE(secret.stat().st_mode) for secret in secrets]
    events = [json.loads(line)["event"] for line in (kept / "syncd.log").read_text().splitlines()]
    assert {"daemon.ready", "daemon.stopped"} <= set(events)
    assert (kept / "state" / "syncd.db").exists()

    again = run("--once", "--keep", str(kept), temporary=tmp_path, timeout_s=60)

    assert 1 == again[0]
    assert "is not empty" in again[2]


async def test_a_daemon_that_does_not_start_is_told(tmp_path: Path) -> None:
    """Its last lines are shown, as they are what helps."""
    daemon = Daemon(tmp_path / "nothing.toml", "http://127.0.0.1:9", tmp_path / "log")

    with pytest.raises(UserError, match="ended by itself") as caught:
        await daemon.start()

    assert "nothing.toml" in " ".join(caught.value.problems)


# ---- the referee


@pytest.fixture
def world() -> tuple[Sandbox, Population]:
    """A world as it should be after the first sync, made by hand with the API's authority."""
    sandbox = Sandbox()
    people = populate(sandbox, 1, 20)
    for someone in people.residents:
        if someone.part is Part.GHL_ONLY:
            _make_in_octopus(sandbox, someone.ghl_ids[0])
        if someone.part is Part.OCTOPUS_ONLY:
            _make_in_ghl(sandbox, someone.octopus_ids[0])
        if someone.part is Part.CONFLICT:
            left = next(each for each in sandbox.ghl.contacts() if each["id"] == someone.ghl_ids[0])
            _edit_octopus(sandbox, someone.octopus_ids[0], {"FirstName": left["firstName"]})
    return sandbox, people


def _make_in_octopus(sandbox: Sandbox, ghl_id: str) -> None:
    row = next(each for each in sandbox.ghl.contacts() if each["id"] == ghl_id)
    fields = {"FirstName": row["firstName"], "LastName": row["lastName"], "Phone": row["phone"], "Source": row["source"]}
    plan = row["custom"].get("plan")
    with as_api(sandbox):
        sandbox.octopus.create_as_user(
            {"email_address": row["email"], "tags": row.get("tags", []),
             "fields": {**fields, **({"Plan": plan.title()} if plan else {})}}
        )


def _make_in_ghl(sandbox: Sandbox, octopus_id: str) -> None:
    row = next(each for each in sandbox.octopus.contacts() if each["id"] == octopus_id)
    fields = row["fields"]
    plan = fields.get("Plan")
    with as_api(sandbox):
        sandbox.ghl.create_as_user(
            {"email": row["email_address"], "firstName": fields["FirstName"], "lastName": fields["LastName"],
             "phone": fields["Phone"], "tags": row["tags"], **({"custom": {"plan": plan.lower()}} if plan else {})}
        )


def _edit_octopus(sandbox: Sandbox, octopus_id: str, fields: dict[str, str | None]) -> None:
    with as_api(sandbox):
        sandbox.octopus.edit_as_user(octopus_id, {"fields": fields})


class as_api:  # noqa: N801 (reads as a phrase)
    """Within the block, what a person does in a vendor's screens is done by a program."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._logs = [sandbox.ghl.truth, sandbox.octopus.truth]
        self._record = type(sandbox.ghl.truth).record

    def __enter__(self) -> None:
        for log in self._logs:
            log.record = lambda _author, *rest, log=log: self._record(log, API, *rest)  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        for log in self._logs:
            del log.record  # type: ignore[method-assign]


def someone(people: Population, part: Part) -> tuple[str, str]:
    """The ids of the first person with this part."""
    first = people.of(part)[0]
    return (first.ghl_ids or ("",))[0], (first.octopus_ids or ("",))[0]


def test_the_referee_is_content(world: tuple[Sandbox, Population]) -> None:
    """A world in which everything was done right has no difference, and the difficult ones are counted as left alone."""
    report = verify(gather(*world))

    assert [] == report.differences
    assert (19, 2) == (report.people_on_both, report.left_alone)
    assert report.values_compared > 90


def _wrong_name(sandbox: Sandbox, people: Population) -> None:
    sandbox.ghl.edit_as_user(someone(people, Part.BOTH)[0], {"firstName": "Nobody"})


def _wrong_phone(sandbox: Sandbox, people: Population) -> None:
    sandbox.octopus.edit_as_user(someone(people, Part.BOTH)[1], {"fields": {"Phone": "201-555-0199"}})


def _lost_tag(sandbox: Sandbox, people: Population) -> None:
    sandbox.ghl.edit_as_user(someone(people, Part.BOTH)[0], {"tags": ["quite new"]})


def _missing(sandbox: Sandbox, people: Population) -> None:
    sandbox.octopus.delete_as_user(someone(people, Part.BOTH)[1])


def _doubled(sandbox: Sandbox, people: Population) -> None:
    email = people.of(Part.BOTH)[0].email
    with as_api(sandbox):
        sandbox.ghl.create_as_user({"email": email, "firstName": "Again"})


def _touched_twin(sandbox: Sandbox, people: Population) -> None:
    with as_api(sandbox):
        sandbox.ghl.edit_as_user(someone(people, Part.DUPLICATED)[0], {"firstName": "Guessed"})


def _guessed_plan(sandbox: Sandbox, people: Population) -> None:
    _edit_octopus(sandbox, someone(people, Part.UNMAPPABLE)[1], {"Plan": "Gold"})


def _wrong_way(sandbox: Sandbox, people: Population) -> None:
    with as_api(sandbox):
        sandbox.ghl.edit_as_user(someone(people, Part.BOTH)[0], {"source": "elsewhere"})


def _deleted_by_syncd(sandbox: Sandbox, people: Population) -> None:
    with as_api(sandbox):
        sandbox.ghl.delete_as_user(someone(people, Part.BOTH)[0])
        sandbox.octopus.delete_as_user(someone(people, Part.BOTH)[1])


def _unsubscribed(sandbox: Sandbox, people: Population) -> None:
    with as_api(sandbox):
        sandbox.octopus.edit_as_user(someone(people, Part.BOTH)[1], {"status": "unsubscribed"})


def _not_archived(sandbox: Sandbox, people: Population) -> None:
    sandbox.ghl.delete_as_user(someone(people, Part.BOTH)[0])


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (_wrong_name, "first name is 'Nobody' in GoHighLevel"),
        (_wrong_phone, "and '+12015550199' in EmailOctopus"),
        (_lost_tag, "tags is quite new in GoHighLevel"),
        (_missing, "is missing in EmailOctopus"),
        (_doubled, "was made once more in GoHighLevel"),
        (_touched_twin, "who is there twice, was touched in GoHighLevel"),
        (_guessed_plan, "yet EmailOctopus was given 'gold'"),
        (_wrong_way, "which only says it and is never told"),
        (_deleted_by_syncd, "was deleted in GoHighLevel by syncd"),
        (_unsubscribed, "was unsubscribed in EmailOctopus, and nobody asked for it"),
        (_not_archived, "is still subscribed in EmailOctopus"),
    ],
)
def test_the_referee_names_what_is_wrong(
    tamper: Callable[[Sandbox, Population], None], named: str, world: tuple[Sandbox, Population]
) -> None:
    """A world that was tampered with after everything agreed is not passed, and the person is told where to look."""
    tamper(*world)

    assert named in " / ".join(verify(gather(*world)).differences)


def test_the_referee_expects_the_rules(world: tuple[Sandbox, Population]) -> None:
    """Sides that agree on the wrong value, or that lost a person on both, are not passed."""
    sandbox, people = world
    ghl_id, octopus_id = someone(people, Part.BOTH)
    expected = [Expected(id=ghl_id, field="last name", value="Westwood")]
    for vendor, number, change in (
        (sandbox.ghl, ghl_id, {"lastName": "Eastwood"}), (sandbox.octopus, octopus_id, {"fields": {"LastName": "Eastwood"}})
    ):
        vendor.edit_as_user(number, change)

    assert "last name should have become 'Westwood' and is 'Eastwood'" in verify(gather(sandbox, people, expected)).differences[0]


def test_the_referee_hears_a_write_that_changes_nothing(world: tuple[Sandbox, Population]) -> None:
    """A value that was only typed in another way must not be written back."""
    sandbox, people = world
    ghl_id, octopus_id = someone(people, Part.BOTH)
    quiet = Quiet(name="Ada", ids=frozenset({ghl_id, octopus_id}), ghl_seq=len(sandbox.ghl.truth), octopus_seq=len(sandbox.octopus.truth))
    row = next(each for each in sandbox.octopus.contacts() if each["id"] == octopus_id)
    number = octopus_row(row).values["phone"]
    sandbox.octopus.edit_as_user(octopus_id, {"fields": {"Phone": f" {number} "}})

    assert [] == verify(gather(sandbox, people, quiet=[quiet])).differences

    _edit_octopus(sandbox, octopus_id, {"Phone": str(number)})

    assert "only typed in another way" in verify(gather(sandbox, people, quiet=[quiet])).differences[0]


def test_a_value_is_the_same_however_it_is_typed() -> None:
    """The referee has its own notion of equal: formats of phones, capitals of addresses, order of tags."""
    left = ghl_row({"id": "1", "email": "Ada@Example.com", "phone": "(201) 555-0101", "tags": ["b", "A"], "custom": {"plan": "gold"}})
    right = octopus_row(
        {"id": "2", "email_address": "ada@example.com", "tags": ["a", "b"], "status": "subscribed",
         "fields": {"Phone": "+12015550101", "Plan": "Gold"}}
    )

    assert (left.email, left.values) == (right.email, right.values)


def test_the_log_is_what_convicts(world: tuple[Sandbox, Population]) -> None:
    """The world of the fixture was made by a program, so that the referee's silence about it means something."""
    sandbox, _ = world
    made = [entry for entry in sandbox.ghl.truth.since() if (entry.actor, entry.operation) == (Actor.API, Operation.CREATE)]

    assert made
