"""Reads a pack of standing questions: one that comes along, by its name, or a user's file, by its path."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from indexer.questions import as_question
from storage.rows import Severity, StandingRow

SHIPPED = ("safety", "support")
"""The packs that come along."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=80)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Review(_Part):
    """What holds for every question that says nothing else: how many rule on a hit, and whether it is shown
    blurred at first.
    """

    reviewers: int = Field(default=1, ge=1, le=9)
    blur: bool = False


class PackQuestion(_Part):
    """A question of a pack, by a name that stays when its words change."""

    name: Name
    text: str
    severity: Severity
    reviewers: int | None = Field(default=None, ge=1, le=9)
    blur: bool | None = None


class Pack(_Part):
    """A pack as its file says it. `version` is kept with the questions, and rises with every change."""

    schema_: Literal["proofreel.pack/1"] = Field(alias="schema")
    name: Name
    version: int = Field(ge=1)
    title: str = ""
    review: Review = Review()
    question: tuple[PackQuestion, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> Pack:
        names = [question.name for question in self.question]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two questions are named {twice!r}; a name stands for one")
        return self

    def standing(self) -> list[StandingRow]:
        """The questions as they are asked and kept. Raises ValueError for one that can't be asked."""
        return [self._standing(question) for question in self.question]

    def _standing(self, item: PackQuestion) -> StandingRow:
        asked = as_question(item.text)
        return StandingRow(
            task=asked.task,
            text=asked.text,
            severity=item.severity,
            reviewers=self.review.reviewers if item.reviewers is None else item.reviewers,
            blur=self.review.blur if item.blur is None else item.blur,
            pack=self.name,
            pack_version=self.version,
            name=item.name,
        )


def read_pack(named: str) -> Pack:
    """The pack of this name, or in this TOML file. Raises ValueError, naming the file and what is wrong."""
    path = Path(__file__).with_name(f"{named}.toml") if named in SHIPPED else Path(named)
    if named not in SHIPPED and path.suffix != ".toml":
        raise ValueError(f"no pack named {named!r}; there are {', '.join(SHIPPED)}, or give a file FILE.toml")
    try:
        return Pack.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ValueError(f"{path}: the pack can't be read ({error.strerror})") from None
    except ValidationError as error:
        raise ValueError(f"{path}: {_first(error)}") from None
    except ValueError as error:  # no TOML, or no text
        raise ValueError(f"{path}: not a TOML file: {error}") from None


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    where = ".".join(str(part) for part in found["loc"])
    return f"{where}: {found['msg']}" if where else found["msg"].removeprefix("Value error, ")
