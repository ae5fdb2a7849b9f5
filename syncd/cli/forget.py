"""`syncd forget`: erases everything that is kept of one person.

The rule that keeps it true: it is done only after who is meant was shown and confirmed; what stays at the systems themselves is listed.
It must not know: what is kept, or where.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import anyio
import typer

from syncd.cli import asking, screen
from syncd.cli.explain import RefArgument
from syncd.cli.logs import quiet_log
from syncd.cli.options import ANSWER, ConfigOption, JsonOption, read_settings
from syncd.cli.text import counted, safe
from syncd.cli.whois import who_is
from syncd.config import Settings
from syncd.core.errors import UserError
from syncd.core.record import Json
from syncd.flow import forgetting
from syncd.flow.daemon import database_path
from syncd.flow.schemas import known_rules
from syncd.store import persons
from syncd.store.database import Connection
from syncd.store.persons import Person
from syncd.store.visiting import reading

app = typer.Typer()


@app.command(rich_help_panel=ANSWER, epilog="Example: syncd forget ada@example.com")
def forget(
    ref: RefArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase everything that is kept of one person, and never take them in again.

    Only a keyed hash of their records and of one match key stays, by which they are known. The systems themselves keep their records: delete
    them there. Backups made before still hold the person until they are removed; one that is put back does not bring them in again.
    """
    settings = read_settings(config, secrets=False)
    path = database_path(settings)
    if not path.exists():
        raise UserError("nobody is known: there is no database", hint="`syncd run` makes one")
    with reading(path) as read:
        person = read(lambda tx: person_of(tx, settings, ref))
    left = [str(each) for each in sorted(person.refs)]
    if not yes:
        if as_json or not screen.on_terminal():
            raise UserError(f"{ref} is {', '.join(left)}: nothing was erased", hint="say --yes to erase what is kept of them")
        screen.say(f"{safe(ref)} is {', '.join(map(safe, left))}")
        typer.confirm("Erase everything that is kept of them?", abort=True, err=True)
    said = anyio.run(partial(_carry_out, settings, person))
    if as_json:
        screen.show_json({"said": said, "at_systems": left})
        return
    screen.show(said)
    screen.show(f"{counted(len(left), 'record')} may still be at the systems; delete them there:")
    screen.show_rows([[safe(each)] for each in left])


def person_of(tx: Connection, settings: Settings, ref: str) -> Person:
    """Whom a reference names, with all their records. Raises UserError where nobody is, or where several could be meant."""
    meant = who_is(tx, known_rules(tx, settings), ref)
    found = {persons.gather(tx, [each.ref] if each.ref else [], [each.link] if each.link else []) for each in meant}
    if len(found) > 1:
        several = " or ".join(sorted(str(min(each.refs)) for each in found))
        raise UserError(f"{ref} may be several: {several}", hint="name one of them")
    return found.pop()


async def _carry_out(settings: Settings, person: Person) -> str:
    arguments: dict[str, Json] = {"refs": [[ref.system, ref.collection, ref.id] for ref in sorted(person.refs)], "links": sorted(person.links)}
    if asking.daemon_runs(settings):
        result = await asking.ask_daemon(settings, "forget", arguments, timeout_s=asking.ANSWER_S)
        return str(result["said"])
    async with asking.engine_without_network(settings, quiet_log(settings)) as engine:
        said = await engine.database.write(lambda tx: forgetting.forget(engine, tx, person.refs, person.links))
        return said + ("" if await forgetting.overwrite(engine.database) else "; their pages are overwritten at the next start")
