"""Rows of data as a trainer draws them: by number, decoded when they are drawn, in worker processes.

By number, so that order and resuming are the sampler's alone: nothing is read to get past what was done.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from grounding.errors import TrainingError
from training.data import Unusable
from training.lessons import Lesson, Teacher
from training.processor import prompt_of
from training.rewards import truth_column
from training.truth import Truth
from video.frames import Images

_LOG = logging.getLogger(__name__)

MAX_FAILED = 0.05
"""The share of rows drawn that may fail on the way; the first 100 are judged as if they were as many."""


class Item(Protocol):
    """A clip with a question, as `training.data.Example` has it."""

    @property
    def frames(self) -> Images: ...
    @property
    def times_s(self) -> Any: ...
    @property
    def duration_s(self) -> float: ...
    @property
    def system(self) -> str: ...
    @property
    def question(self) -> str: ...
    @property
    def completion(self) -> str | None: ...
    @property
    def truth(self) -> Truth: ...


class Items(Protocol):
    """Rows by number, as `training.data.Reader` reads them; `Unusable` is raised for one that can't be."""

    def __len__(self) -> int: ...
    def read(self, place: int, /) -> Item: ...


@dataclass(kw_only=True)
class Material:
    """Items made into lessons. One that can't be read gives its place to the next, and is logged."""

    items: Items
    teacher: Teacher
    drawn: int = 0
    failed: int = 0

    def answered(self) -> Any:
        """For SFT: a `datasets.Dataset` of {"lesson": Lesson with its answer}."""
        return self._drawn_by(lambda batch: {"lesson": [self._answered(n) for n in batch["number"]]})

    def asked(self) -> Any:
        """For GSPO: a `datasets.Dataset` of prompts with their lessons and what rewards read."""
        return self._drawn_by(self._questions)

    def _drawn_by(self, transform: Any) -> Any:
        from datasets import Dataset

        return Dataset.from_dict({"number": list(range(len(self.items)))}).with_transform(transform)

    def _answered(self, number: int) -> Lesson:
        item = self._read(number)
        assert item.completion is not None, "an SFT row has its completion"
        return self._lesson(item, answer=item.completion)

    def _questions(self, batch: Mapping[str, Sequence[int]]) -> dict[str, list[Any]]:
        rows = {number: self._question(number) for number in dict.fromkeys(batch["number"])}
        drawn = [rows[number] for number in batch["number"]]  # a group asks one question several times
        return {name: [row[name] for row in drawn] for name in drawn[0]}

    def _question(self, number: int) -> dict[str, Any]:
        item = self._read(number)
        lesson = self._lesson(item)
        return {
            "prompt": prompt_of(number, system=item.system, question=item.question),
            "lesson": lesson,
            "truth": truth_column(item.truth),
            "duration_s": item.duration_s,
            "frame_size": list(lesson.seen.size),
        }

    def _lesson(self, item: Item, *, answer: str | None = None) -> Lesson:
        times_s = [float(t) for t in item.times_s]
        return self.teacher.lesson(
            item.frames, times_s, system=item.system, question=item.question, answer=answer
        )

    def _read(self, number: int) -> Item:
        for place in range(number, number + len(self.items)):
            self.drawn += 1
            try:
                return self.items.read(place % len(self.items))
            except Unusable as error:
                self.failed += 1
                _LOG.warning("row %d is passed over: %s", place % len(self.items), error)
                if self.failed > MAX_FAILED * max(self.drawn, 100):
                    raise TrainingError(
                        f"{self.failed} of {self.drawn} rows could not be read, the last because {error}: "
                        "run `proofreel train data check --media` on the data"
                    ) from error
        raise TrainingError("no row could be read")
