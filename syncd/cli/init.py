"""`syncd init`: a first configuration, from a recipe; and ready automations to add to one.

The rule that keeps it true: no secret is ever asked for or written, and nothing that is there is written over unless that is said.
It must not know: what any recipe says.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated

import typer
from rich.prompt import Prompt

from syncd import recipes
from syncd.cli import screen
from syncd.cli.options import JsonOption
from syncd.core.errors import UserError

app = typer.Typer()

_STDOUT = Path("-")
_FIRST = Path("syncd.toml")

RecipeArgument = Annotated[str | None, typer.Argument(metavar="RECIPE", help="Which recipe; --list shows them.", show_default=False)]
RecipeOption = Annotated[
    str | None, typer.Option("--recipe", metavar="NAME", help="Which recipe, the same.", show_default=False)
]
AutomationOption = Annotated[
    str | None, typer.Option("--automation", metavar="NAME", help="A ready automation, to be added to a configuration.", show_default=False)
]
ListOption = Annotated[bool, typer.Option("--list", help="Show the recipes and the ready automations there are.")]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", metavar="FILE",
        help="Where to write it (else syncd.toml), or which configuration to add an automation to (else none); - is standard output.",
        show_default=False,
    ),
]  # fmt: skip
ForceOption = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]


@app.command(epilog="Example: syncd init ghl-emailoctopus -o /etc/syncd/syncd.toml")
def init(
    recipe: RecipeArgument = None,
    named: RecipeOption = None,
    automation: AutomationOption = None,
    show_list: ListOption = False,
    output: OutputOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a first, commented configuration, or add a ready automation to one.

    On a terminal it asks for what only you can know; elsewhere it leaves marked places. Secrets are named in it, never written.
    """
    if show_list:
        _show_all(as_json=as_json)
        return
    if automation is not None:
        if recipe is not None or named is not None:
            raise UserError("a recipe and an automation at once", hint="write the recipe first, then add the automation with -o FILE")
        _init_automation(automation, output or _STDOUT, as_json=as_json)
        return
    output = output or _FIRST
    asks = screen.on_terminal() and output != _STDOUT and not as_json
    if recipe is not None and named not in (None, recipe):
        raise UserError(f"`{recipe}` and --recipe {named} are two recipes", hint="a configuration begins with one of them")
    name = recipe or named or _asked_recipe(asks=asks)
    text = recipes.read(name)
    if output != _STDOUT and output.exists() and not force:
        raise UserError(f"{output} is there already", hint="choose another name with -o, or write over it with --force")
    questions = recipes.questions(text)
    answers = _ask(questions) if asks else {}
    filled = recipes.fill(text, answers)
    if output == _STDOUT:
        screen.show_json({"recipe": name, "text": filled, "to_fill": questions}) if as_json else screen.show_text(filled)
        return
    _write(output, filled, force=force)
    left = {place: what for place, what in questions.items() if place not in answers}
    if as_json:
        screen.show_json({"recipe": name, "file": str(output), "to_fill": left})
    else:
        _tell_next(output, left)


def _show_all(*, as_json: bool) -> None:
    kinds = {"recipe": recipes.list_recipes(), "automation": recipes.list_automations()}
    if as_json:
        screen.show_json([{"name": each.name, "about": each.about, "kind": kind} for kind, known in kinds.items() for each in known])
        return
    _show_recipes(kinds["recipe"])
    screen.show_text("\nReady automations, to be added with --automation NAME:\n\n")
    _show_recipes(kinds["automation"])


def _show_recipes(known: list[recipes.Recipe]) -> None:
    screen.show_rows([[each.name, each.about] for each in known], indent=0)


def _init_automation(name: str, output: Path, *, as_json: bool) -> None:
    """Shows a ready automation, or adds it to the end of a configuration."""
    text = recipes.read_automation(name)
    questions = recipes.questions(text)
    if output == _STDOUT:
        screen.show_json({"automation": name, "text": text, "to_fill": questions}) if as_json else screen.show_text(text)
        return
    _check_fits(output, text, name)
    answers = _ask(questions) if screen.on_terminal() and not as_json else {}
    try:
        with output.open("a", encoding="utf-8") as file:
            file.write("\n" + recipes.fill(text, answers))
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror}") from error
    left = {place: what for place, what in questions.items() if place not in answers}
    if as_json:
        screen.show_json({"automation": name, "file": str(output), "to_fill": left})
        return
    screen.say(f"added {name} to {output}")
    _tell_steps([*(f"fill in {place}: {what}" for place, what in left.items()), f"syncd check -c {output}"])


def _check_fits(path: Path, text: str, name: str) -> None:
    """Raises UserError where the file is none to add this to: it is not there, is no TOML, or has an automation of that name."""
    try:
        there = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", hint="`syncd init RECIPE` writes a first configuration") from error
    except ValueError as error:
        raise UserError(f"{path} is no TOML: {error}", hint=f"`syncd check -c {path}` says more") from error
    known = there.get("automations", {})
    if not isinstance(known, dict) or (twice := sorted(known.keys() & tomllib.loads(text)["automations"].keys())):
        said = f"[automations.{twice[0]}]" if isinstance(known, dict) else "`automations`"
        raise UserError(f"{path} has {said} already", hint=f"`syncd init --automation {name}` shows it, to be pasted under another name")


def _asked_recipe(*, asks: bool) -> str:
    known = [each.name for each in recipes.list_recipes()]
    if asks:
        _show_recipes(recipes.list_recipes())
        return Prompt.ask("Which recipe", choices=known, show_choices=False, console=screen.console(messages=True))
    raise UserError("which recipe?", hint=f"there are: {', '.join(known)}; `syncd init --list` says what they are for")


def _ask(questions: dict[str, str]) -> dict[str, str]:
    """What only the operator knows; an empty answer leaves the place marked."""
    asked = {place: Prompt.ask(what, console=screen.console(messages=True)) for place, what in questions.items()}
    return {place: answer.strip() for place, answer in asked.items() if answer and answer.strip()}


def _write(path: Path, text: str, *, force: bool) -> None:
    """Writes a file that only its owner may read; made anew, so that it is never half there under this name."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}", hint="choose another place with -o") from error


def _tell_next(path: Path, left: dict[str, str]) -> None:
    screen.say(f"wrote {path}")
    steps = [f"fill in {place}: {what}" for place, what in left.items()]
    steps += [
        "put the secrets where its comments say",
        f"syncd check --online -c {path}",
        f"syncd plan -c {path}",
        f"syncd run -c {path}",
    ]
    _tell_steps(steps)


def _tell_steps(steps: list[str]) -> None:
    for number, step in enumerate(steps, start=1):
        screen.say(f"  {number}. {step}")
