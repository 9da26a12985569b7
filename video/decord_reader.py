"""The optional second reader, decord: as exact as the default one, or it refuses.

decord finds frames by number. It goes wrong with edit lists, open groups, negative times and MPEG-TS, and
says nothing of damaged pictures, so a file is taken only when nothing of this kind is known of it, and it is
checked against the default reader at three places first. Damage that only a decoder notices goes unseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from av.video.frame import VideoFrame

from grounding.errors import Unreadable
from grounding.evidence import Span
from video.assembling import ClipBuilder, Scalers
from video.clock import Clock
from video.frames import Clip, Frame, Image, VideoInfo
from video.packets import packet_index
from video.reader import PyAVReader, check_times
from video.scaling import Orientation, Scaler, fit

_CHECKED_SIDE = 64
_MAX_DIFFERENCE = 6.0  # mean of 255: other conversions round otherwise, other frames differ by far more


class DecordReader:
    """A `FrameSource` over decord. Raises `Unreadable` for every file that decord is known to get wrong."""

    def __init__(self, info: VideoInfo) -> None:
        self.info = info
        self._index = packet_index(info.path)
        self._clock = Clock(self._index.time_base)
        self._scalers = Scalers(info)
        self._frames = self._open()
        self._compare_with_default()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._frames = None

    def frames_at(self, times_s: Sequence[float], *, max_side: int | None = None) -> Iterator[Frame]:
        """The frame on display at each of `times_s` (rising), once each."""
        scaler = self._scalers.fitted(max_side)
        places = [self._index.place_at(ticks) for ticks in self._clock.ticks(times_s)]
        for place in dict.fromkeys(p for p in places if p is not None):
            yield self._frame(place, scaler)

    def frames_in(self, window: Span, *, max_side: int | None = None) -> Iterator[Frame]:
        """Every frame on display in the half-open window, in order."""
        scaler = self._scalers.fitted(max_side)
        for place in self._places(*self._clock.bounds(window)):
            yield self._frame(place, scaler)

    def clip(
        self,
        window: Span,
        *,
        times_s: Sequence[float],
        max_side: int | None = None,
        dense_side: int | None = None,
        still: bool = False,
    ) -> Clip:
        """As the protocol says; `still` saves nothing here, and every sample is decoded."""
        check_times(window, times_s)
        builder = ClipBuilder(
            self.info,
            self._index,
            self._scalers,
            window=window,
            wanted=len(times_s),
            max_side=max_side,
            dense_side=dense_side,
        )
        wanted = {self._index.place_at(ticks) for ticks in self._clock.ticks(times_s)} - {None}
        every = set(self._places(builder.start, builder.end)) if builder.wants_every_frame else set()
        for place in sorted(p for p in wanted | every if p is not None):
            pts, until = self._shown(place)
            builder.add(self._decode(place), Orientation(), pts=pts, until=until, sampled=place in wanted)
        return builder.build(errors=[], still=still)

    def _open(self) -> Any:
        if reason := self._known_trouble():
            raise self._refusal(reason)
        try:
            import decord
        except ImportError as error:
            raise self._refusal('decord is not installed (pip install "proofreel[decord]")') from error
        try:
            frames = decord.VideoReader(str(self.info.path), num_threads=1)
        except (decord.DECORDError, RuntimeError, UnicodeError) as error:
            raise self._refusal("decord can't open it") from error
        if len(frames) != self.info.num_frames:
            raise self._refusal(f"decord counts {len(frames)} frames of {self.info.num_frames}")
        return frames

    def _known_trouble(self) -> str | None:
        index = self._index
        if not index.seekable:
            return "decord loses its place in files without an index of their times"
        if index.hidden.any():
            return "decord shows frames that an edit list hides"
        if index.pts_of_dts is not None:
            return "decord loses its place where several pictures may be packed into one chunk"
        if index.has_open_groups:
            return "decord loses its place where groups of pictures are open"
        if index.start < 0:
            return "decord loses its place in files that start before zero"
        if index.corrupt.any() or index.ended_badly or self.info.damaged:
            return "decord shows damaged pictures as if they were sound"
        return None

    def _refusal(self, reason: str) -> Unreadable:
        return Unreadable(self.info.path, f'{reason}; use the reader "pyav"')

    def _compare_with_default(self) -> None:
        """Refuse the file unless its first, middle and last frame are those of the default reader."""
        scaler = Scaler(*fit(self.info.width, self.info.height, _CHECKED_SIDE))
        places = sorted({0, self.info.num_frames // 2, self.info.num_frames - 1})
        times = [self._clock.seconds(self._shown(place)[0]) for place in places]
        with PyAVReader(self.info) as default:
            for place, right in zip(places, default.frames_at(times, max_side=_CHECKED_SIDE), strict=True):
                shown = scaler.convert(self._decode(place), Orientation())
                if right.damaged or _difference(shown, right.image) > _MAX_DIFFERENCE:
                    raise self._refusal(f"decord shows another frame {place}")

    def _places(self, start: int, end: int) -> range:
        """Numbers of the frames on display in [start, end)."""
        if start >= min(end, self._index.end):
            return range(0)
        first = int(np.searchsorted(self._index.shown_pts, start, side="right")) - 1
        return range(max(first, 0), int(np.searchsorted(self._index.shown_pts, end)))

    def _shown(self, place: int) -> tuple[int, int]:
        pts = self._index.shown_pts
        return int(pts[place]), int(pts[place + 1]) if place + 1 < len(pts) else self._index.end

    def _decode(self, place: int) -> VideoFrame:
        return VideoFrame.from_ndarray(self._frames[place].asnumpy(), format="rgb24")

    def _frame(self, place: int, scaler: Scaler) -> Frame:
        pts, until = self._shown(place)
        return Frame(
            image=scaler.convert(self._decode(place), Orientation()),
            pts=pts,
            time_s=self._clock.seconds(pts),
            duration_s=self._clock.seconds(until - pts),
        )


def _difference(one: Image, other: Image) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())
