"""Clips put to an engine, as many at once as it takes, and its replies in the clips' order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from engines.contract import Engine, Question, Reply
from grounding.errors import EngineError
from grounding.evidence import Answer
from grounding.grammar import parse
from video.frames import Clip

T = TypeVar("T")
Job = tuple[T, Clip, Sequence[Question]]


def ask_each(engine: Engine, jobs: Iterable[Job[T]]) -> Iterator[tuple[T, Clip, list[Reply]]]:
    """Every clip with a reply to each of its questions. While one is dealt with, the next are looked at.

    Raises whatever the engine raises, and EngineError when its replies don't fit the questions.
    """
    at_once = engine.spec.clips_at_once
    waiting: deque[tuple[T, Clip, Future[list[Reply]]]] = deque()
    with ThreadPoolExecutor(at_once, thread_name_prefix="proofreel-engine") as pool:
        try:
            for what, clip, questions in jobs:
                waiting.append((what, clip, pool.submit(_answer, engine, clip, questions)))
                if len(waiting) == at_once:
                    yield _settled(*waiting.popleft())
            while waiting:
                yield _settled(*waiting.popleft())
        finally:
            for _, _, future in waiting:
                future.cancel()


def read(engine: Engine, clip: Clip, reply: Reply) -> Answer:
    """A reply parsed, its times those of the clip."""
    height, width = clip.images.shape[1:3]
    return parse(
        reply.text,
        segment=clip.window,
        coordinates=engine.coordinates,
        frame_size=reply.frame_size or (int(width), int(height)),
    )


def _answer(engine: Engine, clip: Clip, questions: Sequence[Question]) -> list[Reply]:
    replies = engine.answer(clip, questions)
    if len(replies) != len(questions):
        raise EngineError(
            f"engine {engine.name} gave {len(replies)} replies to {len(questions)} questions; use another"
        )
    return replies


def _settled(what: T, clip: Clip, future: Future[list[Reply]]) -> tuple[T, Clip, list[Reply]]:
    return what, clip, future.result()
