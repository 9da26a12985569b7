"""Where a file is cut, and which times of a window are looked at."""

from __future__ import annotations

import math
from fractions import Fraction

from grounding.evidence import Span
from video.frames import VideoInfo

MIN_WINDOW_S = 0.5
"""A last window with less that is new joins the one before."""


def grid(window: Span, *, anchor_s: float, rate_hz: float, max_frames: int) -> tuple[float, ...]:
    """The times `anchor_s + k / rate_hz` in the half-open window, rising, at most `max_frames` of them.

    Every window of a file keeps to one grid, so windows that touch never sample a time twice; where there
    would be too many, every m-th time of that grid is kept. A window too short to hold a grid time gives its
    own start, so that no window goes unseen.
    """
    if not (rate_hz > 0 and math.isfinite(rate_hz)) or max_frames < 1:
        raise ValueError(f"need a rate above 0 and at least 1 frame, not {rate_hz} Hz and {max_frames}")
    anchor = Fraction(anchor_s)
    rate = Fraction(rate_hz).limit_denominator(1_000_000) or Fraction(rate_hz)
    # One more on each side: membership is decided on the rounded times that are handed out.
    first = math.floor((Fraction(window.start_s) - anchor) * rate) - 1
    last = math.ceil((Fraction(window.end_s) - anchor) * rate) + 1
    while first < last and float(anchor + first / rate) < window.start_s:
        first += 1
    while last > first and float(anchor + last / rate) >= window.end_s:
        last -= 1
    stride = math.ceil((last - first + 1) / max_frames)
    numbers = range(first + -first % stride, last + 1, stride)
    times = (float(anchor + k / rate) for k in numbers)
    return tuple(t for t in times if window.start_s <= t < window.end_s) or (window.start_s,)


def windows(info: VideoInfo, *, window_s: float, overlap_s: float = 0.0) -> tuple[Span, ...]:
    """Half-open windows over the whole file; each but the first repeats `overlap_s` of the one before.

    The last ends at `info.end_s`. Raises ValueError unless 0 <= overlap_s < window_s.
    """
    if not (0 <= overlap_s < window_s and math.isfinite(window_s)):
        raise ValueError(f"need 0 <= overlap < window, not an overlap of {overlap_s} s in {window_s} s")
    length, step = Fraction(window_s), Fraction(window_s) - Fraction(overlap_s)
    start, end = Fraction(info.start_s), Fraction(info.end_s)
    spans: list[Span] = []
    begin = start
    while not spans or spans[-1].end_s < info.end_s:
        stop = begin + length
        if end - stop < MIN_WINDOW_S:
            stop = end
        spans.append(Span(float(begin), float(stop)))
        begin += step
    return tuple(spans)
