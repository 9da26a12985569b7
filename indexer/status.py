"""`status`: what a home holds, what is still to be done, what was given up and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from indexer.coverage import KINDS
from indexer.damage import CutOffVideo, DamagedVideo, cut_off_videos, damaged_videos
from indexer.states import states_document
from storage import Database
from storage.jobs import begun
from storage.partition import States, states
from storage.paths import path_to_text, text_to_path
from storage.reports import covered_s, not_begun, replaced, stretches_to_do
from storage.schema import Attempt, File, Hidden, Job, Library, Moment, Run, Seen, Segment, Video


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryStatus:
    """A library: its files that are there, the videos in them, their length. `missing` files are gone."""

    name: str
    files: int
    missing: int
    videos: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """One way of answering: seconds looked at by kind of coverage, and those still waiting.

    `hidden_videos`: of so many videos search does not show what this run says (see `switch`).
    """

    id: int
    engine: str
    fingerprint: str
    jobs: dict[str, int]
    coverage: dict[str, float]
    pending_seconds: float
    hidden_videos: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJob:
    """A job that was begun and is pending, or is in quarantine. `path` is where its video is or was last,
    None when no file of it is known; `reason` is that of the quarantine or of the last attempt.
    """

    path: Path | None
    engine: str
    segments_left: int
    seconds_left: float
    attempts: int
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotBegun:
    """A video that waits as a whole, because `index` was stopped before it."""

    path: Path
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusableFile:
    """A file that gives no video, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything that `status` tells of a home.

    `pending_s` is all that is left to do, each second once, in `pending` jobs and in videos `not_begun`. Jobs
    that a later run has taken the place of are left out, here and in `runs`. In `states` every second of
    every video is in one state.
    """

    home: Path
    libraries: tuple[LibraryStatus, ...]
    runs: tuple[RunStatus, ...]
    moments: int
    states: States
    pending_s: float
    not_begun: tuple[NotBegun, ...] = field(repr=False)
    pending: tuple[OpenJob, ...] = field(repr=False)
    quarantined: tuple[OpenJob, ...] = field(repr=False)
    damaged: tuple[DamagedVideo, ...] = field(repr=False)
    cut_off: tuple[CutOffVideo, ...] = field(repr=False)
    unusable: tuple[UnusableFile, ...] = field(repr=False)

    def document(self) -> dict[str, Any]:
        """The status as "proofreel.status/1"."""
        return {
            "schema": "proofreel.status/1",
            "home": path_to_text(self.home),
            "libraries": [
                {
                    "name": x.name,
                    "files": x.files,
                    "missing": x.missing,
                    "videos": x.videos,
                    "seconds": round(x.seconds, 3),
                }
                for x in self.libraries
            ],
            "runs": [
                {
                    "run": x.id,
                    "engine": x.engine,
                    "fingerprint": x.fingerprint,
                    "jobs": x.jobs,
                    "coverage": {kind: round(seconds, 3) for kind, seconds in x.coverage.items()},
                    "pending_seconds": round(x.pending_seconds, 3),
                    "hidden_videos": x.hidden_videos,
                }
                for x in self.runs
            ],
            "moments": self.moments,
            "coverage": states_document(self.states),
            "pending_seconds": round(self.pending_s, 3),
            "not_begun": [
                {"path": path_to_text(x.path), "seconds": round(x.seconds, 3)} for x in self.not_begun
            ],
            "pending": [_job_document(job) for job in self.pending],
            "quarantined": [_job_document(job) for job in self.quarantined],
            "damaged": [
                {
                    "path": path_to_text(x.path),
                    "damaged_seconds": round(x.damaged_s, 3),
                    "seconds": round(x.seconds, 3),
                }
                for x in self.damaged
            ],
            "cut_off": [
                {
                    "path": path_to_text(x.path),
                    "missing_seconds": round(x.missing_s, 3),
                    "seconds": round(x.seconds, 3),
                }
                for x in self.cut_off
            ],
            "unusable": [{"path": path_to_text(x.path), "reason": x.reason} for x in self.unusable],
        }


def read_status(home: Path) -> Status:
    """Read the status of `home`. Raises StorageError where there is no index."""
    with Database.open(home) as database, database.reading() as session:
        return Status(
            home=home,
            libraries=tuple(_libraries(session)),
            runs=tuple(_runs(session)),
            moments=session.scalar(select(func.count(Moment.id))) or 0,
            states=states(session),
            pending_s=covered_s(stretches_to_do(session)),
            not_begun=tuple(_not_begun(session)),
            pending=tuple(_jobs(session, (Job.state == "pending") & begun())),
            quarantined=tuple(_jobs(session, Job.state == "quarantined")),
            damaged=tuple(damaged_videos(session)),
            cut_off=tuple(cut_off_videos(session)),
            unusable=tuple(_unusable(session)),
        )


def _libraries(session: Session) -> Iterable[LibraryStatus]:
    present = File.missing_since.is_(None)
    for id, name in session.execute(select(Library.id, Library.name).order_by(Library.name)):
        ours = File.library_id == id
        videos = select(File.video_id).where(ours, present, File.video_id.is_not(None))
        num_videos, seconds = session.execute(
            select(func.count(), func.sum(Video.end_s - Video.start_s)).where(Video.id.in_(videos))
        ).one()
        yield LibraryStatus(
            name=name,
            files=session.scalar(select(func.count()).where(ours, present)) or 0,
            missing=session.scalar(select(func.count()).where(ours, ~present)) or 0,
            videos=num_videos,
            seconds=seconds or 0.0,
        )


def _runs(session: Session) -> Iterable[RunStatus]:
    seconds: defaultdict[int, dict[str, float]] = defaultdict(lambda: dict.fromkeys(KINDS, 0.0))
    length_s = func.sum(Seen.end_s - Seen.start_s)
    for run_id, kind, total in session.execute(
        select(Seen.run_id, Seen.kind, length_s).group_by(Seen.run_id, Seen.kind)
    ):
        seconds[run_id][kind] = total
    hidden = dict(session.execute(select(Hidden.run_id, func.count()).group_by(Hidden.run_id)).all())
    jobs: defaultdict[int, dict[str, int]] = defaultdict(
        lambda: dict.fromkeys(("pending", "done", "quarantined"), 0)
    )
    counted = (
        select(Job.run_id, Job.state, func.count())
        .where((Job.state == "done") | ~replaced())
        .group_by(Job.run_id, Job.state)
    )
    for run_id, state, count in session.execute(counted):
        jobs[run_id][state] = count
    for run_id, engine, fingerprint in session.execute(
        select(Run.id, Run.engine, Run.fingerprint).order_by(Run.id)
    ):
        yield RunStatus(
            id=run_id,
            engine=engine,
            fingerprint=fingerprint,
            jobs=jobs[run_id],
            coverage=seconds[run_id],
            pending_seconds=covered_s(stretches_to_do(session, run_id=run_id)),
            hidden_videos=hidden.get(run_id, 0),
        )


def _jobs(session: Session, chosen: ColumnElement[bool]) -> Iterable[OpenJob]:
    chosen = chosen & ~replaced()
    rows = session.execute(
        select(
            Job.id,
            Job.video_id,
            Job.reason,
            Run.engine,
            func.count(Segment.id),
            func.sum(Segment.end_s - Segment.start_s),
        )
        .join(Run, Run.id == Job.run_id)
        .outerjoin(Segment, (Segment.job_id == Job.id) & (Segment.state == "pending"))
        .where(chosen)
        .group_by(Job.id)
        .order_by(Job.id)
    )
    path_of = _paths(session, select(Job.video_id).where(chosen))
    failures = _failures(session, select(Job.id).where(chosen))
    for job_id, video_id, reason, engine, num_left, seconds_left in rows:
        failed = failures.get(job_id, [])
        yield OpenJob(
            path=path_of.get(video_id),
            engine=engine,
            segments_left=num_left,
            seconds_left=seconds_left or 0.0,
            attempts=len(failed),
            reason=reason or (failed[-1] if failed else None),
        )


def _failures(session: Session, jobs: Select[int]) -> dict[int, list[str | None]]:
    """Why each failed attempt at a job did, oldest first."""
    reasons: defaultdict[int, list[str | None]] = defaultdict(list)
    for job_id, reason in session.execute(
        select(Attempt.job_id, Attempt.reason)
        .where(Attempt.outcome == "raised", Attempt.job_id.in_(jobs))
        .order_by(Attempt.id)
    ):
        reasons[job_id].append(reason)
    return reasons


def _not_begun(session: Session) -> Iterable[NotBegun]:
    path_of = _paths(session, select(Video.id).where(not_begun()))
    rows = session.execute(
        select(Video.id, Video.end_s - Video.start_s).where(not_begun()).order_by(Video.id)
    )
    for video_id, seconds in rows:
        yield NotBegun(path=path_of[video_id], seconds=seconds)


def _paths(session: Session, videos: Select[int]) -> dict[int | None, Path]:
    """Where each video is, or was last."""
    found: dict[int | None, Path] = {}
    for video_id, text in session.execute(
        select(File.video_id, File.path)
        .where(File.video_id.in_(videos))
        .order_by(File.missing_since.is_not(None), File.id)
    ):
        found.setdefault(video_id, Path(text_to_path(text)))
    return found


def _unusable(session: Session) -> Iterable[UnusableFile]:
    rows = session.execute(
        select(File.path, File.reason)
        .where(File.video_id.is_(None), File.missing_since.is_(None))
        .order_by(File.path)
    )
    for path, reason in rows:
        yield UnusableFile(path=Path(text_to_path(path)), reason=reason or "")


def _job_document(job: OpenJob) -> dict[str, Any]:
    return {
        "path": None if job.path is None else path_to_text(job.path),
        "engine": job.engine,
        "segments_left": job.segments_left,
        "seconds_left": round(job.seconds_left, 3),
        "attempts": job.attempts,
        "reason": job.reason,
    }
