"""One segment: a clip and its questions in, all rows of it out. Nothing here reads or writes the database."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from engines.contract import ClipSpec, Engine, Question, Reply
from grounding.errors import EngineError
from grounding.evidence import Answer
from grounding.grammar import parse
from indexer.embedding import Remembering
from indexer.evidence_rows import Asked, segment_rows
from indexer.report import Stage
from storage.rows import SegmentRows, StoredQuestion
from video.frames import Clip

UNSEEN = "no frame of this stretch could be read"


class Stopwatch:
    """Seconds of wall time by stage, summed over a run."""

    def __init__(self) -> None:
        self.spent: Counter[Stage] = Counter()

    @contextmanager
    def on(self, stage: Stage) -> Iterator[None]:
        """Time what is done inside."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - started)

    def add(self, stage: Stage, seconds: float) -> None:
        # A Counter holds what it is given; its type only speaks of integers.
        self.spent[stage] += seconds  # type: ignore[assignment]


def look(
    clip: Clip,
    questions: Sequence[StoredQuestion],
    *,
    engine: Engine,
    embedder: Remembering,
    stopwatch: Stopwatch,
) -> SegmentRows:
    """Put `questions` to `clip`, and give every row that its segment is made of.

    A clip without a frame is not shown to the engine: each of its answers abstains and says why. Raises
    whatever the engine raises, and EngineError when its replies don't fit the questions.
    """
    with stopwatch.on("engine"):
        pairs = answered(engine, clip, [as_asked(question) for question in questions])
    asked = [
        Asked(question_id=question.id, question=question.text, reply=reply, answer=answer)
        for question, (reply, answer) in zip(questions, pairs, strict=True)
    ]
    rows = segment_rows(clip, asked, interval_s=interval_s(engine.spec))
    with stopwatch.on("embed"):
        return embedder.with_vectors(rows)


def answered(engine: Engine, clip: Clip, questions: Sequence[Question]) -> list[tuple[Reply, Answer]]:
    """A reply to each question, and what it says, in file time. As `look` for clips without a frame."""
    if not len(clip.images):
        nothing = Answer(reasoning="", text="", abstained=True, reason=UNSEEN)
        return [(Reply(text=""), nothing) for _ in questions]
    replies = engine.answer(clip, questions)
    if len(replies) != len(questions):
        raise EngineError(
            f"engine {engine.name} gave {len(replies)} replies to {len(questions)} questions; use another"
        )
    return [(reply, read(reply, clip, engine=engine)) for reply in replies]


def read(reply: Reply, clip: Clip, *, engine: Engine) -> Answer:
    """The reply parsed, its times those of the file."""
    height, width = clip.images.shape[1:3]
    return parse(
        reply.text, segment=clip.window, coordinates=engine.coordinates, frame_size=(int(width), int(height))
    )


def as_asked(question: StoredQuestion) -> Question:
    """The stored question as an engine takes it."""
    return Question(text=question.text, task=question.task)  # type: ignore[arg-type]  # written by `index`


def interval_s(spec: ClipSpec) -> float:
    """The longest time between two frames that `spec` asks for, in seconds."""
    return max(1.0 / spec.rate_hz, spec.window_s / spec.max_frames)
