"""What the video room hands out: frames with their own time, and what was and was not readable.

Shapes: N frames, H rows, W columns. Frames are uint8 RGB in displayed orientation (rotation applied, pixels
square). Times are the file's own: `time_s = pts * time_base`, also where the file starts at 3601 s or below
zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from grounding.evidence import Span
from grounding.geometry import remaining

Image = npt.NDArray[np.uint8]  # [H, W, 3]
Images = npt.NDArray[np.uint8]  # [N, H, W, 3]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInfo:
    """What `probe` read from a file by demuxing it once, without decoding all of it.

    `width`, `height`: displayed size in square pixels, after `rotation` (degrees counterclockwise: 0, 90, 180
    or 270, by which the stored picture is turned for display). `duration_s` runs from `start_s` to
    the end of the last frame's display, from the packets; `duration_s_header` is what the header claims
    (None where it claims nothing). `num_frames` counts packets that are shown. `keyframe_pts` is sorted.
    `damaged` holds ranges known to be damaged before decoding (a truncated tail, a gap). `recorded_at` is
    the file's own creation time in UTC, a date alone if it names no time of day, or None. A time without
    a zone is taken as it stands.
    """

    path: Path
    container: str
    codec: str
    width: int
    height: int
    rotation: int
    sample_aspect: Fraction
    time_base: Fraction
    start_s: float
    end_s: float
    duration_s_header: float | None
    num_frames: int
    num_frames_from_header: int | None
    keyframe_pts: tuple[int, ...] = field(repr=False)
    seekable: bool
    has_audio: bool
    recorded_at: date | None
    damaged: tuple[Span, ...] = ()

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s

    @property
    def missing_s(self) -> float:
        """What the header lists beyond the end of a file that was cut off."""
        return max((d.end_s - self.end_s for d in self.damaged if d.end_s > self.end_s), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One decoded picture: `image` [H, W, 3] uint8 RGB, its pts and seconds, and how long it is shown.

    `damaged` is true from the first decoding error to the next key frame: such a frame is never evidence.
    """

    image: Image = field(repr=False)
    pts: int
    time_s: float
    duration_s: float
    damaged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseFrames:
    """Every decoded frame of a window (where it has over 30 a second, every second, third, ... of them),
    squeezed (aspect not kept) to a small square: `images` [M, S, S, 3] uint8 RGB.
    """

    images: Images = field(repr=False)
    pts: npt.NDArray[np.int64]
    times_s: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One window of a file, sampled.

    `images` [N, H, W, 3] with `pts` [N] and `times_s` [N], rising; damaged frames are left out and named in
    `damaged`. `window` is the stretch of file time that was asked for (half open). `dense` is there when
    the engine asked for it. `still` says that the stretch was found unmoving before decoding and only its
    key frames were read: there is one image a key frame, with the pts of the frame on display at the first
    time that needed it, which shows the same picture; where one frame is held all through the window,
    it is that one.
    """

    path: Path
    time_base: Fraction
    window: Span
    images: Images = field(repr=False)
    pts: npt.NDArray[np.int64]
    times_s: npt.NDArray[np.float64]
    durations_s: npt.NDArray[np.float64]
    damaged: tuple[Span, ...] = ()
    dense: DenseFrames | None = None
    still: bool = False

    def __post_init__(self) -> None:
        n = len(self.images)
        assert self.images.ndim == 4 or n == 0, self.images.shape
        assert len(self.pts) == len(self.times_s) == len(self.durations_s) == n, (
            "one pts, time and duration a frame"
        )

    @property
    def sound(self) -> tuple[Span, ...]:
        """What is left of the window without its damaged stretches, in order."""
        if not self.damaged:
            return (self.window,)
        return tuple(run for run in remaining(self.window, self.damaged) if run.start_s < run.end_s)

    def nearest(self, time_s: float) -> int:
        """Index of the sampled frame whose time is nearest to `time_s`. The clip must hold a frame."""
        return int(np.abs(self.times_s - time_s).argmin())


class FrameSource(Protocol):
    """A reader of one file. Exact: the frame for a time is the one on display at it, with its own pts.

    Windows and times that go forward cost no second decoding. Not safe for several threads at once.
    """

    info: VideoInfo

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def frames_at(self, times_s: Sequence[float], *, max_side: int | None = None) -> Iterator[Frame]:
        """The frame on display at each of `times_s` (rising), once each; longest side at most `max_side`
        px.

        A time outside [info.start_s, info.end_s) shows nothing and gives none. Damaged frames come, marked.
        """
        ...

    def frames_in(self, window: Span, *, max_side: int | None = None) -> Iterator[Frame]:
        """Every frame on display in the half-open window, in order; the first may begin before it."""
        ...

    def clip(
        self,
        window: Span,
        *,
        times_s: Sequence[float],
        max_side: int | None = None,
        dense_side: int | None = None,
        still: bool = False,
    ) -> Clip:
        """The window sampled at `times_s` (in it, rising), and every frame that begins in it at `dense_side`
        px square when that is given (thinned evenly above 30 a second or 1,200 a window).

        `still`: the window is known not to move, so its key frames alone are read, or its one frame (see
        `Clip`).
        """
        ...

    def close(self) -> None: ...
