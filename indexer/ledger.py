"""What the database knows already about videos and their jobs. Reads only."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.paths import text_to_path
from storage.reports import replaced
from storage.schema import File, Job, Segment, Video


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a video has come under one run: what waits (in segments, once begun), what was given up and
    why.
    """

    is_pending: bool = False
    pending_segments: int = 0
    quarantined: tuple[str, ...] = field(default=())


def standings(session: Session, *, run_id: int) -> dict[int, Standing]:
    """The standing of every video that has a job under this run which is not done, by video id."""
    open_jobs = dict(
        session.execute(
            select(Job.video_id, func.count(Segment.id))
            .outerjoin(Segment, (Segment.job_id == Job.id) & (Segment.state == "pending"))
            .where(Job.run_id == run_id, Job.state == "pending")
            .group_by(Job.video_id)
        ).all()
    )
    given_up: defaultdict[int, list[str]] = defaultdict(list)
    for video_id, reason in session.execute(
        select(Job.video_id, Job.reason)
        .where(Job.run_id == run_id, Job.state == "quarantined")
        .order_by(Job.id)
    ):
        given_up[video_id].append(reason or "no reason was kept")
    return {
        video_id: Standing(
            is_pending=video_id in open_jobs,
            pending_segments=open_jobs.get(video_id, 0),
            quarantined=tuple(given_up[video_id]),
        )
        for video_id in {*open_jobs, *given_up}
    }


def paths_of_video(session: Session, video_id: int) -> list[str]:
    """Every path, in any library, at which this content was last seen, oldest first."""
    texts = session.scalars(select(File.path).where(File.video_id == video_id).order_by(File.id))
    return [text_to_path(text) for text in texts]


def lengths(session: Session) -> dict[int, float]:
    """Seconds of every video, by id."""
    return {
        id: end - start for id, start, end in session.execute(select(Video.id, Video.start_s, Video.end_s))
    }


def in_codec(session: Session, codec: str) -> set[int]:
    """The ids of the videos that are coded so."""
    return set(session.scalars(select(Video.id).where(Video.codec == codec)))


def videos_pending(session: Session) -> set[int]:
    """The videos that have a job which is not done."""
    return set(session.scalars(select(Job.video_id).where(Job.state == "pending", ~replaced()).distinct()))


def is_gone(path: str) -> bool:
    """Whether there is surely nothing at `path`; a disk that can't be asked says nothing."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
