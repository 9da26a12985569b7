"""Sums over what was looked at: seconds of video, each counted once however many windows cover it.

Runs overlap, and what waits overlaps what was looked at for another question, so that the length of many
stretches is that of their union, a video at a time. What lies outside the video (a last window may reach past
its end) is cut off. What was seen is read from `seen`, a few rows a video, not from all of `coverage`.

Shapes: N stretches of (video, start, end), float64.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Select, case, exists, or_, select
from sqlalchemy.orm import Session, aliased

from storage.clock import iso
from storage.jobs import begun
from storage.rows import CoverageKind
from storage.schema import File, Hidden, Job, Library, Seen, Segment, Video

LOOKED_AT: tuple[CoverageKind, ...] = ("sampled", "still")

Stretches_N3 = npt.NDArray[np.float64]


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
    """The sums over one library (by name), or over everything. Raises ValueError for a library that isn't
    there.
    """
    library_id = None if library is None else library_named(session, library)

    def covered(*kinds: CoverageKind) -> float:
        return covered_s(stretches_covered(session, kinds, library_id=library_id))

    damaged_s = covered("damaged")
    given_up = _of_jobs(_pending_segments(state="quarantined"), library_id=library_id)
    return LibraryTotals(
        videos=len(stretches_of_videos(session, library_id=library_id)),
        looked_at_s=covered(*LOOKED_AT, "damaged") - damaged_s,
        pending_s=covered_s(stretches_to_do(session, library_id=library_id)),
        damaged_s=damaged_s,
        skipped_s=covered("skipped"),
        quarantined_s=covered_s(_table(session.execute(given_up))),
    )


def stretches_covered(
    session: Session,
    kinds: Sequence[CoverageKind],
    *,
    library_id: int | None = None,
    in_search: bool = False,
) -> Stretches_N3:
    """What coverage of these kinds there is, by any run, in all or in one library.

    With `in_search` only by the runs whose answers search shows.
    """
    query = select(Seen.video_id, Seen.start_s, Seen.end_s).where(Seen.kind.in_(kinds))
    if in_search:
        query = query.where(~is_hidden(Seen.video_id, Seen.run_id))
    if library_id is not None:
        query = query.where(in_library(Seen.video_id, library_id))
    return _table(session.execute(query))


def stretches_to_do(
    session: Session,
    *,
    library_id: int | None = None,
    run_id: int | None = None,
    in_search: bool = False,
) -> Stretches_N3:
    """What waits: the segments left of jobs that were begun, and the whole of videos whose job was not.

    A pending job counts only while no later job of its video, under another run, has taken its place. With
    `run_id` only that run's jobs count; else also videos that no job was planned for yet. With `in_search`
    only jobs whose answers search will show.
    """
    left = _pending_segments(state="pending")
    whole = select(Video.id, Video.start_s, Video.end_s).where(not_begun(run_id, in_search=in_search))
    if in_search:
        left = left.where(~is_hidden(Job.video_id, Job.run_id))
    if run_id is not None:
        left = left.where(Job.run_id == run_id)
    if library_id is not None:
        whole = whole.where(in_library(Video.id, library_id))
    rows = session.execute(_of_jobs(left, library_id=library_id)).all()
    return _table([*rows, *session.execute(whole)])


def stretches_done_between(session: Session, since: datetime, until: datetime) -> Stretches_N3:
    """The windows that were committed in [since, until)."""
    done = (Segment.committed_at >= iso(since)) & (Segment.committed_at < iso(until))
    return _table(session.execute(_windows().where(done)))


def stretches_of_videos(session: Session, *, library_id: int | None = None) -> Stretches_N3:
    """Every video from its start to its end."""
    query = select(Video.id, Video.start_s, Video.end_s)
    if library_id is not None:
        query = query.where(in_library(Video.id, library_id))
    return _table(session.execute(query))


def covered_s(stretches_N3: Stretches_N3) -> float:
    """Seconds in the union of the stretches, each video apart."""
    video, start, end = stretches_N3[np.lexsort((stretches_N3[:, 1], stretches_N3[:, 0]))].T
    if len(video) == 0:
        return 0.0
    # Each video is moved to a stretch of its own on one line, so that one running maximum serves them all.
    shift = np.unique(video, return_inverse=True)[1] * (end.max() - start.min() + 1.0)
    before = np.maximum.accumulate(end + shift)
    begin = np.maximum(start + shift, np.concatenate([[-np.inf], before[:-1]]))
    return float(np.maximum(0.0, end + shift - begin).sum())


def replaced() -> ColumnElement[bool]:
    """Whether a later job of the same video, under another run, has taken a job's place.

    One that search doesn't show yet stands beside the older one and takes no place before the switch.
    """
    later = aliased(Job)
    return exists().where(
        later.video_id == Job.video_id,
        later.id > Job.id,
        later.run_id != Job.run_id,
        ~is_hidden(later.video_id, later.run_id),
    )


def is_hidden(video_id: Any, run_id: Any) -> ColumnElement[bool]:
    """Whether search leaves out what a run (a column, or an id) says of a video."""
    hidden = aliased(Hidden)
    return exists().where(hidden.video_id == video_id, hidden.run_id == run_id)


def not_begun(run_id: int | None = None, *, in_search: bool = False) -> ColumnElement[bool]:
    """Whether a video that is still there waits as a whole: for a job (of that run) that was planned and has
    no segment yet or, without `run_id`, for its first one. `in_search` as for `stretches_to_do`.
    """
    file = aliased(File)
    present = exists().where(file.video_id == Video.id, file.missing_since.is_(None))
    # Listed once, not looked for video by video: SQLite would walk through all pending jobs for each.
    waiting = select(Job.video_id).where(Job.state == "pending", ~begun(), ~replaced())
    if in_search:
        waiting = waiting.where(~is_hidden(Job.video_id, Job.run_id))
    if run_id is not None:
        return present & Video.id.in_(waiting.where(Job.run_id == run_id))
    return present & or_(Video.id.in_(waiting), Video.id.not_in(select(Job.video_id)))


def _pending_segments(*, state: str) -> Select[Any]:
    return _windows().where(Segment.state == "pending", Job.state == state, ~replaced())


def _windows() -> Select[Any]:
    """Every segment's video, start and end, within the video."""
    start = case((Segment.start_s > Video.start_s, Segment.start_s), else_=Video.start_s)
    end = case((Segment.end_s < Video.end_s, Segment.end_s), else_=Video.end_s)
    query = select(Job.video_id, start, end).select_from(Segment).join(Job, Job.id == Segment.job_id)
    return query.join(Video, Video.id == Job.video_id)


def _of_jobs(query: Select[Any], *, library_id: int | None) -> Select[Any]:
    return query if library_id is None else query.where(in_library(Job.video_id, library_id))


def in_library(video_id: Any, library_id: int) -> ColumnElement[bool]:
    """Whether a video (a column) has a file in the library."""
    file = aliased(File)
    return exists().where(file.video_id == video_id, file.library_id == library_id)


def library_named(session: Session, name: str) -> int:
    """The id of the library called `name`. Raises ValueError, naming those that there are."""
    found = session.scalar(select(Library.id).where(Library.name == name))
    if found is None:
        names = ", ".join(session.scalars(select(Library.name).order_by(Library.name))) or "none"
        raise ValueError(f"there is no library {name!r}; there is: {names}")
    return found


def _table(rows: Iterable[Sequence[float]]) -> Stretches_N3:
    return np.fromiter(chain.from_iterable(rows), dtype=np.float64).reshape(-1, 3)
