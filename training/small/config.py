"""A TOML file read into a checked table; what is wrong with it is one sentence."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from grounding.errors import printable

CompileMode = Literal["off", "parts", "default", "max-autotune-no-cudagraphs"]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]

MOST_SEED = 2**31 - 1
"""A step's own seed is the run's with the step's number beside it, and PyTorch takes 64 bits."""

Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]


class Table(BaseModel):
    """A table in which no key is unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


T = TypeVar("T", bound=Table)


def load_table(path: Path, table: type[T], **changes: int | str | None) -> T:
    """Read a TOML file, `changes` in place of its own values (None changes nothing).

    Raises ValueError that names the file, the key and what it must be.
    """
    where = printable(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{where} is not there: name a TOML file with --config") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{where} can't be read as TOML: {error}") from error
    try:
        return table.model_validate(values | {k: v for k, v in changes.items() if v is not None})
    except ValidationError as error:
        raise ValueError(f"{where}: {_first(error, table)}") from None


def _first(error: ValidationError, table: type[Table]) -> str:
    """The first thing that is wrong, in one sentence; a misspelt name before what it leaves missing."""
    wrong = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in wrong["loc"])
    if wrong["type"] == "extra_forbidden":
        return f"there is no setting {key}; there are {', '.join(_known(table, wrong['loc'][:-1]))}"
    if wrong["type"] == "missing":
        return f"{key} is missing"
    if wrong["type"] == "value_error":  # a check of our own, which names what it is about
        return wrong["msg"].removeprefix("Value error, ")
    return f"{key} = {wrong['input']!r}: {wrong['msg'][0].lower()}{wrong['msg'][1:]}"


def _known(table: type[Table], place: tuple[int | str, ...]) -> list[str]:
    """The settings of the table at a place within another."""
    for name in place:
        if isinstance(name, str):
            parts = get_args(table.model_fields[name].annotation)
            table = next(part for part in parts if hasattr(part, "model_fields"))
    return list(table.model_fields)
