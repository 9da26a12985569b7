"""Which runs' answers search shows: a new one is made beside the old one, and takes its place in one step.

Of a video that search has answers of already, a run that is `kept_beside` is hidden until a switch shows it
and hides the other. Nothing is copied or deleted, so that a switch can be undone. All take the session of one
`Database.writing()`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.orm import Session, aliased

from storage.clock import now
from storage.reports import is_hidden
from storage.schema import Hidden, Job, JobQuestion, Question, Run, Switch, Switched

_A_BATCH = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunName:
    """A run as people name it."""

    id: int
    engine: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchMade:
    """A switch: `videos` were turned over; `left` stay as they were, as the new run isn't done with them.

    `unasked`: questions of the run before, of any of the videos, that the run after was not asked: what was
    answered to them is no longer found.
    """

    before: RunName
    after: RunName
    videos: int
    left: int
    unasked: tuple[str, ...] = ()


def run_named(session: Session, name: str) -> RunName:
    """The run whose number, or the beginning of whose fingerprint, is `name`. Raises ValueError."""
    runs = [RunName(id=i, engine=e, fingerprint=f) for i, e, f in session.execute(_runs)]
    found = [run for run in runs if str(run.id) == name]
    if not found and len(name) >= 6:
        found = [run for run in runs if run.fingerprint.startswith(name)]
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"{run.id} ({run.engine}, {run.fingerprint[:12]})" for run in runs) or "none yet"
    raise ValueError(
        f"{name[:40]!r} is no run; give its number, or the first letters of its fingerprint: {there}"
    )


def keep_beside(session: Session, video_ids: Collection[int], *, run_id: int) -> int:
    """Hide what a run will say of those videos that search shows another run's answers of; gives how many.

    A video of which this run was asked before stays as it is.
    """
    other, own = aliased(Job), aliased(Job)
    shown = exists().where(
        other.video_id == Job.video_id, other.run_id != run_id, ~is_hidden(other.video_id, other.run_id)
    )
    known = exists().where(own.video_id == Job.video_id, own.run_id == run_id)
    candidates = set(session.scalars(select(Job.video_id).where(shown, ~known).distinct()))
    _hide(session, sorted(candidates & set(video_ids)), run_id=run_id)
    return len(candidates & set(video_ids))


def num_hidden(session: Session, video_ids: Collection[int], *, run_id: int) -> int:
    """Of how many of the videos search does not show what a run says."""
    hidden = set(session.scalars(select(Hidden.video_id).where(Hidden.run_id == run_id)))
    return len(hidden & set(video_ids))


def switch_runs(session: Session, *, before: RunName, after: RunName) -> SwitchMade:
    """Show what `after` says in the place of `before`, of every video that `after` is done with.

    Raises ValueError where there is none. A video that `before` never looked at is not touched.
    """
    waiting = _hidden_videos(session, after) & _shown_videos(session, before)
    undone = select(Job.video_id).where(Job.run_id == after.id, Job.state != "done")
    ready = sorted(waiting - set(session.scalars(undone)))
    if not ready:
        raise ValueError(_why_not(before, after, waiting=len(waiting)))
    switch_id = session.execute(
        insert(Switch).returning(Switch.id),
        {"from_run_id": before.id, "to_run_id": after.id, "switched_at": now()},
    ).scalar_one()
    session.execute(insert(Switched), [{"switch_id": switch_id, "video_id": video} for video in ready])
    _turn(session, ready, hide=before.id, show=after.id)
    return SwitchMade(
        before=before,
        after=after,
        videos=len(ready),
        left=len(waiting) - len(ready),
        unasked=_unasked(session, set(ready), before=before, after=after),
    )


def undo_switch(session: Session) -> SwitchMade:
    """Take back the last switch that still holds. Raises ValueError when there is none."""
    last = session.execute(
        select(Switch.id, Switch.from_run_id, Switch.to_run_id)
        .where(Switch.undone_at.is_(None))
        .order_by(Switch.id.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        raise ValueError("no switch holds that could be undone; `proofreel switch A B` makes one")
    switch_id, before, after = last
    videos = session.scalars(select(Switched.video_id).where(Switched.switch_id == switch_id)).all()
    _turn(session, videos, hide=after, show=before)
    session.execute(update(Switch).where(Switch.id == switch_id).values(undone_at=now()))
    return SwitchMade(
        before=run_named(session, str(after)),
        after=run_named(session, str(before)),
        videos=len(videos),
        left=0,
    )


_runs = select(Run.id, Run.engine, Run.fingerprint).order_by(Run.id)


def _hidden_videos(session: Session, run: RunName) -> set[int]:
    return set(session.scalars(select(Hidden.video_id).where(Hidden.run_id == run.id)))


def _shown_videos(session: Session, run: RunName) -> set[int]:
    shown = select(Job.video_id).where(Job.run_id == run.id, ~is_hidden(Job.video_id, Job.run_id))
    return set(session.scalars(shown))


def _unasked(session: Session, videos: set[int], *, before: RunName, after: RunName) -> tuple[str, ...]:
    def asked(run: RunName) -> set[tuple[int, str]]:
        rows = session.execute(
            select(Job.video_id, Question.text)
            .join(JobQuestion, JobQuestion.job_id == Job.id)
            .join(Question, Question.id == JobQuestion.question_id)
            .where(Job.run_id == run.id)
        )
        return {(video, text) for video, text in rows if video in videos}

    return tuple(sorted({text for _, text in asked(before) - asked(after)}))


def _turn(session: Session, video_ids: Sequence[int], *, hide: int, show: int) -> None:
    for first in range(0, len(video_ids), _A_BATCH):
        batch = video_ids[first : first + _A_BATCH]
        session.execute(delete(Hidden).where(Hidden.run_id == show, Hidden.video_id.in_(batch)))
    _hide(session, video_ids, run_id=hide)


def _hide(session: Session, video_ids: Sequence[int], *, run_id: int) -> None:
    if video_ids:
        session.execute(insert(Hidden), [{"video_id": video, "run_id": run_id} for video in video_ids])


def _why_not(before: RunName, after: RunName, *, waiting: int) -> str:
    if before.id == after.id:
        return f"run {before.id} is both; name the run that search shows, then the one that is to take over"
    if waiting:
        return (
            f"run {after.id} is not done with any video that search shows run {before.id} of; run "
            "`proofreel index --beside` again, then switch"
        )
    return (
        f"run {after.id} waits beside run {before.id} for no video; `proofreel index --beside` with the new "
        "engine makes such answers, `proofreel status` lists the runs"
    )
