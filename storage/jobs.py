"""What is left to do: jobs (a video, a set of questions, a run), their segments and their attempts.

A job is `pending`, `done` or `quarantined`; there is no "running" to be repaired after a crash. It is planned
for all videos at once, and cut into segments when its turn comes: that takes a look into the file. All take
the session of one `Database.writing()`.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, insert, select, text, update
from sqlalchemy.orm import Session, aliased

from grounding.evidence import Span
from storage.clock import iso, now
from storage.inserting import ensure
from storage.leases import FREE, Lease, require
from storage.listing import listed
from storage.postgres import Lock, hold
from storage.rows import CHARGED, Outcome, PendingJob, PendingSegment, StoredQuestion
from storage.schema import Attempt, Job, JobQuestion, Question, Segment, Video
from storage.text import storable

Asked = tuple[str, str]
"""A question as (task, text)."""

_RETRY = "retry"
_REMEMBERED_COSTS = 200


def question_set_hash(questions: Iterable[Asked]) -> str:
    """Hex hash of a set of questions; their order doesn't count."""
    return hashlib.sha256(json.dumps(sorted(set(questions))).encode()).hexdigest()


def plan_jobs(
    session: Session, video_ids: Collection[int], *, run_id: int, questions: Sequence[Asked]
) -> None:
    """Make sure that a job asks each of `questions` (task, text) of every one of the videos under this run.

    What was never asked of a video becomes a new job; one that waits and was not begun takes it in instead,
    so that the video is read once. A question of a quarantined job counts as asked until `retry_quarantined`.
    A planned job has no segments before `next_job` cuts it.
    """
    hold(session, Lock.PLAN)
    wanted = tuple(dict.fromkeys((task, storable(words)) for task, words in questions))
    asked = _asked(session, run_id)
    waiting = _not_begun_jobs(session, run_id)
    new: defaultdict[tuple[Asked, ...], list[int]] = defaultdict(list)
    wider: defaultdict[tuple[tuple[Asked, ...], tuple[Asked, ...]], list[int]] = defaultdict(list)
    for video_id in video_ids:
        lacking = tuple(question for question in wanted if question not in asked.get(video_id, ()))
        if lacking and video_id in waiting:
            job_id, before = waiting[video_id]
            wider[before, lacking].append(job_id)
        elif lacking:
            new[lacking].append(video_id)
    for lacking, videos in new.items():
        _create(session, videos, run_id=run_id, questions=lacking)
    for (before, lacking), jobs in wider.items():
        question_set = question_set_hash((*before, *lacking))
        session.execute(update(Job), [{"id": id, "question_set": question_set} for id in jobs])
        _ask(session, jobs, lacking, after=len(before))


def next_job(
    session: Session, *, video_id: int, run_id: int, windows: Sequence[Span], lease: Lease | None = None
) -> PendingJob | None:
    """The oldest pending job of this video under this run, or None when nothing is left to do. With a lease
    it is the leased one.

    One that was not begun is cut into `windows` (without any it is done); one that was keeps those that it
    was cut into, and gives the segments that are not done yet. Call it again when the job is done. Raises
    `LeaseLost`.
    """
    hold(session, Lock.PLAN, shared=True)
    pending = select(Job.id).where(Job.video_id == video_id, Job.run_id == run_id, Job.state == "pending")
    if lease is not None:
        require(session, lease)
        pending = pending.where(Job.id == lease.job_id)
    for job_id in session.scalars(pending.order_by(Job.id)).all():
        was_cut = session.scalar(select(Segment.id).where(Segment.job_id == job_id).limit(1)) is not None
        if not was_cut and windows:
            _cut(session, job_id, windows)
        if was_cut or windows:
            return _pending(session, job_id, resumed=was_cut)
        finish_if_complete(session, job_id)
    return None


def oldest_pending(session: Session, *, video_id: int, run_id: int) -> int | None:
    """The id of the job that `next_job` would give."""
    return session.scalar(
        select(func.min(Job.id)).where(Job.video_id == video_id, Job.run_id == run_id, Job.state == "pending")
    )


def split_segment(session: Session, segment_id: int) -> tuple[PendingSegment, ...]:
    """Put two halves in the place of a pending segment; none when it is no longer pending."""
    job_id, start_s, end_s, state = session.execute(
        select(Segment.job_id, Segment.start_s, Segment.end_s, Segment.state).where(Segment.id == segment_id)
    ).one()
    if state != "pending":
        return ()
    middle_s = (start_s + end_s) / 2
    last = session.scalar(select(func.max(Segment.position)).where(Segment.job_id == job_id)) or 0
    session.execute(update(Segment).where(Segment.id == segment_id).values(end_s=middle_s))
    added = {"job_id": job_id, "position": last + 1, "start_s": middle_s, "end_s": end_s, "state": "pending"}
    session.execute(insert(Segment), added)
    halves = session.execute(
        select(Segment.id, Segment.position, Segment.start_s, Segment.end_s)
        .where(Segment.job_id == job_id, Segment.state == "pending")
        .where((Segment.id == segment_id) | (Segment.position == last + 1))
        .order_by(Segment.start_s)
    )
    return tuple(PendingSegment(id=id, position=p, window=Span(a, b)) for id, p, a, b in halves)


def cost_rate(session: Session, *, run_id: int) -> float | None:
    """Seconds of work a second of video, over the last jobs that were done under this run; None before one
    was.
    """
    last = (
        select(Attempt.cost_s, (Video.end_s - Video.start_s).label("length_s"))
        .join(Job, Job.id == Attempt.job_id)
        .join(Video, Video.id == Job.video_id)
        .where(Job.run_id == run_id, Attempt.outcome == "done")
        .order_by(Attempt.id.desc())
        .limit(_REMEMBERED_COSTS)
        .subquery()
    )
    cost_s, length_s = session.execute(select(func.sum(last.c.cost_s), func.sum(last.c.length_s))).one()
    return cost_s / length_s if length_s else None


def quarantine_job(session: Session, job_id: int, *, reason: str) -> None:
    """Take a job out of the queue and keep the reason; its committed segments stay."""
    session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state == "pending")
        .values(state="quarantined", reason=storable(reason), finished_at=now(), **FREE)
    )


def retry_quarantined(session: Session, video_ids: Collection[int], *, run_id: int) -> int:
    """Put the videos' quarantined jobs of a run back in the queue, past attempts forgiven; gives how many."""
    hold(session, Lock.PLAN)
    given_up = session.execute(
        select(Job.id, Job.video_id).where(Job.state == "quarantined", Job.run_id == run_id)
    )
    chosen = set(video_ids)
    jobs = [job_id for job_id, video_id in given_up if video_id in chosen]
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
        .values(state="done", finished_at=now(), **FREE)
    )


def _asked(session: Session, run_id: int) -> dict[int, set[Asked]]:
    """What every video was asked under a run, done or not, by video id."""
    asked: defaultdict[int, set[Asked]] = defaultdict(set)
    for video_id, task, words in session.execute(
        select(Job.video_id, Question.task, Question.text)
        .join(JobQuestion, JobQuestion.job_id == Job.id)
        .join(Question, Question.id == JobQuestion.question_id)
        .where(Job.run_id == run_id)
    ):
        asked[video_id].add((task, words))
    return asked


def _not_begun_jobs(session: Session, run_id: int) -> dict[int, tuple[int, tuple[Asked, ...]]]:
    """The id and the questions of the job that each video waits for, where it has no segment yet."""
    waiting: dict[int, tuple[int, tuple[Asked, ...]]] = {}
    for video_id, job_id, task, words in session.execute(
        select(Job.video_id, Job.id, Question.task, Question.text)
        .join(JobQuestion, JobQuestion.job_id == Job.id)
        .join(Question, Question.id == JobQuestion.question_id)
        .where(Job.run_id == run_id, Job.state == "pending", ~begun())
        .order_by(Job.id, JobQuestion.position)
    ):
        waiting[video_id] = (job_id, (*waiting.get(video_id, (job_id, ()))[1], (task, words)))
    return waiting


def begun() -> ColumnElement[bool]:
    """Whether a job was cut into segments."""
    own = aliased(Segment)
    return exists().where(own.job_id == Job.id)


def _create(session: Session, video_ids: Sequence[int], *, run_id: int, questions: Sequence[Asked]) -> None:
    values = {
        "videos": json.dumps(list(video_ids)),
        "run": run_id,
        "questions": question_set_hash(questions),
        "now": now(),
    }
    # One statement for a hundred thousand of them.
    made = session.scalars(
        text(
            "INSERT INTO job (video_id, run_id, question_set, state, created_at)"
            " SELECT value, CAST(:run AS bigint), :questions, 'pending', :now"
            f" FROM ({listed(session, 'videos')}) AS found RETURNING id"
        ),
        values,
    )
    _ask(session, made.all(), questions, after=0)


def _ask(session: Session, job_ids: Sequence[int], questions: Sequence[Asked], *, after: int) -> None:
    """Put `questions` to each of the jobs, behind the `after` that it has."""
    statement = text(
        "INSERT INTO job_question (job_id, question_id, position)"
        " SELECT value, CAST(:question AS bigint), CAST(:position AS bigint)"
        f" FROM ({listed(session, 'jobs')}) AS found"
    )
    jobs = json.dumps(list(job_ids))
    for position, (task, words) in enumerate(questions, start=after):
        question = ensure_question(session, task, words)
        session.execute(statement, {"jobs": jobs, "question": question, "position": position})


def _cut(session: Session, job_id: int, windows: Sequence[Span]) -> None:
    session.execute(
        insert(Segment),
        [
            {"job_id": job_id, "position": i, "start_s": w.start_s, "end_s": w.end_s, "state": "pending"}
            for i, w in enumerate(windows)
        ],
    )


def ensure_question(session: Session, task: str, text: str) -> int:
    """The id of the question with this task and (storable) text, made when it is missing."""
    return ensure(session, Question, {"task": task, "text": text}, known_by=["task", "text"])[0]


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
        .order_by(Segment.start_s)
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
