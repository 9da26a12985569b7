"""One suite for every reader: at any time it shows the frame that is on display, with its own pts."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from grounding.errors import Unreadable
from grounding.evidence import Span
from tests.clips import coded_picture, make_clip, read_number, set_display_matrix, truncate
from tests.integration.video.cases import CASES, Case
from video import FrameSource, open_video, sampling

Opened = tuple[Case, FrameSource]


REFUSED_BY_DECORD = {
    "edit-list",
    "negative-times",
    "transport-stream-from-3601-s",
    "program-stream",
    "av1",
    "h264-b-frames-in-avi",
    "mpeg4-b-frames-in-avi",
    "packed-b-frames-in-avi",
    "elementary-stream",
    "gif",
    "open-gop-x264",
    "open-gop-x265",
}
READERS = [
    *(("pyav", case) for case in CASES),
    *(("decord", case) for case in CASES if case.name not in REFUSED_BY_DECORD),
]


def need_decord() -> None:
    """The optional reader is tested wherever it is installed, and always in continuous integration."""
    if not os.environ.get("CI"):
        pytest.importorskip("decord")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Path]:
    folder = tmp_path_factory.mktemp("clips")
    return functools.cache(lambda case: case.make(folder))


@pytest.fixture(scope="module", params=READERS, ids=lambda param: f"{param[0]}-{param[1].name}")
def opened(request: pytest.FixtureRequest, made: Callable[[Case], Path]):
    reader, case = request.param
    if reader == "decord":
        need_decord()
    source = open_video(made(case), reader=reader)
    yield case, source
    source.close()


@pytest.mark.parametrize("name", sorted(REFUSED_BY_DECORD))
def test_decord_refuses_what_it_gets_wrong(made: Callable[[Case], Path], name: str) -> None:
    need_decord()
    (case,) = (case for case in CASES if case.name == name)
    with pytest.raises(Unreadable, match='use the reader "pyav"'):
        open_video(made(case), reader="decord")


def test_decord_refuses_a_mirrored_and_a_cut_file(tmp_path: Path) -> None:
    need_decord()
    mirrored = set_display_matrix(make_clip(tmp_path / "m.mp4"), [-1, 0, 0, 0, 1, 0, 320, 0, 1])
    cut = truncate(make_clip(tmp_path / "c.mkv"), keep=0.6)
    for path in (mirrored, cut):
        with pytest.raises(Unreadable, match='use the reader "pyav"'):
            open_video(path, reader="decord")


def on_display(case: Case, time: Fraction) -> tuple[int, Fraction] | None:
    if not case.shown[0][1] <= time < case.end:
        return None
    return [(n, start) for n, start in case.shown if start <= time][-1]


def ticks(source: FrameSource, time: Fraction) -> int:
    """The container's own tick nearest to a true time (Matroska rounds to milliseconds)."""
    return round(time / source.info.time_base)


AWKWARD: dict[str, Callable[[list[Fraction]], list[Fraction]]] = {
    "on every border": lambda starts: starts,
    "between": lambda starts: [(a + b) / 2 for a, b in itertools.pairwise(starts)],
    "just before a border": lambda starts: [t - Fraction(1, 500) for t in starts],
    "far apart": lambda starts: [starts[i] + Fraction(1, 1000) for i in (0, len(starts) // 2, -1)],
    "before the first and after the last": lambda starts: (
        [starts[0] - 5, starts[0] - Fraction(1, 100), starts[-1] + 60]
    ),
}


@pytest.mark.parametrize("times_of", AWKWARD.values(), ids=AWKWARD.keys())
def test_the_frame_on_display_is_given_with_its_own_time(opened: Opened, times_of) -> None:
    case, source = opened
    times = times_of([start for _, start in case.shown])
    wanted = [shown for t in times if (shown := on_display(case, t)) is not None]
    given = list(source.frames_at([float(t) for t in times]))
    assert [read_number(f.image) for f in given] == list(dict.fromkeys(n for n, _ in wanted))
    assert [f.pts for f in given] == list(dict.fromkeys(ticks(source, t) for _, t in wanted))
    assert all(f.time_s == float(f.pts * source.info.time_base) and not f.damaged for f in given)


def test_going_back_gives_the_same_frames_as_going_forward(opened: Opened) -> None:
    case, source = opened
    for number, start in reversed(case.shown[::9]):
        (frame,) = source.frames_at([float(start)])
        assert read_number(frame.image) == number


def test_durations_reach_to_the_next_frame(opened: Opened) -> None:
    case, source = opened
    starts = [start for _, start in case.shown]
    given = list(source.frames_at([float(t) for t in starts], max_side=64))
    for frame, begin, end in zip(given, starts, [*starts[1:], case.end], strict=True):
        assert frame.duration_s == pytest.approx(float(end - begin), abs=0.0011)


def test_probe_counts_what_is_shown_and_times_it_by_the_packets(opened: Opened) -> None:
    case, source = opened
    info = source.info
    assert info.num_frames == len(case.shown)
    assert info.start_s == pytest.approx(float(case.shown[0][1]), abs=0.0006)
    assert info.end_s == pytest.approx(float(case.end), abs=0.0011)
    assert info.damaged == ()
    assert info.has_audio == case.plan.with_audio
    assert info.rotation == case.plan.rotation


def test_the_displayed_picture_has_square_pixels_and_stands_upright(opened: Opened) -> None:
    case, source = opened
    aspect = case.plan.sample_aspect or Fraction(1)
    turned = case.plan.rotation in (90, 270)
    width = case.plan.width if turned else round(case.plan.width * aspect)
    height = round(case.plan.height * aspect) if turned else case.plan.height
    assert (source.info.width, source.info.height) == (width, height)
    number, start = case.shown[7]
    (frame,) = source.frames_at([float(start)])
    assert frame.image.shape == (height, width, 3)
    wanted = coded_picture(number, width=width, height=height).astype(int)
    assert abs(frame.image.astype(int) - wanted).mean() < 20, "colours or texture are off"


def test_windows_hold_every_frame_once(opened: Opened) -> None:
    case, source = opened
    numbers: list[int | None] = []
    sampled: list[int | None] = []
    for window in sampling.windows(source.info, window_s=0.7):
        times = sampling.grid(window, anchor_s=source.info.start_s, rate_hz=5, max_frames=20)
        clip = source.clip(window, times_s=times, max_side=96, dense_side=80)
        assert clip.dense is not None and clip.dense.images.shape[1:] == (80, 80, 3)
        assert clip.damaged == () and max(clip.images.shape[1:3]) == 96
        numbers += [read_number(image) for image in clip.dense.images]
        sampled += [read_number(image) for image in clip.images]
    assert numbers == [n for n, _ in case.shown]
    grid = [Fraction(k, 5) + case.shown[0][1] for k in range(200)]
    found = [on_display(case, t + Fraction(1, 4000)) for t in grid]
    assert list(dict.fromkeys(sampled)) == list(dict.fromkeys(shown[0] for shown in found if shown))


def test_overlapping_and_skipping_windows_are_exact_too(opened: Opened) -> None:
    case, source = opened
    start, end = source.info.start_s, source.info.end_s
    for begin, stop in ((0.1, 0.6), (0.3, 0.8), (0.0, 0.2), (0.5, 0.7)):
        window = Span(start + begin * (end - start) * 0.9, start + stop * (end - start) * 0.9)
        clip = source.clip(window, times_s=[window.start_s], max_side=96)
        found = on_display(case, Fraction(window.start_s) + Fraction(1, 4000))
        assert found is not None and read_number(clip.images[0]) == found[0]


def test_a_window_out_of_the_file_or_without_length_holds_no_frame_whatever_was_read_before(
    opened: Opened,
) -> None:
    _, source = opened
    start, end = source.info.start_s, source.info.end_s
    half = (start + end) / 2
    for before in (Span(start, half), Span(start, end)):
        held = len(list(source.frames_in(before, max_side=64)))
        assert held
        for window in (
            Span(end + 48, end + 49),
            Span(end + 0.001, end + 1),
            Span(start - 9, start - 8),
            Span(half, half),
        ):
            assert list(source.frames_in(window)) == []
        clip = source.clip(Span(end + 48, end + 49), times_s=[end + 48.5], max_side=64, dense_side=32)
        assert len(clip.images) == 0 and clip.dense is not None and len(clip.dense.images) == 0
        assert len(list(source.frames_in(before, max_side=64))) == held


def test_sizes_are_fitted_to_the_longest_side_and_never_enlarged(opened: Opened) -> None:
    case, source = opened
    _, start = case.shown[3]
    (small,) = source.frames_at([float(start)], max_side=48)
    (full,) = source.frames_at([float(start)], max_side=10_000)
    assert max(small.image.shape) == 48
    assert full.image.shape == (source.info.height, source.info.width, 3)


def test_times_that_do_not_rise_or_leave_the_window_are_refused(tmp_path: Path) -> None:
    with open_video(CASES[0].make(tmp_path)) as source:
        with pytest.raises(ValueError, match="rise"):
            list(source.frames_at([1.0, 0.5]))
        with pytest.raises(ValueError, match="times must lie in"):
            source.clip(Span(0.0, 1.0), times_s=[1.0])
        with pytest.raises(ValueError, match="no reader"):
            open_video(source.info.path, reader="opencv")  # type: ignore[arg-type]
