"""One segment: a clip and what was said of it in, all its rows out. The database is not touched here."""

from __future__ import annotations

from collections.abc import Sequence

from engines.contract import ClipSpec, Question
from grounding.evidence import Span
from indexer.answering import Pairs
from indexer.embedding import Remembering
from indexer.evidence_rows import Asked, segment_rows
from indexer.timing import Stopwatch
from storage.rows import AnswerRow, CoverageRow, SegmentRows, StoredQuestion
from video.frames import Clip


def rows_of(
    clip: Clip,
    pairs: Pairs,
    questions: Sequence[StoredQuestion],
    *,
    spec: ClipSpec,
    embedder: Remembering,
    stopwatch: Stopwatch,
) -> SegmentRows:
    """Every row that a segment is made of: `pairs` holds a reply and its reading to each of `questions`."""
    asked = [
        Asked(question_id=question.id, question=question.text, reply=reply, answer=answer)
        for question, (reply, answer) in zip(questions, pairs, strict=True)
    ]
    rows = segment_rows(clip, asked, interval_s=interval_s(spec))
    with stopwatch.on("embed"):
        return embedder.with_vectors(rows)


def skipped_rows(window: Span, questions: Sequence[StoredQuestion], *, reason: str) -> SegmentRows:
    """The rows of a window that could not be looked at for a reason that will not go away."""
    return SegmentRows(
        answers=[
            AnswerRow(question_id=q.id, raw="", text="", abstained=True, reason=reason) for q in questions
        ],
        coverage=[CoverageRow(span=window, kind="skipped", num_frames=0, reason=reason)],
    )


def as_asked(question: StoredQuestion) -> Question:
    """The stored question as an engine takes it."""
    return Question(text=question.text, task=question.task)  # type: ignore[arg-type]  # written by `index`


def interval_s(spec: ClipSpec) -> float:
    """The longest time between two frames that `spec` asks for, in seconds."""
    return max(1.0 / spec.rate_hz, spec.window_s / spec.max_frames)
