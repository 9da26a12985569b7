"""The vectors in SQL, in batches, by id, or compared one by one: what decides the scores of every index.

Shapes: N vectors of D numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.orm import Session

from grounding.errors import StorageError
from storage.commits import VECTOR_TYPE
from storage.schema import Embedding

Ids = npt.NDArray[np.int64]  # [N]
Vectors = npt.NDArray[np.float32]  # [N, D]

BATCH = 16_384
_IDS_A_QUERY = 1_000


def batches(
    session: Session, *, embedder: str, dimension: int, after: int = 0, every: int = 1
) -> Iterator[tuple[Ids, Vectors]]:
    """All vectors of an embedder with a moment id above `after`, by rising id; one in `every`.

    Raises `StorageError` when a stored vector has another length than `dimension`.
    """
    query = (
        select(Embedding.moment_id, Embedding.vector)
        .where(Embedding.moment_id > after, Embedding.embedder == embedder)
        .order_by(Embedding.moment_id)
    )
    if every > 1:
        query = query.where(Embedding.moment_id % every == 0)
    result = session.connection().execute(query.execution_options(yield_per=BATCH))
    for rows in result.partitions():
        yield _unpacked(rows, dimension=dimension)


def by_ids(session: Session, ids: Ids, *, embedder: str, dimension: int) -> tuple[Ids, Vectors]:
    """The vectors of `ids` that SQL holds, by rising id: an id whose moment was deleted is left out."""
    rows: list[Sequence[Any]] = []
    wanted = np.unique(ids).tolist()
    for first in range(0, len(wanted), _IDS_A_QUERY):
        query = select(Embedding.moment_id, Embedding.vector).where(
            Embedding.moment_id.in_(wanted[first : first + _IDS_A_QUERY]), Embedding.embedder == embedder
        )
        rows.extend(session.connection().execute(query))
    rows.sort(key=lambda row: int(row[0]))
    return _unpacked(rows, dimension=dimension)


def first_dimension(session: Session, *, embedder: str) -> int | None:
    """How many numbers a vector of this embedder has, or None when there is none yet."""
    query = select(Embedding.vector).where(Embedding.embedder == embedder).limit(1)
    found = session.scalar(query)
    return None if found is None else len(found) // VECTOR_TYPE.itemsize


def latest_embedder(session: Session) -> str | None:
    """The name of what made the newest vector, or None when there is none."""
    return session.scalar(select(Embedding.embedder).order_by(Embedding.moment_id.desc()).limit(1))


def exact_scores(vectors_ND: Vectors, query_D: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Inner products, each computed alone: the same vector scores the same, to the bit, in any company."""
    scores: npt.NDArray[np.float32] = (vectors_ND * query_D).sum(axis=1, dtype=np.float32)
    return scores


def _unpacked(rows: Sequence[Sequence[Any]], *, dimension: int) -> tuple[Ids, Vectors]:
    ids = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
    size = dimension * VECTOR_TYPE.itemsize
    for moment_id, vector in rows:
        if len(vector) != size:
            raise StorageError(
                f"the vector of moment {moment_id} has {len(vector)} bytes, not {size}; "
                "run `proofreel db check`"
            )
    packed = np.frombuffer(b"".join(row[1] for row in rows), dtype=VECTOR_TYPE)
    return ids, packed.reshape(len(rows), dimension).astype(np.float32)
