"""`syncd init`."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from tests.cli.world import World

RECIPE = "ghl-emailoctopus"
AUTOMATION = "onboarding-email"


def test_it_writes_a_first_configuration(world: World) -> None:
    """Off a terminal nobody is asked: the places to fill in stay, the next steps are told, and only the owner may read it."""
    path = world.folder / "first.toml"
    result = world.here("init", RECIPE, "-o", str(path))

    assert (0, "") == (result.code, result.out)
    assert 0o600 == path.stat().st_mode & 0o777
    assert "REPLACE_ME_LOCATION_ID" in path.read_text()
    assert "fill in REPLACE_ME_LOCATION_ID: the sub-account's Location ID" in result.err
    assert f"syncd check --online -c {path}" in result.err


def test_check_says_what_is_to_fill_in(world: World) -> None:
    """What `init` leaves open, `check` asks for, each at its line."""
    path = world.folder / "first.toml"
    world.here("init", RECIPE, "-o", str(path))
    result = world.here("check", "-c", str(path))

    assert 3 == result.code
    assert 2 == result.out.count("still holds the placeholder")


def test_nothing_is_written_over(world: World) -> None:
    """A file that is there stays, unless --force says otherwise."""
    before = world.config.read_text()
    result = world.here("init", RECIPE, "-o", str(world.config))

    assert 1 == result.code
    assert "--force" in result.err
    assert before == world.config.read_text()
    world.config.chmod(0o644)
    assert 0 == world.here("init", RECIPE, "-o", str(world.config), "--force").code
    assert before != world.config.read_text()
    assert 0o600 == world.config.stat().st_mode & 0o777


def test_to_standard_output(world: World) -> None:
    """`-o -` prints the configuration and nothing else."""
    result = world.here("init", RECIPE, "-o", "-")

    assert 0 == result.code
    assert result.out.startswith("# GoHighLevel contacts")
    assert "" == result.err


def test_the_list(world: World) -> None:
    """Each recipe with what it is for."""
    assert RECIPE in world.here("init", "--list").out
    assert RECIPE in [each["name"] for each in world.here("init", "--list", "--json").json]


def test_a_ready_automation(world: World) -> None:
    """Listed with the recipes; shown by its name, or added to the end of a configuration, which may not have it already; typos get suggestions."""
    listed = {each["name"]: each["kind"] for each in world.here("init", "--list", "--json").json}
    shown = world.here("init", "--automation", AUTOMATION)
    path = world.folder / "first.toml"
    missing = world.here("init", "--automation", AUTOMATION, "-o", str(path))
    world.here("init", RECIPE, "-o", str(path))
    before = path.read_text()
    added = world.here("init", "--automation", AUTOMATION, "-o", str(path))
    again = world.here("init", "--automation", AUTOMATION, "-o", str(path))

    assert ("recipe", "automation") == (listed[RECIPE], listed[AUTOMATION])
    assert AUTOMATION in world.here("init", "--list").out
    assert "[automations.onboarding-email]" in shown.out
    assert (1, 0, 1) == (missing.code, added.code, again.code)
    assert "writes a first configuration" in missing.err
    assert "fill in REPLACE_ME_SUBJECT: the subject" in added.err
    assert f"{before}\n{shown.out}" == path.read_text()
    assert 0o600 == path.stat().st_mode & 0o777
    assert "has [automations.onboarding-email] already" in again.err
    assert f"did you mean `{AUTOMATION}`" in world.here("init", "--automation", "onboarding-mail").err
    assert "at once" in world.here("init", RECIPE, "--automation", AUTOMATION).err


def test_a_recipe_that_is_not_there(world: World) -> None:
    """A typo gets its suggestion."""
    result = world.here("init", "ghl-emailoctopuss")

    assert 1 == result.code
    assert f"did you mean `{RECIPE}`" in result.err


def test_which_recipe(world: World) -> None:
    """Off a terminal it has to be said, once, in either way."""
    nameless = world.here("init", "-o", "-")
    twice = world.here("init", RECIPE, "--recipe", "17hats-ghl-users", "-o", "-")

    assert (1, 1) == (nameless.code, twice.code)
    assert "which recipe?" in nameless.err
    assert RECIPE in nameless.err
    assert "two recipes" in twice.err
    assert world.here("init", RECIPE, "-o", "-").out == world.here("init", "--recipe", RECIPE, "-o", "-").out


def test_json(world: World) -> None:
    """Where it was written, and what is still to be filled in."""
    result = world.here("init", "--recipe", RECIPE, "--json", "-o", str(world.folder / "first.toml"))

    assert {"REPLACE_ME_LOCATION_ID", "REPLACE_ME_LIST_ID"} == result.json["to_fill"].keys()


def test_on_a_terminal_it_asks(world: World) -> None:
    """A person is asked what only they can know; an answer is put in, an empty one leaves its place marked."""
    path = world.folder / "asked.toml"
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "syncd", "init", "-o", str(path)], cwd=world.folder, env=world.environ(TERM="dumb"),
        stdin=theirs, stdout=theirs, stderr=theirs,
    )
    os.close(theirs)
    for question, answer in ((b"Which recipe", RECIPE.encode() + b"\n"), (b"Location ID", b'ab"c\n'), (b"list's id", b"\n")):
        shown = b""
        while question not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, answer)

    assert 0 == process.wait(20)
    os.close(ours)
    assert 'location_id = "ab\\"c"' in path.read_text()
    assert 'list = "REPLACE_ME_LIST_ID"' in path.read_text()
