"""What each run has seen of each video: `coverage` painted on one line, kept in step with it.

A segment's commit adds what it covered in its own transaction, so that sums over the whole archive read a few
rows a video and not all of `coverage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import BindParameter, Double, bindparam, delete, func, insert, select
from sqlalchemy.orm import Session

from grounding.evidence import Span
from storage.painting import Stretch, clipped, painted
from storage.schema import Coverage, Job, Seen, Segment, Video

Owner = tuple[int, int]
"""A video's id and a run's."""


_SEEN: Any = Seen.__table__
_OURS = (_SEEN.c.video_id == bindparam("video")) & (_SEEN.c.run_id == bindparam("run"))
_FIRST: BindParameter[float] = bindparam("first", type_=Double())
_LAST: BindParameter[float] = bindparam("last", type_=Double())
# What is there doesn't overlap itself: only the last tile that begins before can reach into new ones.
_BEFORE = select(func.max(_SEEN.c.start_s)).where(_OURS, _SEEN.c.start_s <= _FIRST).scalar_subquery()
_TOUCHED = select(_SEEN.c.start_s, _SEEN.c.end_s, _SEEN.c.kind, _SEEN.c.reason).where(
    _OURS, _SEEN.c.start_s >= func.coalesce(_BEFORE, _FIRST), _SEEN.c.start_s <= _LAST
)
_REMOVE = delete(_SEEN).where(_OURS, _SEEN.c.start_s >= _FIRST, _SEEN.c.start_s <= _LAST)


def add_seen(
    session: Session, stretches: Iterable[Stretch], *, video_id: int, run_id: int, within: Span
) -> None:
    """Lay stretches over what the run has seen of the video; what lies outside the video is cut off.

    `within` is the whole video. Three plain statements, because every segment pays for them.
    """
    new = clipped(stretches, start_s=within.start_s, end_s=within.end_s)
    if not new:
        return
    connection = session.connection()
    owner = {"video": video_id, "run": run_id}
    reach = {"first": min(s.start_s for s in new), "last": max(s.end_s for s in new)}
    there = [Stretch(*row) for row in connection.execute(_TOUCHED, {**owner, **reach})]
    if there:
        gone = {"first": min(s.start_s for s in there), "last": max(s.start_s for s in there)}
        connection.execute(_REMOVE, {**owner, **gone})
    tiles = painted([*there, *new])
    connection.execute(
        insert(_SEEN), [{"video_id": video_id, "run_id": run_id, **tile._asdict()} for tile in tiles]
    )


def repaint(session: Session, video_id: int) -> None:
    """Work a video's sums out anew: for whoever deletes coverage."""
    session.connection().execute(delete(_SEEN).where(_SEEN.c.video_id == video_id))
    for (video, run), tiles in list(recomputed(session, video_id=video_id)):
        rows = [{"video_id": video, "run_id": run, **tile._asdict()} for tile in tiles]
        session.connection().execute(insert(_SEEN), rows)


def recomputed(session: Session, *, video_id: int | None = None) -> Iterator[tuple[Owner, list[Stretch]]]:
    """What `seen` has to hold, worked out from `coverage`, by video and run; of all videos, or one."""
    query = (
        select(
            Job.video_id,
            Job.run_id,
            Video.start_s,
            Video.end_s,
            Coverage.start_s,
            Coverage.end_s,
            Coverage.kind,
            Coverage.reason,
        )
        .join(Segment, Segment.id == Coverage.segment_id)
        .join(Job, Job.id == Segment.job_id)
        .join(Video, Video.id == Job.video_id)
        .order_by(Job.video_id, Job.run_id)
        .execution_options(yield_per=10_000)
    )
    rows = session.execute(query if video_id is None else query.where(Job.video_id == video_id))
    for (video, run, start_s, end_s), group in groupby(rows, key=lambda row: tuple(row[:4])):
        tiles = painted(clipped((Stretch(*row[4:]) for row in group), start_s=start_s, end_s=end_s))
        if tiles:
            yield (video, run), tiles


def stored(session: Session) -> Iterator[tuple[Owner, list[Stretch]]]:
    """What `seen` holds, by video and run."""
    rows = session.execute(
        select(Seen.video_id, Seen.run_id, Seen.start_s, Seen.end_s, Seen.kind, Seen.reason)
        .order_by(Seen.video_id, Seen.run_id, Seen.start_s)
        .execution_options(yield_per=10_000)
    )
    for (video_id, run_id), group in groupby(rows, key=lambda row: tuple(row[:2])):
        yield (video_id, run_id), [Stretch(*row[2:]) for row in group]


def out_of_step(session: Session) -> Sequence[Owner]:
    """The videos and runs of which `seen` says something else than `coverage`."""
    should, holds = dict(recomputed(session)), dict(stored(session))
    return sorted(owner for owner in {*should, *holds} if should.get(owner) != holds.get(owner))
