"""From a query to hits: two lists, fused; what doesn't show the things asked for left out; parts joined."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from sqlalchemy import text
from sqlalchemy.orm import Session

from search.coverage import searched
from search.describing import Found, describe
from search.filters import Filters
from search.memory import Memory
from search.merging import Candidate, extended, longest_moment_s
from search.query import Query, parse_query
from search.ranking import Ranked, doubt, fuse
from search.results import Searched, SearchResult, Why
from search.retrieval import by_vector, by_words, names_there
from search.scope import Scope, resolve
from storage.database import Database
from storage.vectors import VectorIndex, open_index

_LIST_LENGTHS = (200, 1_000, 5_000)
_MOST_EXAMINED = 200
_CHUNK = 32

_MOMENTS = text(
    "SELECT id, video_id, start_s, end_s, text, source FROM moment"
    " WHERE id IN (SELECT value FROM json_each(:ids))"
)
_SUBJECTS = text(
    "SELECT moment_id, subject, max(coalesce(confidence, 0.0)) FROM claim"
    " WHERE moment_id IN (SELECT value FROM json_each(:ids)) GROUP BY moment_id, subject"
)


class Embedder(Protocol):
    """Text to unit vectors [N, D] float32."""

    @property
    def name(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]: ...


class Fit(Protocol):
    """What of a query a moment doesn't show, counts fewer of, or doesn't confirm."""

    @property
    def missing(self) -> tuple[str, ...]: ...

    @property
    def fewer(self) -> tuple[str, ...]: ...

    @property
    def unproven(self) -> tuple[str, ...]: ...


class Matcher(Protocol):
    """Decides whether moments (text, claims' subjects) show what a query names."""

    def fits(self, query: str, moments: Sequence[tuple[str, Sequence[str]]]) -> Sequence[Fit]: ...


def find(
    db: Database,
    home: Path,
    query: str,
    *,
    embedder: Embedder,
    matcher: Matcher,
    filters: Filters | None = None,
) -> SearchResult:
    """Search once. Raises ValueError for an empty query or a filter that names nothing. See `Searcher`."""
    return Searcher(db, home, embedder=embedder, matcher=matcher).find(query, filters=filters)


class Searcher:
    """Searches a home again and again; holds its vector index open. Not safe for several threads at once.

    Moments that are stored later are found too, compared one by one: make a new `Searcher` after a night's
    work.
    """

    def __init__(self, db: Database, home: Path, *, embedder: Embedder, matcher: Matcher) -> None:
        self._db = db
        self._embedder = embedder
        self._matcher = matcher
        self._index: VectorIndex = open_index(db, home, embedder=embedder.name)
        self._memory = Memory()

    def find(self, query: str, *, filters: Filters | None = None) -> SearchResult:
        """The best hits of `query` within `filters`.

        Every hit shows all things that the query names, by its text or its claims. Raises ValueError for a
        query without words and for a library or label that doesn't exist.
        """
        limits = filters or Filters()
        parsed = parse_query(query)
        with self._db.reading() as session:
            scope = resolve(session, limits)
            found = self._found(session, parsed, scope, limits)
            return SearchResult(
                query=parsed.text,
                denied=parsed.denied,
                small=parsed.small,
                searched=self._searched(session, scope),
                hits=describe(session, found, library_id=scope.library_id),
            )

    def _searched(self, session: Session, scope: Scope) -> Searched:
        if scope.spans is not None:
            return searched(session, scope)
        return self._memory.kept(session, scope.library_id, lambda: searched(session, scope))

    def _found(self, session: Session, query: Query, scope: Scope, filters: Filters) -> list[Found]:
        if scope.allowed is not None and len(scope.allowed) == 0:
            return []
        vector = self._embedder.embed([query.text])[0]
        expressions = query.expressions(
            lambda names: self._memory.kept(session, names, lambda: names_there(session, names))
        )
        longest_s = self._memory.kept(session, "longest", lambda: longest_moment_s(session))
        found: list[Found] = []
        for k in _LIST_LENGTHS:
            words = by_words(session, expressions, scope, k=k)
            near = [] if query.small else by_vector(session, self._index, vector, scope, k=k)
            ranking = _Ranking(session, self._matcher, query, fuse({"words": words, "vector": near}))
            hits = _hits(session, ranking, scope, filters, longest_s=longest_s)
            found = list(islice(hits, filters.limit))
            # Many moments with one text fill a list and make few hits: then look further down. Where nothing
            # at all fits, nothing will, and what is needed by name stands among the words.
            by_name = bool(query.needed or query.phrases)
            full = len(words) >= k or (len(near) >= k and not by_name)
            if not (full and 0 < len(found) < filters.limit):
                break
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """A candidate that fits the query, with its final score."""

    candidate: Candidate
    score: float
    why: tuple[Why, ...]
    fit: Fit


def _hits(
    session: Session, ranking: _Ranking, scope: Scope, filters: Filters, *, longest_s: float
) -> Iterator[Found]:
    """Hits, best first: each leader that is no part of an earlier hit, with its parts."""
    taken: set[int] = set()
    for leader in ranking.best_first():
        if leader.score < filters.min_score:
            return
        if leader.candidate.id in taken:
            continue

        accepts = partial(_joining, leader, ranking=ranking, scope=scope, taken=frozenset(taken))
        parts = extended(session, leader.candidate, accepts, longest_s=longest_s)
        taken.update(part.id for part in parts)
        why = [name for part in parts for name in ranking.why(part.id)]
        yield Found(
            leader=leader.candidate,
            parts=tuple(parts),
            score=leader.score,
            why=tuple(dict.fromkeys(why)),
            unproven=leader.fit.unproven,
            fewer=leader.fit.fewer,
        )


def _joining(
    leader: _Scored, same: Sequence[Candidate], *, ranking: _Ranking, scope: Scope, taken: frozenset[int]
) -> Sequence[Candidate]:
    """Those of `same`, which say the same as the leader, that may be parts of its hit."""
    free = [candidate for candidate in same if candidate.id not in taken]
    allowed = scope.allows(np.array([candidate.id for candidate in free], dtype=np.int64))
    inside = [candidate for candidate, is_in in zip(free, allowed, strict=True) if is_in]
    return ranking.fitting(inside, fewer=bool(leader.fit.fewer))


class _Ranking:
    """Candidates of one query in the order of their final scores, examined no further than needed."""

    def __init__(self, session: Session, matcher: Matcher, query: Query, ranked: Sequence[Ranked]) -> None:
        self._session = session
        self._matcher = matcher
        self._query = query
        self._ranked = ranked
        self._why = {one.moment: one.why for one in ranked}

    def why(self, moment: int) -> tuple[Why, ...]:
        return self._why.get(moment, ())

    def best_first(self) -> Iterator[_Scored]:
        """What fits, by final score; equal ones that are examined together by their surest claim.

        A doubt only lowers a score, so that a hit is final once no score that is left is higher.
        """
        waiting: list[tuple[float, float, int, _Scored]] = []
        at, texts = 0, 0
        while True:
            while (
                at < len(self._ranked)
                and texts < _MOST_EXAMINED
                and (not waiting or -waiting[0][0] <= self._ranked[at].score)
            ):
                chunk = self._ranked[at : at + _CHUNK]
                at += len(chunk)
                texts += self._examine(chunk, waiting)
            if not waiting:
                return
            yield heapq.heappop(waiting)[-1]

    def fitting(self, candidates: Sequence[Candidate], *, fewer: bool) -> list[Candidate]:
        """Those of `candidates` that show what the query names, in the number that it wants or, if
        `fewer`, not in it.
        """
        if not candidates:
            return []
        subjects = _subjects(self._session, [candidate.id for candidate in candidates])
        fits = self._matcher.fits(self._query.text, [(c.text, _names(subjects, c.id)) for c in candidates])
        return [
            candidate
            for candidate, fit in zip(candidates, fits, strict=True)
            if not fit.missing and bool(fit.fewer) is fewer
        ]

    def _examine(self, chunk: Sequence[Ranked], waiting: list[tuple[float, float, int, _Scored]]) -> int:
        """Put what fits in `chunk` on the heap; gives how many different texts were read."""
        ids = [ranked.moment for ranked in chunk]
        candidates = _candidates(self._session, ids)
        subjects = _subjects(self._session, ids)
        shown = {
            id: (candidate.text, names)
            for id, candidate in candidates.items()
            if self._query.could_fit(candidate.text, names := _names(subjects, id))
        }
        ranked = [one for one in chunk if one.moment in shown]
        fits = self._matcher.fits(self._query.text, [shown[one.moment] for one in ranked])
        for one, fit in zip(ranked, fits, strict=True):
            if fit.missing:
                continue
            score = one.score * doubt(len(fit.unproven), fewer=bool(fit.fewer))
            scored = _Scored(candidate=candidates[one.moment], score=score, why=one.why, fit=fit)
            surest = max(subjects.get(one.moment, {}).values(), default=0.0)
            heapq.heappush(waiting, (-score, -surest, one.moment, scored))
        return len(set(shown.values()))


def _candidates(session: Session, ids: Sequence[int]) -> dict[int, Candidate]:
    return {row[0]: Candidate(*row) for row in session.execute(_MOMENTS, {"ids": json.dumps(ids)})}


def _subjects(session: Session, ids: Sequence[int]) -> dict[int, dict[str, float]]:
    """For each moment its claims' subjects with their highest confidence."""
    subjects: dict[int, dict[str, float]] = {}
    for moment, subject, confidence in session.execute(_SUBJECTS, {"ids": json.dumps(ids)}):
        subjects.setdefault(moment, {})[subject] = confidence
    return subjects


def _names(subjects: dict[int, dict[str, float]], moment: int) -> tuple[str, ...]:
    return tuple(subjects.get(moment, ()))
