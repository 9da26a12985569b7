"""Observations made by hand: what a clip would show, without a clip."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from engines.contract import ScreenText, Track, TrackPoint
from engines.spotter.observations import Observations
from grounding import Box, Span

START_S = 100.0  # of the window in its file, so that a time that wasn't mapped shows
RATE_HZ = 2.0


def box(*corners: float) -> Box:
    x1, y1, x2, y2 = corners
    return Box(x1, y1, x2, y2)


def track(
    label: str, where: Box | Sequence[Box], *, samples: Sequence[int], confidence: float = 0.8
) -> Track:
    """A thing seen at these sampled frames, standing still or with a box a frame."""
    boxes = [where] * len(samples) if isinstance(where, Box) else list(where)
    points = tuple(
        TrackPoint(time_s=START_S + i / RATE_HZ, pts=i * 500, box=b, confidence=confidence)
        for i, b in zip(samples, boxes, strict=True)
    )
    return Track(label=label, span=Span(points[0].time_s, points[-1].time_s), points=points)


def screen_text(text: str, *, start_s: float, end_s: float, where: Box | None = None) -> ScreenText:
    """A text on screen from `start_s` to `end_s` of the window."""
    return ScreenText(
        text=text,
        span=Span(START_S + start_s, START_S + end_s),
        time_s=START_S + start_s,
        pts=round(start_s * 1000),
        box=where or Box(0.1, 0.1, 0.4, 0.2),
        confidence=0.9,
    )


def observed(
    *tracks: Track,
    texts: Sequence[ScreenText] = (),
    samples: int = 20,
    cuts_s: Sequence[float] = (),
    read: bool = True,
) -> Observations:
    """What was seen in a window of ten seconds, with cuts at these times of the window."""
    borders = [START_S, *(START_S + cut for cut in cuts_s), START_S + 10.0]
    times = tuple(START_S + i / RATE_HZ for i in range(samples))
    return Observations(
        window=Span(START_S, START_S + 10.0),
        times_s=times,
        pts=tuple(i * 500 for i in range(samples)),
        shots=tuple(Span(a, b) for a, b in pairwise(borders)),
        tracks=tracks,
        screen_texts=tuple(texts),
        read_times_s=times[:1] if read else (),
    )


RIDER = box(0.40, 0.20, 0.50, 0.60)
BICYCLE = box(0.38, 0.42, 0.54, 0.66)
"""Under the rider."""
STANDING = box(0.10, 0.20, 0.18, 0.70)
LEFT_CAR = box(0.05, 0.6, 0.25, 0.8)
MIDDLE_CAR = box(0.40, 0.6, 0.60, 0.8)
RIGHT_BUS = box(0.70, 0.3, 0.95, 0.8)
