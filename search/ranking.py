"""Two ranked lists made into one: reciprocal rank fusion (Cormack, Clarke and Buettcher, 2009).

    score = (sum over the lists that hold it of 1 / (60 + rank)) / (number of lists / 61)

so that first place in every list is 1.0, and first place in one of two is 0.5. Equal scores of a list share a
rank, and ranks are dense (1, 1, 2): a thousand moments with the same text are one step of the ladder. The
score is then multiplied by `doubt` for what the query says and the moment doesn't confirm. It compares
hits of one query; between queries it means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.results import Why

K = 60
"""How slowly a lower rank loses weight; the constant of the paper."""

LEAST_COSINE = 0.25
"""A vector no nearer than this to the query's is no candidate; tuned by `benchmarks/search_threshold.py`."""

_DOUBT = 0.85
_LEAST_DOUBT = 0.5
_FEWER = 0.5
_SAME = 1e-6  # of a score: the same words give the same sum but for the order in which they are added

Place = tuple[int, int]  # a moment's id and its rank in one list, from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A candidate: its fused score 0..1 and the lists that hold it."""

    moment: int
    score: float
    why: tuple[Why, ...]


def dense_ranks(scored: Sequence[tuple[int, float]], *, after: int = 0) -> list[Place]:
    """Ranks of ids with scores, the highest first; `after` is the last rank that is taken already."""
    places: list[Place] = []
    rank, last = after, 0.0
    for moment, score in sorted(scored, key=lambda one: (-one[1], one[0])):
        if not places or last - score > _SAME * abs(last):
            rank += 1
            last = score
        places.append((moment, rank))
    return places


def fuse(lists: Mapping[Why, Sequence[Place]]) -> list[Ranked]:
    """Fuse lists, each with an id at most once; best first, equal ones by id. An empty list counts as a
    list.
    """
    scores: dict[int, float] = {}
    why: dict[int, tuple[Why, ...]] = {}
    for name, places in lists.items():
        for moment, rank in places:
            scores[moment] = scores.get(moment, 0.0) + 1.0 / (K + rank)
            why[moment] = (*why.get(moment, ()), name)
    best = len(lists) / (K + 1)
    fused = [Ranked(moment=m, score=min(1.0, s / best), why=why[m]) for m, s in scores.items()]
    return sorted(fused, key=lambda ranked: (-ranked.score, ranked.moment))


def doubt(num_unproven: int, *, fewer: bool = False) -> float:
    """The factor for a hit that leaves `num_unproven` of the query's words unproven: 0.85 each, 0.5 at
    least; and for one that counts `fewer` than the query: 0.5 more.
    """
    return max(_LEAST_DOUBT, _DOUBT**num_unproven) * (_FEWER if fewer else 1.0)
