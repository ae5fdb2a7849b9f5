"""A connector's own model, asked about a table; its answer put into our words.

The rule that keeps it true: what pydantic says is passed on without the input it said it about, for that may be a secret.
It must not know: any connector's model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from syncd.config.findings import suggest
from syncd.config.section import Section
from syncd.core.record import Json

Model = TypeVar("Model", bound=BaseModel)


def validate(
    model: type[Model], values: Mapping[str, Json], section: Section, *, also: Iterable[str] = (), veiled: Iterable[str] = ()
) -> Model | None:
    """The model made of `values`, or None after reporting each mistake at its place in `section`.

    `also` are keys of the section that are not the model's. `veiled` are texts that no message may show.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as failure:
        errors = failure.errors(include_url=False, include_context=False, include_input=False)
    meant: set[str] = set()
    for error in errors:
        *table, key = error["loc"] or ("",)
        if error["type"] == "extra_forbidden":
            known = [*_keys(_model_at(model, table)), *(() if table else also)]
            section.problem("unknown key", *error["loc"], near=str(key), known=known)
            meant.add(suggest(str(key), known))
    for error in errors:
        _report(model, error["loc"], error["type"], _veil(error["msg"], veiled), section, meant)
    return None


def _report(
    model: type[BaseModel], where: tuple[str | int, ...], kind: str, message: str, section: Section, meant: set[str]
) -> None:
    if kind == "extra_forbidden":
        return
    if kind != "missing":
        section.problem(message.removeprefix("Value error, ").removeprefix("Input "), *where)
    elif str(where[-1]) not in meant:
        # A key that was misspelt is not missing as well.
        section.problem("is missing", *where, mend=_about(_model_at(model, where[:-1]), str(where[-1])))


def _veil(message: str, veiled: Iterable[str]) -> str:
    for text in veiled:
        message = message.replace(text, "…")
    return message


def _keys(model: type[BaseModel]) -> dict[str, str]:
    """The keys as the operator writes them, with what the model says about each."""
    return {field.alias or name: field.description or "" for name, field in model.model_fields.items()}


def _about(model: type[BaseModel], key: str) -> str:
    about = _keys(model).get(key, "")
    return f"write {key} = …" + (f" ({about})" if about else "")


def _model_at(model: type[BaseModel], where: Iterable[str | int]) -> type[BaseModel]:
    """The model that reads the table at `where`; steps that lead to no model, such as places in a list, stay where they are."""
    for step in where:
        field = next((field for name, field in model.model_fields.items() if step in (name, field.alias)), None)
        model = _inner_model(field.annotation) or model if field is not None else model
    return model


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((inner for each in get_args(annotation) if (inner := _inner_model(each)) is not None), None)
