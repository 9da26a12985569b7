"""What came of each question, a JSON line each: two runs on the same questions can be compared by them."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from grounding.errors import TrainingError, printable
from training.rewards.trl import truth_column
from training.truth import Truth


@checked(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Record:
    """One question with its reply. `item` is a hash of the question and its truth; `scores` are the values of
    `scoring.scores` that apply; `masked` says whether a control had something to paint over.
    """

    id: str
    scene_id: str
    kind: str
    link: str | None
    item: str
    task: str
    question: str
    truth: dict[str, object]
    reply: str
    scores: dict[str, float]
    masked: bool | None = None

    @property
    def line(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=True)


def item_hash(question: str, truth: Truth) -> str:
    """Short hash of what was asked and what is true: equal where two runs had the same item."""
    return hashlib.sha256(f"{question}\0{truth_column(truth)}".encode()).hexdigest()[:16]


@contextmanager
def writing(path: Path | None) -> Iterator[TextIO | None]:
    """A file for records: whole under its name at the end, and what there is until then beside it as .part.

    Raises ValueError where it can't be written, before anything is asked; TrainingError for a full disk.
    """
    if path is None:
        yield None
        return
    if path.is_dir():
        raise ValueError(f"{printable(path)} is a folder: name a file for the records")
    part = path.with_name(path.name + ".part")
    stream = _opened(part, path)
    try:
        with stream:
            yield stream
        part.replace(path)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise TrainingError(
            f"{printable(part)}: no room is left for the records: make room and run the command again"
        ) from error


def _opened(part: Path, path: Path) -> TextIO:
    try:
        return open(part, "w", encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{printable(path)}: can't write records there ({error.strerror})") from error


def read_records(path: Path) -> list[Record]:
    """The records in a file. Raises ValueError, naming the line, for what is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ValueError(f"{printable(path)}: can't read the records ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{printable(path)} holds no records: it is no UTF-8 text") from error
    records = [_read(line, path, number) for number, line in enumerate(lines, start=1)]
    if not records:
        raise ValueError(f"{printable(path)} is empty: give a file that `evaluate --out` wrote")
    return records


def check_same(items: Sequence[tuple[str, str]], others: Iterable[Record], *, path: Path) -> None:
    """That a file's records are of these items (id and hash), in order. Raises ValueError otherwise."""
    found = [(record.id, record.item) for record in others]
    if len(found) != len(items):
        raise ValueError(
            f"{printable(path)} holds {len(found)} items and this run has {len(items)}: "
            "compare runs with the same --items, --seed, --level, --split and --kind"
        )
    for mine, other in zip(items, found, strict=True):
        if mine != other:
            raise ValueError(
                f"{printable(path)} is of other items ({other[0]} in place of {mine[0]}): compare runs with "
                "the same --seed, --level, --split and --kind, and the same cut-outs"
            )


def _read(line: str, path: Path, number: int) -> Record:
    try:
        return RECORDS.validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(
            f"{printable(path)}, line {number} is no record of `evaluate --out`: {where} {first['msg']}"
        ) from None


RECORDS = TypeAdapter(Record)
