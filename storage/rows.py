"""What the other rooms hand in to be stored and get back: plain values, checked when they are made.

Times are seconds of the file; PTS are in the video's time base; boxes are 0..1 of the displayed frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

from grounding.errors import Path
from grounding.evidence import Box, Problem, Span

Source = Literal["statement", "answer", "screen_text"]
CoverageKind = Literal["sampled", "still", "damaged", "skipped"]
Outcome = Literal["done", "raised", "died", "timed_out", "lost", "interrupted"]
Severity = Literal["low", "medium", "high", "critical"]
"""How grave a hit of a standing question is, mildest first."""
CHARGED: tuple[Outcome, ...] = ("raised", "died", "timed_out")
"""The outcomes that count against a job; a lost node or an interruption is not its fault."""

Vector = npt.NDArray[np.float32]  # [D], unit length


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingRow:
    """A question (task, text) that a library asks of all its videos, and what a hit of it means.

    So many `reviewers` must rule on a hit, which they see blurred at first with `blur`. `pack`,
    `pack_version` and `name` say which question of which pack it is; None for one of the library's own.
    """

    task: str
    text: str
    severity: Severity = "medium"
    reviewers: int = 1
    blur: bool = False
    pack: str | None = None
    pack_version: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    """What is kept of a video's content; `content_hash` is what makes it this video.

    `missing_s`: so much is missing at its end, because the file is cut off; None where nobody looked.
    """

    content_hash: str
    size_bytes: int
    container: str
    codec: str
    width: int
    height: int
    rotation: int
    time_base: Fraction
    start_s: float
    end_s: float
    num_frames: int
    has_audio: bool
    recorded_at: date | None
    missing_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """A path as it was found. `video_id` is None for what can't be used; `reason` then says why."""

    path: Path
    size_bytes: int
    mtime_ns: int
    video_id: int | None
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.video_id is None and not self.reason:
            raise ValueError(f"a file without a video needs the reason why: {self.path!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """A path as the last scan left it; `missing_since` is None while it is there."""

    id: int
    size_bytes: int
    mtime_ns: int
    video_id: int | None
    reason: str | None
    missing_since: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredQuestion:
    """A question with its id."""

    id: int
    task: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingSegment:
    """A window that is still to be looked at; `position` counts from 0 within the job."""

    id: int
    position: int
    window: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingJob:
    """What is left to do of a job. `resumed` says that it was planned before this call."""

    id: int
    video_id: int
    run_id: int
    questions: tuple[StoredQuestion, ...]
    segments: tuple[PendingSegment, ...]
    num_segments: int
    resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRow:
    """A claim. `moment` indexes `AnswerRow.moments`, or is None; `confidence` is 0..1, or None."""

    subject: str
    time_s: float
    pts: int
    boxes: tuple[Box, ...]
    confidence: float | None = None
    moment: int | None = None

    def __post_init__(self) -> None:
        if not self.boxes:
            raise ValueError(f"a claim needs at least one box: {self.subject!r} at {self.time_s} s has none")
        if not math.isfinite(self.time_s):
            raise ValueError(f"a claim needs a finite time, not {self.time_s} ({self.subject!r})")
        if self.confidence is not None and not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"a confidence is a number in 0..1, not {self.confidence} ({self.subject!r})")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MomentRow:
    """A moment; `vector` is the embedding of its text, or None when it has no searchable words."""

    span: Span
    start_pts: int
    end_pts: int
    text: str
    source: Source
    vector: Vector | None = field(repr=False)

    def __post_init__(self) -> None:
        vector = self.vector
        if vector is not None and (vector.ndim != 1 or not np.isfinite(vector).all()):
            raise ValueError(f"the vector of {self.text!r} needs one dimension and finite numbers")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    """An answer to the question `question_id`, with its evidence."""

    question_id: int
    raw: str
    text: str
    abstained: bool = False
    reason: str | None = None
    mean_logprob: float | None = None
    problems: tuple[Problem, ...] = ()
    moments: tuple[MomentRow, ...] = ()
    claims: tuple[ClaimRow, ...] = ()

    def __post_init__(self) -> None:
        for claim in self.claims:
            if claim.moment is not None and not 0 <= claim.moment < len(self.moments):
                raise ValueError(f"a claim names moment {claim.moment} of {len(self.moments)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackPointRow:
    """Where a tracked thing was at one frame."""

    time_s: float
    pts: int
    box: Box
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackRows:
    """One thing followed through the segment."""

    label: str
    span: Span
    points: tuple[TrackPointRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenTextRows:
    """Text read off the picture."""

    text: str
    span: Span
    time_s: float
    pts: int
    box: Box
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageRow:
    """What was or was not looked at within the segment."""

    span: Span
    kind: CoverageKind
    num_frames: int
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRows:
    """Everything that one segment's commit writes. `embedder` names what made the moments' vectors."""

    answers: Sequence[AnswerRow]
    coverage: Sequence[CoverageRow]
    tracks: Sequence[TrackRows] = ()
    screen_texts: Sequence[ScreenTextRows] = ()
    embedder: str = ""

    def __post_init__(self) -> None:
        if not self.embedder and any(m.vector is not None for a in self.answers for m in a.moments):
            raise ValueError("vectors need the name of the embedder that made them")
