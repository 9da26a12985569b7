"""What is left to do: jobs (a video, a set of questions, a run), their segments and their attempts.

A job is `pending`, `done` or `quarantined`; there is no "running" to be repaired after a crash. All take the
session of one `Database.writing()`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from grounding.evidence import Span
from storage.clock import iso, now
from storage.rows import CHARGED, Outcome, PendingJob, PendingSegment, StoredQuestion
from storage.schema import Attempt, Job, JobQuestion, Question, Segment
from storage.text import storable

Asked = tuple[str, str]
"""A question as (task, text)."""

_RETRY = "retry"


def question_set_hash(questions: Iterable[Asked]) -> str:
    """Hex hash of a set of questions; their order doesn't count."""
    return hashlib.sha256(json.dumps(sorted(set(questions))).encode()).hexdigest()


def plan_job(
    session: Session, *, video_id: int, run_id: int, questions: Sequence[Asked], windows: Sequence[Span]
) -> PendingJob | None:
    """The next job of this video under this run, or None when nothing is left to do.

    A pending one is resumed: its segments that are not done yet, with the windows that they were planned
    with. Else those of `questions` (task, text) that were never asked under this run become a new job over
    `windows`. A question of a quarantined job counts as asked until `retry_quarantined`. Call it again when
    the job is done: an interrupted job and new questions are two jobs.
    """
    resumed = session.scalar(
        select(Job.id)
        .where(Job.video_id == video_id, Job.run_id == run_id, Job.state == "pending")
        .order_by(Job.id)
        .limit(1)
    )
    if resumed is not None:
        return _pending(session, resumed, resumed=True)
    new = _not_asked(session, questions, video_id=video_id, run_id=run_id)
    if not new:
        return None
    job_id = _create(session, new, video_id=video_id, run_id=run_id, windows=windows)
    return _pending(session, job_id, resumed=False) if windows else None


def quarantine_job(session: Session, job_id: int, *, reason: str) -> None:
    """Take a job out of the queue and keep the reason; its committed segments stay."""
    session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state == "pending")
        .values(state="quarantined", reason=storable(reason), finished_at=now())
    )


def retry_quarantined(session: Session, *, run_id: int, video_id: int | None = None) -> int:
    """Put quarantined jobs of a run (of one video, or all) back in the queue, past attempts forgiven; gives
    how many.
    """
    chosen = select(Job.id).where(Job.state == "quarantined", Job.run_id == run_id)
    if video_id is not None:
        chosen = chosen.where(Job.video_id == video_id)
    jobs = session.scalars(chosen).all()
    for job_id in jobs:
        _attempt(session, job_id, outcome=_RETRY, reason=None, started_at=now(), cost_s=0.0)
        session.execute(
            update(Job).where(Job.id == job_id).values(state="pending", reason=None, finished_at=None)
        )
        finish_if_complete(session, job_id)
    return len(jobs)


def record_attempt(
    session: Session,
    job_id: int,
    *,
    outcome: Outcome,
    started_at: datetime,
    cost_s: float,
    reason: str | None = None,
) -> int:
    """Store how one try at a job ended; gives how many tries count against it since it was last retried."""
    _attempt(session, job_id, outcome=outcome, reason=reason, started_at=iso(started_at), cost_s=cost_s)
    last_retry = (
        select(func.coalesce(func.max(Attempt.id), 0))
        .where(Attempt.job_id == job_id, Attempt.outcome == _RETRY)
        .scalar_subquery()
    )
    charged = select(func.count()).where(
        Attempt.job_id == job_id, Attempt.outcome.in_(CHARGED), Attempt.id > last_retry
    )
    return session.scalar(charged) or 0


def finish_if_complete(session: Session, job_id: int) -> None:
    """Set a pending job done when none of its segments is pending."""
    left = select(Segment.id).where(Segment.job_id == job_id, Segment.state == "pending").exists()
    session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state == "pending", ~left)
        .values(state="done", finished_at=now())
    )


def _not_asked(session: Session, questions: Sequence[Asked], *, video_id: int, run_id: int) -> list[Asked]:
    asked = set(
        session.execute(
            select(Question.task, Question.text)
            .join(JobQuestion, JobQuestion.question_id == Question.id)
            .join(Job, Job.id == JobQuestion.job_id)
            .where(Job.video_id == video_id, Job.run_id == run_id)
        )
    )
    wanted = [(task, storable(text)) for task, text in questions]
    return [question for question in dict.fromkeys(wanted) if question not in asked]


def _create(
    session: Session, questions: Sequence[Asked], *, video_id: int, run_id: int, windows: Sequence[Span]
) -> int:
    job_id = session.execute(
        insert(Job).returning(Job.id),
        {
            "video_id": video_id,
            "question_set": question_set_hash(questions),
            "run_id": run_id,
            "state": "pending",
            "created_at": now(),
        },
    ).scalar_one()
    session.execute(
        insert(JobQuestion),
        [
            {"job_id": job_id, "question_id": _ensure_question(session, task, text), "position": position}
            for position, (task, text) in enumerate(questions)
        ],
    )
    segments = [
        {"job_id": job_id, "position": i, "start_s": w.start_s, "end_s": w.end_s, "state": "pending"}
        for i, w in enumerate(windows)
    ]
    if segments:
        session.execute(insert(Segment), segments)
    else:
        finish_if_complete(session, job_id)
    return job_id


def _ensure_question(session: Session, task: str, text: str) -> int:
    found = session.scalar(select(Question.id).where(Question.task == task, Question.text == text))
    if found is not None:
        return found
    return session.execute(insert(Question).returning(Question.id), {"task": task, "text": text}).scalar_one()


def _pending(session: Session, job_id: int, *, resumed: bool) -> PendingJob:
    video_id, run_id = session.execute(select(Job.video_id, Job.run_id).where(Job.id == job_id)).one()
    questions = session.execute(
        select(Question.id, Question.task, Question.text)
        .join(JobQuestion, JobQuestion.question_id == Question.id)
        .where(JobQuestion.job_id == job_id)
        .order_by(JobQuestion.position)
    )
    segments = session.execute(
        select(Segment.id, Segment.position, Segment.start_s, Segment.end_s)
        .where(Segment.job_id == job_id, Segment.state == "pending")
        .order_by(Segment.position)
    )
    total = session.scalar(select(func.count()).where(Segment.job_id == job_id)) or 0
    return PendingJob(
        id=job_id,
        video_id=video_id,
        run_id=run_id,
        questions=tuple(StoredQuestion(id=id, task=task, text=text) for id, task, text in questions),
        segments=tuple(PendingSegment(id=id, position=p, window=Span(a, b)) for id, p, a, b in segments),
        num_segments=total,
        resumed=resumed,
    )


def _attempt(
    session: Session, job_id: int, *, outcome: str, reason: str | None, started_at: str, cost_s: float
) -> None:
    session.execute(
        insert(Attempt),
        {
            "job_id": job_id,
            "outcome": outcome,
            "reason": None if reason is None else storable(reason),
            "started_at": started_at,
            "cost_s": cost_s,
        },
    )
