"""The tables: SQL is the truth, everything else is rebuilt from it.

Times are seconds of the file (double) beside the integer PTS; the time base stands on `video`. Boxes are
0..1 of the displayed frame. Every row that a model made names its run. Dates are UTC, ISO 8601 text with a
`Z`.

Integers are 64 bits wide everywhere (sizes, mtimes and PTS outgrow 32); SQLite's own integer already is, and
only by that name does it number rows by itself. Texts are compared byte by byte, as SQLite does: no other
order, and no index that breaks with a newer C library.
"""

from __future__ import annotations

from storage.schema.base import Base
from storage.schema.catalog import File, Library, Question, Run, StandingQuestion, Video
from storage.schema.findings import (
    Answer,
    BoxRow,
    Claim,
    Embedding,
    Moment,
    ScreenTextRow,
    TrackRow,
    VectorGeneration,
)
from storage.schema.work import (
    Attempt,
    Coverage,
    Hidden,
    Job,
    JobQuestion,
    Night,
    Seen,
    Segment,
    Switch,
    Switched,
)

__all__ = [
    "Answer",
    "Attempt",
    "Base",
    "BoxRow",
    "Claim",
    "Coverage",
    "Embedding",
    "File",
    "Hidden",
    "Job",
    "JobQuestion",
    "Library",
    "Moment",
    "Night",
    "Question",
    "Run",
    "ScreenTextRow",
    "Seen",
    "Segment",
    "StandingQuestion",
    "Switch",
    "Switched",
    "TrackRow",
    "VectorGeneration",
    "Video",
]
