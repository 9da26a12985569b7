from __future__ import annotations

import threading
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from engines.spotter import engine as spotter
from grounding.errors import Unreadable
from grounding.evidence import Span
from indexer.reading import MAX_STILL_WINDOW_S, cut, plan, read_ahead
from tests.brightness import SPEC
from tests.lamps import lamp_clip
from video.frames import VideoInfo
from video.probe import probe
from video.stillness import Stillness

MOVING = Stillness()
TEN_S = replace(SPEC, window_s=10.0)


def info(*, seconds: float) -> VideoInfo:
    return VideoInfo(
        path=Path("a.mp4"),
        container="mp4",
        codec="h264",
        width=64,
        height=48,
        rotation=0,
        sample_aspect=Fraction(1),
        time_base=Fraction(1, 1000),
        start_s=0.0,
        end_s=seconds,
        duration_s_header=None,
        num_frames=100,
        num_frames_from_header=None,
        keyframe_pts=(0,),
        seekable=True,
        has_audio=False,
        recorded_at=None,
    )


def test_windows_in_one_still_span_are_joined_and_others_are_not() -> None:
    spans = cut(info(seconds=60), TEN_S, still=Stillness(unmoving=(Span(8.0, 45.0),)))

    assert spans == (Span(0, 10), Span(10, 40), Span(40, 50), Span(50, 60))


def test_two_still_spans_that_do_not_meet_stay_two_windows() -> None:
    assert cut(info(seconds=20), TEN_S, still=Stillness(unmoving=(Span(0, 10), Span(10, 20)))) == (
        Span(0, 10),
        Span(10, 20),
    )


def test_a_still_picture_is_looked_at_again_after_a_while() -> None:
    spans = cut(
        info(seconds=3 * MAX_STILL_WINDOW_S),
        TEN_S,
        still=Stillness(unmoving=(Span(0, 3 * MAX_STILL_WINDOW_S),)),
    )

    assert spans == tuple(Span(i * MAX_STILL_WINDOW_S, (i + 1) * MAX_STILL_WINDOW_S) for i in range(3))


def test_a_held_frame_is_one_window_however_long_and_what_follows_it_another() -> None:
    spans = cut(info(seconds=3600), TEN_S, still=Stillness(held=(Span(0, 1234.0), Span(1234.0, 3600.0))))

    assert spans == (Span(0, 1230), Span(1230, 1240), Span(1240, 3600))


def test_a_still_window_needs_one_frame_and_a_window_still_in_part_all_of_them() -> None:
    still, moving = plan(
        info(seconds=20),
        [Span(0, 10), Span(10, 20)],
        spec=replace(TEN_S, max_frames=40),
        still=Stillness(unmoving=(Span(0, 15),)),
    )

    assert (still.still, still.times_s) == (True, (0.0,))
    assert not moving.still and len(moving.times_s) == 40


@pytest.mark.parametrize("seconds", [20.0, 20.4, 29.6, 30.499])
def test_the_last_window_is_looked_at_as_closely_as_the_others(seconds: float) -> None:
    spec = spotter.SPEC
    cuts = plan(
        info(seconds=seconds), cut(info(seconds=seconds), spec, still=MOVING), spec=spec, still=MOVING
    )

    assert [b - a for c in cuts for a, b in pairwise(c.times_s)] == [0.5] * sum(
        len(c.times_s) - 1 for c in cuts
    )


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return lamp_clip(tmp_path / "a.mp4", seconds=8.0)


def test_windows_come_in_order_and_at_most_one_is_waiting(clip: Path) -> None:
    known = probe(clip)
    cuts = plan(known, cut(known, SPEC, still=MOVING), spec=SPEC, still=MOVING)
    with read_ahead(clip, cuts, spec=SPEC) as readings:
        found = list(readings)

    assert [r.cut.number for r in found] == [0, 1, 2, 3]
    assert [len(r.clip.images) for r in found if r.clip is not None] == [8, 8, 8, 8]


def test_leaving_early_ends_the_thread(clip: Path) -> None:
    known = probe(clip)
    cuts = plan(known, cut(known, SPEC, still=MOVING), spec=SPEC, still=MOVING)
    with read_ahead(clip, cuts, spec=SPEC) as readings:
        next(readings)

    assert not [t for t in threading.enumerate() if t.name == "proofreel-reader"]


def test_an_error_comes_in_its_window_s_place_and_the_others_go_on(clip: Path) -> None:
    known = probe(clip)
    good, bad, last = plan(known, cut(known, SPEC, still=MOVING)[:3], spec=SPEC, still=MOVING)
    outside = replace(bad, times_s=(99.0,))
    with read_ahead(clip, [good, outside, last], spec=SPEC) as readings:
        found = list(readings)

    assert [r.error is not None for r in found] == [False, True, False]
    assert isinstance(found[1].error, ValueError) and found[2].clip is not None


def test_a_file_that_is_gone_is_an_error_of_every_window(clip: Path) -> None:
    known = probe(clip)
    cuts = plan(known, cut(known, SPEC, still=MOVING), spec=SPEC, still=MOVING)
    clip.unlink()
    with read_ahead(clip, cuts, spec=SPEC) as readings:
        assert all(isinstance(r.error, Unreadable) for r in readings)
