"""Exact frames of a file: a planned reader that demuxes first, then decodes only what the asked times need.

A key frame is sought only when it lies ahead of what was decoded already; forward windows go on decoding.
Memory holds the frames of one window, however long the file is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Literal, Self

from grounding.evidence import Span
from video.assembling import ClipBuilder, Scalers
from video.clock import Clock
from video.decoding import Decoded, Decoder
from video.frames import Clip, Frame, FrameSource, VideoInfo
from video.packets import packet_index
from video.probe import probe
from video.scaling import Scaler, orientation_of

_CHEAP_TO_DECODE = 8  # packets: seeking costs more than decoding so few


def open_video(path: str | os.PathLike[str], *, reader: Literal["pyav", "decord"] = "pyav") -> FrameSource:
    """Open a file for exact reading. Raises `Unreadable`, `NoVideoStream`; ValueError for another reader.

    "decord" needs the extra of that name, and refuses with `Unreadable` the files that it gets wrong.
    """
    if reader == "pyav":
        return PyAVReader(probe(path))
    if reader == "decord":
        from video.decord_reader import DecordReader

        return DecordReader(probe(path))
    raise ValueError(f'no reader is called "{reader}"; choose "pyav" or "decord"')


def check_times(window: Span, times_s: Sequence[float]) -> None:
    """Raise ValueError unless every time lies in the half-open window."""
    if any(not window.start_s <= t < window.end_s for t in times_s):
        raise ValueError(f"times must lie in [{window.start_s}, {window.end_s}), not {list(times_s)}")


class PyAVReader:
    """The default `FrameSource`. A time outside [start_s, end_s) has no frame and gives none."""

    def __init__(self, info: VideoInfo, *, threads: int = 1) -> None:
        self.info = info
        self._index = packet_index(info.path)
        self._clock = Clock(self._index.time_base)
        self._decoder = Decoder(info.path, self._index, threads=threads)
        self._scalers = Scalers(info)
        self._current: Decoded | None = None
        self._next: Decoded | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._current = self._next = None
        self._decoder.close()

    def frames_at(self, times_s: Sequence[float], *, max_side: int | None = None) -> Iterator[Frame]:
        """The frame on display at each of `times_s` (rising), once each; damaged ones are marked so."""
        scaler = self._scalers.fitted(max_side)
        last_pts: int | None = None
        for ticks in self._clock.ticks(times_s):
            shown = self._show(ticks)
            if shown is None or shown.pts == last_pts:
                continue
            last_pts = shown.pts
            yield self._frame(shown, scaler, lost=self._is_lost(ticks))

    def frames_in(self, window: Span, *, max_side: int | None = None) -> Iterator[Frame]:
        """Every frame on display in the half-open window, in order; damaged ones are marked so."""
        scaler = self._scalers.fitted(max_side)
        for shown, _, _ in self._walk_all(*self._clock.bounds(window), ()):
            yield self._frame(shown, scaler, lost=False)

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

        `dense_side`: every frame that begins in the window too, squeezed to a square, at most
        `assembling.MAX_DENSE_HZ` and `MAX_DENSE_FRAMES`. `still`: the window was found unmoving
        (`stillness`), so only key frames are decoded; where one frame is held all through it, that one.
        """
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
        ticks = self._clock.ticks(times_s)
        if still and not self._is_held(builder.start, builder.end):
            self._add_key_frames(builder, ticks)
        else:
            self._add_frames(builder, ticks)
        return builder.build(errors=self._decoder.errors, still=still)

    def _is_held(self, start: int, end: int) -> bool:
        """Whether a single frame is on display in [start, end)."""
        first = self._index.place_at(max(start, self._index.start))
        return first == self._index.place_at(min(end, self._index.end) - 1)

    def _add_frames(self, builder: ClipBuilder, ticks: Sequence[int]) -> None:
        every = builder.wants_every_frame
        walk = self._walk_all(builder.start, builder.end, ticks) if every else self._walk(ticks)
        for shown, until, wanted in walk:
            if shown.damaged or self._is_lost(shown.pts):
                continue
            sampled = any(not self._is_lost(t) for t in wanted)
            turn = orientation_of(shown.frame)
            builder.add(shown.frame, turn, pts=shown.pts, until=until, sampled=sampled)

    def _add_key_frames(self, builder: ClipBuilder, ticks: Sequence[int]) -> None:
        """One sample a key frame: the pts is that of the frame on display at the first time that needs it.

        Its pixels are the key frame's, which is the same picture as far as anyone can see, so the window
        costs no more than its key frames also where it begins between two of them.
        """
        self._current = self._next = None
        firsts: dict[int, int] = {}
        for tick in ticks:
            place = self._index.place_at(tick)
            if place is not None and not self._is_lost(tick):
                firsts.setdefault(self._index.key_for(tick), int(self._index.shown_pts[place]))
        ends = [*list(firsts.values())[1:], min(builder.end, self._index.end)]
        for (key, pts), until in zip(firsts.items(), ends, strict=False):
            frame = self._decoder.decode_alone(key)
            if frame is not None:
                builder.add(frame, orientation_of(frame), pts=pts, until=until, sampled=True)

    def _walk(self, ticks: Sequence[int]) -> Iterator[tuple[Decoded, int, Sequence[int]]]:
        """Each frame on display at one of `ticks`, until when it is shown, and the ticks that it answers."""
        place = 0
        while place < len(ticks):
            first = place
            shown = self._show(ticks[first])
            until = self._shown_until()
            place += 1
            while place < len(ticks) and ticks[place] < until:
                place += 1
            if shown is not None:
                yield shown, until, ticks[first:place]

    def _walk_all(
        self, start: int, end: int, ticks: Sequence[int]
    ) -> Iterator[tuple[Decoded, int, Sequence[int]]]:
        """Like `_walk`, with every frame on display in [start, end)."""
        start = max(start, self._index.start)
        if start >= min(end, self._index.end):
            return
        # Where nothing sound is on display at the start, begin with what comes next.
        shown = self._show(start) or self._current
        place = 0
        while shown is not None and shown.pts < end:
            until = self._shown_until()
            first = place
            while place < len(ticks) and ticks[place] < until:
                place += 1
            yield shown, until, [t for t in ticks[first:place] if t >= shown.pts]
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
        return self._index.is_lost(self._decoder.errors, ticks)

    def _frame(self, shown: Decoded, scaler: Scaler, *, lost: bool) -> Frame:
        return Frame(
            image=scaler.convert(shown.frame, orientation_of(shown.frame)),
            pts=shown.pts,
            time_s=self._clock.seconds(shown.pts),
            duration_s=self._clock.seconds(self._shown_until() - shown.pts),
            damaged=lost or shown.damaged or self._is_lost(shown.pts),
        )
