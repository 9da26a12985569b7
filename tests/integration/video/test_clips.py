"""A written clip shows the same frames for the same time, and is there whole or not at all."""

from __future__ import annotations

import resource
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from grounding.errors import Damaged, MediaError
from grounding.evidence import Box, Span
from tests.clips import ClipPlan, boxes, damage_packets, make_clip, read_number
from video import Frame, Image, open_video
from video.clips import write_clip
from video.drawing import Mark, draw

VFR = [0, 17, 40, 300, 333, 400, 401, 950, 1000, 1033, 1500, 1900, 2500, 2533, 3000]
PLANS = {
    "steady": ClipPlan(),
    "turned": ClipPlan(rotation=90, sample_aspect=Fraction(4, 3)),
    "late.ts": ClipPlan(pts=range(3600 * 30, 3600 * 30 + 60)),
    "uneven.mkv": ClipPlan(frames=len(VFR), pts=VFR, time_base=Fraction(1, 1000)),
    "odd.mkv": ClipPlan(width=161, height=121, codec="ffv1", options={}, pixel_format="yuv444p"),
}


@pytest.mark.parametrize("name", PLANS)
def test_frames_keep_their_order_and_times(tmp_path: Path, name: str) -> None:
    path = tmp_path / (name if "." in name else f"{name}.mp4")
    with open_video(make_clip(path, PLANS[name])) as source:
        span = Span(source.info.start_s + 0.41, source.info.start_s + 1.25)
        original = list(source.frames_in(span))
        write_clip(source, span, tmp_path / "out.mp4")
    with open_video(tmp_path / "out.mp4") as copy:
        written = list(copy.frames_in(Span(copy.info.start_s, copy.info.end_s)))
        assert (copy.info.start_s, copy.info.codec) == (0.0, "h264")
        assert copy.info.end_s == pytest.approx(span.end_s - span.start_s, abs=0.001)
    assert [read_number(f.image) for f in written] == [read_number(f.image) for f in original]
    expected = [max(f.time_s, span.start_s) - span.start_s for f in original]
    assert [f.time_s for f in written] == pytest.approx(expected, abs=2e-5)


def test_the_index_stands_in_front_so_that_a_browser_can_start_at_once(tmp_path: Path) -> None:
    with open_video(make_clip(tmp_path / "in.mp4")) as source:
        write_clip(source, Span(0.0, 1.0), tmp_path / "out.mp4")
    kinds = [kind for kind, *_ in boxes((tmp_path / "out.mp4").read_bytes())]
    assert kinds.index(b"moov") < kinds.index(b"mdat")


def test_an_overlay_is_drawn_on_each_frame(tmp_path: Path) -> None:
    def overlay(frame: Frame) -> Image:
        return draw(np.zeros_like(frame.image), [Mark(box=Box(0.5, 0.5, 1, 1), label=f"{frame.time_s:.1f}")])

    with open_video(make_clip(tmp_path / "in.mp4")) as source:
        write_clip(source, Span(0.0, 0.5), tmp_path / "out.mp4", overlay=overlay, max_side=160)
    with open_video(tmp_path / "out.mp4") as copy:
        frames = list(copy.frames_in(Span(0.0, 0.5)))
    assert len(frames) == 15 and frames[0].image.shape == (120, 160, 3)
    assert all(f.image[:50, :60].mean() < 8 and f.image[60:, 80:].max() > 150 for f in frames)


def test_damaged_frames_are_left_out(tmp_path: Path) -> None:
    options = {"preset": "veryfast", "g": "20", "bf": "0", "sc_threshold": "0"}
    path = damage_packets(make_clip(tmp_path / "in.mp4", options=options), [25, 26], erase=True)
    with open_video(path) as source:
        write_clip(source, Span(0.5, 1.8), tmp_path / "out.mp4")
        with pytest.raises(Damaged, match=r"in\.mp4 at 0\.900 s"):
            write_clip(source, Span(0.9, 1.2), tmp_path / "none.mp4")
    with open_video(tmp_path / "out.mp4") as copy:
        numbers = [read_number(f.image) for f in copy.frames_in(Span(0.0, 1.3))]
    assert numbers == [*range(15, 25), *range(40, 54)]
    assert not (tmp_path / "none.mp4").exists()


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out" / "clip.mp4"
    out.parent.mkdir()
    out.write_bytes(b"the old one")

    def fail(frame: Frame) -> Image:
        raise RuntimeError("the overlay broke")

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_video(make_clip(tmp_path / "in.mp4")) as source:
        with pytest.raises(RuntimeError, match="the overlay broke"):
            write_clip(source, Span(0.0, 1.0), out, overlay=fail)
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, limits[1]))  # like a disk that is full
        try:
            with pytest.raises(MediaError, match="can't be written"):
                write_clip(source, Span(0.0, 2.0), out)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        with pytest.raises(ValueError, match=r"ends in \.mp4"):
            write_clip(source, Span(0.0, 1.0), tmp_path / "clip.avi")
        with pytest.raises(MediaError, match="can't be written"):
            write_clip(source, Span(0.0, 1.0), tmp_path / "none" / "clip.mp4")
    assert [p.name for p in out.parent.iterdir()] == ["clip.mp4"] and out.read_bytes() == b"the old one"
