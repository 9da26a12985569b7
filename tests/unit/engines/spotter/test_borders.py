"""Borders are found on made clips, by a detector that sees white squares and counts what it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from engines.spotter import borders
from engines.spotter.detector import Detection
from engines.spotter.frames import Seen, arrange, sample_ranges, shot_spans
from engines.spotter.settings import SpotterSettings
from engines.spotter.tracking import follow
from grounding.evidence import Span
from video.frames import Clip, DenseFrames

RATE = 20
FRAMES = 120  # six seconds


class SquareDetector:
    """Calls a white square a person, and knows nothing else."""

    def __init__(self) -> None:
        self.pictures_seen = 0

    def detect(self, pictures: Sequence[np.ndarray]) -> list[list[Detection]]:
        self.pictures_seen += len(pictures)
        return [self._one(p) for p in pictures]

    def _one(self, picture: np.ndarray) -> list[Detection]:
        rows, columns = np.nonzero(picture[:, :, 0] > 200)
        if not len(rows):
            return []
        box = (columns.min() / 300, rows.min() / 300, (columns.max() + 1) / 300, (rows.max() + 1) / 300)
        return [Detection("person", 0.9, tuple(float(v) for v in box))]


def clip(visible: range, *, step: int = 10, moving: float = 1.5) -> Clip:
    images = np.zeros((FRAMES, 300, 300, 3), np.uint8)
    for k in visible:
        x = int(20 + moving * k)
        images[k, 100:140, x : x + 40] = 255
    pts = np.arange(FRAMES, dtype=np.int64)
    at = pts[::step]
    return Clip(
        path="made",
        time_base=Fraction(1, RATE),
        window=Span(0.0, FRAMES / RATE),
        images=images[at],
        pts=at,
        times_s=at / RATE,
        durations_s=np.full(len(at), 1 / RATE),
        dense=DenseFrames(images=images, pts=pts, times_s=pts / RATE),
    )


def found(seen: Seen, detector: SquareDetector, *, cuts: Sequence[int] = (), **changes: object) -> list[Span]:
    settings = SpotterSettings(**changes)
    samples = detector.detect(seen.squeezed)
    ranges, shots = sample_ranges(seen, cuts), shot_spans(seen, cuts)
    paths = follow(samples, looked=[True] * len(samples), shots=ranges, settings=settings)
    detector.pictures_seen = 0
    return borders.spans(paths, seen=seen, shots=shots, detector=detector, settings=settings)


@pytest.mark.parametrize("first", [11, 13, 17, 19, 20, 21])
@pytest.mark.parametrize("last", [69, 70, 71, 74, 79])
def test_the_first_and_last_visible_frames_are_found_exactly(first: int, last: int) -> None:
    (span,) = found(arrange(clip(range(first, last + 1))), SquareDetector())
    assert (span.start_s, span.end_s) == (pytest.approx(first / RATE), pytest.approx((last + 1) / RATE))


def test_halving_asks_for_few_pictures() -> None:
    detector = SquareDetector()
    found(arrange(clip(range(13, 75))), detector)
    assert detector.pictures_seen <= 8  # two borders of nine pictures each


def test_what_is_there_from_end_to_end_costs_at_most_two_looks() -> None:
    detector = SquareDetector()
    (span,) = found(arrange(clip(range(FRAMES))), detector)
    assert span == Span(0.0, FRAMES / RATE)
    assert detector.pictures_seen <= 2


def test_what_leaves_after_the_last_sample_ends_where_it_left() -> None:
    (span,) = found(arrange(clip(range(116))), SquareDetector())
    assert span.end_s == pytest.approx(116 / RATE)


def test_a_cut_is_the_border_to_the_frame() -> None:
    spans = found(arrange(clip(range(120), moving=0.2)), SquareDetector(), cuts=[47])
    assert spans == [Span(0.0, 47 / RATE), Span(47 / RATE, 6.0)]


def test_without_refinement_a_border_is_its_outermost_sample() -> None:
    detector = SquareDetector()
    (span,) = found(arrange(clip(range(13, 75))), detector, refine=False)
    assert (span.start_s, span.end_s) == (pytest.approx(20 / RATE), pytest.approx(71 / RATE))
    assert detector.pictures_seen == 0


def test_the_allowance_is_kept() -> None:
    detector = SquareDetector()
    found(arrange(clip(range(13, 75))), detector, refine_calls_least=3, refine_calls_a_sample=0.0)
    assert detector.pictures_seen == 3
