"""A home for search tests: videos with moments that a test spells out, as the indexer would store them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.embedding import TextEmbedder
from grounding.evidence import Box, Span
from storage import (
    AnswerRow,
    ClaimRow,
    CoverageRow,
    Database,
    FileFacts,
    MomentRow,
    SegmentRows,
    TrackRows,
    VideoFacts,
    commit_segment,
    ensure_library,
    ensure_run,
    ensure_video,
    record_file,
)
from storage.vectors import build_generation
from tests.rows import plan_job

TICKS = 90_000
KINDS = ("person", "bicycle", "car", "bus", "dog", "horse", "text")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A moment: its claims are the known kinds named in `text` (or `subjects`), seen in its middle."""

    start_s: float
    end_s: float
    text: str
    subjects: Sequence[str] | None = None
    source: Any = "statement"
    confidence: float = 0.8


@dataclass(frozen=True, kw_only=True)
class Film:
    """A video of `duration_s` from `start_s` in windows of `window_s`; `done` of them are committed."""

    name: str
    seen: Sequence[Seen] = ()
    start_s: float = 0.0
    duration_s: float = 60.0
    window_s: float = 20.0
    done: int | None = None
    library: str = "default"
    recorded_at: date | None = None
    path: Path | None = None
    size: tuple[int, int] = (0, 0)  # of the file: bytes and mtime in nanoseconds
    content_hash: str | None = None
    coverage: Mapping[int, Sequence[CoverageRow]] = field(default_factory=dict)
    tracks: Sequence[TrackRows] = ()
    ticks: int = TICKS
    fingerprint: str = "f1"


@cache
def embedder() -> TextEmbedder:
    """One real embedder for all tests of a process."""
    return TextEmbedder()


@cache
def vector(text: str) -> npt.NDArray[np.float32]:
    return embedder().embed([text])[0]


def make_home(home: Path, films: Sequence[Film], *, index: bool = True) -> Database:
    """A home with `films`, its vector index built unless `index` is false."""
    db = Database.open(home, create=True)
    for film in films:
        add_film(db, film)
    if index:
        build_generation(db, home, embedder=embedder().name)
    return db


def add_film(db: Database, film: Film) -> None:
    with db.writing() as session:
        video_id = ensure_video(session, _facts(film))
        size_bytes, mtime_ns = film.size
        path = film.path or Path("/archive") / film.name
        record_file(
            session,
            FileFacts(path=path, size_bytes=size_bytes, mtime_ns=mtime_ns, video_id=video_id),
            library_id=ensure_library(session, film.library),
        )
        run_id = ensure_run(session, fingerprint=film.fingerprint, engine="spotter", config={})
        end_s = film.start_s + film.duration_s
        borders = np.arange(film.start_s, end_s, film.window_s).tolist()
        windows = [Span(start, min(end_s, start + film.window_s)) for start in borders]
        job = plan_job(
            session, video_id=video_id, run_id=run_id, questions=[("describe", "")], windows=windows
        )
        assert job is not None
        for segment in job.segments[: film.done]:
            inside = [s for s in film.seen if segment.window.start_s <= s.start_s < segment.window.end_s]
            rows = _rows(film, job.questions[0].id, inside, segment.window, segment.position)
            assert commit_segment(session, segment.id, rows)


def _facts(film: Film) -> VideoFacts:
    return VideoFacts(
        content_hash=film.content_hash or f"hash-of-{film.name}",
        size_bytes=film.size[0],
        container="mov,mp4",
        codec="h264",
        width=640,
        height=360,
        rotation=0,
        time_base=Fraction(1, film.ticks),
        start_s=film.start_s,
        end_s=film.start_s + film.duration_s,
        num_frames=int(film.duration_s * 25),
        has_audio=False,
        recorded_at=film.recorded_at,
    )


def _rows(film: Film, question: int, seen: Sequence[Seen], window: Span, position: int) -> SegmentRows:
    sampled = [CoverageRow(span=window, kind="sampled", num_frames=40)]
    moments = tuple(
        MomentRow(
            span=Span(s.start_s, s.end_s),
            start_pts=round(s.start_s * film.ticks),
            end_pts=round(s.end_s * film.ticks),
            text=s.text,
            source=s.source,
            vector=vector(s.text),
        )
        for s in seen
    )
    claims = tuple(claim for i, s in enumerate(seen) for claim in _claims(film, s, moment=i))
    return SegmentRows(
        answers=[AnswerRow(question_id=question, raw="", text="", moments=moments, claims=claims)],
        coverage=film.coverage.get(position, sampled),
        tracks=[t for t in film.tracks if window.start_s <= t.span.start_s < window.end_s],
        embedder=embedder().name,
    )


def _claims(film: Film, seen: Seen, *, moment: int) -> list[ClaimRow]:
    subjects = seen.subjects
    if subjects is None:
        subjects = [kind for kind in KINDS if re.search(rf"\b{kind}", seen.text)]
    time_s = (seen.start_s + seen.end_s) / 2
    return [
        ClaimRow(
            subject=subject,
            time_s=time_s,
            pts=round(time_s * film.ticks),
            boxes=(Box(0.1, 0.2, 0.4, 0.8),),
            confidence=seen.confidence,
            moment=moment,
        )
        for subject in subjects
    ]
