"""Controls: black frames, frames at each other's times, and what was pointed at painted over."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding import Box, Span
from grounding.geometry import iou
from tests.unit.training.completions import seen
from training.evaluate.controls import PAINT, blind, elsewhere, masked, shuffled
from video.frames import Clip

CITED = Box(0.25, 0.5, 0.5, 0.75)


def clip(frames: int = 12) -> Clip:
    """Frames of noise that is nowhere black or of the paint's grey, half a second apart."""
    images = np.random.default_rng(0).integers(200, 256, (frames, 128, 128, 3), dtype=np.uint8)
    times_s = np.arange(frames) * 0.5
    return Clip(
        path=Path("clip"), time_base=Fraction(1, 1000), window=Span(0.0, 0.5 * frames), images=images,
        pts=(times_s * 1000).astype(np.int64), times_s=times_s, durations_s=np.full(frames, 0.5),
    )  # fmt: skip


def test_a_blind_clip_is_black_and_keeps_its_times() -> None:
    shown = blind(clip())
    assert shown.images.max() == 0
    assert shown.images.shape == clip().images.shape
    np.testing.assert_array_equal(shown.times_s, clip().times_s)


def test_shuffled_frames_are_all_there_at_other_times_and_the_same_ones_for_a_seed() -> None:
    one, again = (shuffled(clip(), rng=np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(one.images, again.images)
    np.testing.assert_array_equal(one.times_s, clip().times_s)
    order = [int((clip().images == image).all(axis=(1, 2, 3)).argmax()) for image in one.images]
    assert sorted(order) == list(range(12)) != order


@pytest.mark.parametrize("frames", [1, 2])
def test_so_few_frames_as_there_are_are_shuffled(frames: int) -> None:
    shown = shuffled(clip(frames), rng=np.random.default_rng(0))
    assert (shown.images == clip(frames).images).all() == (frames == 1)


def test_a_cited_box_is_painted_over_in_the_frames_about_its_time_alone() -> None:
    painted = (masked(clip(), [seen("ball", 2.0, CITED)], rng=None).images == PAINT).all(axis=-1)
    assert painted.any(axis=(1, 2)).nonzero()[0].tolist() == [2, 3, 4, 5, 6]  # 1.0 .. 3.0 s
    for frame in range(2, 7):
        assert painted[frame].sum() == 32 * 32
        assert painted[frame, 64:96, 32:64].all()


def test_a_random_box_is_as_large_in_the_same_frames_and_clear_of_what_was_cited() -> None:
    claims = [seen("ball", 2.0, CITED), seen("ring", 5.0, Box(0.0, 0.0, 0.25, 0.25))]
    cited = (masked(clip(), claims, rng=None).images == PAINT).all(axis=-1)
    other = (masked(clip(), claims, rng=np.random.default_rng(1)).images == PAINT).all(axis=-1)
    assert (cited.any(axis=(1, 2)) == other.any(axis=(1, 2))).all()
    assert not (cited & other).any()
    ratio = other.sum() / cited.sum()
    assert 1.0 <= ratio < 1.1  # a place between two pixels paints both


def test_without_a_claim_nothing_is_painted() -> None:
    np.testing.assert_array_equal(masked(clip(), [], rng=None).images, clip().images)


corners = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)


@given(corners, corners, st.integers(0, 2**32))
def test_any_box_finds_another_place_in_the_frame(across: list[float], down: list[float], seed: int) -> None:
    box = Box(across[0], down[0], across[1], down[1])
    other = elsewhere(box, [box], rng=np.random.default_rng(seed))
    assert other.x2 - other.x1 == pytest.approx(box.x2 - box.x1, abs=1e-9)
    assert other.y2 - other.y1 == pytest.approx(box.y2 - box.y1, abs=1e-9)
    if box.x2 - box.x1 < 0.3 and box.y2 - box.y1 < 0.3:
        assert iou(box, other) == 0.0
