"""Windows tile a file, and one grid of times runs through them without a gap or a double."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from grounding.evidence import Span
from video.frames import VideoInfo
from video.sampling import MIN_WINDOW_S, grid, windows

starts = st.floats(-1000, 100_000, allow_nan=False)
lengths = st.floats(0.001, 5000)
window_lengths = st.floats(0.6, 600)
RATES = [0.1, 0.5, 1, 2, 3, 5, 7, 10, 23.976, 24000 / 1001, 29.97, 1 / 3]
rates = st.sampled_from(RATES) | st.floats(0.01, 60)


def info(start_s: float, end_s: float) -> VideoInfo:
    return VideoInfo(
        path=Path("clip.mp4"),
        container="mp4",
        codec="h264",
        width=320,
        height=240,
        rotation=0,
        sample_aspect=Fraction(1),
        time_base=Fraction(1, 90_000),
        start_s=start_s,
        end_s=end_s,
        duration_s_header=None,
        num_frames=1,
        num_frames_from_header=None,
        keyframe_pts=(0,),
        seekable=True,
        has_audio=False,
        recorded_at=None,
    )


@given(starts, lengths, window_lengths)
def test_windows_tile_the_file_without_a_sliver(start: float, length: float, window_s: float) -> None:
    video = info(start, start + length)
    assume(length / window_s < 2000 and video.duration_s > 0)
    spans = windows(video, window_s=window_s)
    assert spans[0].start_s == video.start_s and spans[-1].end_s == video.end_s
    assert all(a.end_s == b.start_s for a, b in pairwise(spans))
    assert all(s.end_s - s.start_s <= window_s + MIN_WINDOW_S + 1e-6 for s in spans)
    assert len(spans) == 1 or all(s.end_s - s.start_s >= MIN_WINDOW_S - 1e-6 for s in spans)


@given(starts, lengths, window_lengths, st.floats(0, 0.9))
def test_overlapping_windows_repeat_the_overlap_and_cover_all(
    start: float, length: float, window_s: float, share: float
) -> None:
    overlap_s = window_s * share
    video = info(start, start + length)
    assume(length / (window_s - overlap_s) < 2000 and video.duration_s > 0)
    spans = windows(video, window_s=window_s, overlap_s=overlap_s)
    assert spans[0].start_s == video.start_s and spans[-1].end_s == video.end_s
    for before, after in pairwise(spans):
        assert after.start_s - before.start_s == pytest.approx(window_s - overlap_s)
        assert before.end_s - after.start_s == pytest.approx(overlap_s, abs=1e-6)
        assert after.end_s > before.end_s


@given(starts, st.floats(0.6, 300), window_lengths, rates)
def test_the_grids_of_all_windows_together_are_the_grid_of_the_file(
    start: float, length: float, window_s: float, rate_hz: float
) -> None:
    video = info(start, start + length)
    assume(length * rate_hz < 3000 and rate_hz * MIN_WINDOW_S >= 1)
    spans = windows(video, window_s=window_s)
    assume(len(spans) < 300)
    times = [t for span in spans for t in grid(span, anchor_s=start, rate_hz=rate_hz, max_frames=10**6)]
    whole = grid(Span(video.start_s, video.end_s), anchor_s=start, rate_hz=rate_hz, max_frames=10**6)
    assert tuple(times) == whole
    assert all(a < b for a, b in pairwise(times))
    assert times[0] == start


@given(starts, st.floats(0.001, 600), rates, st.integers(1, 64), st.floats(0, 1000))
def test_times_lie_in_the_window_and_are_never_too_many(
    start: float, length: float, rate_hz: float, max_frames: int, offset: float
) -> None:
    window = Span(start, start + length)
    assume(window.end_s > window.start_s)
    times = grid(window, anchor_s=start - offset, rate_hz=rate_hz, max_frames=max_frames)
    assert 1 <= len(times) <= max_frames
    assert all(window.start_s <= t < window.end_s for t in times)
    assert list(times) == sorted(set(times))


def test_ten_hours_at_a_third_of_a_second_do_not_drift() -> None:
    times = grid(Span(0.0, 36_000.0), anchor_s=0.0, rate_hz=3, max_frames=10**6)
    assert len(times) == 108_000
    assert times[-1] == float(Fraction(107_999, 3)) and times[2] == 2 / 3


def test_too_many_times_are_thinned_on_the_same_grid() -> None:
    first = grid(Span(0.0, 10.0), anchor_s=0.0, rate_hz=2, max_frames=7)
    second = grid(Span(10.0, 20.0), anchor_s=0.0, rate_hz=2, max_frames=7)
    assert first == (0.0, 1.5, 3.0, 4.5, 6.0, 7.5, 9.0)
    assert second == (10.5, 12.0, 13.5, 15.0, 16.5, 18.0, 19.5)


def test_a_window_between_two_grid_times_is_looked_at_once() -> None:
    assert grid(Span(10.1, 10.7), anchor_s=0.0, rate_hz=1, max_frames=9) == (10.1,)


def test_the_last_half_second_joins_the_window_before_it() -> None:
    assert windows(info(0.0, 20.4), window_s=10) == (Span(0.0, 10.0), Span(10.0, 20.4))
    assert windows(info(0.0, 20.5), window_s=10)[-1] == Span(20.0, 20.5)
    assert windows(info(3601.0, 3601.1), window_s=10) == (Span(3601.0, 3601.1),)


@pytest.mark.parametrize(
    ("window_s", "overlap_s"), [(10, 10), (10, -1), (0, 0), (float("nan"), 0), (float("inf"), 0)]
)
def test_impossible_windows_are_refused(window_s: float, overlap_s: float) -> None:
    with pytest.raises(ValueError, match="overlap"):
        windows(info(0, 20), window_s=window_s, overlap_s=overlap_s)


@pytest.mark.parametrize(("rate_hz", "max_frames"), [(0, 5), (-1, 5), (float("nan"), 5), (1, 0)])
def test_impossible_rates_are_refused(rate_hz: float, max_frames: int) -> None:
    with pytest.raises(ValueError, match="rate above 0"):
        grid(Span(0, 1), anchor_s=0, rate_hz=rate_hz, max_frames=max_frames)
