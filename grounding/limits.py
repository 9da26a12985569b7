"""How much of a text is read and kept, and the list of what was wrong with it.

A text of any size costs bounded memory and bounded rows: what goes past a limit is counted in one
"too_many" problem per sort of thing.
"""

from __future__ import annotations

from typing import Literal

from grounding.evidence import Problem, ProblemKind

MAX_CHARACTERS = 1_000_000
MAX_CLAIMS = 1_000
MAX_BOXES = 2_000
MAX_SPANS = 1_000
MAX_PROBLEMS = 100
EXCERPT_CHARACTERS = 80

Sort = Literal["claims", "boxes", "spans", "problems"]
LIMITS: dict[Sort, int] = {
    "claims": MAX_CLAIMS,
    "boxes": MAX_BOXES,
    "spans": MAX_SPANS,
    "problems": MAX_PROBLEMS,
}


class Ledger:
    """Counts what is kept of each sort, and collects the problems of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._kept: dict[Sort, int] = dict.fromkeys(LIMITS, 0)
        self._problems: list[Problem] = []
        self._refused: dict[Sort, tuple[int, int]] = {}

    def admit(self, sort: Sort, offset: int) -> bool:
        """Whether there is room for one more; where there is none, it is counted as refused."""
        if self._kept[sort] < LIMITS[sort]:
            self._kept[sort] += 1
            return True
        self.refuse(sort, offset)
        return False

    def refuse(self, sort: Sort, offset: int, *, count: int = 1) -> None:
        """Count `count` things at `offset` as more than are kept."""
        first, so_far = self._refused.get(sort, (offset, 0))
        self._refused[sort] = (first, so_far + count)

    def report(self, kind: ProblemKind, offset: int) -> None:
        """Keep one problem, or count it when there are too many already."""
        if self.admit("problems", offset):
            self._problems.append(self._problem(kind, offset))

    def problems(self) -> tuple[Problem, ...]:
        """All of them by position in the text; the counted ones last."""
        counted = [self._problem("too_many", offset, count=count) for offset, count in self._refused.values()]
        return (*sorted(self._problems, key=lambda p: p.offset), *counted)

    def _problem(self, kind: ProblemKind, offset: int, *, count: int = 1) -> Problem:
        excerpt = self._text[offset : offset + EXCERPT_CHARACTERS]
        return Problem(kind=kind, offset=offset, excerpt=excerpt, count=count)
