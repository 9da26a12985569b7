"""Exact frames of a file: a planned reader that demuxes first, then decodes only what the asked times need.

A key frame is sought only when it lies ahead of what was decoded already; forward windows go on decoding.
Memory holds the frames of one window, however long the file is.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal, Self

import numpy as np
from av.video.frame import VideoFrame

from grounding.evidence import Span
from video.decoding import Decoded, Decoder
from video.frames import Clip, DenseFrames, Frame, FrameSource, Images, VideoInfo
from video.packets import packet_index
from video.probe import probe
from video.scaling import Scaler, fit, orientation_of

MAX_DENSE_HZ = 60.0
"""Above this rate every second (third, ...) frame of a window is left out of `Clip.dense`."""

MAX_DENSE_FRAMES = 1200
"""So many dense frames a window at most (320 MB at 300 px); beyond, frames are left out evenly."""

TIME_TOLERANCE = Fraction(1, 1_000_000)
"""A time up to so many seconds before a frame's pts means that frame: times are rounded on their way."""

_CHEAP_TO_DECODE = 8  # packets: seeking costs more than decoding so few


def open_video(path: str | os.PathLike[str], *, reader: Literal["pyav"] = "pyav") -> FrameSource:
    """Open a file for exact reading. Raises `Unreadable`, `NoVideoStream`; ValueError for another reader."""
    if reader == "pyav":
        return PyAVReader(probe(path))
    raise ValueError(f'no reader is called "{reader}"; choose "pyav"')


class PyAVReader:
    """The default `FrameSource`. A time outside [start_s, end_s) has no frame and gives none."""

    def __init__(self, info: VideoInfo, *, threads: int = 1) -> None:
        self.info = info
        self._index = packet_index(info.path)
        self._decoder = Decoder(info.path, self._index, threads=threads)
        self._threads = threads
        self._current: Decoded | None = None
        self._next: Decoded | None = None
        self._scalers: dict[tuple[int, int], Scaler] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._current = self._next = None
        self._decoder.close()

    def frames_at(self, times_s: Sequence[float], *, max_side: int | None = None) -> Iterator[Frame]:
        """The frame on display at each of `times_s` (rising), once each; damaged ones are marked so."""
        scaler = self._scaler(*fit(self.info.width, self.info.height, max_side))
        last_pts: int | None = None
        for ticks in self._ticks(times_s):
            shown = self._show(ticks)
            if shown is None or shown.pts == last_pts:
                continue
            last_pts = shown.pts
            yield self._frame(shown, scaler, lost=self._is_lost(ticks))

    def frames_in(self, window: Span, *, max_side: int | None = None) -> Iterator[Frame]:
        """Every frame on display in the half-open window, in order; damaged ones are marked so."""
        scaler = self._scaler(*fit(self.info.width, self.info.height, max_side))
        for shown, _, _ in self._walk(window, (), every=True):
            yield self._frame(shown, scaler, lost=False)

    def _frame(self, shown: Decoded, scaler: Scaler, *, lost: bool) -> Frame:
        return Frame(
            image=scaler.convert(shown.frame, orientation_of(shown.frame)),
            pts=shown.pts,
            time_s=self._seconds(shown.pts),
            duration_s=self._seconds(self._shown_until() - shown.pts),
            damaged=lost or shown.damaged or self._is_lost(shown.pts),
        )

    def clip(
        self,
        window: Span,
        *,
        times_s: Sequence[float],
        max_side: int | None = None,
        dense_side: int | None = None,
        still: bool = False,
    ) -> Clip:
        """The window sampled at `times_s` (rising, inside it); damaged frames are left out and named.

        `dense_side`: every frame that begins in the window too, squeezed to a square, at most `MAX_DENSE_HZ`
        and `MAX_DENSE_FRAMES`. `still`: the window was found unmoving (`stillness.still_spans`), so only
        key frames are decoded; see `_still_clip`.
        """
        if any(not window.start_s <= t < window.end_s for t in times_s):
            raise ValueError(f"times must lie in [{window.start_s}, {window.end_s}), not {times_s}")
        if still:
            return self._still_clip(window, times_s=times_s, max_side=max_side, dense_side=dense_side)
        pile = self._piles(window, len(times_s), max_side=max_side, dense_side=dense_side)
        for shown, until, wanted in self._walk(window, self._ticks(times_s), every=pile.dense is not None):
            if shown.damaged or self._is_lost(shown.pts):
                continue
            if any(not self._is_lost(t) for t in wanted):
                pile.samples.add(shown.frame, pts=shown.pts, until=until)
            if pile.dense is not None and self._begins_in(window, shown.pts):
                pile.dense.add(shown.frame, pts=shown.pts, until=until)
        return self._pack(window, pile, still=False)

    def _still_clip(
        self, window: Span, *, times_s: Sequence[float], max_side: int | None, dense_side: int | None
    ) -> Clip:
        """One sample a key frame: the pts is that of the frame on display at the first time that needs it.

        Its pixels are the key frame's, which is the same picture as far as anyone can see, so the window
        costs no more than its key frames also where it begins between two of them.
        """
        pile = self._piles(window, len(times_s), max_side=max_side, dense_side=dense_side)
        self._current = self._next = None
        firsts: dict[int, int] = {}
        for ticks in self._ticks(times_s):
            place = self._index.place_at(ticks)
            if place is not None and not self._is_lost(ticks):
                firsts.setdefault(self._index.key_for(ticks), int(self._index.shown_pts[place]))
        ends = [*list(firsts.values())[1:], min(self._bound(window.end_s), self._index.end)]
        for (key, pts), until in zip(firsts.items(), ends, strict=False):
            frame = self._decoder.decode_alone(key)
            if frame is None:
                continue
            pile.samples.add(frame, pts=pts, until=until)
            if pile.dense is not None:
                pile.dense.add(frame, pts=pts, until=until)
        return self._pack(window, pile, still=True)

    def _walk(
        self, window: Span, ticks: Sequence[int], *, every: bool
    ) -> Iterator[tuple[Decoded, int, Sequence[int]]]:
        """Frames in display order, until when each is shown, and the wanted times it is the answer to.

        Only those that are wanted, or `every` one that is on display in the window.
        """
        place = 0
        shown: Decoded | None = None
        if every:  # where nothing sound is on display at the start, begin with what comes next
            shown = self._show(max(self._bound(window.start_s), self._index.start)) or self._current
        while True:
            if not every and place < len(ticks):
                shown = self._show(ticks[place])
            elif not every or shown is None or shown.pts >= self._bound(window.end_s):
                return
            until = self._shown_until()
            first = place
            while place < len(ticks) and (ticks[place] < until or (place == first and not every)):
                place += 1
            if shown is not None:
                yield shown, until, [t for t in ticks[first:place] if t >= shown.pts]
            if every:
                shown = self._step()

    def _show(self, ticks: int) -> Decoded | None:
        """Make the frame on display at `ticks` the current one. None where the file shows none."""
        if not self._index.start <= ticks < self._index.end:
            return None
        key = self._index.key_for(ticks)
        goes_back = self._current is None or ticks < self._current.pts
        if goes_back or key >= self._decoder.position + _CHEAP_TO_DECODE:
            self._decoder.jump(key)
            self._next = self._decoder.next()
            self._step()
        while self._next is not None and self._next.pts <= ticks:
            self._step()
        return self._current if self._current is not None and self._current.pts <= ticks else None

    def _step(self) -> Decoded | None:
        self._current = self._next
        self._next = None if self._current is None else self._decoder.next()
        return self._current

    def _shown_until(self) -> int:
        return self._index.end if self._next is None else self._next.pts

    def _is_lost(self, ticks: int) -> bool:
        """Whether the picture that belongs on display at `ticks` is known to be damaged."""
        place = self._index.place_at(ticks)
        if place is None or any(begin <= ticks < end for begin, end in self._index.gaps):
            return True
        order, pts = int(self._index.by_time[place]), int(self._index.shown_pts[place])
        return self._index.lost(self._decoder.errors, order=order, pts=pts)

    def _begins_in(self, window: Span, pts: int) -> bool:
        return self._bound(window.start_s) <= pts < self._bound(window.end_s)

    def _bound(self, time_s: float) -> int:
        """The first tick that is not before `time_s`."""
        return math.ceil((Fraction(time_s) - TIME_TOLERANCE) / self._index.time_base)

    def _ticks(self, times_s: Sequence[float]) -> list[int]:
        ticks = [math.floor((Fraction(t) + TIME_TOLERANCE) / self._index.time_base) for t in times_s]
        if any(after < before for before, after in pairwise(ticks)):
            raise ValueError(f"times must rise, not {list(times_s)}; sort them")
        return ticks

    def _seconds(self, ticks: int) -> float:
        return float(ticks * self._index.time_base)

    def _piles(self, window: Span, wanted: int, *, max_side: int | None, dense_side: int | None) -> _Piles:
        size = fit(self.info.width, self.info.height, max_side)
        samples = _Pile(self._scaler(*size), capacity=wanted)
        if dense_side is None:
            return _Piles(samples, None)
        begins = [self._bound(t) for t in (window.start_s, window.end_s)]
        first, last = np.searchsorted(self._index.shown_pts, begins)
        stride = dense_stride(int(last - first), duration_s=window.end_s - window.start_s)
        capacity = math.ceil((last - first) / stride) + 1
        return _Piles(samples, _Pile(self._scaler(dense_side, dense_side), capacity=capacity, stride=stride))

    def _scaler(self, width: int, height: int) -> Scaler:
        return self._scalers.setdefault((width, height), Scaler(width, height))

    def _pack(self, window: Span, piles: _Piles, *, still: bool) -> Clip:
        samples, dense = piles.samples, piles.dense
        start, end = self._bound(window.start_s), self._bound(window.end_s)
        lost = self._index.lost_ranges(self._decoder.errors, start=start, end=end)
        pts = np.array(samples.pts, dtype=np.int64)
        until = np.array(samples.until, dtype=np.int64)
        return Clip(
            path=self.info.path,
            time_base=self._index.time_base,
            window=window,
            images=samples.filled(),
            pts=pts,
            times_s=np.array([self._seconds(p) for p in samples.pts], dtype=np.float64),
            durations_s=np.array([self._seconds(n) for n in (until - pts).tolist()], dtype=np.float64),
            damaged=tuple(Span(self._seconds(begin), self._seconds(stop)) for begin, stop in lost),
            dense=None
            if dense is None
            else DenseFrames(
                images=dense.filled(),
                pts=np.array(dense.pts, dtype=np.int64),
                times_s=np.array([self._seconds(p) for p in dense.pts], dtype=np.float64),
            ),
            still=still,
        )


def dense_stride(num_frames: int, *, duration_s: float) -> int:
    """Every how many-th frame of a window goes into `Clip.dense`, by the two caps."""
    by_rate = (num_frames - 1) / (MAX_DENSE_HZ * duration_s) if duration_s > 0 else 1.0
    return max(math.ceil(by_rate), math.ceil(num_frames / MAX_DENSE_FRAMES), 1)


class _Pile:
    """Converted frames of one size, filled in place so that a window is held once."""

    def __init__(self, scaler: Scaler, *, capacity: int, stride: int = 1) -> None:
        self._scaler, self._stride, self._offered = scaler, stride, 0
        self._images: Images = np.empty((capacity, scaler.height, scaler.width, 3), dtype=np.uint8)
        self.pts: list[int] = []
        self.until: list[int] = []

    def add(self, frame: VideoFrame, *, pts: int, until: int) -> None:
        """Take the frame, or every `stride`-th of those offered."""
        self._offered += 1
        if (self._offered - 1) % self._stride or len(self.pts) == len(self._images):
            return
        self._scaler.convert(frame, orientation_of(frame), out=self._images[len(self.pts)])
        self.pts.append(pts)
        self.until.append(until)

    def filled(self) -> Images:
        return self._images[: len(self.pts)]


@dataclass(frozen=True, slots=True)
class _Piles:
    samples: _Pile
    dense: _Pile | None
