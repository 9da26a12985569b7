"""Vector indexes on disk: each a numbered, checksummed file that SQL can make again at any time.

A file is written whole under another name, synced, renamed; only then does its row in `vector_generation`
name it. The newest generation is kept, and the one before it while it is sound: who has just read its row can
still open it. Who has a file open keeps it whatever becomes of its name.
"""

from __future__ import annotations

import logging
import mmap
import os
import secrets
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from grounding.errors import StorageError, printable
from storage.backup import sync_folder
from storage.clock import now
from storage.database import Database
from storage.embeddings import batches, first_dimension, latest_embedder
from storage.failures import told
from storage.faults import point
from storage.postgres import Lock
from storage.schema import Embedding, VectorGeneration

FOLDER = "vectors"
FLAT_UP_TO = 1_000_000
WHOLE_UP_TO = 8_000_000
_TRAINING_A_LIST = 64

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """A row of `vector_generation` and where its file lies. It covers moments up to `last_moment_id`."""

    id: int
    path: Path
    checksum: str
    embedder: str
    dimension: int
    num_vectors: int
    last_moment_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What `verify` found. `num_newer` moments are not in it yet and `num_deleted` are no longer in SQL (both
    are harmless: searches look into SQL for them).
    """

    generation: Generation
    state: Literal["good", "missing", "damaged"]
    reason: str | None
    num_newer: int
    num_deleted: int


def load_faiss() -> Any:
    """FAISS, loaded at its first use (0.1 s); untyped, as its own stubs lack half of what is used here."""
    import faiss

    return faiss


def recipe(num_vectors: int, *, dimension: int) -> str:
    """The FAISS factory string for so many vectors.

    Up to a million every vector is compared (float16, exact to its rounding; 5 ms for 100,000). Above, an
    inverted file looks at a sixteenth of its lists and may miss a near one; above eight million the vectors
    are squeezed to 64 bytes as well. The scores come from SQL in any case.
    """
    if num_vectors <= FLAT_UP_TO:
        return "IDMap,SQfp16"
    lists = 1 << max(4, round(num_vectors**0.5 * 4).bit_length() - 1)
    squeezed = num_vectors > WHOLE_UP_TO and dimension % 64 == 0
    return f"IVF{lists},PQ64" if squeezed else f"IVF{lists},SQfp16"


def generations(session: Session, home: Path, *, embedder: str | None = None) -> list[Generation]:
    """The generations that SQL names, newest first."""
    query = select(VectorGeneration).order_by(VectorGeneration.id.desc())
    if embedder is not None:
        query = query.where(VectorGeneration.embedder == embedder)
    return [_generation(row, home) for row in session.scalars(query)]


def embedders(session: Session) -> list[str]:
    """The names of the embedders whose vectors have an index or, being the newest, need one."""
    names = set(session.scalars(select(VectorGeneration.embedder).distinct()))
    newest = latest_embedder(session)
    return sorted(names if newest is None else names | {newest})


def build_generation(
    db: Database,
    home: Path,
    *,
    embedder: str,
    factory: str | None = None,
    keep_previous: bool = True,
) -> Generation | None:
    """Build a new index from all vectors of `embedder` in SQL and make it the newest; None without vectors,
    and then no older one is left.

    Without `keep_previous` none is left beside it: it holds what was deleted. `factory` is a FAISS factory
    string in place of `recipe`'s. Hold the `HomeLock` of a home on SQLite: two builders at once remove each
    other's files; on PostgreSQL the second one waits. Raises `StorageError` when the file can't be written;
    what was there stays.
    """
    with db.holding(Lock.VECTORS):
        return _build(db, home, embedder=embedder, factory=factory, keep_previous=keep_previous)


def _build(
    db: Database, home: Path, *, embedder: str, factory: str | None = None, keep_previous: bool = True
) -> Generation | None:
    with db.reading() as session:
        dimension = first_dimension(session, embedder=embedder)
    if dimension is None:
        _forget_all(db, home, embedder=embedder)
        return None
    with db.reading() as session:
        index, last_moment_id = _built(session, embedder=embedder, dimension=dimension, factory=factory)
    point("vectors:begin")
    folder = home / FOLDER
    path = folder / f"{last_moment_id}-{secrets.token_hex(6)}.faiss"
    with told(folder):
        folder.mkdir(exist_ok=True)
        checksum = _write(index, path)
    values = {
        "file_name": path.name,
        "checksum": checksum,
        "embedder": embedder,
        "dimension": dimension,
        "num_vectors": int(index.ntotal),
        "last_moment_id": last_moment_id,
        "created_at": now(),
    }
    with db.writing() as session:
        session.execute(insert(VectorGeneration), values)
        row = session.scalars(select(VectorGeneration).where(VectorGeneration.file_name == path.name)).one()
        kept = _forget_old(session, home, embedder=embedder, keep_previous=keep_previous)
        point("vectors:before-commit")
    point("vectors:after-commit")
    _remove_unnamed(folder, kept)
    return _generation(row, home)


def refresh_generation(db: Database, home: Path, *, embedder: str) -> Generation | None:
    """The newest generation when it is sound and complete, else a new one; None without vectors."""
    with db.holding(Lock.VECTORS):
        return _refresh(db, home, embedder=embedder)


def _refresh(db: Database, home: Path, *, embedder: str) -> Generation | None:
    with db.reading() as session:
        newest = next(iter(generations(session, home, embedder=embedder)), None)
        last = session.scalar(select(func.max(Embedding.moment_id)).where(Embedding.embedder == embedder))
    if newest is not None and newest.last_moment_id == last and damage(newest) is None:
        return newest
    return _build(db, home, embedder=embedder)


def verify(db: Database, home: Path, *, embedder: str | None = None) -> list[Verdict]:
    """Check every generation's file, and count what SQL has and it has not, newest first."""
    with db.reading() as session:
        return [_verdict(session, found) for found in generations(session, home, embedder=embedder)]


def stale_embedders(session: Session, home: Path) -> list[str]:
    """The embedders an index of which still holds vectors that are no longer in SQL."""
    stale = {g.embedder for g in generations(session, home) if _num_covered(session, g) < g.num_vectors}
    return sorted(stale)


def damage(generation: Generation) -> str | None:
    """Why the file can't be used, or None when it is what was written."""
    try:
        with generation.path.open("rb") as file:
            found = _checksum_of(file)
    except FileNotFoundError:
        return "the file is missing"
    except OSError as error:
        return f"the file can't be read ({error.strerror})"
    return None if found == generation.checksum else f"its checksum is {found}, not {generation.checksum}"


def _built(session: Session, *, embedder: str, dimension: int, factory: str | None) -> tuple[Any, int]:
    faiss = load_faiss()

    count = session.scalar(select(func.count()).where(Embedding.embedder == embedder)) or 0
    index = faiss.index_factory(
        dimension, factory or recipe(count, dimension=dimension), faiss.METRIC_INNER_PRODUCT
    )
    if not index.is_trained:
        _train(index, session, embedder=embedder, dimension=dimension, count=count)
    last = 0
    for ids, vectors in batches(session, embedder=embedder, dimension=dimension):
        index.add_with_ids(vectors, ids)
        last = int(ids[-1])
    return index, last


def _train(index: Any, session: Session, *, embedder: str, dimension: int, count: int) -> None:
    faiss = load_faiss()

    inverted = faiss.try_extract_index_ivf(index)
    lists = inverted.nlist if inverted is not None else 256
    every = max(1, count // (lists * _TRAINING_A_LIST))
    sample = [v for _, v in batches(session, embedder=embedder, dimension=dimension, every=every)]
    index.train(np.concatenate(sample))


def _write(index: Any, path: Path) -> str:
    """Write the index so that `path` is there whole and on disk, or not at all; gives its checksum.

    FAISS writes through us: by itself it doesn't notice a disk that fills up at the last flush.
    """
    faiss = load_faiss()

    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            sink = _Sink(file)
            writer = faiss.PyCallbackIOWriter(sink.write, 1 << 20)
            try:
                faiss.write_index(index, writer)
            except Exception:
                if sink.error is not None:
                    raise sink.error from None
                raise
            file.flush()
            os.fsync(file.fileno())
        point("vectors:after-write")
        partial.replace(path)
        sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)
    return sink.checksum


class _Sink:
    """Takes the bytes of an index, in order; keeps the error that the disk gave, which FAISS would hide."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._crc = 0
        self._size = 0
        self.error: OSError | None = None

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            self.error = error
            raise
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)

    @property
    def checksum(self) -> str:
        return _checksum_text(self._crc, self._size)


def _checksum_of(file: BinaryIO) -> str:
    # CRC-32 and the size: any one flipped byte and any truncation are found for certain, other damage but for
    # one in four milliards. 20 ms for 77 MB; BLAKE2 takes 90, and against intent no checksum beside the
    # data helps.
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        return _checksum_text(0, 0)
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _checksum_text(zlib.crc32(content), size)


def _checksum_text(crc: int, size: int) -> str:
    return f"crc32:{crc:08x}:{size}"


def _forget_old(session: Session, home: Path, *, embedder: str, keep_previous: bool) -> set[str]:
    """Keep the rows of the newest generation of `embedder` and, if it is sound and wanted, of the one before
    it; gives the names of all files still named.
    """
    newest, *older = generations(session, home, embedder=embedder)
    kept = [newest.id, *(old.id for old in older[:1] if keep_previous and damage(old) is None)]
    session.execute(
        delete(VectorGeneration).where(
            VectorGeneration.embedder == embedder, VectorGeneration.id.not_in(kept)
        )
    )
    return set(session.scalars(select(VectorGeneration.file_name)))


def _forget_all(db: Database, home: Path, *, embedder: str) -> None:
    with db.writing() as session:
        session.execute(delete(VectorGeneration).where(VectorGeneration.embedder == embedder))
        kept = set(session.scalars(select(VectorGeneration.file_name)))
    _remove_unnamed(home / FOLDER, kept)


def _remove_unnamed(folder: Path, kept: set[str]) -> None:
    for file in folder.iterdir() if folder.exists() else ():
        if file.suffix in (".faiss", ".partial") and file.name not in kept:
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                log.warning("an old vector index stays behind: %s (%s)", printable(file), error.strerror)


def _verdict(session: Session, generation: Generation) -> Verdict:
    ours = select(func.count()).where(Embedding.embedder == generation.embedder)
    newer = session.scalar(ours.where(Embedding.moment_id > generation.last_moment_id)) or 0
    reason = damage(generation)
    state: Literal["good", "missing", "damaged"] = "good"
    if reason is not None:
        state = "damaged" if generation.path.exists() else "missing"
    return Verdict(
        generation=generation,
        state=state,
        reason=reason,
        num_newer=newer,
        num_deleted=max(0, generation.num_vectors - _num_covered(session, generation)),
    )


def _num_covered(session: Session, generation: Generation) -> int:
    """How many vectors SQL has of those that the index covers."""
    ours = select(func.count()).where(Embedding.embedder == generation.embedder)
    return session.scalar(ours.where(Embedding.moment_id <= generation.last_moment_id)) or 0


def _generation(row: VectorGeneration, home: Path) -> Generation:
    if Path(row.file_name).name != row.file_name:
        raise StorageError(
            f"the vector index name {row.file_name!r} is no plain name; run `proofreel db check`"
        )
    return Generation(
        id=row.id,
        path=home / FOLDER / row.file_name,
        checksum=row.checksum,
        embedder=row.embedder,
        dimension=row.dimension,
        num_vectors=row.num_vectors,
        last_moment_id=row.last_moment_id,
    )
