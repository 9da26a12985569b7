"""Sums over what was looked at: seconds of video, each counted once however many windows cover it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import Session, aliased

from storage.schema import Coverage, File, Job, Library, Segment, Video

_LOOKED_AT = ("sampled", "still")


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryTotals:
    """`videos` counts contents. Seconds of them: `looked_at_s` were sampled or seen still, by any run, and
    not damaged; `pending_s` wait for a job; `damaged_s` could not be, `skipped_s` were not looked at;
    `quarantined_s` belong to jobs that were given up.
    """

    videos: int
    looked_at_s: float
    pending_s: float
    damaged_s: float
    skipped_s: float
    quarantined_s: float


def library_totals(session: Session, library: str | None = None) -> LibraryTotals:
    """The sums over one library (by name), or over everything.

    A pending job counts only while no later job of its video, under another run, has taken its place; a video
    that no job was made for yet, because `index` was stopped before it, is pending as a whole. Raises
    ValueError for a library that isn't there.
    """
    if library is not None and session.scalar(select(Library.id).where(Library.name == library)) is None:
        names = ", ".join(session.scalars(select(Library.name).order_by(Library.name))) or "none"
        raise ValueError(f"there is no library {library!r}; there is: {names}")

    def covered(*kinds: str) -> float:
        query = select(Job.video_id, Coverage.start_s, Coverage.end_s).select_from(Coverage)
        query = query.join(Segment, Segment.id == Coverage.segment_id).join(Job, Job.id == Segment.job_id)
        return _union_s(session.execute(_of(library, query.where(Coverage.kind.in_(kinds)))))

    def left(state: str) -> float:
        query = select(Job.video_id, Segment.start_s, Segment.end_s).select_from(Segment)
        query = query.join(Job, Job.id == Segment.job_id)
        query = query.where(Segment.state == "pending", Job.state == state, ~replaced())
        return _union_s(session.execute(_of(library, query)))

    damaged_s = covered("damaged")
    return LibraryTotals(
        videos=_num_videos(session, library),
        looked_at_s=covered(*_LOOKED_AT, "damaged") - damaged_s,
        pending_s=left("pending") + _not_begun_s(session, library),
        damaged_s=damaged_s,
        skipped_s=covered("skipped"),
        quarantined_s=left("quarantined"),
    )


def replaced() -> ColumnElement[bool]:
    """Whether a later job of the same video, under another run, has taken a job's place."""
    later = aliased(Job)
    return exists().where(later.video_id == Job.video_id, later.id > Job.id, later.run_id != Job.run_id)


def not_begun() -> ColumnElement[bool]:
    """Whether a video that is still there waits for its first job."""
    present = exists().where(File.video_id == Video.id, File.missing_since.is_(None))
    return present & ~exists().where(Job.video_id == Video.id)


def _not_begun_s(session: Session, library: str | None) -> float:
    query = select(func.sum(Video.end_s - Video.start_s)).where(not_begun())
    if library is not None:
        query = query.where(Video.id.in_(_videos_of(library)))
    return session.scalar(query) or 0.0


def _num_videos(session: Session, library: str | None) -> int:
    query = select(func.count()).select_from(Video)
    if library is not None:
        query = query.where(Video.id.in_(_videos_of(library)))
    return session.scalar(query) or 0


def _of(library: str | None, query: Select[int, float, float]) -> Select[int, float, float]:
    return query if library is None else query.where(Job.video_id.in_(_videos_of(library)))


def _videos_of(library: str) -> Select[int | None]:
    return (
        select(File.video_id)
        .join(Library, Library.id == File.library_id)
        .where(Library.name == library, File.video_id.is_not(None))
    )


def _union_s(rows: Iterable[tuple[int, float, float]]) -> float:
    """The length of the union of (video, start, end) stretches: overlaps within a video count once."""
    table = np.array([tuple(row) for row in rows], dtype=np.float64).reshape(-1, 3)
    if not len(table):
        return 0.0
    table = table[np.lexsort((table[:, 1], table[:, 0]))]
    # Each video is moved behind the one before it, so that one running maximum serves all.
    starts, ends = table[:, 1], table[:, 2]
    width = float(ends.max() - starts.min()) + 1.0
    shift = table[:, 0] * width
    starts, ends = starts + shift, ends + shift
    reached = np.concatenate([[-np.inf], np.maximum.accumulate(ends)[:-1]])
    return float(np.maximum(0.0, ends - np.maximum(starts, reached)).sum())
