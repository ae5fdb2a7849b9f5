"""`syncd forget`: erases everything that is kept of one person, and, where that is wanted, their records at the systems too.

The rule that keeps it true: it is done only after who is meant was shown and confirmed; what stays at the systems themselves is listed.
It must not know: what is kept, or where.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, NoReturn

import anyio
import typer

from syncd.cli import asking, screen, standing_in
from syncd.cli.exits import Code
from syncd.cli.logs import quiet_log
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.text import counted, safe
from syncd.cli.whois import who_is
from syncd.config import Settings
from syncd.config.kinds import Deed
from syncd.connectors.clock import SystemClock
from syncd.connectors.registry import KINDS
from syncd.core.errors import UserError
from syncd.core.record import Json, Ref
from syncd.flow import forgetting
from syncd.flow.asked import note_asked
from syncd.flow.home import database_path
from syncd.flow.schemas import known_rules
from syncd.store import control, persons
from syncd.store.database import Connection
from syncd.store.persons import Person
from syncd.store.visiting import leave, reading

app = typer.Typer()

RefOption = Annotated[str | None, typer.Argument(metavar="REF", help="As for `syncd explain`: system/collection/id, an address, link/NUMBER.", show_default=False)]


@app.command(epilog="Example: syncd forget ada@example.com --at-vendors")
def forget(
    ref: RefOption = None,
    at_vendors: Annotated[bool, typer.Option("--at-vendors", help="Delete their records at the systems too, where that can be done.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase everything that is kept of one person, and never take them in again.

    Only a keyed hash of their records and of one match key stays, by which they are known. The systems keep their records unless you say
    `--at-vendors`; what cannot be deleted there is listed with why, and ends in 6. `--at-vendors` without REF goes on with what was begun.
    Backups made before still hold the person until they are removed; one that is put back does not bring them in again.
    """
    settings = read_settings(config, secrets=False)
    path = database_path(settings)
    if not path.exists():
        raise UserError("nobody is known: there is no database", hint="`syncd run` makes one")
    if ref is None:
        if not at_vendors:
            raise typer.BadParameter("name whom to forget, or say --at-vendors to go on with what was begun")
        _end(_go_on(settings), as_json=as_json)
    with reading(path) as read:
        person = read(lambda tx: person_of(tx, settings, ref))
    kept = {each: _unable(settings, each) if at_vendors else "" for each in sorted(person.refs)}
    _confirm(ref, kept, yes=yes, as_json=as_json)
    if at_vendors:
        _end(_everywhere(settings, person, {each: why for each, why in kept.items() if why}), as_json=as_json)
    said = anyio.run(partial(_carry_out, settings, person))
    left = [str(each) for each in kept]
    if as_json:
        screen.show_json({"said": said, "at_systems": left})
        return
    screen.show(said)
    screen.show(f"{counted(len(left), 'record')} may still be at the systems; delete them there:")
    screen.show_rows([[safe(each)] for each in left])


def _confirm(ref: str, kept: dict[Ref, str | None], *, yes: bool, as_json: bool) -> None:
    """Shows who is meant and what stays where, and asks. What is None is deleted at its system; a word says why it is not."""
    gone = [str(each) for each, why in kept.items() if why is None]
    if not yes:
        if as_json or not screen.on_terminal():
            raise UserError(f"{ref} is {', '.join(map(str, kept))}: nothing was erased", hint="say --yes to erase what is kept of them")
        screen.say(f"{safe(ref)} is {', '.join(safe(str(each)) for each in kept)}")
        for each in gone:
            screen.say(f"  {safe(each)} is deleted at {each.partition('/')[0]}, for ever")
        for left, why in kept.items():
            if why:
                screen.say(f"  {safe(str(left))} is not deleted: {why}")
        typer.confirm("Erase everything that is kept of them?" if not gone else "Delete these, and erase everything that is kept of them?", abort=True, err=True)


def person_of(tx: Connection, settings: Settings, ref: str) -> Person:
    """Whom a reference names, with all their records. Raises UserError where nobody is, or where several could be meant."""
    meant = who_is(tx, known_rules(tx, settings), ref)
    found = {persons.gather(tx, [each.ref] if each.ref else [], [each.link] if each.link else []) for each in meant}
    if len(found) > 1:
        several = " or ".join(sorted(str(min(each.refs)) for each in found))
        raise UserError(f"{ref} may be several: {several}", hint="name one of them")
    return found.pop()


def _unable(settings: Settings, ref: Ref) -> str | None:
    """Why this record cannot be deleted where it is, as far as the configuration tells; None where it can, or where only the daemon knows."""
    configured = settings.systems.get(ref.system)
    if configured is None:
        return "the system is not configured any more"
    kind = KINDS[configured.kind]
    if not kind.capabilities(ref.collection.partition("@")[0]).can_delete:
        return "it cannot be deleted from here"
    return kind.unable(configured.options, ref.collection, Deed.ERASE)


async def _carry_out(settings: Settings, person: Person) -> str:
    arguments = _named(person)
    if asking.daemon_runs(settings):
        result = await asking.ask_daemon(settings, "forget", arguments, timeout_s=asking.ANSWER_S)
        return str(result["said"])

    def commit(tx: Connection) -> str:
        note_asked(engine, tx, asking.me(), "forget", arguments)
        return forgetting.forget(engine, tx, person.refs, person.links)

    async with asking.engine_without_network(settings, quiet_log(settings)) as engine:
        said = await engine.database.write(commit)
        return said + ("" if await forgetting.overwrite(engine.database) else "; their pages are overwritten at the next start")


def _named(person: Person) -> dict[str, Json]:
    return {"refs": [[ref.system, ref.collection, ref.id] for ref in sorted(person.refs)], "links": sorted(person.links)}


def _everywhere(settings: Settings, person: Person, left: dict[Ref, str]) -> dict[str, Json]:
    """Leaves the request, which outlives this command, and follows it."""
    arguments = {**_named(person), "at_vendors": True, "left": [[[ref.system, ref.collection, ref.id], why] for ref, why in left.items()]}
    number = leave(database_path(settings), lambda tx: control.ask(tx, "forget", arguments, SystemClock().now(), asking.me()))
    return _follow(settings, number)


def _go_on(settings: Settings) -> dict[str, Json]:
    """Follows what was begun before, or tells how it ended."""
    with reading(database_path(settings)) as read:
        begun = read(lambda tx: control.newest_request(tx, "forget"))
    if begun is not None and begun.state == "done" and begun.result and "left" in begun.result:
        return dict(begun.result)
    if begun is None or begun.state not in ("new", "running"):
        raise UserError("nobody is being forgotten at the systems", hint="`syncd forget REF --at-vendors` begins it")
    return _follow(settings, begun.id)


def _follow(settings: Settings, number: int) -> dict[str, Json]:
    if asking.daemon_runs(settings):
        return dict(anyio.run(partial(asking.follow_daemon, settings, number, timeout_s=asking.ANSWER_S)))
    whole = read_settings(settings.path, secrets=True)
    return dict(anyio.run(partial(standing_in.attend_here, whole, number, timeout_s=asking.ANSWER_S, log=quiet_log(settings))))


def _end(result: dict[str, Json], *, as_json: bool) -> NoReturn:
    if as_json:
        screen.show_json(result)
    else:
        screen.show(str(result["said"]))
        if result["left"]:
            screen.show("these are left; delete them there:")
            screen.show_rows([[safe(each["ref"]), safe(each["why"])] for each in result["left"]])
    raise typer.Exit(Code.FAILURES if result["left"] else Code.OK)
