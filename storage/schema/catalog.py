"""What there is, and what is asked of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.schema.base import Base


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
