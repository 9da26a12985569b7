"""How long rows are in tokens, counted before anything is decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engines.layouts import Shown
from engines.qwen.prompt import prompt_of
from grounding.errors import printable
from grounding.prompts import TASKS, PromptSet
from training.lessons import Teacher

if TYPE_CHECKING:
    from training.data import Data, Row

LATE_S = 1000.0
"""Times of this size are written with as many digits as any that a training video has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLength:
    """A row's place in the data, and its tokens: `seen` of frames, `text` of words, times and the answer."""

    place: int
    seen: int
    text: int

    @property
    def tokens(self) -> int:
        return self.seen + self.text


def row_lengths(
    data: Data, teacher: Teacher, prompts: PromptSet, *, answer_room: int = 0
) -> Iterator[RowLength]:
    """Every row at its longest: all frames at their largest, and `answer_room` for what is sampled."""
    frames, step = teacher.frames, teacher.layout.shapes.vision.step
    video = {
        task: _before(teacher, prompts.system[task], frames.max_frames, frames.most_pixels) for task in TASKS
    }
    picture = {task: _before(teacher, prompts.system[task], 1, frames.picture_most_pixels) for task in TASKS}
    for place, row in enumerate(data):
        before = (picture if row.is_picture else video)[row.task]
        count = 1 if row.is_picture else frames.max_frames
        seen = count * ((frames.picture_most_pixels if row.is_picture else frames.most_pixels) // step**2)
        text = before - seen + _words(teacher, row) + answer_room
        yield RowLength(place=place, seen=seen, text=text)


def check_lengths(
    lengths: Iterable[RowLength], data: Data, *, max_length: int, skip_long: bool
) -> list[RowLength]:
    """Those that fit.

    Raises ValueError, naming the longest, unless those that don't may be skipped.
    """
    every = list(lengths)
    long = [length for length in every if length.tokens > max_length]
    if long and not skip_long:
        longest = max(long, key=lambda length: length.tokens)
        row = data[longest.place]
        raise ValueError(
            f"{len(long):,} of {len(data):,} rows are longer than max_length {max_length:,}; the longest is "
            f"row {data.indices[longest.place]} ({printable(row.id)}) with {longest.tokens:,} tokens, "
            f"{longest.seen:,} of them frames: raise max_length, lower frames.max_frames or "
            "frames.most_pixels, or set data.skip_long"
        )
    if len(long) == len(every):
        raise ValueError(f"no row fits into max_length {max_length:,}: raise it, or lower frames.max_frames")
    return [length for length in every if length.tokens <= max_length]


def _before(teacher: Teacher, system: str, count: int, most_pixels: int) -> int:
    """Tokens up to the question."""
    vision = teacher.layout.shapes.vision
    side = vision.merge
    pictures = [Shown(frames=(k,) * vision.temporal, time_s=LATE_S + k / 2) for k in range(count)]
    pieces = teacher.layout.prefix(
        pictures, system=system, rows=side, columns=side * (most_pixels // vision.step**2)
    )
    return prompt_of(pieces, teacher.layout.shapes).length


def _words(teacher: Teacher, row: Row) -> int:
    asked = len(teacher.layout.question(row.question))
    if row.reasoning_process is None:
        return asked
    said = f"<think>{row.reasoning_process}</think>\n<answer>{row.answer}</answer>"
    return asked + len(teacher.layout.answer(said, stops=teacher.stops))
