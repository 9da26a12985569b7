"""Rows for tests: a home with a video and a pending job, and segments full of moments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
from sqlalchemy.orm import Session

from grounding.evidence import Box, Problem, Span
from storage import (
    AnswerRow,
    ClaimRow,
    CoverageRow,
    FileFacts,
    MomentRow,
    PendingJob,
    ScreenTextRows,
    SegmentRows,
    TrackPointRow,
    TrackRows,
    VideoFacts,
    ensure_library,
    ensure_run,
    ensure_video,
    next_job,
    plan_jobs,
    record_file,
)
from storage.jobs import Asked

DIMENSION = 384
EMBEDDER = "test-embedder"
DESCRIBE = ("describe", "")
WINDOW = Span(0.0, 20.0)


def video_facts(content: str = "a", *, duration_s: float = 60.0) -> VideoFacts:
    return VideoFacts(
        content_hash=f"hash-{content}",
        size_bytes=5_000_000_000,
        container="mov,mp4",
        codec="h264",
        width=640,
        height=360,
        rotation=0,
        time_base=Fraction(1, 90_000),
        start_s=0.0,
        end_s=duration_s,
        num_frames=int(duration_s * 25),
        has_audio=False,
        recorded_at=datetime(2026, 5, 1, 12, tzinfo=UTC),
    )


def add_video(
    session: Session, content: str = "a", *, library: str = "default", duration_s: float = 60.0
) -> int:
    """A video with one file in `library`; gives its id."""
    video_id = ensure_video(session, video_facts(content, duration_s=duration_s))
    facts = FileFacts(path=f"/v/{content}.mp4", size_bytes=5_000_000_000, mtime_ns=1 << 60, video_id=video_id)
    record_file(session, facts, library_id=ensure_library(session, library))
    return video_id


def add_job(
    session: Session,
    content: str = "a",
    *,
    num_segments: int = 3,
    window_s: float = 20.0,
    library: str = "default",
    fingerprint: str = "f1",
) -> PendingJob:
    """A pending job with the standing description over windows that tile the video."""
    video_id = add_video(session, content, library=library, duration_s=num_segments * window_s)
    run_id = ensure_run(session, fingerprint=fingerprint, engine="spotter", config={"rate_hz": 2})
    windows = [Span(i * window_s, (i + 1) * window_s) for i in range(num_segments)]
    job = plan_job(session, video_id=video_id, run_id=run_id, questions=[DESCRIBE], windows=windows)
    assert job is not None
    return job


def plan_job(
    session: Session, *, video_id: int, run_id: int, questions: Sequence[Asked], windows: Sequence[Span]
) -> PendingJob | None:
    """Plan for one video, and begin its next job at once."""
    plan_jobs(session, [video_id], run_id=run_id, questions=questions)
    return next_job(session, video_id=video_id, run_id=run_id, windows=windows)


def unit_vectors(count: int, *, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """`count` random vectors of unit length, [count, DIMENSION] float32."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def segment_rows(
    question_id: int, *, num_moments: int = 2, window: Span = WINDOW, seed: int = 0
) -> SegmentRows:
    """A description with one claim of two boxes a moment, a track, a screen text and full coverage."""
    vectors = unit_vectors(num_moments, seed=seed)
    start = window.start_s
    moments = tuple(
        MomentRow(
            span=Span(start, start + 1.0),
            start_pts=int(start * 90_000),
            end_pts=int((start + 1.0) * 90_000),
            text=f"moment {i} of segment {seed}: a person rides a bicycle",
            source="statement",
            vector=vectors[i],
        )
        for i in range(num_moments)
    )
    boxes = (Box(0.1, 0.2, 0.3, 0.4), Box(0.5, 0.5, 0.9, 1.0))
    claims = tuple(
        ClaimRow(
            subject="bicycle", time_s=start, pts=int(start * 90_000), boxes=boxes, confidence=0.5, moment=i
        )
        for i in range(num_moments)
    )
    answer = AnswerRow(
        question_id=question_id,
        raw="<think>..</think>",
        text="",
        moments=moments,
        claims=claims,
        problems=(Problem(kind="bad_box", offset=3, excerpt="<box>"),),
    )
    point = TrackPointRow(time_s=start, pts=0, box=boxes[0], confidence=0.9)
    return SegmentRows(
        answers=[answer],
        coverage=[CoverageRow(span=window, kind="sampled", num_frames=40)],
        tracks=[TrackRows(label="bicycle", span=window, points=(point,))],
        screen_texts=[
            ScreenTextRows(text="EXIT", span=window, time_s=start, pts=0, box=boxes[1], confidence=0.8)
        ],
        embedder=EMBEDDER,
    )
