"""`syncd forget`, and `syncd export` of a person."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from syncd.sandbox.people import Part, Resident
from tests.cli.world import World, wait_for


@pytest.fixture
def settled(world: World) -> World:
    """A world in which everything was carried out."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    assert world.syncd("reconcile").code == 0
    return world


def somebody(world: World) -> Resident:
    assert world.people is not None
    return world.people.of(Part.CONFLICT)[0]


def ids_of(one: Resident) -> list[bytes]:
    return [each.encode() for each in (*one.ghl_ids, *one.octopus_ids)]


def held(*files: Path) -> bytes:
    return b"".join(each.read_bytes() for each in files)


def files(world: World) -> list[Path]:
    return sorted(world.database.parent.glob("syncd.*"))


def links_of(world: World) -> int:
    return sum(each["links"].get("live", 0) for each in world.here("status", "--json").json["syncs"].values())


def forgotten(world: World) -> dict[str, Any]:
    return dict(world.here("status", "--json").json["forgotten"])


def test_all_that_is_kept_of_somebody_is_written_out(settled: World) -> None:
    """Records, links, writes, the story: everything, with its contents open; a person is named as for `explain`."""
    one = somebody(settled)
    told = settled.here("export", one.email).json

    assert {"observations", "links", "link_members", "outbox", "journal", "match_keys"} <= set(told)
    assert {one.email.lower()} <= {str(each["fields"].get("email", each["fields"].get("email_address"))).lower() for each in told["observations"]}
    assert {*one.ghl_ids, *one.octopus_ids} == {each["record_id"] for each in told["observations"]}


def test_nothing_is_left_of_whom_is_forgotten(settled: World) -> None:
    """No byte of their ids is left in the database, its log or anything beside it; what stays at the systems is told; nobody else is missed."""
    one = somebody(settled)
    before = links_of(settled)
    assert all(each in held(*files(settled)) for each in ids_of(one))
    unasked = settled.here("forget", one.email)
    done = settled.here("forget", one.email, "--yes", "--json")

    assert unasked.code != 0
    assert 0 == done.code, done.err
    assert {*one.ghl_ids, *one.octopus_ids} == {each.rpartition("/")[2] for each in done.json["at_systems"]}
    assert [] == [each for each in ids_of(one) if each in held(*files(settled))]
    assert {"people": 1, "kept_out": 0} == forgotten(settled)
    assert settled.here("explain", one.email).code != 0
    assert before - 1 == links_of(settled)


def test_whom_is_forgotten_does_not_come_back(settled: World, tmp_path: Path) -> None:
    """Neither with the next listing, nor under a new id with the same address, nor out of an older backup."""
    one, file = somebody(settled), tmp_path / "before.backup"
    assert 0 == settled.here("backup", str(file)).code
    assert 0 == settled.here("forget", one.email, "--yes").code
    assert 0 == settled.syncd("reconcile").code
    kept_out = forgotten(settled)["kept_out"]
    unknown = settled.here("explain", one.email)
    bytes_after = held(*files(settled))
    assert 0 == settled.here("restore", str(file), "--replace").code
    assert 0 == settled.syncd("reconcile").code

    assert kept_out > 0
    assert unknown.code != 0
    assert [] == [each for each in ids_of(one) if each in bytes_after]
    assert forgotten(settled)["people"] == 1
    assert [] == [each for each in ids_of(one) if each in held(*files(settled))]
    assert settled.here("explain", one.email).code != 0


def test_a_running_daemon_forgets(settled: World) -> None:
    """It is asked, does it, and goes on; the request itself tells nobody whom it was about."""
    one = somebody(settled)
    with settled.daemon():
        done = settled.here("forget", one.email, "--yes", "--json")
        left = held(settled.database)

        assert 0 == done.code, done.err
        assert {"people": 1} == {name: count for name, count in forgotten(settled).items() if name == "people"}
    assert [] == [each for each in ids_of(one) if each in left]
    assert [] == [each for each in ids_of(one) if each in held(*files(settled))]


def at_systems(world: World, one: Resident) -> set[str]:
    """Those of somebody's records that the vendors still have."""
    there = world.do(lambda sandbox: {each["id"] for each in (*sandbox.ghl.contacts(), *sandbox.octopus.contacts())})
    return there & {*one.ghl_ids, *one.octopus_ids}


def deletions(world: World) -> int:
    return world.do(lambda sandbox: sum(each.operation == "delete" for truth in (sandbox.ghl.truth, sandbox.octopus.truth) for each in truth.since()))


def test_the_systems_forget_too(settled: World) -> None:
    """Their records are deleted at every system, once, nothing of them is left here, nobody else goes, and none of them comes back."""
    one = somebody(settled)
    others = settled.do(lambda sandbox: len(sandbox.ghl.contacts()) + len(sandbox.octopus.contacts())) - len(ids_of(one))
    unasked = settled.here("forget", one.email, "--at-vendors")
    assert unasked.code != 0
    assert len(ids_of(one)) == len(at_systems(settled, one))
    done = settled.syncd("forget", one.email, "--at-vendors", "--yes", "--json")

    assert 0 == done.code, done.err
    assert (len(ids_of(one)), []) == (done.json["deleted"], done.json["left"])
    assert set() == at_systems(settled, one)
    assert [] == [each for each in ids_of(one) if each in held(*files(settled))]
    assert 0 == settled.syncd("reconcile").code
    assert (others, len(ids_of(one))) == (
        settled.do(lambda sandbox: len(sandbox.ghl.contacts()) + len(sandbox.octopus.contacts())), deletions(settled)
    )
    assert [] == [each for each in ids_of(one) if each in held(*files(settled))]


def test_a_running_daemon_has_the_systems_forget(settled: World) -> None:
    """Through answers that are lost and a vendor that fails for a while; each record is deleted once, and the daemon's sync leaves the rest alone."""
    one = somebody(settled)
    others = settled.do(lambda sandbox: len(sandbox.ghl.contacts()) + len(sandbox.octopus.contacts())) - len(ids_of(one))
    settled.do(lambda sandbox: (sandbox.ghl.faults.add("delete-contact", "reset_after"), sandbox.octopus.faults.add("delete-contact", "error_before", count=2)))
    with settled.daemon() as daemon:
        done = settled.here("forget", one.email, "--at-vendors", "--yes", "--json")
        assert 0 == done.code, done.err
        assert (len(ids_of(one)), []) == (done.json["deleted"], done.json["left"])
        assert [] == [each for each in ids_of(one) if each in daemon.log.read_bytes()]
    assert (set(), len(ids_of(one))) == (at_systems(settled, one), deletions(settled))
    assert others == settled.do(lambda sandbox: len(sandbox.ghl.contacts()) + len(sandbox.octopus.contacts()))
    assert [] == [each for each in ids_of(one) if each in held(*files(settled))]


@pytest.mark.parametrize(("vendor", "fault"), [("ghl", "hang_after"), ("octopus", "hang_before")])
def test_a_kill_in_the_middle_loses_none_of_it(settled: World, vendor: str, fault: str) -> None:
    """Killed while a deletion is on its way, done or not: the rest is noted, the person is gone here, and whoever goes on ends it."""
    one = somebody(settled)
    settled.do(lambda sandbox: getattr(sandbox, vendor).faults.add("delete-contact", fault, seconds=60.0))
    command = subprocess.Popen(
        [sys.executable, "-m", "syncd", "forget", one.email, "--at-vendors", "--yes"], cwd=settled.folder, env=settled.environ(),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: settled.do(lambda sandbox: not getattr(sandbox, vendor).faults.waiting()))
    finally:
        command.kill()
        command.wait()
    unknown = settled.here("explain", one.email)
    went_on = settled.syncd("forget", "--at-vendors", "--json")

    assert unknown.code != 0
    assert 0 == went_on.code, went_on.err
    assert (len(ids_of(one)), []) == (went_on.json["deleted"], went_on.json["left"])
    assert (set(), len(ids_of(one))) == (at_systems(settled, one), deletions(settled))
    assert [] == [each for each in ids_of(one) if each in held(*files(settled))]


def test_what_cannot_be_deleted_is_listed_with_why(settled: World) -> None:
    """A vendor that refuses is told of with its words, the command ends in 6, and it can be asked for once more."""
    one = somebody(settled)
    settled.do(lambda sandbox: sandbox.ghl.faults.add("delete-contact", "error_before", status=422, message="it is on a plan"))
    done = settled.syncd("forget", one.email, "--at-vendors", "--yes")
    again = settled.syncd("forget", "--at-vendors", "--json")

    assert 6 == done.code, done.err
    assert "these are left" in done.out
    assert "on a plan" in done.out
    assert (6, 1) == (again.code, len(again.json["left"]))
    assert [each["ref"].rpartition("/")[2] for each in again.json["left"]] == sorted(at_systems(settled, one))
