from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from engines.contract import ScreenText
from engines.spotter.frames import Seen, arrange
from engines.spotter.reading import Reading, screen_texts
from engines.spotter.settings import SpotterSettings
from engines.spotter.text_models import Line
from grounding.evidence import Span
from video.frames import Clip, DenseFrames

RATE, FRAMES, STEP = 10, 100, 5
BOX = (0.2, 0.4, 0.6, 0.45)
SETTINGS = SpotterSettings()


def seen_with(*visible: range, noise: int = 0) -> Seen:
    """Ten seconds with a striped line of "text" in BOX on the frames of `visible`."""
    rng = np.random.default_rng(0)
    images = np.full((FRAMES, 300, 300, 3), 90, np.uint8)
    for frames in visible:
        images[frames.start : frames.stop, 120:135, 60:180:3] = 240
    images = np.clip(images + rng.integers(-noise, noise + 1, images.shape), 0, 255).astype(np.uint8)
    pts = np.arange(FRAMES, dtype=np.int64)
    return arrange(
        Clip(
            path="made",
            time_base=Fraction(1, RATE),
            window=Span(0.0, FRAMES / RATE),
            images=images[::STEP],
            pts=pts[::STEP],
            times_s=pts[::STEP] / RATE,
            durations_s=np.full(FRAMES // STEP, 1 / RATE),
            dense=DenseFrames(images=images, pts=pts, times_s=pts / RATE),
        )
    )


def reading(time_s: float, *texts: str, shot: int = 0) -> Reading:
    lines = tuple(Line(text, 0.9, BOX) for text in texts)
    return Reading(index=round(time_s * RATE / STEP), shot=shot, lines=lines)


def joined(seen: Seen, *readings: Reading, shots: tuple[Span, ...] = (Span(0.0, 10.0),)) -> list[ScreenText]:
    return screen_texts(seen, readings, shots=shots, settings=SETTINGS)


def spans(texts: list[ScreenText]) -> list[tuple[float, float]]:
    return [(t.span.start_s, t.span.end_s) for t in texts]


@pytest.mark.parametrize(("first", "end"), [(23, 61), (0, 31), (29, 100), (30, 31)])
@pytest.mark.parametrize("noise", [0, 4])
def test_a_line_spans_the_frames_on_which_its_pixels_stood(first: int, end: int, noise: int) -> None:
    (text,) = joined(seen_with(range(first, end), noise=noise), reading(3.0, "Disk full"))
    assert (text.span.start_s, text.span.end_s) == (pytest.approx(first / RATE), pytest.approx(end / RATE))


def test_two_reads_of_a_standing_line_are_one_text() -> None:
    texts = joined(seen_with(range(10, 90)), reading(2.0, "Disk full"), reading(7.0, "Disk fu1l"))
    assert spans(texts) == [(1.0, 9.0)]


def test_a_read_that_misses_a_standing_line_does_not_end_it() -> None:
    seen = seen_with(range(10, 90))
    texts = joined(seen, reading(2.0, "Disk full"), reading(5.0), reading(7.0, "Disk full"))
    assert spans(texts) == [(1.0, 9.0)]


def test_a_line_that_went_and_came_back_is_two_texts() -> None:
    seen = seen_with(range(10, 40), range(60, 90))
    texts = joined(seen, reading(2.0, "Disk full"), reading(5.0), reading(7.0, "Disk full"))
    assert spans(texts) == [(1.0, 4.0), (6.0, 9.0)]


def test_another_text_in_the_same_place_is_another_text() -> None:
    seen = seen_with(range(10, 40), range(60, 90))
    texts = joined(seen, reading(2.0, "Disk full"), reading(7.0, "Try again"))
    assert [t.text for t in texts] == ["Disk full", "Try again"]


def test_a_line_does_not_reach_into_another_shot_unless_it_is_read_there_too() -> None:
    seen, shots = seen_with(range(10, 90)), (Span(0.0, 5.0), Span(5.0, 10.0))
    assert spans(joined(seen, reading(2.0, "Disk full"), shots=shots)) == [(1.0, 5.0)]
    both = joined(seen, reading(2.0, "Disk full"), reading(5.0, "Disk full", shot=1), shots=shots)
    assert spans(both) == [(1.0, 9.0)]
