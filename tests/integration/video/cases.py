"""The awkward clips that every reader must get right, and what is on display in them when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from tests.clips import ClipPlan, drop_edit_list, make_clip, shift_composition_times
from tests.packed import pack_b_frames

_X265 = {"preset": "ultrafast", "x265-params": "keyint=24:min-keyint=24:open-gop=1:bframes=4:log-level=none"}
_VFR = [
    0,
    17,
    40,
    41,
    300,
    333,
    400,
    401,
    402,
    950,
    1000,
    1033,
    1066,
    1500,
    1501,
    1900,
    2500,
    2533,
    2566,
    3000,
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """`first` is the number of the first frame on display, `shift` what the container adds to the times."""

    name: str
    suffix: str = ".mp4"
    plan: ClipPlan = field(default_factory=ClipPlan)
    first: int = 0
    shift: Fraction = Fraction(0)
    edit: Callable[[Path], Path] | None = None
    last_duration: Fraction = Fraction(1, 30)

    def make(self, folder: Path) -> Path:
        path = make_clip(folder / f"{self.name}{self.suffix}", self.plan)
        return self.edit(path) if self.edit else path

    @property
    def shown(self) -> list[tuple[int, Fraction]]:
        """Number and exact start in seconds of each frame on display."""
        return [(n, t + self.shift) for n, t in enumerate(self.plan.times) if n >= self.first]

    @property
    def end(self) -> Fraction:
        return self.shown[-1][1] + self.last_duration


def _shift_back(path: Path) -> Path:
    return shift_composition_times(drop_edit_list(path), ticks=-10 * 512)


_B_FRAMES = {"preset": "veryfast", "g": "24", "bf": "3", "b_strategy": "0"}

CASES = [
    Case(name="b-frames", plan=ClipPlan(options=_B_FRAMES)),
    Case(
        name="matroska",
        suffix=".mkv",
        plan=ClipPlan(options=_B_FRAMES, time_base=Fraction(1, 25)),
        last_duration=Fraction(1, 25),
    ),
    Case(
        name="variable-rate",
        suffix=".mkv",
        plan=ClipPlan(frames=len(_VFR), pts=_VFR, time_base=Fraction(1, 1000), options=_B_FRAMES),
        last_duration=Fraction(33, 1000),
    ),
    Case(name="turned-90", plan=ClipPlan(rotation=90, options=_B_FRAMES)),
    Case(name="turned-180", plan=ClipPlan(rotation=180)),
    Case(name="turned-270", plan=ClipPlan(rotation=270)),
    Case(
        name="edit-list",
        plan=ClipPlan(pts=range(-10, 50), options=_B_FRAMES, container={"avoid_negative_ts": "disabled"}),
        first=10,
    ),
    Case(name="delayed-by-edit-list", plan=ClipPlan(pts=range(60, 120), options=_B_FRAMES)),
    Case(name="negative-times", plan=ClipPlan(options=_B_FRAMES), edit=_shift_back, shift=Fraction(-8, 30)),
    Case(
        name="transport-stream-from-3601-s",
        suffix=".ts",
        plan=ClipPlan(pts=range(3601 * 30, 3601 * 30 + 60), options=_B_FRAMES),
    ),
    Case(
        name="program-stream",
        suffix=".mpg",
        plan=ClipPlan(codec="mpeg2video", options={"g": "12", "bf": "2"}),
        shift=Fraction(16, 30),
    ),
    Case(name="open-gop-x265", plan=ClipPlan(codec="libx265", options=_X265)),
    Case(
        name="open-gop-x264",
        plan=ClipPlan(options={**_B_FRAMES, "x264-params": "open-gop=1:keyint=24:min-keyint=24:scenecut=0"}),
    ),
    Case(
        name="vp9",
        suffix=".webm",
        plan=ClipPlan(
            codec="libvpx-vp9",
            options={"deadline": "realtime", "cpu-used": "8", "g": "24"},
            time_base=Fraction(1, 25),
        ),
        last_duration=Fraction(1, 25),
    ),
    Case(
        name="vp8-with-hidden-frames",
        suffix=".webm",
        plan=ClipPlan(
            codec="libvpx",
            options={"auto-alt-ref": "1", "lag-in-frames": "16", "g": "24", "b": "300k"},
            time_base=Fraction(1, 25),
        ),
        last_duration=Fraction(1, 25),
    ),
    Case(
        name="av1",
        plan=ClipPlan(codec="libsvtav1", options={"preset": "11", "g": "24", "svtav1-params": "lp=2"}),
    ),
    Case(name="wide-pixels", plan=ClipPlan(sample_aspect=Fraction(4, 3))),
    Case(name="narrow-pixels-turned", plan=ClipPlan(sample_aspect=Fraction(8, 9), rotation=90)),
    Case(name="mpeg4-in-avi", suffix=".avi", plan=ClipPlan(codec="mpeg4", options={"g": "12"})),
    Case(
        name="mpeg4-b-frames-in-avi",
        suffix=".avi",
        plan=ClipPlan(codec="mpeg4", options={"g": "12", "bf": "2"}),
        shift=Fraction(1, 30),
    ),
    Case(
        name="packed-b-frames-in-avi",
        suffix=".avi",
        plan=ClipPlan(codec="mpeg4", options={"g": "12", "bf": "2"}),
        edit=pack_b_frames,
        shift=Fraction(1, 30),
    ),
    Case(name="msmpeg4-in-avi", suffix=".avi", plan=ClipPlan(codec="msmpeg4", options={"g": "12"})),
    Case(name="h264-b-frames-in-avi", suffix=".avi", plan=ClipPlan(options=_B_FRAMES), shift=Fraction(1, 30)),
    Case(name="elementary-stream", suffix=".h264", plan=ClipPlan(options=_B_FRAMES)),
    Case(
        name="intra-only",
        suffix=".mkv",
        plan=ClipPlan(codec="mjpeg", options={}, pixel_format="yuvj420p", time_base=Fraction(1, 25)),
        last_duration=Fraction(1, 25),
    ),
    Case(name="ten-bit", plan=ClipPlan(pixel_format="yuv420p10le", options=_B_FRAMES)),
    Case(
        name="gif",
        suffix=".gif",
        plan=ClipPlan(codec="gif", pixel_format="rgb8", options={}, frames=20, time_base=Fraction(1, 25)),
        last_duration=Fraction(1, 25),
    ),
    Case(name="with-sound", plan=ClipPlan(options=_B_FRAMES, with_audio=True)),
]
