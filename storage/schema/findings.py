"""What was found, and the vectors to find it again by."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.schema.base import Base


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
