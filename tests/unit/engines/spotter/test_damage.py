"""A damaged stretch is a border: nothing is followed through it, and no reported time lies in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.phrases import Link
from engines.spotter.describing import describe
from engines.spotter.detector import Detection
from engines.spotter.frames import arrange, sample_ranges, shot_spans
from engines.spotter.observations import Observations
from engines.spotter.perception import Perception
from engines.spotter.relations import hits, stretches
from engines.spotter.text_models import Line
from engines.things import Thing
from grounding.evidence import Span
from video.frames import Clip, DenseFrames, Image, Images

RATE, FRAMES, STEP = 10, 100, 5
START_S = 50.0  # of the window in its file
TEXT_BOX = (0.2, 0.4, 0.6, 0.45)
PERSON, BICYCLE = (
    Thing(text="person", name="person", labels=("person",)),
    Thing(text="bicycle", name="bicycle", labels=("bicycle",)),
)


@cache
def pictures() -> Images:
    """Ten seconds of a rider who stands, and a striped line of text."""
    images = np.full((FRAMES, 300, 300, 3), 90, np.uint8)
    images[:, 60:110, 200:230] = 250
    images[:, 120:135, 60:180:3] = 240
    return images


class Rider:
    """Sees a person on a bicycle in every picture."""

    def detect(self, shown: Sequence[Image]) -> list[list[Detection]]:
        person = Detection("person", 0.9, (0.40, 0.20, 0.50, 0.60))
        return [[person, Detection("bicycle", 0.9, (0.38, 0.42, 0.54, 0.66))] for _ in shown]


class Sign:
    """Reads one line in every picture."""

    def find(self, picture: Image, *, side: int) -> list[None]:
        return [None]

    def read(self, picture: Image, places: Sequence[None]) -> list[Line]:
        return [Line("Disk full", 0.9, TEXT_BOX)]


def clip(*damaged: tuple[int, int], dense: bool = True, step: int = STEP, stride: int = 1) -> Clip:
    """The clip without the frames of `damaged`: first, and first sound one after it."""
    gone = {k for first, end in damaged for k in range(first, end)}
    sampled = [k for k in range(0, FRAMES, step) if k not in gone]
    decoded = [k for k in range(0, FRAMES, stride) if k not in gone]
    pts, all_pts = np.array(sampled, np.int64), np.array(decoded, np.int64)
    every = DenseFrames(images=pictures()[decoded], pts=all_pts, times_s=START_S + all_pts / RATE)
    return Clip(
        path=Path("made.mp4"),
        time_base=Fraction(1, RATE),
        window=Span(START_S, START_S + FRAMES / RATE),
        images=pictures()[sampled],
        pts=pts,
        times_s=START_S + pts / RATE,
        durations_s=np.diff(pts, append=FRAMES) / RATE,  # as long as nothing else is shown
        damaged=tuple(Span(START_S + a / RATE, START_S + b / RATE) for a, b in damaged),
        dense=every if dense else None,
    )


def observe(seen: Clip) -> Observations:
    return Perception(detector=Rider(), text_models=Sign()).observe(seen)  # type: ignore[arg-type]


def riding(seen: Observations) -> list[Span]:
    link = Link(first=0, relation="riding", second=1)
    return [span for span, _ in stretches(seen, hits(seen, (PERSON, BICYCLE), links=(link,)))]


def told(seen: Observations) -> dict[str, list[Span]]:
    """Every span that is reported, by what reports it."""
    return {
        "track": sorted({t.span for t in seen.tracks}, key=lambda s: s.start_s),
        "text": [t.span for t in seen.screen_texts],
        "relation": riding(seen),
        "statement": [s.span for s in describe(seen)],
    }


def rounded(spans: Sequence[Span]) -> list[tuple[float, float]]:
    return sorted({(round(s.start_s - START_S, 3), round(s.end_s - START_S, 3)) for s in spans})


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize(
    ("damaged", "sound"),
    [
        ([(42, 68)], [(0.0, 4.2), (6.8, 10.0)]),
        ([(41, 44)], [(0.0, 4.1), (4.4, 10.0)]),  # between two samples
        ([(44, 46)], [(0.0, 4.4), (4.6, 10.0)]),  # one sample, which could be bridged
        ([(50, 100)], [(0.0, 5.0)]),
        ([(0, 33)], [(3.3, 10.0)]),
        ([(20, 40), (40, 60)], [(0.0, 2.0), (6.0, 10.0)]),
        ([(10, 42), (43, 70)], [(0.0, 1.0), (7.0, 10.0)]),  # no sample between them
    ],
)
def test_what_is_seen_all_along_is_told_between_the_damage(
    damaged: list[tuple[int, int]], sound: list[tuple[float, float]], dense: bool
) -> None:
    for spans in told(observe(clip(*damaged, dense=dense))).values():
        found = rounded(spans)
        if dense:
            assert found == sound
        else:  # without every frame a text begins at the sample on which it was read
            assert {end for _, end in found} == {end for _, end in sound}
            assert all(any(a <= start and end <= b for a, b in sound) for start, end in found)


def test_a_clip_of_nothing_but_damage_shows_nothing() -> None:
    seen = observe(clip((0, FRAMES)))
    assert (seen.tracks, seen.screen_texts, seen.times_s) == ((), (), ())


def test_frames_that_lie_in_damage_are_not_looked_at() -> None:
    seen = observe(replace(clip(), damaged=(Span(START_S + 4.0, START_S + 6.0),)))
    assert not any(4.0 <= t - START_S < 6.0 for t in seen.times_s)
    assert rounded(riding(seen)) == [(0.0, 4.0), (6.0, 10.0)]


def test_a_sample_between_two_holes_without_a_decoded_frame_is_seen_by_itself() -> None:
    seen = observe(clip((44, 45), (46, 48), stride=2))
    assert (4.5, 4.6) in rounded([t.span for t in seen.tracks])


def test_shots_tile_what_is_sound_and_hold_every_sample_once() -> None:
    seen = arrange(clip((42, 68)))
    shots, ranges = shot_spans(seen, [20]), sample_ranges(seen, [20])
    assert rounded(shots) == [(0.0, 2.0), (2.0, 4.2), (6.8, 10.0)]
    assert [i for r in ranges for i in r] == list(range(len(seen.clip.times_s)))


holes = st.lists(st.integers(0, FRAMES), min_size=2, max_size=6, unique=True).map(sorted)


@settings(max_examples=25, deadline=None)
@given(holes.map(lambda edges: list(pairwise(edges))[::2]), st.booleans(), st.sampled_from([1, 3]))
def test_no_reported_span_overlaps_damage(damaged: list[tuple[int, int]], dense: bool, stride: int) -> None:
    made = clip(*damaged, dense=dense, stride=stride)
    seen = observe(made)
    spans = told(seen)
    for span in [s for group in spans.values() for s in group]:
        assert all(span.end_s <= d.start_s or span.start_s >= d.end_s for d in made.damaged)
    for track in seen.tracks:
        assert all(track.span.start_s <= p.time_s < track.span.end_s for p in track.points)
    assert bool(spans["statement"]) == bool(seen.times_s)
