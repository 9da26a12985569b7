"""What is called still is still: a small thing that crosses for a second is never missed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from grounding.evidence import Span
from tests.clips import ClipPlan, Picture, make_clip, read_number
from video import open_video, sampling, stillness
from video.decoding import Decoder
from video.probe import probe
from video.stillness import still_spans

W, H, GOP = 320, 240, 50
X264 = {"g": str(GOP), "sc_threshold": "0"}
CODECS = {
    "x264-veryfast": (".mp4", "libx264", {**X264, "preset": "veryfast", "crf": "30"}),
    "x264-crf38": (".mp4", "libx264", {**X264, "preset": "ultrafast", "crf": "38"}),
    "mpeg4": (".avi", "mpeg4", {"g": str(GOP), "b": "1M"}),
    "msmpeg4": (".avi", "msmpeg4", {"g": str(GOP), "b": "1M"}),
    "mpeg2": (".mkv", "mpeg2video", {"g": str(GOP), "b": "3M"}),
    "x265": (
        ".mp4",
        "libx265",
        {"preset": "ultrafast", "x265-params": f"keyint={GOP}:scenecut=0:log-level=none"},
    ),
    "vp9": (".webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "g": str(GOP)}),
}
SIDE = round((W * H * 0.02) ** 0.5)


def background() -> Picture:
    y, x = np.mgrid[0:H, 0:W]
    waves = np.stack([128 + 60 * np.sin(x / 17), 128 + 60 * np.sin(x * y / 2300), 100 + 0 * x], axis=-1)
    blocks = np.random.default_rng(0).normal(0, 12, (H // 4, W // 4, 3)).repeat(4, 0).repeat(4, 1)
    return np.asarray((waves + blocks).clip(0, 255), dtype=np.uint8)


BACKGROUND = background()
FLAT = np.full((H, W, 3), 128, np.uint8)
THINGS = {
    "flat grey": np.full((SIDE, SIDE, 3), 128, np.uint8),
    "dark": np.full((SIDE, SIDE, 3), 70, np.uint8),
    "patterned": BACKGROUND[60 : 60 + SIDE, 200 : 200 + SIDE],
}


def make_scene(
    path: Path,
    codec: str,
    options: dict[str, str],
    *,
    thing: str | None,
    first: int,
    frames: int = 160,
    behind: Picture = BACKGROUND,
) -> Path:
    def picture(number: int) -> Picture:
        if thing is None or not first <= number < first + 30:
            return behind
        scene = behind.copy()
        x = (number - first) * (W - SIDE) // 30
        scene[H // 2 : H // 2 + SIDE, x : x + SIDE] = THINGS[thing]
        return scene

    plan = ClipPlan(frames=frames, width=W, height=H, codec=codec, options=options, picture=picture)
    return make_clip(path, plan)


def test_a_frame_that_is_held_is_still_and_is_the_one_that_is_shown(tmp_path: Path) -> None:
    held = ClipPlan(frames=5, pts=[0, 40, 80, 20_080, 20_120], time_base=Fraction(1, 1000))
    path = make_clip(tmp_path / "held.mkv", held)  # only its first frame is a key frame
    found = stillness.stillness(probe(path))

    assert (found.unmoving, found.held) == ((), (Span(0.08, 20.08),))
    assert found.is_unmoving(Span(0.08, 20.08)) and found.is_held(Span(3.0, 13.0))
    assert not found.is_held(Span(0.0, 10.0)) and not found.is_held(Span(20.0, 20.1))
    with open_video(path) as source:
        for window in (Span(3.0, 13.0), Span(13.0, 20.0)):
            clip = source.clip(window, times_s=[window.start_s], still=True)
            assert [read_number(image) for image in clip.images] == [2]
            assert (clip.pts.tolist(), clip.still) == ([80], True)


def touches(spans: tuple[Span, ...], start_s: float, end_s: float) -> bool:
    return any(span.start_s < end_s and span.end_s > start_s for span in spans)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("first", [51, 61, 68], ids=lambda n: f"from frame {n}")
def test_a_thing_that_crosses_between_two_key_frames_is_never_called_still(
    tmp_path: Path, codec: str, thing: str, first: int
) -> None:
    suffix, name, options = CODECS[codec]
    path = make_scene(tmp_path / f"clip{suffix}", name, options, thing=thing, first=first)
    spans = still_spans(probe(path))
    assert not touches(spans, first / 30, (first + 30) / 30), spans


@pytest.mark.parametrize("codec", CODECS)
def test_a_flat_thing_in_front_of_a_flat_wall_is_not_missed_either(tmp_path: Path, codec: str) -> None:
    suffix, name, options = CODECS[codec]
    path = make_scene(tmp_path / f"c{suffix}", name, options, thing="dark", first=61, behind=FLAT)
    assert not touches(still_spans(probe(path)), 61 / 30, 91 / 30)


@pytest.mark.parametrize("codec", ["x264-veryfast", "x264-crf38", "mpeg4", "msmpeg4", "mpeg2", "x265"])
def test_a_picture_that_never_changes_is_still_once_its_quality_has_settled(
    tmp_path: Path, codec: str
) -> None:
    suffix, name, options = CODECS[codec]
    info = probe(make_scene(tmp_path / f"clip{suffix}", name, options, thing=None, first=0, frames=301))
    (span,) = still_spans(info)
    assert span.start_s <= 3 * GOP / 30 + 0.04, "rate control looks for its quality in the first groups"
    assert span.end_s >= info.keyframe_pts[-2] * float(info.time_base)


def test_a_thing_that_comes_at_a_key_frame_and_stays_ends_the_stillness(tmp_path: Path) -> None:
    changed = BACKGROUND.copy()
    changed[100 : 100 + SIDE, 100 : 100 + SIDE] = 200
    plan = ClipPlan(
        frames=501,
        width=W,
        height=H,
        options=CODECS["x264-veryfast"][2],
        picture=lambda n: BACKGROUND if n < 250 else changed,
    )
    spans = still_spans(probe(make_clip(tmp_path / "clip.mp4", plan)))
    assert touches(spans, 5, 250 / 30) and touches(spans, 14, 500 / 30)
    assert not any(s.start_s < 250 / 30 - 0.01 and s.end_s > 250 / 30 + 0.01 for s in spans)


def test_a_slow_fade_is_no_stillness(tmp_path: Path) -> None:
    def picture(number: int) -> Picture:
        return np.asarray(BACKGROUND * (1 - number / 400), dtype=np.uint8)

    plan = ClipPlan(frames=160, width=W, height=H, options=CODECS["x264-veryfast"][2], picture=picture)
    assert still_spans(probe(make_clip(tmp_path / "clip.mp4", plan))) == ()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Grows by a path each time that `still_spans` begins a file at its first byte."""
    paths: list[Path] = []

    class Counting(Decoder):
        def _open(self) -> None:
            paths.append(self._path)
            super()._open()

    monkeypatch.setattr(stillness, "Decoder", Counting)
    return paths


def test_a_moving_file_is_told_by_its_packets_alone(tmp_path: Path, opened: list[Path]) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=120, options={**X264, "preset": "veryfast"})
    assert still_spans(probe(path)) == ()
    assert opened == [], "no frame may be decoded"


@pytest.mark.parametrize(
    ("suffix", "codec", "options"),
    [
        (".ts", "libx264", {"preset": "veryfast", "crf": "30", "g": "50", "sc_threshold": "0"}),
        (".ts", "libx264", {"preset": "veryfast", "crf": "30", "g": "15", "sc_threshold": "0"}),
        (
            ".ts",
            "libx264",
            {"preset": "veryfast", "crf": "30", "x264-params": "open-gop=1:keyint=25:scenecut=0"},
        ),
        (".mpg", "mpeg2video", {"g": "12", "bf": "2", "b": "3M"}),
    ],
    ids=["long groups", "short groups", "open groups", "program stream"],
)
def test_a_file_without_an_index_is_read_forward_once(
    tmp_path: Path, opened: list[Path], suffix: str, codec: str, options: dict[str, str]
) -> None:
    path = make_scene(tmp_path / f"clip{suffix}", codec, options, thing="dark", first=135, frames=301)
    info = probe(path)
    spans = still_spans(info)
    assert opened == [path]
    comes_s = info.start_s + 135 / 30
    assert not touches(spans, comes_s, comes_s + 1)
    assert touches(spans, comes_s + 2, info.end_s)


def test_a_still_window_is_read_from_its_key_frames(tmp_path: Path) -> None:
    suffix, name, options = CODECS["x264-veryfast"]
    path = make_scene(tmp_path / f"clip{suffix}", name, options, thing=None, first=0)
    with open_video(path) as source:
        window = Span(1.0, 4.0)
        times = sampling.grid(window, anchor_s=0.0, rate_hz=5, max_frames=99)
        clip = source.clip(window, times_s=times, max_side=160, dense_side=64, still=True)
        exact = source.clip(window, times_s=clip.times_s.tolist(), max_side=160)
    assert clip.still and not exact.still
    assert [round(t * 30) for t in clip.times_s] == [30, 54, 102]
    assert clip.pts.tolist() == exact.pts.tolist()
    assert np.abs(clip.images.astype(int) - exact.images).mean() < 2
    assert clip.dense is not None and clip.dense.images.shape == (3, 64, 64, 3)
    assert clip.durations_s.sum() == pytest.approx(3.0)
