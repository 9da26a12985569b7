"""What is to be done and was: jobs, what each has seen, and which of it search shows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.schema.base import Base

_WAITING = text("state = 'pending'")


class Job(Base):
    """(video, question set, fingerprint): what is scheduled and retried. A new question is a new job.

    `question_set` is the hash of the job's questions (`storage.jobs.question_set_hash`). The lease names the
    driver that works on it, where several may (`storage.leases`).
    """

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("video_id", "question_set", "run_id"),
        CheckConstraint("state IN ('pending', 'done', 'quarantined')", name="state"),
        Index(None, "state"),
        Index(None, "run_id", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    video_id: Mapped[int] = mapped_column(ForeignKey("video.id"))
    question_set: Mapped[str]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    state: Mapped[str]
    reason: Mapped[str | None]
    created_at: Mapped[str]
    finished_at: Mapped[str | None]
    lease_owner: Mapped[str | None]
    lease_token: Mapped[str | None]
    lease_until_s: Mapped[float | None]


class JobQuestion(Base):
    """The questions of a job, in the order in which they are asked."""

    __tablename__ = "job_question"
    __table_args__ = (UniqueConstraint("job_id", "position"),)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), primary_key=True)
    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"), primary_key=True)
    position: Mapped[int]


class Attempt(Base):
    """One try at a job: how it ended, why, and what it cost."""

    __tablename__ = "attempt"
    __table_args__ = (Index(None, "job_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))
    outcome: Mapped[str]
    reason: Mapped[str | None]
    started_at: Mapped[str]
    cost_s: Mapped[float]


class Segment(Base):
    """One window of a job: what is committed, whole or not at all."""

    __tablename__ = "segment"
    __table_args__ = (
        UniqueConstraint("job_id", "position"),
        CheckConstraint("state IN ('pending', 'done')", name="state"),
        Index(None, "committed_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))
    position: Mapped[int]
    start_s: Mapped[float]
    end_s: Mapped[float]
    state: Mapped[str]
    committed_at: Mapped[str | None]


class Coverage(Base):
    """What was looked at and what was not. `kind`: sampled, still (key frames alone), damaged, skipped."""

    __tablename__ = "coverage"
    __table_args__ = (
        CheckConstraint("kind IN ('sampled', 'still', 'damaged', 'skipped')", name="kind"),
        Index(None, "segment_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    segment_id: Mapped[int] = mapped_column(ForeignKey("segment.id"))
    start_s: Mapped[float]
    end_s: Mapped[float]
    kind: Mapped[str]
    num_frames: Mapped[int]
    reason: Mapped[str | None]


class Seen(Base):
    """`coverage` summed up: what a run has seen of a video, every second once (see `storage.painting`).

    Written with the segment that adds to it; `coverage` is the truth, and `db check` compares the two.
    """

    __tablename__ = "seen"
    __table_args__ = (CheckConstraint("kind IN ('sampled', 'still', 'damaged', 'skipped')", name="kind"),)
    video_id: Mapped[int] = mapped_column(ForeignKey("video.id", ondelete="CASCADE"), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)
    start_s: Mapped[float] = mapped_column(primary_key=True)
    end_s: Mapped[float]
    kind: Mapped[str]
    reason: Mapped[str | None]


class Hidden(Base):
    """What a run says of a video is kept, and search does not show it: a newer one that waits for `switch`,
    or an older one that was switched away from.
    """

    __tablename__ = "hidden"
    video_id: Mapped[int] = mapped_column(ForeignKey("video.id", ondelete="CASCADE"), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), primary_key=True)


class Switch(Base):
    """One time that search was made to show another run's answers; `undone_at` is null while it holds."""

    __tablename__ = "switch"
    id: Mapped[int] = mapped_column(primary_key=True)
    from_run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    to_run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    switched_at: Mapped[str]
    undone_at: Mapped[str | None]


class Switched(Base):
    """A video of a switch: what undoing it has to bring back."""

    __tablename__ = "switched"
    switch_id: Mapped[int] = mapped_column(ForeignKey("switch.id"), primary_key=True)
    video_id: Mapped[int] = mapped_column(ForeignKey("video.id", ondelete="CASCADE"), primary_key=True)


class Night(Base):
    """One call of `index`. What it did is written when it ends; `ending` is null where it was killed.

    `spent_s` holds seconds of wall time by stage; `cpu_s` is the processor time of the process and those that
    it started; `device` is what the engine ran on; `failures` is a list of [path, reason].
    """

    __tablename__ = "night"
    __table_args__ = (Index(None, "started_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    library: Mapped[str]
    started_at: Mapped[str]
    ended_at: Mapped[str | None]
    ending: Mapped[str | None]
    fault: Mapped[str | None]
    engine: Mapped[str | None]
    device: Mapped[str | None]
    files: Mapped[dict[str, Any] | None]
    failures: Mapped[list[Any] | None]
    video_s: Mapped[float | None]
    cpu_s: Mapped[float | None]
    spent_s: Mapped[dict[str, Any] | None]
