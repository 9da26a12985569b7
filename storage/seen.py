"""What each run has seen of each video: `coverage` painted on one line, kept in step with it.

A segment's commit adds what it covered in its own transaction, so that sums over the whole archive read a few
rows a video and not all of `coverage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from storage.painting import Stretch, clipped, painted
from storage.schema import Coverage, Job, Seen, Segment, Video

Owner = tuple[int, int]
"""A video's id and a run's."""


def add_seen(session: Session, stretches: Iterable[Stretch], *, video_id: int, run_id: int) -> None:
    """Lay stretches over what the run has seen of the video; what lies outside the video is cut off."""
    start_s, end_s = session.execute(select(Video.start_s, Video.end_s).where(Video.id == video_id)).one()
    new = clipped(stretches, start_s=start_s, end_s=end_s)
    if not new:
        return
    ours = (Seen.video_id == video_id) & (Seen.run_id == run_id)
    first_s, last_s = min(s.start_s for s in new), max(s.end_s for s in new)
    # What is there doesn't overlap itself: only the last tile that begins before can reach into the new ones.
    before = select(func.max(Seen.start_s)).where(ours, Seen.start_s <= first_s).scalar_subquery()
    touched = ours & (Seen.start_s >= func.coalesce(before, first_s)) & (Seen.start_s <= last_s)
    there = session.execute(select(Seen.start_s, Seen.end_s, Seen.kind, Seen.reason).where(touched)).all()
    tiles = painted([*(Stretch(*row) for row in there), *new])
    session.execute(delete(Seen).where(ours, Seen.start_s.in_([row[0] for row in there])))
    session.execute(
        insert(Seen), [{"video_id": video_id, "run_id": run_id, **tile._asdict()} for tile in tiles]
    )


def recomputed(session: Session) -> Iterator[tuple[Owner, list[Stretch]]]:
    """What `seen` has to hold, worked out from all of `coverage`, by video and run."""
    rows = session.execute(
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
    for (video_id, run_id, start_s, end_s), group in groupby(rows, key=lambda row: tuple(row[:4])):
        tiles = painted(clipped((Stretch(*row[4:]) for row in group), start_s=start_s, end_s=end_s))
        if tiles:
            yield (video_id, run_id), tiles


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
