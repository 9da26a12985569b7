"""One row of STGR data, and a file of them read row by row.

A file is a JSON list. It is read as a stream: memory holds one row, whatever the file's size. A row that is
not as it should be is named and stepped over; a document that breaks off ends the reading, by name too.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from grounding.errors import printable

STGRTask = Literal[
    "visual QA",
    "temporal-spatial free-form QA",
    "temporal QA",
    "temporal QA (MCQ)",
    "General video QA MCQ",
    "General video QA Free-form",
]

MAX_FILE_BYTES = 4 << 30
"""Forty times the released lists: what is longer is something else."""

MAX_TEXT = 200_000
"""Characters of a text of a row."""

MAX_KEY_FRAMES = 10_000

Corners = tuple[float, float, float, float]


class KeyFrame(BaseModel):
    """A frame that was annotated: `idx` names it in `key_items`; `time` is in seconds from the video's start.

    `path` is a picture of it, which is never read: frames come from the video itself.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    idx: int
    path: str = ""
    time: float


class Row(BaseModel):
    """A question with its answer and evidence, as released: boxes are not yet checked for sense.

    `key_items` are boxes (0..1 of the frame) by the key frame's idx and the thing's name. Boxes in the texts
    are 0..1 where the row is about a video, and pixels of `image_size` (width, height) where it is about a
    picture. `reasoning_process` is there in SFT rows alone.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(max_length=1000)
    task: STGRTask
    source: str = Field(min_length=1, max_length=200)
    question: str = Field(min_length=1, max_length=MAX_TEXT)
    answer: str = Field(min_length=1, max_length=MAX_TEXT)
    reasoning_process: str | None = Field(default=None, max_length=MAX_TEXT)
    video_path: str | None = Field(default=None, max_length=4096)
    image_path: str | None = Field(default=None, max_length=4096)
    image_size: tuple[int, int] | None = None
    key_frames: tuple[KeyFrame, ...] = Field(default=(), max_length=MAX_KEY_FRAMES)
    key_items: dict[str, dict[str, tuple[Corners, ...]]] = Field(default={}, max_length=MAX_KEY_FRAMES)

    @model_validator(mode="before")
    @classmethod
    def _pictures_have_no_key_items(cls, value: Any) -> Any:
        """Rows about a picture come with `key_items` of another form; their answer says it all."""
        is_picture = isinstance(value, dict) and value.get("task") == "visual QA"
        return {**value, "key_frames": (), "key_items": {}} if is_picture else value

    @field_validator("id", "answer", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """A number, or the list of a stretch's two ends, as the text that it would be in another row."""
        is_plain = isinstance(value, int | float) and not isinstance(value, bool)
        return json.dumps(value) if is_plain or (isinstance(value, list) and len(value) == 2) else value

    @field_validator("key_frames", mode="before")
    @classmethod
    def _no_key_frames(cls, value: Any) -> Any:
        return () if value is None else value

    @field_validator("image_size", mode="before")
    @classmethod
    def _no_size(cls, value: Any) -> Any:
        return None if value in ([], ()) else value

    @field_validator("key_items", mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        """Tables written column by column name every key in every row, with null for what is absent."""
        if not isinstance(value, dict):
            return {} if value is None else value
        return {idx: _boxes_by_name(things) for idx, things in value.items() if things is not None}

    @property
    def is_picture(self) -> bool:
        """Whether the question is about one picture and not about a video."""
        return self.task == "visual QA"

    @property
    def media(self) -> str | None:
        """The name of the picture or video that the row is about; None where it names none."""
        return self.image_path if self.is_picture else self.video_path


def _boxes_by_name(things: Any) -> Any:
    """Names without boxes left out, and a box that stands alone put into a list."""
    if not isinstance(things, dict):
        return things
    return {
        name: [boxes]
        if isinstance(boxes, list) and len(boxes) == 4 and not isinstance(boxes[0], list)
        else boxes
        for name, boxes in things.items()
        if boxes is not None
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenRow:
    """What stands where a row should be. `id` is what it calls itself, "" where it doesn't."""

    id: str
    what: str


def read_rows(path: Path) -> Iterator[Row | BrokenRow]:
    """The rows of a JSON list in order, those that are no rows as `BrokenRow`.

    Raises ValueError, with line and byte, for a document that is not a JSON list from end to end.
    """
    for value in _values(path):
        yield row_of(value)


def row_of(value: Any) -> Row | BrokenRow:
    """The row that a JSON value is."""
    try:
        return Row.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the row"
        named = value.get("id") if isinstance(value, dict) else None
        shown = reprlib.repr(first["input"])  # which neither a huge nor a deep value harms
        return BrokenRow(
            id=str(named)[:100] if isinstance(named, str | int) else "",
            what=f"{where}: {first['msg'][0].lower()}{first['msg'][1:]} (got {shown})",
        )


def _values(path: Path) -> Iterator[Any]:
    import ijson

    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ValueError(
            f"{printable(path)} has {size:,} bytes, over the cap of {MAX_FILE_BYTES:,}: split it into several"
        )
    with open(path, "rb") as stream:
        _check_list(path, stream.read(4096))
        stream.seek(0)
        try:
            yield from ijson.items(stream, "item", use_float=True)
        except (ijson.JSONError, UnicodeDecodeError):
            raise ValueError(_where_broken(path)) from None


def _check_list(path: Path, beginning: bytes) -> None:
    if not beginning.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        raise ValueError(f"{printable(path)} is no JSON list of rows: it begins with {beginning[:20]!r}")


def _where_broken(path: Path) -> str:
    """Where the document breaks. The stream's own errors don't say; the second look reads all of it."""
    data = path.read_bytes()
    try:
        json.loads(data)
    except json.JSONDecodeError as error:
        byte = len(error.doc[: error.pos].encode("utf-8"))
        return (
            f"{printable(path)} is broken JSON at line {error.lineno}, byte {byte:,}: {error.msg}; "
            "mend it there, or fetch the file again"
        )
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return f"{printable(path)} is not UTF-8 at line {line}, byte {error.start:,}; fetch the file again"
    return f"{printable(path)} can't be read as a stream of rows: write it as one JSON list"
