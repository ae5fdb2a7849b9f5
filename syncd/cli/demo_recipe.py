"""`syncd demo --recipe NAME`: a recipe as it comes, between emulated vendors, shown by edits and judged by what the vendors hold.

The configuration is the recipe's own text with its places filled in; only where the vendors are and how patient syncd is differ.
The rule that keeps it true: the daemon is the real one, started as anybody would; what is said of the outcome is read from the emulators.
It must not know: any recipe; what is done in each is a scene's.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic

import anyio

from syncd import recipes
from syncd.cli import screen
from syncd.cli.demo_daemon import Daemon, running
from syncd.cli.demo_expected import Expected, Step, standing, writes_of
from syncd.cli.demo_scenes import SCENES, Scene
from syncd.cli.demo_stage import free_port, stage_directory, until_stopped, write_secret
from syncd.cli.demo_story import Teller
from syncd.cli.exits import Code
from syncd.cli.text import counted
from syncd.core.record import Json
from syncd.sandbox import Sandbox
from syncd.sandbox.options import LOOPBACK

AGREED_FOR_S = 0.7
ARRIVE_S = 60.0
LOOK_S = 0.05
REST_S = 1.5
_QUICK = """
[daemon]
state = "state"
listen = {listen}
poll_min = "500ms"
poll_max = "1s"
quiet = "200ms"
quiet_max = "1s"
"""


@dataclass(slots=True, kw_only=True)
class Shown:
    """What came of a showing: the steps that were made, and everything that is not as it must be."""

    recipe: str
    steps: list[Step] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    writes: int = 0
    writes_at_rest: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, Json]:
        """For `--json`."""
        steps = [{"deed": each.deed, "system": each.system, "told": each.told} for each in self.steps]
        return {"ok": not self.differences, **{name: getattr(self, name) for name in self.__slots__ if name != "steps"}, "steps": steps}


def show_recipe(name: str, teller: Teller, *, seed: int, keep: Path | None, once: bool) -> Code:
    """Shows one recipe; 0 only if everything came to be as it says."""
    recipes.read(name)
    shown, scene = Shown(recipe=name), SCENES[name]
    began = monotonic()

    async def act(directory: Path) -> None:
        async with opened(scene, name, directory, seed=seed) as stage:
            await perform(stage, shown, teller)
            shown.seconds = round(monotonic() - began, 1)
            _tell_verdict(shown, teller)
            if not once:
                teller.tell(f"syncd goes on running. `syncd status -c {directory / 'syncd.toml'}` shows it; stop with Ctrl-C.")
                await anyio.sleep_forever()

    with stage_directory(keep) as directory:
        finished = anyio.run(until_stopped, partial(act, directory))
    if once and not finished:
        teller.tell("Stopped before everything was compared.", style="yellow")
        return Code.INTERRUPTED
    if teller.as_json:
        screen.show_json(shown.as_json(), lines=True)
    return Code.ERROR if shown.differences else Code.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The emulators with their first people in them, the scene to be shown, and the daemon that runs between them."""

    scene: Scene
    sandbox: Sandbox
    daemon: Daemon
    first: Sequence[Step]


@asynccontextmanager
async def opened(scene: Scene, recipe: str, directory: Path, *, seed: int = 1) -> AsyncIterator[Stage]:
    """A stage for the length of the block."""
    async with Sandbox(scene.options(seed)) as sandbox:
        first = scene.acts[0](sandbox)
        port = free_port()
        url = f"http://{LOOPBACK}:{port}"
        config = directory / "syncd.toml"
        config.write_text(_configured(scene, recipe, sandbox, directory, f"{LOOPBACK}:{port}"), encoding="utf-8")
        for name, system in scene.systems.items():
            system.vendor(sandbox).webhooks.url = f"{url}/hooks/{name}"
        async with running(config, url, directory / "syncd.log") as daemon:
            yield Stage(scene=scene, sandbox=sandbox, daemon=daemon, first=first)


async def perform(stage: Stage, shown: Shown, teller: Teller) -> None:
    """The first sync, every act, and a while of rest."""
    teller.tell(f"The recipe {shown.recipe}, between emulators on this machine. Everybody in them is invented.", style="bold")
    for number, act in enumerate(stage.scene.acts):
        steps = act(stage.sandbox) if number else stage.first
        teller.tell("Before the first sync:" if not number else "Now:", style="bold")
        for step in steps:
            teller.tell(f"- {step.told}", indent=2)
        shown.steps += steps
        began = monotonic()
        differences = await _arrive(stage, [each for step in steps for each in step.expected])
        if differences:
            # What follows would build upon it.
            shown.differences += differences
            return
        teller.tell(f"All of it arrived within {monotonic() - began - AGREED_FOR_S:.1f} s.", indent=2)
    before = len(writes_of(stage.sandbox))
    await anyio.sleep(REST_S)
    stage.daemon.check()
    made = writes_of(stage.sandbox)
    shown.writes, shown.writes_at_rest = len(made), len(made) - before
    shown.differences += [each for expected in standing(shown.steps) for each in expected.differences()]
    shown.differences += [f"written at rest: {each.operation.value} of {each.id} ({', '.join(each.fields)})" for each in made[before:]]


async def _arrive(stage: Stage, expected: Sequence[Expected]) -> list[str]:
    """Waits until all of it is so and nothing was written for a while, or for as long as that may take; what is still different."""
    until = monotonic() + ARRIVE_S
    count, since = -1, monotonic()
    while True:
        stage.daemon.check()
        if (now := len(writes_of(stage.sandbox))) != count:
            count, since = now, monotonic()
        differences = [each for one in expected for each in one.differences()]
        if (not differences and monotonic() - since >= AGREED_FOR_S) or monotonic() >= until:
            return differences
        await anyio.sleep(LOOK_S)


def _tell_verdict(shown: Shown, teller: Teller) -> None:
    for difference in shown.differences:
        teller.tell(f"DIFFERS: {difference}", style="bold red", indent=2)
    if shown.differences:
        teller.tell(f"Not as it must be: {counted(len(shown.differences), 'difference')}.", style="bold red")
    else:
        told = f"Everything is as the recipe says: {counted(len(shown.steps), 'step')}, {counted(shown.writes, 'write')}, none at rest."
        teller.tell(f"{told} {shown.seconds:.1f} s.", style="bold green")


def _configured(scene: Scene, recipe: str, sandbox: Sandbox, directory: Path, listen: str) -> str:
    """The recipe with its places filled in, its secrets in files, and everything quick."""
    answers = {"REPLACE_ME_LOCATION_ID": sandbox.options.ghl.location_id, "REPLACE_ME_LIST_ID": sandbox.octopus.list_id}
    text = recipes.fill(recipes.read(recipe), answers)
    for name, system in scene.systems.items():
        told = system.vendor(sandbox).describe()
        lines = [f"{key} = {json.dumps(value)}" for key, value in system.settings(told).items()]
        for credential, (word, setting) in system.secrets.items():
            write_secret(directory / credential, told[word])
            lines += [f"{setting} = {{ file = {json.dumps(credential)} }}"] if setting else []
        text = text.replace(f"[systems.{name}]\n", "\n".join([f"[systems.{name}]", *lines, ""]), 1)
    text = re.sub(r"\{ credential = (\"[^\"]+\") \}", r"{ file = \1 }", text)
    text = text.replace('first_run = "review"', 'first_run = "auto"\nguards = { delete_grace = "1s" }')
    return text.partition("\n[daemon]\n")[0] + _QUICK.format(listen=json.dumps(listen))
