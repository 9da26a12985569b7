"""Moments' texts made into vectors. A camera says the same again and again, so each text is embedded once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from storage.rows import AnswerRow, SegmentRows, Vector

REMEMBERED = 4096  # texts; 6 MB of vectors of 384


class Embedder(Protocol):
    """Texts to unit vectors; `name` stands on every row that it made."""

    @property
    def name(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """[N, D] float32, unit length, one row a text."""
        ...


class Remembering:
    """An embedder that is made at its first use, and keeps the vectors of the texts that it saw last."""

    def __init__(self, make: Callable[[], Embedder], *, remembered: int = REMEMBERED) -> None:
        self._make = make
        self._embedder: Embedder | None = None
        self._vectors: OrderedDict[str, Vector] = OrderedDict()
        self._remembered = remembered

    def with_vectors(self, rows: SegmentRows) -> SegmentRows:
        """`rows` with the vector of every moment whose text has a letter or a digit."""
        texts = {m.text: None for a in rows.answers for m in a.moments if is_searchable(m.text)}
        if not texts:
            return rows
        embedder = self._embedder = self._embedder or self._make()
        new = [text for text in texts if text not in self._vectors]
        if new:
            self._vectors.update(zip(new, embedder.embed(new), strict=True))
        answers = tuple(self._with_vectors(answer) for answer in rows.answers)
        self._forget()
        return replace(rows, answers=answers, embedder=embedder.name)

    def _with_vectors(self, answer: AnswerRow) -> AnswerRow:
        moments = (replace(m, vector=self._vectors.get(m.text)) for m in answer.moments)
        return replace(answer, moments=tuple(moments))

    def _forget(self) -> None:
        while len(self._vectors) > self._remembered:
            self._vectors.popitem(last=False)


def is_searchable(text: str) -> bool:
    """Whether there is anything in a text that a search could be for."""
    return any(c.isalnum() for c in text)
