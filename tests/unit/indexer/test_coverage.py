from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grounding.evidence import Span
from indexer.coverage import tile
from storage.rows import CoverageRow
from video.frames import Clip


def clip(window: Span, times_s: list[float], *damaged: Span, still: bool = False) -> Clip:
    n = len(times_s)
    return Clip(
        path=Path("x.mp4"),
        time_base=Fraction(1, 1000),
        window=window,
        images=np.zeros((n, 2, 2, 3), np.uint8),
        pts=np.array([round(t * 1000) for t in times_s], np.int64),
        times_s=np.array(times_s, np.float64),
        durations_s=np.full(n, 0.04),
        damaged=damaged,
        still=still,
    )


def test_a_window_that_was_sampled_is_one_stretch() -> None:
    assert tile(clip(Span(0, 2), [0, 0.5, 1, 1.5])) == (
        CoverageRow(span=Span(0, 2), kind="sampled", num_frames=4),
    )


def test_a_still_window_says_that_it_was_looked_at_by_a_key_frame() -> None:
    assert tile(clip(Span(0, 30), [4.0], still=True)) == (
        CoverageRow(span=Span(0, 30), kind="still", num_frames=1),
    )


def test_damage_is_cut_out_exactly_also_where_it_reaches_over_the_border() -> None:
    stretches = tile(clip(Span(0, 10), [0, 1, 2, 6, 7], Span(2.5, 5.96), Span(9.0, 12.0)))

    assert [(s.kind, s.span.start_s, s.span.end_s, s.num_frames) for s in stretches] == [
        ("sampled", 0, 2.5, 3),
        ("damaged", 2.5, 5.96, 0),
        ("sampled", 5.96, 9.0, 2),
        ("damaged", 9.0, 10, 0),
    ]


def test_a_frame_on_display_since_before_the_window_counts_for_its_beginning() -> None:
    assert tile(clip(Span(10, 20), [8.0]))[0].num_frames == 1


def test_a_stretch_between_damages_without_a_sample_is_skipped_not_sampled() -> None:
    kinds = [s.kind for s in tile(clip(Span(0, 4), [0, 3.5], Span(1, 2), Span(2.2, 3)))]

    assert kinds == ["sampled", "damaged", "skipped", "damaged", "sampled"]


def test_a_window_without_any_frame_is_skipped_with_the_reason() -> None:
    assert tile(clip(Span(0, 4), [])) == (
        CoverageRow(span=Span(0, 4), kind="skipped", num_frames=0, reason="no frame could be read here"),
    )


times = st.floats(-50, 150)


@given(st.lists(times, max_size=8, unique=True), st.lists(st.tuples(times, times), max_size=5))
def test_the_stretches_always_tile_the_window_and_count_every_frame_outside_damage(
    sampled: list[float], damages: list[tuple[float, float]]
) -> None:
    window = Span(0, 100)
    inside = sorted(t for t in sampled if 0 <= t < 100)
    damaged = [Span(min(pair), max(pair)) for pair in damages]

    stretches = tile(clip(window, inside, *damaged))

    assert stretches[0].span.start_s == 0 and stretches[-1].span.end_s == 100
    assert all(a.span.end_s == b.span.start_s for a, b in pairwise(stretches))
    good = [t for t in inside if not any(d.start_s <= t < d.end_s for d in damaged)]
    assert sum(s.num_frames for s in stretches) == len(good)
