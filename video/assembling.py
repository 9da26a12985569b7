"""A `Clip` put together frame by frame, in memory that is taken once for its window."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from av.video.frame import VideoFrame

from grounding.evidence import Span
from video.clock import Clock
from video.frames import Clip, DenseFrames, Images, VideoInfo
from video.packets import PacketIndex
from video.scaling import Orientation, Scaler, fit

MAX_DENSE_HZ = 30.0
"""Above this rate only every second (third, ...) frame of a window goes into `Clip.dense`."""

RATE_TOLERANCE = 1.1
"""So far above `MAX_DENSE_HZ` nothing is left out: 30.02 a second is 30, and not too many by one."""

MAX_DENSE_FRAMES = 1200
"""So many dense frames a window at most (320 MB at 300 px); beyond, frames are left out evenly."""


class Scalers:
    """The converters of one file, kept between windows; displayed sizes in, converters out."""

    def __init__(self, info: VideoInfo) -> None:
        self._info = info
        self._kept: dict[tuple[int, int, bool], Scaler] = {}

    def fitted(self, max_side: int | None) -> Scaler:
        return self._of(*fit(self._info.width, self._info.height, max_side), quick=False)

    def square(self, side: int) -> Scaler:
        return self._of(side, side, quick=True)

    def _of(self, width: int, height: int, *, quick: bool) -> Scaler:
        key = (width, height, quick)
        if key not in self._kept:
            self._kept[key] = Scaler(width, height, quick=quick)
        return self._kept[key]


class ClipBuilder:
    """Takes the frames of one window in order; `build` gives the clip.

    Each frame is converted straight to each size that is wanted of it. Times are ticks.
    """

    def __init__(
        self,
        info: VideoInfo,
        index: PacketIndex,
        scalers: Scalers,
        *,
        window: Span,
        wanted: int,
        max_side: int | None,
        dense_side: int | None,
    ) -> None:
        self._info, self._index, self._window = info, index, window
        self._clock = Clock(index.time_base)
        self.start, self.end = self._clock.bounds(window)
        self._samples = _Pile(scalers.fitted(max_side), capacity=wanted)
        self._dense: _Pile | None = None
        if dense_side is not None:
            first, last = np.searchsorted(index.shown_pts, (self.start, self.end)).tolist()
            stride = dense_stride(last - first, duration_s=window.end_s - window.start_s)
            capacity = math.ceil((last - first) / stride) + 1
            self._dense = _Pile(scalers.square(dense_side), capacity=capacity, stride=stride)

    @property
    def wants_every_frame(self) -> bool:
        return self._dense is not None

    def add(self, frame: VideoFrame, turn: Orientation, *, pts: int, until: int, sampled: bool) -> None:
        """Take a frame: into the samples when it is `sampled`, into the dense ones when it begins here."""
        if sampled:
            self._samples.add(frame, turn, pts=pts, until=until)
        if self._dense is not None and self.start <= pts < self.end:
            self._dense.add(frame, turn, pts=pts, until=until)

    def build(self, *, errors: list[int], still: bool) -> Clip:
        """The clip; `errors` are the orders of all packets known to have failed so far."""
        lost = self._index.lost_ranges(errors, start=self.start, end=self.end)
        samples, dense = self._samples, self._dense
        return Clip(
            path=self._info.path,
            time_base=self._index.time_base,
            window=self._window,
            images=samples.images,
            pts=np.array(samples.pts, dtype=np.int64),
            times_s=self._seconds(samples.pts),
            durations_s=self._seconds([b - a for a, b in zip(samples.pts, samples.until, strict=True)]),
            damaged=tuple(self._clock.span(ticks) for ticks in lost),
            dense=None
            if dense is None
            else DenseFrames(
                images=dense.images,
                pts=np.array(dense.pts, dtype=np.int64),
                times_s=self._seconds(dense.pts),
            ),
            still=still,
        )

    def _seconds(self, ticks: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([self._clock.seconds(n) for n in ticks], dtype=np.float64)


def dense_stride(num_frames: int, *, duration_s: float) -> int:
    """Every how many-th frame of a window goes into `Clip.dense`, by the two caps."""
    most = MAX_DENSE_HZ * RATE_TOLERANCE * duration_s
    by_rate = (num_frames - 1) / most if duration_s > 0 else 1.0
    return max(math.ceil(by_rate), math.ceil(num_frames / MAX_DENSE_FRAMES), 1)


class _Pile:
    """Converted frames of one size, filled in place so that a window is held once."""

    def __init__(self, scaler: Scaler, *, capacity: int, stride: int = 1) -> None:
        self._scaler, self._stride, self._offered = scaler, stride, 0
        self._images: Images = np.empty((capacity, scaler.height, scaler.width, 3), dtype=np.uint8)
        self.pts: list[int] = []
        self.until: list[int] = []

    def add(self, frame: VideoFrame, turn: Orientation, *, pts: int, until: int) -> None:
        """Take the frame, or every `stride`-th of those offered."""
        self._offered += 1
        if (self._offered - 1) % self._stride or len(self.pts) == len(self._images):
            return
        self._scaler.convert(frame, turn, out=self._images[len(self.pts)])
        self.pts.append(pts)
        self.until.append(until)

    @property
    def images(self) -> Images:
        return self._images[: len(self.pts)]
