"""TEACH: ready configurations, each a commented TOML file that a newcomer can read from top to bottom; and ready automations to add to one.

`list_recipes` and `list_automations` say which there are, `read` and `read_automation` give one's text, `questions` what only the operator
can answer, `fill` puts answers in.
A recipe's first comment line says what it is for. ``REPLACE_ME_…`` marks a place to fill in, and a comment of its own,
``# REPLACE_ME_…: what and where``, says with what.
The rule that keeps it true: every placeholder is explained, and a recipe with its placeholders filled in has no problems.
It must not know: how a configuration is read, or what any setting does.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from syncd.core.errors import UserError

_PLACEHOLDER = re.compile(r"REPLACE_ME_[A-Z0-9_]+")
_LEGEND = re.compile(r"^[ \t]*#[ \t]*(REPLACE_ME_[A-Z0-9_]+):[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_SUFFIX = ".toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A ready configuration, or a ready automation."""

    name: str
    about: str


def list_recipes() -> list[Recipe]:
    """Every recipe, by name."""
    return _listed(_recipes())


def list_automations() -> list[Recipe]:
    """Every ready automation, by name. One may be several ``[automations.NAME]`` sections that belong together."""
    return _listed(_automations())


def read(name: str) -> str:
    """The recipe's text. Raises UserError where there is none of that name."""
    return _read(name, _recipes(), "recipe")


def read_automation(name: str) -> str:
    """A ready automation's text, to be added to a configuration that has a GoHighLevel system named ``ghl``. Raises UserError as `read` does."""
    return _read(name, _automations(), "ready automation")


def _recipes() -> dict[str, Traversable]:
    return _files(resources.files(__package__))


def _automations() -> dict[str, Traversable]:
    return _files(resources.files(__package__).joinpath("automations"))


def _files(folder: Traversable) -> dict[str, Traversable]:
    return {file.name.removesuffix(_SUFFIX): file for file in folder.iterdir() if file.name.endswith(_SUFFIX)}


def _listed(files: Mapping[str, Traversable]) -> list[Recipe]:
    return [Recipe(name=name, about=_about(files[name].read_text(encoding="utf-8"))) for name in sorted(files)]


def _read(name: str, known: Mapping[str, Traversable], kind: str) -> str:
    if name in known:
        return known[name].read_text(encoding="utf-8")
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean `{near[0]}`? " if near else ""
    raise UserError(f"there is no {kind} `{name}`", hint=f"{meant}there are: {', '.join(sorted(known))}")


def questions(text: str) -> dict[str, str]:
    """The placeholders of a recipe in the order they come, and what should stand there."""
    return dict(_LEGEND.findall(text))


def fill(text: str, answers: Mapping[str, str]) -> str:
    """The recipe with answers in the places of their placeholders. Those without an answer stay, and are reported by `check`."""
    return "\n".join(line if line.lstrip().startswith("#") else _fill_line(line, answers) for line in text.split("\n"))


def _fill_line(line: str, answers: Mapping[str, str]) -> str:
    """A placeholder stands inside double quotes, so an answer is escaped as a TOML text; JSON's escapes are TOML's too."""
    return _PLACEHOLDER.sub(lambda found: json.dumps(answers.get(found[0], found[0]), ensure_ascii=False)[1:-1], line)


def _about(text: str) -> str:
    return text.split("\n", maxsplit=1)[0].lstrip("# ").rstrip()
