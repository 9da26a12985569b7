"""What was made of footage that is too old is deleted, rows and pictures together; never the video.

A file's age counts from its time of modification, as the camera or recorder wrote it. One video is one
transaction: a crash leaves it whole or gone. Then the vector index and the thumbnails follow the rows, and
what a crash left of them is put right by the next run.

What people ruled on stays. A moment that any other table refers to (a review, an export) keeps its whole
segment, with the answers, claims, boxes and coverage that it stands on, its video, and the paths of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlalchemy.orm import Session

from grounding.plain import counted
from storage.clock import iso, now
from storage.database import Database
from storage.generations import build_generation, stale_embedders
from storage.schema import (
    Answer,
    Attempt,
    BoxRow,
    Claim,
    Coverage,
    Embedding,
    File,
    Job,
    JobQuestion,
    Library,
    Moment,
    ScreenTextRow,
    Segment,
    TrackRow,
    Video,
)
from storage.seen import repaint
from storage.thumbnails import sweep

_PARTS_OF_A_MOMENT = (Claim.__tablename__, Embedding.__tablename__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long a library keeps what was made of a file: `days`, so that `since` is the oldest time kept."""

    library: str
    days: float
    since: datetime

    @classmethod
    def of(cls, library: str, *, days: float, at: datetime) -> Retention:
        """What is kept `at` this time (with its zone)."""
        return cls(library=library, days=days, since=at - timedelta(days=days))

    @property
    def since_ns(self) -> int:
        return int(self.since.timestamp() * 1e9)

    def is_past(self, mtime_ns: int) -> bool:
        """Whether a file of this time of modification is too old."""
        return mtime_ns < self.since_ns

    @property
    def told(self) -> str:
        return f"older than the {self.days:g} days that library {self.library} keeps (retention_days)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was deleted, or would be: paths, videos that no library keeps any longer (their seconds), moments.

    `kept_moments` are those that were too old as well, and stay with their segments because people ruled on
    them.
    """

    files: int = 0
    videos: int = 0
    seconds: float = 0.0
    moments: int = 0
    kept_moments: int = 0
    thumbnails: int = 0

    def told(self, *, dry_run: bool = False) -> str:
        """It in one sentence."""
        what = (
            f"what was made of {counted(self.videos, 'video')} ({self.seconds / 3600:.1f} h, "
            f"{counted(self.moments, 'moment')}, {counted(self.files, 'path')})"
        )
        kept = (
            f"; {counted(self.kept_moments, 'moment')} that people ruled on stay" if self.kept_moments else ""
        )
        return f"past its retention: {what} {'would be' if dry_run else 'was'} deleted{kept}"

    def document(self) -> dict[str, Any]:
        """It as a part of a document."""
        return {**asdict(self), "seconds": round(self.seconds, 3)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Doomed:
    """A video that no library keeps any longer, and the segments of it that stay."""

    video_id: int
    kept_segments: tuple[int, ...]


def prune(db: Database, retentions: Sequence[Retention], *, dry_run: bool = False) -> Pruned:
    """Delete what is past its library's retention; with `dry_run` only count it. Hold the home's lock.

    A video goes when no library keeps it any longer: one without a retention keeps its videos for ever.
    """
    with db.reading() as session:
        doomed = _doomed(session, retentions)
        found = _count(session, doomed, retentions=retentions)
    if dry_run:
        return found
    for video in doomed:
        with db.writing() as session:
            _delete_video(session, video)
    staying = [video.video_id for video in doomed if video.kept_segments]
    with db.writing() as session:
        for retention in retentions:
            session.execute(_plain(_of_others(delete(File), retention, but=staying)))
    with db.reading() as session:
        stale = stale_embedders(session, db.home)
    for embedder in stale:
        build_generation(db, db.home, embedder=embedder, keep_previous=False)
    return replace(found, thumbnails=sweep(db))


def _is_past(retention: Retention) -> ColumnElement[bool]:
    """Whether a path is of this library, and too old."""
    library_id = select(Library.id).where(Library.name == retention.library).scalar_subquery()
    return (File.library_id == library_id) & (File.mtime_ns < retention.since_ns)


def _doomed(session: Session, retentions: Sequence[Retention]) -> list[_Doomed]:
    """The videos all of whose paths are too old, and those that no path leads to any longer (a camera wrote
    over the file) once every library that there is would have given them up.
    """
    is_past = sa.or_(sa.false(), *map(_is_past, retentions))
    has_past = exists().where(File.video_id == Video.id, is_past)
    is_kept = exists().where(File.video_id == Video.id, ~is_past)
    ids = list(session.scalars(select(Video.id).where(has_past, ~is_kept)))
    if set(session.scalars(select(Library.name))) <= {retention.library for retention in retentions}:
        oldest = min((retention.since for retention in retentions), default=datetime.min.replace(tzinfo=UTC))
        has_path = exists().where(File.video_id == Video.id)
        ids += session.scalars(select(Video.id).where(~has_path, Video.created_at < iso(oldest)))
    in_use = _in_use(session)
    segments = select(Answer.segment_id).join(Moment, Moment.answer_id == Answer.id).where(in_use).distinct()
    return [
        _Doomed(video_id=id, kept_segments=tuple(session.scalars(segments.where(Moment.video_id == id))))
        for id in ids
    ]


def _in_use(session: Session) -> ColumnElement[bool]:
    """Whether a table that is not a part of the moment refers to it."""
    inspector = sa.inspect(session.connection())
    columns = [
        sa.table(table, sa.column(key["constrained_columns"][0])).c[0]
        for table in inspector.get_table_names()
        for key in inspector.get_foreign_keys(table)
        if key["referred_table"] == Moment.__tablename__ and table not in _PARTS_OF_A_MOMENT
    ]
    return sa.or_(sa.false(), *(exists().where(column == Moment.id) for column in columns))


def _count(session: Session, doomed: Sequence[_Doomed], *, retentions: Sequence[Retention]) -> Pruned:
    moments, kept, seconds = 0, 0, 0.0
    for video in doomed:
        of_video = select(func.count(Moment.id)).where(Moment.video_id == video.video_id)
        in_kept = of_video.join(Answer, Answer.id == Moment.answer_id)
        stay = session.scalar(in_kept.where(Answer.segment_id.in_(video.kept_segments))) or 0
        moments += (session.scalar(of_video) or 0) - stay
        kept += stay
        if not video.kept_segments:
            length = select(Video.end_s - Video.start_s).where(Video.id == video.video_id)
            seconds += session.scalar(length) or 0.0
    staying = [video.video_id for video in doomed if video.kept_segments]
    files = sum(
        session.scalar(_of_others(select(func.count(File.id)), retention, but=staying)) or 0
        for retention in retentions
    )
    videos = len(doomed) - len(staying)
    return Pruned(files=files, videos=videos, seconds=seconds, moments=moments, kept_moments=kept)


def _of_others(query: Any, retention: Retention, *, but: Sequence[int]) -> Any:
    """`query` of the library's paths that are too old, `but` for those of these videos."""
    return query.where(_is_past(retention), File.video_id.is_(None) | File.video_id.not_in(but))


def _delete_video(session: Session, video: _Doomed) -> None:
    """Everything that hangs on the video, children first; all but what its kept segments stand on."""
    jobs = select(Job.id).where(Job.video_id == video.video_id)
    segments = select(Segment.id).where(Segment.job_id.in_(jobs), Segment.id.not_in(video.kept_segments))
    answers = select(Answer.id).where(Answer.segment_id.in_(segments))
    claims = select(Claim.id).where(Claim.answer_id.in_(answers))
    moments = select(Moment.id).where(Moment.answer_id.in_(answers))
    for table, column, ids in (
        (BoxRow, BoxRow.claim_id, claims),
        (Claim, Claim.answer_id, answers),
        (Embedding, Embedding.moment_id, moments),
        (Moment, Moment.answer_id, answers),
        (Answer, Answer.segment_id, segments),
        (Coverage, Coverage.segment_id, segments),
        (TrackRow, TrackRow.segment_id, segments),
        (ScreenTextRow, ScreenTextRow.segment_id, segments),
    ):
        session.execute(_plain(delete(table).where(column.in_(ids))))
    session.execute(
        _plain(delete(Segment).where(Segment.job_id.in_(jobs), Segment.id.not_in(video.kept_segments)))
    )
    _delete_jobs(session, video.video_id)
    if video.kept_segments:
        repaint(session, video.video_id)
    else:
        session.execute(_plain(delete(File).where(File.video_id == video.video_id)))
        session.execute(_plain(delete(Video).where(Video.id == video.video_id)))


def _delete_jobs(session: Session, video_id: int) -> None:
    """The jobs that have no segment left; of the others nothing more is to be done or tried again."""
    has_segment = exists().where(Segment.job_id == Job.id)
    empty = select(Job.id).where(Job.video_id == video_id, ~has_segment)
    for table, column in ((Attempt, Attempt.job_id), (JobQuestion, JobQuestion.job_id)):
        session.execute(_plain(delete(table).where(column.in_(empty))))
    session.execute(_plain(delete(Job).where(Job.video_id == video_id, ~has_segment)))
    session.execute(
        _plain(update(Job).where(Job.video_id == video_id, Job.state != "done"))
        .values(state="done", reason=None, finished_at=now())
    )  # fmt: skip


def _plain(statement: Any) -> Any:
    """Without a look at what the session holds: it holds nothing."""
    return statement.execution_options(synchronize_session=False)
