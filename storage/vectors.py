"""Finds the moments whose vectors are nearest to a query's: FAISS proposes, SQL decides.

The index on disk gives candidates; which of them still exist, and their exact scores, come from SQL, and so
do the moments that are newer than the index. Up to a million vectors the index compares them all, and an
answer is the same with a good index, an old one or none: only its speed differs. Above, it looks at a part of
its lists (`generations.recipe`) and may miss a moment that SQL alone would find; scores stay the same.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from grounding.errors import printable
from storage.database import Database
from storage.embeddings import Ids, batches, by_ids, exact_scores
from storage.generations import (
    Generation,
    Verdict,
    build_generation,
    damage,
    generations,
    load_faiss,
    refresh_generation,
    verify,
)
from storage.schema import Embedding

__all__ = [
    "Generation",
    "VectorIndex",
    "VectorStats",
    "Verdict",
    "build_generation",
    "open_index",
    "refresh_generation",
    "verify",
]

Scores = npt.NDArray[np.float32]  # [N], inner products: cosines of unit vectors

_FEW_ALLOWED = 2_000
_SPARE = 16  # more candidates than asked for: float16 rounding may swap neighbours before SQL decides
_SQUEEZED_SPARE = 4  # times as many from an index that rounds more than that
_LISTS_SEEN = 16  # one in so many lists of an inverted file

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorStats:
    """What serves a search: `num_indexed` vectors from the generation (None: all comes from SQL), and
    `num_newer` compared one by one. `problem` says why the newest generation is not used, or is None.
    """

    embedder: str
    generation: int | None
    num_indexed: int
    num_newer: int
    problem: str | None


class VectorIndex(Protocol):
    """Nearest moments by inner product. Safe for several threads."""

    def search(
        self, vector: npt.NDArray[np.float32], k: int, *, allowed: Ids | None = None
    ) -> tuple[Ids, Scores]:
        """The at most `k` nearest moments, best first (equal scores by id), of `allowed` ids when given.

        Those of them that the index proposes, which above a million vectors may not be all (see the module).
        `vector` [D] has unit length. Deleted moments are never among them. Raises ValueError for a vector of
        another length than the index holds.
        """
        ...

    def stats(self) -> VectorStats: ...


def open_index(db: Database, home: Path, *, embedder: str, repair: bool = False) -> VectorIndex:
    """The newest sound index of `embedder`'s vectors.

    A missing, truncated or altered file is passed over with a warning for the generation before it, or for
    SQL alone, which compares every vector and is slower. With `repair` a new generation is built then (hold
    the `HomeLock`).
    """
    with db.reading() as session:
        known = generations(session, home, embedder=embedder)
    problem: str | None = None
    for generation in known:
        reason = damage(generation)
        if reason is None:
            try:
                index = _FaissIndex(db, generation, problem=problem)
            except RuntimeError as error:
                reason = f"FAISS can't read it ({error})"
            else:
                if problem is not None:
                    log.warning(
                        "%s; searching with the one before it, run `proofreel vectors rebuild`", problem
                    )
                return index
        problem = problem or f"the vector index {printable(generation.path)} can't be used: {reason}"
        if repair:
            log.warning("%s; it is built again", problem)
            built = build_generation(db, home, embedder=embedder)
            if built is not None:
                return _FaissIndex(db, built, problem=None)
    if problem is not None:
        log.warning("%s; searching without it, run `proofreel vectors rebuild`", problem)
    return _SqlIndex(db, embedder, problem=problem)


class _SqlIndex:
    """Compares with every vector in SQL."""

    def __init__(self, db: Database, embedder: str, *, problem: str | None) -> None:
        self._db = db
        self._embedder = embedder
        self._problem = problem

    def search(
        self, vector: npt.NDArray[np.float32], k: int, *, allowed: Ids | None = None
    ) -> tuple[Ids, Scores]:
        query = _checked(vector, k)
        with self._db.reading() as session:
            if allowed is not None and len(allowed) <= _FEW_ALLOWED:
                return _decide(session, [allowed], query, k, embedder=self._embedder)
            near = _scan(session, query, k, embedder=self._embedder, after=0, allowed=allowed)
            return _decide(session, [near], query, k, embedder=self._embedder)

    def stats(self) -> VectorStats:
        with self._db.reading() as session:
            newer = _num_newer(session, embedder=self._embedder, after=0)
        return VectorStats(
            embedder=self._embedder, generation=None, num_indexed=0, num_newer=newer, problem=self._problem
        )


class _FaissIndex:
    """Asks a generation for candidates, and SQL for what is newer."""

    def __init__(self, db: Database, generation: Generation, *, problem: str | None) -> None:
        faiss = load_faiss()

        self._db = db
        self._generation = generation
        self._problem = problem
        # Mapped, not read: a flat index of 100,000 vectors is there in a millisecond. The file is never
        # written again, and its pages outlive its name.
        self._index: Any = faiss.read_index(str(generation.path), faiss.IO_FLAG_MMAP_IFC)
        self._inverted: Any = faiss.try_extract_index_ivf(self._index)

    def search(
        self, vector: npt.NDArray[np.float32], k: int, *, allowed: Ids | None = None
    ) -> tuple[Ids, Scores]:
        generation = self._generation
        query = _checked(vector, k, dimension=generation.dimension)
        with self._db.reading() as session:
            if allowed is not None and len(allowed) <= _FEW_ALLOWED:
                return _decide(session, [allowed], query, k, embedder=generation.embedder)
            newer = _scan(
                session,
                query,
                k,
                embedder=generation.embedder,
                after=generation.last_moment_id,
                allowed=allowed,
            )
            wanted = k * (1 if self._inverted is None else _SQUEEZED_SPARE) + _SPARE
            while True:
                near = self._candidates(query, wanted, allowed=allowed)
                ids, scores = _decide(session, [near, newer], query, k, embedder=generation.embedder)
                if len(ids) >= k or len(near) < wanted:
                    return ids, scores
                wanted *= 4  # many of them were deleted

    def stats(self) -> VectorStats:
        generation = self._generation
        with self._db.reading() as session:
            newer = _num_newer(session, embedder=generation.embedder, after=generation.last_moment_id)
        return VectorStats(
            embedder=generation.embedder,
            generation=generation.id,
            num_indexed=generation.num_vectors,
            num_newer=newer,
            problem=self._problem,
        )

    def _candidates(self, query: npt.NDArray[np.float32], wanted: int, *, allowed: Ids | None) -> Ids:
        faiss = load_faiss()

        selector = None if allowed is None else _bitmap(allowed)
        if self._inverted is None:
            settings = faiss.SearchParameters(sel=selector)
        else:
            seen = max(8, self._inverted.nlist // _LISTS_SEEN)
            settings = faiss.SearchParametersIVF(sel=selector, nprobe=seen)
        # One query gains nothing from several threads, and waits for all of them on a busy machine.
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)
        try:
            _, ids = self._index.search(
                query[None], min(wanted, self._generation.num_vectors), params=settings
            )
        finally:
            faiss.omp_set_num_threads(threads)
        found: Ids = ids[0][ids[0] >= 0]
        return found


def _checked(
    vector: npt.NDArray[np.float32], k: int, *, dimension: int | None = None
) -> npt.NDArray[np.float32]:
    if k < 1:
        raise ValueError(f"a search gives at least one moment, not {k}")
    if vector.ndim != 1 or (dimension is not None and len(vector) != dimension):
        raise ValueError(f"the query vector has shape {vector.shape}, not ({dimension},)")
    return np.ascontiguousarray(vector, dtype=np.float32)


def _bitmap(allowed: Ids) -> Any:
    faiss = load_faiss()

    chosen = np.zeros(int(allowed.max(initial=0)) + 1, dtype=bool)
    chosen[allowed] = True
    return faiss.IDSelectorBitmap(np.packbits(chosen, bitorder="little"))


def _scan(
    session: Session,
    query: npt.NDArray[np.float32],
    k: int,
    *,
    embedder: str,
    after: int,
    allowed: Ids | None,
) -> Ids:
    """The ids of the `k` (and some) nearest of the vectors in SQL above the id `after`."""
    best_ids = np.empty(0, dtype=np.int64)
    best_scores = np.empty(0, dtype=np.float32)
    for ids, vectors in batches(session, embedder=embedder, dimension=len(query), after=after):
        if allowed is not None:
            chosen = np.isin(ids, allowed)
            ids, vectors = ids[chosen], vectors[chosen]
        best_ids = np.concatenate([best_ids, ids])
        best_scores = np.concatenate([best_scores, vectors @ query])
        if len(best_ids) > k + _SPARE:
            top = np.argpartition(best_scores, -(k + _SPARE))[-(k + _SPARE) :]
            best_ids, best_scores = best_ids[top], best_scores[top]
    return best_ids


def _decide(
    session: Session, candidates: list[Ids], query: npt.NDArray[np.float32], k: int, *, embedder: str
) -> tuple[Ids, Scores]:
    """The best `k` of the candidates that SQL still holds, scored by SQL's vectors."""
    ids, vectors = by_ids(session, np.concatenate(candidates), embedder=embedder, dimension=len(query))
    scores = exact_scores(vectors, query)
    order = np.lexsort((ids, -scores))[:k]
    return ids[order], scores[order]


def _num_newer(session: Session, *, embedder: str, after: int) -> int:
    query = select(func.count()).where(Embedding.embedder == embedder, Embedding.moment_id > after)
    return session.scalar(query) or 0
