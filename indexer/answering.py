"""Clips put to the engine, as many at once as it takes, and its replies in the clips' order."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from engines.contract import Engine, Question, Reply
from grounding.errors import EngineError
from grounding.evidence import Answer
from grounding.grammar import parse
from indexer.reading import Reading
from indexer.timing import Stopwatch
from video.frames import Clip

UNSEEN = "no frame of this stretch could be read"

Pairs = list[tuple[Reply, Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A window and what the engine said of it, a pair a question; or the error in its place."""

    reading: Reading
    pairs: Pairs
    error: Exception | None


def answer_ahead(
    readings: Iterator[Reading], questions: Sequence[Question], *, engine: Engine, stopwatch: Stopwatch
) -> Generator[Answered, None, None]:
    """Every reading with its answers, in order. While one is dealt with, the engine works on the next ones.

    Closing it early waits for the clips that the engine is at, and drops what it says.
    """
    at_once = engine.spec.clips_at_once
    waiting: deque[tuple[Reading, Future[Pairs]]] = deque()
    with ThreadPoolExecutor(at_once, thread_name_prefix="proofreel-engine") as pool:
        try:
            while True:
                with stopwatch.on("wait"):
                    reading = next(readings, None)
                if reading is not None:
                    waiting.append((reading, pool.submit(_answer, reading, questions, engine)))
                elif not waiting:
                    return
                if reading is None or len(waiting) == at_once:
                    yield _settled(*waiting.popleft(), stopwatch=stopwatch)
                    del reading  # or its frames stay in memory while the next are read
        finally:
            for _, future in waiting:
                future.cancel()


def _settled(reading: Reading, future: Future[Pairs], *, stopwatch: Stopwatch) -> Answered:
    with stopwatch.on("engine"):
        try:
            return Answered(reading=reading, pairs=future.result(), error=None)
        except Exception as error:  # carried to where a segment's fate is decided
            return Answered(reading=reading, pairs=[], error=error)


def _answer(reading: Reading, questions: Sequence[Question], engine: Engine) -> Pairs:
    if reading.clip is None:
        assert reading.error is not None
        raise reading.error
    return answered(engine, reading.clip, questions)


def answered(engine: Engine, clip: Clip, questions: Sequence[Question]) -> Pairs:
    """A reply to each question, and what it says, in file time.

    A clip without a frame is not shown to the engine: each of its answers abstains and says why. Raises
    whatever the engine raises, and EngineError when its replies don't fit the questions.
    """
    if not len(clip.images):
        nothing = Answer(reasoning="", text="", abstained=True, reason=UNSEEN)
        return [(Reply(text=""), nothing) for _ in questions]
    replies = engine.answer(clip, questions)
    if len(replies) != len(questions):
        raise EngineError(
            f"engine {engine.name} gave {len(replies)} replies to {len(questions)} questions; use another"
        )
    return [(reply, _read(reply, clip, engine=engine)) for reply in replies]


def _read(reply: Reply, clip: Clip, *, engine: Engine) -> Answer:
    """The reply parsed, its times those of the file."""
    height, width = clip.images.shape[1:3]
    return parse(
        reply.text,
        segment=clip.window,
        coordinates=engine.coordinates,
        frame_size=reply.frame_size or (int(width), int(height)),
    )
