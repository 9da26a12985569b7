"""The two lists of candidates: by words (FTS5's BM25) and by vectors (FAISS, decided by SQL)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import text
from sqlalchemy.orm import Session

from search.ranking import LEAST_COSINE, Place, dense_ranks
from search.scope import IN_VIEW, Scope, in_view
from storage.vectors import VectorIndex

MOST_SCORED = 1_000
"""Moments that BM25 compares for one expression, the newest: a word that a third of all moments hold says
little about any of them, and ranking all of those takes a tenth of a second.
"""


def by_words(session: Session, expressions: Sequence[str], scope: Scope, *, k: int) -> list[Place]:
    """The at most `k` moments that hold the words best: those of the first expression by BM25, then the
    next's.
    """
    values: dict[str, Any] = {"k": k, "most": max(k, MOST_SCORED)}
    limited = ""
    if scope.allowed is not None:
        # The plus keeps SQLite from running the whole search anew for each id.
        limited = "AND +rowid IN (SELECT value FROM json_each(:allowed))"
        values["allowed"] = json.dumps(scope.allowed.tolist())
    elif scope.hides:
        limited = f"AND EXISTS (SELECT 1 FROM moment WHERE moment.id = moment_fts.rowid AND {IN_VIEW})"
    statement = text(
        "SELECT rowid, rank FROM (SELECT rowid, rank FROM moment_fts"
        f" WHERE moment_fts MATCH :expression {limited} ORDER BY rowid DESC LIMIT :most)"
        " ORDER BY rank, rowid LIMIT :k"
    )
    places: dict[int, int] = {}
    for expression in expressions:
        found = session.execute(statement, {**values, "expression": expression})
        new = [(int(row[0]), -float(row[1])) for row in found if row[0] not in places]
        places |= dict(dense_ranks(new, after=max(places.values(), default=0)))
        if len(places) >= k:
            break
    return list(places.items())[:k]


def names_there(session: Session, names: Sequence[str]) -> tuple[str, ...]:
    """Those of `names` (words or phrases) that any moment's text holds.

    Ranking by two hundred names for a person costs six times as much as by the few that are there.
    """
    query = text(
        "SELECT value FROM json_each(:names) WHERE EXISTS"
        " (SELECT 1 FROM moment_fts WHERE moment_fts MATCH '\"' || value || '\"' LIMIT 1)"
    )
    return tuple(session.scalars(query, {"names": json.dumps(list(names))}))


def by_vector(
    session: Session,
    index: VectorIndex,
    vector: npt.NDArray[np.float32],
    scope: Scope,
    *,
    k: int,
    least: float = LEAST_COSINE,
) -> list[Place]:
    """The at most `k` moments whose vectors are nearest to `vector`, best first, none below the cosine
    `least`.
    """
    if scope.allowed is not None and len(scope.allowed) == 0:
        return []
    if scope.allowed is None and scope.hides:
        ids, cosines = _in_view(session, index, vector, k=k)
    else:
        ids, cosines = index.search(vector, k, allowed=scope.allowed)
    near = cosines >= least
    return dense_ranks(list(zip(ids[near].tolist(), cosines[near].tolist(), strict=True)))


def _in_view(
    session: Session, index: VectorIndex, vector: npt.NDArray[np.float32], *, k: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The nearest `k` that search shows. Two runs say much the same of a video, so about half are hidden."""
    wanted = 2 * k
    while True:
        ids, cosines = index.search(vector, wanted)
        shown = in_view(session, ids)
        if shown.sum() >= k or len(ids) < wanted:
            return ids[shown][:k], cosines[shown][:k]
        wanted *= 2
