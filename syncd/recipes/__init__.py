"""TEACH: ready configurations, each a commented TOML file that a newcomer can read from top to bottom.

`list_recipes` says which there are, `read` gives one's text, `questions` what only the operator can answer, `fill` puts answers in.
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

from syncd.core.errors import UserError

_PLACEHOLDER = re.compile(r"REPLACE_ME_[A-Z0-9_]+")
_LEGEND = re.compile(r"^[ \t]*#[ \t]*(REPLACE_ME_[A-Z0-9_]+):[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_SUFFIX = ".toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A ready configuration."""

    name: str
    about: str


def list_recipes() -> list[Recipe]:
    """Every recipe, by name."""
    names = sorted(
        file.name.removesuffix(_SUFFIX) for file in resources.files(__package__).iterdir() if file.name.endswith(_SUFFIX)
    )
    return [Recipe(name=name, about=_about(read(name))) for name in names]


def read(name: str) -> str:
    """The recipe's text. Raises UserError where there is none of that name."""
    known = {
        file.name.removesuffix(_SUFFIX): file for file in resources.files(__package__).iterdir() if file.name.endswith(_SUFFIX)
    }
    if name in known:
        return known[name].read_text(encoding="utf-8")
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean `{near[0]}`? " if near else ""
    raise UserError(f"there is no recipe `{name}`", hint=f"{meant}there are: {', '.join(sorted(known))}")


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
