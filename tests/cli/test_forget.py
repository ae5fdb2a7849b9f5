"""`syncd forget`, and `syncd export` of a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncd.sandbox.people import Part, Resident
from tests.cli.world import World


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
