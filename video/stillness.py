"""Stretches in which nothing moves, found from packet sizes and key frames without decoding the rest.

A picture that does not change costs an encoder next to nothing, and a thing that appears between two key
frames costs bits when it comes and when it goes. So a group of pictures is still only when

1. every packet after its first few is as small as one that says "nothing changed", or (some encoders send
   one and the same correction for ever) has a size that comes back exactly, over and over,
2. the first few, in which encoders still polish the key frame, show the key frame's picture (decoded), and
3. the next key frame shows it too.

Whatever is not sure counts as moving: wrong in that direction costs time, in the other one evidence.

A frame that is held (a camera that records only what moves, a slide) is still by its time alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from grounding.evidence import Span
from video.clock import Clock
from video.decoding import Decoded, Decoder
from video.frames import Image, VideoInfo
from video.packets import PacketIndex, packet_index
from video.scaling import Scaler, fit, orientation_of

POLISHED = 32
"""So many packets after a key frame may be larger, and are then decoded and compared."""

REPEATS = 12
"""A size up to `MAX_REPEATED` quiet packets that comes so often in a group is a correction sent again."""

MAX_REPEATED = 4

MIN_STILL_S = 1.0
"""A shorter stretch is not worth telling apart."""

COMPARED_SIDE = 160
MAX_MEAN_CHANGE = 2.0
MAX_PIXEL_CHANGE = 12
"""Of 255, between pictures at `COMPARED_SIDE`: above the noise of recoding one picture, below any object."""

_FEWEST_FRAMES_A_GROUP = 4  # with more key frames than that, decoding them saves too little


@dataclass(frozen=True, slots=True, kw_only=True)
class Stillness:
    """Where a file stands still, in file time: sorted spans that do not overlap.

    `unmoving` spans show one picture, recoded again and again; in a `held` one a single frame is on display.
    """

    unmoving: tuple[Span, ...] = ()
    held: tuple[Span, ...] = ()

    def is_unmoving(self, window: Span) -> bool:
        """Whether nothing is seen to move in the window."""
        return _within_one(window, self.unmoving) or self.is_held(window)

    def is_held(self, window: Span) -> bool:
        """Whether one frame is on display all through the window."""
        return _within_one(window, self.held)


def stillness(info: VideoInfo) -> Stillness:
    """All that stands still in a file. Decodes key frames where the packets do not rule it out."""
    return Stillness(unmoving=still_spans(info), held=held_spans(info))


def held_spans(info: VideoInfo) -> tuple[Span, ...]:
    """The time of every frame that is on display for `MIN_STILL_S` or more; nothing is decoded."""
    index = packet_index(info.path)
    if not index.exact:
        return ()
    clock = Clock(index.time_base)
    borders = np.append(index.shown_pts, index.end)
    held = np.flatnonzero(np.diff(borders) >= clock.first_tick(MIN_STILL_S))
    return tuple(clock.span((int(borders[i]), int(borders[i + 1]))) for i in held)


def _within_one(window: Span, spans: Sequence[Span]) -> bool:
    place = bisect_right(spans, window.start_s, key=lambda span: span.start_s) - 1
    return place >= 0 and window.end_s <= spans[place].end_s


def still_spans(info: VideoInfo) -> tuple[Span, ...]:
    """The unmoving stretches of a file, in file time, sorted; each runs from key frame to key frame.

    A file that moves throughout is told by its packet sizes alone, at no cost. The last group of pictures
    has no key frame after it to compare with, and counts as moving.
    """
    index = packet_index(info.path)
    groups = _Groups(index, quiet=quiet_packet(info))
    if len(groups.keys) < 2 or len(index.shown_pts) < _FEWEST_FRAMES_A_GROUP * len(groups.keys):
        return ()
    candidates = groups.quiet()
    if not candidates or not index.exact:
        return ()
    comparer = _Comparer(info, index)
    try:
        still = comparer.still(groups, candidates)
    finally:
        comparer.close()
    return _joined(groups.pts, still, float(index.time_base))


def quiet_packet(info: VideoInfo) -> float:
    """The largest size in bytes of a packet that says "nothing changed", by codec and frame size.

    MPEG-4 and its kin spend a bit on each block they skip, MPEG-2 a header on each row of blocks, newer
    codecs next to nothing. Measured on encodings of one picture; a thing of 2 % of the frame that crosses
    it costs at least 1.4 times as much in its dearest packet even where both are flat and coded coarsely.
    """
    stored = info.width / info.sample_aspect * info.height
    blocks = float(stored) / 256
    if info.codec.startswith(("mpeg4", "msmpeg4", "h263", "wmv", "flv")):
        return 32 + blocks / 8
    if info.codec.startswith(("mpeg1", "mpeg2")):
        return 32 + 10.5 * min(info.width, info.height) / 16
    return 48 + blocks / 90


class _Groups:
    """Packets by the key frame that stands before them in display order."""

    def __init__(self, index: PacketIndex, *, quiet: float) -> None:
        keys = np.flatnonzero(index.key & ~index.hidden)
        self.keys = keys[np.argsort(index.pts[keys], kind="stable")]  # [G] orders
        self.pts = index.pts[self.keys]  # [G]
        group = np.searchsorted(self.pts, index.pts, side="right") - 1
        order = np.arange(len(index.pts))
        counted = ~index.key & (group >= 0)
        loud = counted & (index.size > quiet)
        late = loud & (order - self.keys[group] > POLISHED)
        self._looked_at = loud & ~late
        self._by_group = np.argsort(group, kind="stable")  # [P] orders
        self._borders = np.searchsorted(group[self._by_group], np.arange(len(self.keys) + 1))
        largest = np.zeros(len(self.keys), dtype=np.int64)
        np.maximum.at(largest, group[late], index.size[late])
        self._moving = largest > MAX_REPEATED * quiet
        self._moving[group[index.corrupt & (group >= 0)]] = True
        for number in np.flatnonzero((largest > 0) & ~self._moving):
            mine = self._packets(number)
            sizes, counts = np.unique(index.size[mine[counted[mine]]], return_counts=True)
            self._moving[number] = not np.isin(index.size[mine[late[mine]]], sizes[counts >= REPEATS]).all()

    def quiet(self) -> list[int]:
        """The groups that may be still by their packets; the last one has nothing to compare with."""
        return [int(number) for number in np.flatnonzero(~self._moving[:-1])]

    def looked_at(self, group: int) -> list[int]:
        """Orders of the packets of a group whose frames are compared with its key frame."""
        mine = self._packets(group)
        return [int(order) for order in mine[self._looked_at[mine]]]

    def _packets(self, group: int | np.intp) -> npt.NDArray[np.intp]:
        """Orders of the packets of a group, rising."""
        return self._by_group[self._borders[group] : self._borders[group + 1]]


class _Comparer:
    """Decodes key frames (and what polishes them) small, and compares, in one pass forward.

    Going back costs a file without an index of its own another reading from its first byte.
    """

    def __init__(self, info: VideoInfo, index: PacketIndex) -> None:
        self._index = index
        self._decoder = Decoder(info.path, index)
        self._scaler = Scaler(*fit(info.width, info.height, COMPARED_SIDE))
        self._put_back: Decoded | None = None  # decoded already, and not yet looked at

    def close(self) -> None:
        self._decoder.close()

    def still(self, groups: _Groups, candidates: list[int]) -> list[int]:
        """Those of `candidates` (rising) that show their key frame's picture up to the next key frame."""
        asked = set(candidates)
        still: list[int] = []
        before: Image | None = None  # what the group before showed, where nothing moved in it
        for group in sorted(asked | {group + 1 for group in candidates}):
            looked_at = groups.looked_at(group) if group in asked else []
            picture, steady = self._look(int(groups.keys[group]), looked_at)
            if before is not None and picture is not None and same_picture(before, picture):
                still.append(group - 1)
            before = picture if group in asked and steady else None
        return still

    def _look(self, key: int, orders: list[int]) -> tuple[Image | None, bool]:
        """The picture of a key frame (None where it is lost), and whether the frames at `orders` show it."""
        goes_on = self._decoder.position > key  # decoded already, as what comes after the group before
        if not goes_on and not orders:
            self._put_back = None
            frame = self._decoder.decode_alone(key)
            return (None if frame is None else self._small(frame)), True
        if not goes_on:
            self._put_back = None
            self._decoder.jump(key)
        start = int(self._index.pts[key])
        first = self._next_at(start, start=start)
        if first is None:
            return None, False
        picture = self._small(first)
        for pts in sorted(int(self._index.pts[order]) for order in orders):
            frame = self._next_at(pts, start=start)
            if frame is None or not same_picture(picture, self._small(frame)):
                return picture, False
        return picture, True

    def _next_at(self, pts: int, *, start: int) -> VideoFrame | None:
        """The frame with exactly this pts, further on; None where it, or one from `start` on, is lost."""
        while True:
            decoded, self._put_back = self._put_back or self._decoder.next(), None
            if decoded is None:
                return None
            if decoded.pts > pts:
                self._put_back = decoded
                return None
            if decoded.damaged and decoded.pts >= start:
                return None
            if decoded.pts == pts:
                return decoded.frame

    def _small(self, frame: VideoFrame) -> Image:
        return self._scaler.convert(frame, orientation_of(frame))


def same_picture(one: Image, other: Image) -> bool:
    """Whether two pictures [H, W, 3] of the same size differ by no more than recoding makes them differ."""
    change = np.abs(one.astype(np.int16) - other)
    return bool(change.mean() <= MAX_MEAN_CHANGE and change.max() <= MAX_PIXEL_CHANGE)


def _joined(key_pts: npt.NDArray[np.int64], groups: list[int], second: float) -> tuple[Span, ...]:
    spans: list[Span] = []
    for group in groups:
        start_s, end_s = float(key_pts[group]) * second, float(key_pts[group + 1]) * second
        if spans and spans[-1].end_s == start_s:
            start_s = spans.pop().start_s
        spans.append(Span(start_s, end_s))
    return tuple(span for span in spans if span.end_s - span.start_s >= MIN_STILL_S)
