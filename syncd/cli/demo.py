"""`syncd demo`: the real daemon between two emulated vendors, told as it happens.

No account, no Docker, no root. With `--once` it makes a fixed set of edits and then has an independent referee compare both sides.
The rule that keeps it true: whatever ends it, the daemon is stopped, the emulators are gone and the temporary directory is removed.
It must not know: how the daemon does its work; it is started as anybody would start it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Annotated

import anyio
import typer

from syncd.cli import screen
from syncd.cli.demo_daemon import Daemon, running
from syncd.cli.demo_edits import Edits, make_edits, told
from syncd.cli.demo_follow import follow
from syncd.cli.demo_recipe import show_recipe
from syncd.cli.demo_stage import stage_directory, until_stopped
from syncd.cli.demo_story import (
    Tally,
    Teller,
    any_owed,
    introduce,
    missing_holds,
    open_holds,
    tell_first_sync,
    tell_holds,
    tell_verdict,
)
from syncd.cli.demo_verify import Evidence, Report, gather, verify, writes_by_api
from syncd.cli.demo_world import LEAST_PEOPLE, POLL_MAX_S, World, open_world, order_faults, order_more_faults, scramble_webhooks
from syncd.cli.exits import Code
from syncd.cli.options import JsonOption
from syncd.core.errors import UserError

app = typer.Typer()

AGREED_FOR_S = 1.0
LOOK_S = 0.2
REST_S = 2.5 * POLL_MAX_S
CHAOS_S = 300.0
KILL_AFTER_WRITES = 3
PEOPLE = 50

OnceOption = Annotated[bool, typer.Option("--once", help="Make a fixed set of edits, compare both sides, and end.")]
KeepOption = Annotated[
    Path | None,
    typer.Option("--keep", metavar="DIR", help="Keep the configuration, the log and the database here.", show_default=False),
]
RecipeOption = Annotated[
    str | None, typer.Option("--recipe", metavar="NAME", help="Show this recipe; `syncd init --list` names them.", show_default=False)
]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed makes the same people.")]
ChaosOption = Annotated[bool, typer.Option("--chaos", help="With failing vendors, lost webhooks, and one kill -9.")]
PeopleOption = Annotated[int, typer.Option("--people", min=LEAST_PEOPLE, max=5000, help="How many people to invent.")]
MinutesOption = Annotated[
    float | None, typer.Option("--minutes", min=0.01, help="End by itself after so long.", show_default=False)
]


@dataclass(slots=True, kw_only=True)
class _Show:
    """One showing of the demo: what was asked for, and how it went."""

    once: bool
    minutes: float | None
    world: World
    daemon: Daemon
    teller: Teller
    tally: Tally
    started: float
    edits: Edits = field(default_factory=Edits)

    def evidence(self) -> Evidence:
        """What the referee gets to see."""
        return gather(self.world.sandbox, self.world.people, self.edits.expected, self.edits.quiet)


@app.command(epilog="Example: syncd demo --once")
def demo(
    once: OnceOption = False,
    keep: KeepOption = None,
    seed: SeedOption = 1,
    chaos: ChaosOption = False,
    people: PeopleOption = PEOPLE,
    minutes: MinutesOption = None,
    recipe: RecipeOption = None,
    as_json: JsonOption = False,
) -> None:
    """See syncd at work between two emulated vendors, on this machine alone.

    Everything is invented and nothing leaves the machine. Stop it with Ctrl-C. With --once it ends with 0 when both sides agree
    record by record, else with 1 and a list of what differs. With --recipe the configuration is that recipe's own.
    """
    if recipe is not None:
        if chaos or people != PEOPLE or minutes is not None:
            raise UserError("--chaos, --people and --minutes are not for --recipe", hint="a recipe is shown with few people and fixed edits")
        raise typer.Exit(show_recipe(recipe, Teller(as_json), seed=seed, keep=keep, once=once))
    tally, teller = Tally(seed=seed, chaos=chaos), Teller(as_json)
    started = monotonic()
    opening = partial(open_world, seed=seed, people=people, chaos=chaos)

    async def act(directory: Path) -> None:
        async with opening(directory) as world:
            introduce(teller, world, gather(world.sandbox, world.people))
            teller.tell()
            if chaos:
                order_faults(world)
                teller.tell(
                    "Chaos: both vendors fail now and then, some calls fail after they took effect, and webhooks come twice,"
                )
                teller.tell(
                    "in the wrong order, or not at all. Waiting for a vendor to show what it made can take a minute or two."
                )
            teller.tell("Starting syncd, as an ordinary process with an ordinary configuration.")
            began = monotonic()
            async with running(world.config, world.url, world.log) as daemon:
                show = _Show(once=once, minutes=minutes, world=world, daemon=daemon, teller=teller, tally=tally, started=began)
                if keep is not None or not once:
                    _tell_around(show)
                await _perform(show)

    with stage_directory(keep) as directory:
        finished = anyio.run(until_stopped, partial(act, directory))
    tally.seconds = round(monotonic() - started, 1)
    code = _end(tally, teller, once=once, finished=finished)
    if keep is not None:
        teller.tell(f"The emulators are gone. Configuration, log and database are in {keep}.")
    raise typer.Exit(code)


def _end(tally: Tally, teller: Teller, *, once: bool, finished: bool) -> Code:
    if once and not finished:
        teller.tell("Stopped before anything was compared.", style="yellow")
        return Code.INTERRUPTED
    if once:
        tell_verdict(teller, tally)
    else:
        slowest = f", the slowest after {tally.slowest_s:.1f} s" if tally.arrived else ""
        teller.tell(f"Stopped. {tally.edits} edits, {tally.arrived} arrived on the other side{slowest}.", style="bold")
    if teller.as_json:
        screen.show_json(tally.as_json(), lines=True)
    return Code.ERROR if tally.differences else Code.OK


def _tell_around(show: _Show) -> None:
    config, ghl_id = show.world.config, show.world.people.residents[-1].ghl_ids[0]
    show.teller.tell("Look around from another terminal:")
    for command in (
        f"syncd status -c {config}",
        f"syncd events -f -c {config}",
        f"syncd holds -c {config}",
        f"syncd explain ghl/contacts/{ghl_id} -c {config}",
    ):
        show.teller.tell(command, style="cyan", indent=4)


async def _perform(show: _Show) -> None:
    show.world.point_webhooks()
    show.teller.tell()
    if show.world.chaos:
        await _kill_midway(show)
    await _first_sync(show)
    async with anyio.create_task_group() as trouble:
        if show.world.chaos:
            order_more_faults(show.world)
            trouble.start_soon(scramble_webhooks, show.world)
        show.teller.tell()
        if show.once:
            await _edit_once(show)
        else:
            show.teller.tell("Now people edit on both sides. Stop with Ctrl-C.", style="bold")
            await follow(show.teller, show.world, show.daemon, show.tally, show.minutes)
        trouble.cancel_scope.cancel()


async def _first_sync(show: _Show) -> None:
    report = await _agreement(show)
    show.tally.count(show.evidence(), Report(people_on_both=report.people_on_both))
    tell_first_sync(show.teller, show.world, show.evidence(), show.tally, monotonic() - show.started - AGREED_FOR_S)
    for difference in report.differences:
        show.teller.tell(f"Still different: {difference}", style="red", indent=2)
    tell_holds(show.teller, show.world, open_holds(show.world))


async def _kill_midway(show: _Show) -> None:
    """Ends the daemon in the midst of its writes, as a power cut would, and starts it again."""
    with anyio.move_on_after(10):
        while len(_written(show)) < KILL_AFTER_WRITES:
            show.daemon.check()
            await anyio.sleep(0.01)
    await show.daemon.kill()
    show.teller.tell(
        f"kill -9 in the midst of the first sync, after {len(_written(show))} writes. Starting it again.", style="yellow"
    )
    await show.daemon.start()


async def _edit_once(show: _Show) -> None:
    """The fixed edits, until both sides agree, and then a while of watching that nothing is written any more."""
    show.edits = make_edits(show.world)
    show.tally.edits = len(show.edits.sentences)
    show.teller.tell("Now people edit on both sides, at the same time:", style="bold")
    for line in told(show.edits.sentences):
        show.teller.tell(line, indent=2)
    began = monotonic()
    await _agreement(show)
    show.teller.tell(f"Both sides came to rest after {monotonic() - began - AGREED_FOR_S:.1f} s.")
    show.teller.tell(f"Watching for {REST_S:.0f} s that nothing more is written.")
    before = len(_written(show))
    await anyio.sleep(REST_S)
    show.daemon.check()
    show.teller.tell()
    _judge(show, _written(show)[before:])


def _judge(show: _Show, at_rest: Sequence[str]) -> None:
    held = open_holds(show.world)
    show.tally.held = len(held)
    show.tally.faults = sum(vendor.stats.faults_served.total() for vendor in (show.world.sandbox.ghl, show.world.sandbox.octopus))
    show.tally.writes_at_rest = len(at_rest)
    evidence = show.evidence()
    show.tally.count(evidence, verify(evidence))
    show.tally.differences += [*missing_holds(show.world, held), *(f"written at rest: {each}" for each in at_rest)]


async def _agreement(show: _Show) -> Report:
    """Waits until the referee is content and for a while nothing was written and nothing was owed, or for as long as that may take at most."""
    until = monotonic() + (CHAOS_S if show.world.chaos else 30 + 0.4 * len(show.world.people.residents))
    count, since = -1, monotonic()
    while True:
        show.daemon.check()
        began = monotonic()
        if len(_written(show)) != count or any_owed(show.world):
            count, since = len(_written(show)), began
        report = verify(show.evidence())
        if (not report.differences and began - since >= AGREED_FOR_S) or began >= until:
            return report
        await anyio.sleep(max(LOOK_S, 3 * (monotonic() - began)))


def _written(show: _Show) -> list[str]:
    """Every write that syncd made, in words."""
    sandbox = show.world.sandbox
    return [
        f"{entry.operation.value} of {entry.id} in {vendor.name} ({', '.join(entry.fields)})"
        for vendor in (sandbox.ghl, sandbox.octopus)
        for entry in writes_by_api(vendor.truth.since())
    ]
