"""Several clips are asked about at once; what comes back is in order, whole, and waits for nobody's error."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from engines.contract import DESCRIBE
from grounding.errors import Unreadable
from grounding.evidence import Span
from indexer.answering import answer_ahead
from indexer.reading import Cut, Reading
from indexer.timing import Stopwatch
from tests.brightness import SPEC, BrightnessEngine
from video.frames import Clip

PATIENCE_S = 20.0


def reading(number: int) -> Reading:
    window = Span(2.0 * number, 2.0 * number + 2.0)
    clip = Clip(
        path=Path("a.mp4"),
        time_base=Fraction(1, 10),
        window=window,
        images=np.full((1, 8, 8, 3), 255 * (number % 2), np.uint8),
        pts=np.array([20 * number]),
        times_s=np.array([2.0 * number]),
        durations_s=np.array([2.0]),
    )
    cut = Cut(number=number, window=window, times_s=(window.start_s,), still=False)
    return Reading(cut=cut, clip=clip, error=None, cost_s=0.0)


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_answers_come_in_the_order_of_the_clips(at_once: int) -> None:
    engine = BrightnessEngine(spec=replace(SPEC, clips_at_once=at_once))

    answers = list(answer_ahead(map(reading, range(7)), [DESCRIBE], engine=engine, stopwatch=Stopwatch()))

    assert [a.reading.cut.number for a in answers] == list(range(7))
    assert [bool(a.pairs[0][1].claims) for a in answers] == [n % 2 == 1 for n in range(7)]


def test_two_clips_are_looked_at_at_the_same_time() -> None:
    both_are_there = threading.Barrier(2)
    engine = BrightnessEngine(
        spec=replace(SPEC, clips_at_once=2), on_clip=lambda clip: both_are_there.wait(PATIENCE_S) and None
    )

    answers = list(answer_ahead(map(reading, range(4)), [DESCRIBE], engine=engine, stopwatch=Stopwatch()))

    assert [a.error for a in answers] == [None] * 4


def test_an_error_stands_in_its_clips_place_and_the_next_ones_are_answered() -> None:
    def on_clip(clip: Clip) -> None:
        if clip.window.start_s == 2.0:
            raise MemoryError("too large")

    lost = replace(reading(2), clip=None, error=Unreadable("a.mp4", "gone"))
    engine = BrightnessEngine(spec=replace(SPEC, clips_at_once=2), on_clip=on_clip)

    answers = list(
        answer_ahead(
            iter([reading(0), reading(1), lost, reading(3)]), [DESCRIBE], engine=engine, stopwatch=Stopwatch()
        )
    )

    assert [type(a.error) for a in answers] == [type(None), MemoryError, Unreadable, type(None)]


def test_clips_are_taken_no_further_ahead_than_the_engine_works() -> None:
    taken: list[int] = []

    def readings() -> Iterator[Reading]:
        for number in range(10):
            taken.append(number)
            yield reading(number)

    engine = BrightnessEngine(spec=replace(SPEC, clips_at_once=2))
    with closing(answer_ahead(readings(), [DESCRIBE], engine=engine, stopwatch=Stopwatch())) as answers:
        next(answers)
        assert taken == [0, 1]
        next(answers)
        assert taken == [0, 1, 2]
