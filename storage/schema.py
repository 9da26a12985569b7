"""The tables: SQL is the truth, everything else is rebuilt from it.

Times are seconds of the file (double) beside the integer PTS; the time base stands on `video`. Boxes are
0..1 of the displayed frame. Every row that a model made names its run. Dates are UTC, ISO 8601 text with a
`Z`.

Integers are 64 bits wide everywhere (sizes, mtimes and PTS outgrow 32); SQLite's own integer already is, and
only by that name does it number rows by itself.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {
        int: BigInteger().with_variant(Integer(), "sqlite"),
        float: Double,
        str: Text,
        dict[str, Any]: JSON,
        list[Any]: JSON,
        bytes: LargeBinary,
    }


class Library(Base):
    """A named set of files: a camera, a site, a case."""

    __tablename__ = "library"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[str]


class Video(Base):
    """One content, however many files hold it. A moved or renamed file keeps its history.

    `missing_s` are the seconds that its header lists beyond its last frame, because it is cut off; null where
    nobody looked for them.
    """

    __tablename__ = "video"
    id: Mapped[int] = mapped_column(primary_key=True)
    content_hash: Mapped[str] = mapped_column(unique=True)
    size_bytes: Mapped[int]
    container: Mapped[str]
    codec: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    rotation: Mapped[int]
    time_base_num: Mapped[int]
    time_base_den: Mapped[int]
    start_s: Mapped[float]
    end_s: Mapped[float]
    num_frames: Mapped[int]
    has_audio: Mapped[bool]
    recorded_at: Mapped[str | None]
    created_at: Mapped[str]
    missing_s: Mapped[float | None]


class File(Base):
    """One path. `video_id` is null for what could not be used; `reason` then says why.

    `path` is absolute; bytes that are not UTF-8 are kept as surrogate escapes written `\\udcXX` (see
    `storage.paths`).
    """

    __tablename__ = "file"
    __table_args__ = (UniqueConstraint("library_id", "path"), Index(None, "video_id"))
    id: Mapped[int] = mapped_column(primary_key=True)
    library_id: Mapped[int] = mapped_column(ForeignKey("library.id"))
    video_id: Mapped[int | None] = mapped_column(ForeignKey("video.id"))
    path: Mapped[str]
    size_bytes: Mapped[int]
    mtime_ns: Mapped[int]
    reason: Mapped[str | None]
    seen_at: Mapped[str]
    missing_since: Mapped[str | None]


class Run(Base):
    """One way of answering: engine, model, prompts, sampling, versions. `fingerprint` is their hash."""

    __tablename__ = "run"
    id: Mapped[int] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(unique=True)
    engine: Mapped[str]
    config: Mapped[dict[str, Any]]
    created_at: Mapped[str]


class Question(Base):
    """A question by its text and task. The standing description is the one with an empty text."""

    __tablename__ = "question"
    __table_args__ = (UniqueConstraint("task", "text"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    task: Mapped[str]
    text: Mapped[str]


class StandingQuestion(Base):
    """What a library asks of all its videos, and what a hit means there.

    `severity`: low, medium, high, critical. `reviewers` people must rule on a hit, which they see blurred
    at first where `blur` says so. `pack`, `pack_version` and `name` (of the question in it) are null for a
    question of the settings' own. `retired_at`: since then the library's settings no longer name it; its
    hits stay.
    """

    __tablename__ = "standing_question"
    __table_args__ = (
        UniqueConstraint("library_id", "question_id"),
        CheckConstraint("severity IN ('low', 'medium', 'high', 'critical')", name="severity"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    library_id: Mapped[int] = mapped_column(ForeignKey("library.id"))
    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"))
    severity: Mapped[str]
    reviewers: Mapped[int]
    blur: Mapped[bool]
    pack: Mapped[str | None]
    pack_version: Mapped[int | None]
    name: Mapped[str | None]
    since: Mapped[str]
    retired_at: Mapped[str | None]


class Job(Base):
    """(video, question set, fingerprint): what is scheduled and retried. A new question is a new job.

    `question_set` is the hash of the job's questions (`storage.jobs.question_set_hash`).
    """

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("video_id", "question_set", "run_id"),
        CheckConstraint("state IN ('pending', 'done', 'quarantined')", name="state"),
        Index(None, "state"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    video_id: Mapped[int] = mapped_column(ForeignKey("video.id"))
    question_set: Mapped[str]
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    state: Mapped[str]
    reason: Mapped[str | None]
    created_at: Mapped[str]
    finished_at: Mapped[str | None]


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


class Answer(Base):
    """What the run said to one question on one segment, as it said it (`raw`) and as parsed."""

    __tablename__ = "answer"
    __table_args__ = (UniqueConstraint("segment_id", "question_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    segment_id: Mapped[int] = mapped_column(ForeignKey("segment.id"))
    question_id: Mapped[int] = mapped_column(ForeignKey("question.id"))
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    raw: Mapped[str]
    text: Mapped[str]
    abstained: Mapped[bool]
    reason: Mapped[str | None]
    mean_logprob: Mapped[float | None]
    problems: Mapped[list[Any]]


class Moment(Base):
    """What search returns; its id is the FAISS id, so an id is never given twice (AUTOINCREMENT). `source`:
    statement (of a description), answer, screen_text.
    """

    __tablename__ = "moment"
    __table_args__ = (
        CheckConstraint("source IN ('statement', 'answer', 'screen_text')", name="source"),
        Index(None, "video_id", "start_s"),
        Index(None, "answer_id"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    video_id: Mapped[int] = mapped_column(ForeignKey("video.id"))
    answer_id: Mapped[int] = mapped_column(ForeignKey("answer.id"))
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    start_s: Mapped[float]
    end_s: Mapped[float]
    start_pts: Mapped[int]
    end_pts: Mapped[int]
    text: Mapped[str]
    source: Mapped[str]


class Claim(Base):
    """`subject` at `time_s` in its boxes. `moment_id` is null for a claim that belongs to no moment."""

    __tablename__ = "claim"
    __table_args__ = (
        UniqueConstraint("answer_id", "position"),
        Index(None, "moment_id"),
        Index(None, "subject"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    answer_id: Mapped[int] = mapped_column(ForeignKey("answer.id"))
    moment_id: Mapped[int | None] = mapped_column(ForeignKey("moment.id"))
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    position: Mapped[int]
    subject: Mapped[str]
    time_s: Mapped[float]
    pts: Mapped[int]
    confidence: Mapped[float | None]


class BoxRow(Base):
    """One box of a claim."""

    __tablename__ = "box"
    __table_args__ = (UniqueConstraint("claim_id", "position"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    claim_id: Mapped[int] = mapped_column(ForeignKey("claim.id"))
    position: Mapped[int]
    x1: Mapped[float]
    y1: Mapped[float]
    x2: Mapped[float]
    y2: Mapped[float]


class TrackRow(Base):
    """One thing followed through a segment; `points` is a list of [time_s, pts, x1, y1, x2, y2,
    confidence].
    """

    __tablename__ = "track"
    __table_args__ = (Index(None, "segment_id"), Index(None, "label"))
    id: Mapped[int] = mapped_column(primary_key=True)
    segment_id: Mapped[int] = mapped_column(ForeignKey("segment.id"))
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    label: Mapped[str]
    start_s: Mapped[float]
    end_s: Mapped[float]
    points: Mapped[list[Any]]


class ScreenTextRow(Base):
    """Text read off the picture."""

    __tablename__ = "screen_text"
    __table_args__ = (Index(None, "segment_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    segment_id: Mapped[int] = mapped_column(ForeignKey("segment.id"))
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"))
    text: Mapped[str]
    start_s: Mapped[float]
    end_s: Mapped[float]
    time_s: Mapped[float]
    pts: Mapped[int]
    x1: Mapped[float]
    y1: Mapped[float]
    x2: Mapped[float]
    y2: Mapped[float]
    confidence: Mapped[float]


class Embedding(Base):
    """The vector of a moment's text: little-endian float16, unit length. The vector index is a cache of
    this table.
    """

    __tablename__ = "embedding"
    moment_id: Mapped[int] = mapped_column(ForeignKey("moment.id"), primary_key=True)
    embedder: Mapped[str]
    vector: Mapped[bytes]


class VectorGeneration(Base):
    """One vector index on disk: derived, numbered, checksummed. The newest good one is used."""

    __tablename__ = "vector_generation"
    id: Mapped[int] = mapped_column(primary_key=True)
    file_name: Mapped[str] = mapped_column(unique=True)
    checksum: Mapped[str]
    embedder: Mapped[str]
    dimension: Mapped[int]
    num_vectors: Mapped[int]
    last_moment_id: Mapped[int]
    created_at: Mapped[str]
