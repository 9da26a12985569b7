"""Stretches in which nothing moves, found from packet sizes and key frames without decoding the rest.

A picture that does not change costs an encoder next to nothing, and a thing that appears between two key
frames costs bits when it comes and when it goes. So a group of pictures is still only when

1. every packet after its first few is as small as one that says "nothing changed", or (some encoders send
   one and the same correction for ever) has a size that comes back exactly, over and over,
2. the first few, in which encoders still polish the key frame, show the key frame's picture (decoded), and
3. the next key frame shows it too.

Whatever is not sure counts as moving: wrong in that direction costs time, in the other one evidence.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from grounding.evidence import Span
from video.decoding import Decoder
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
    if not len(candidates) or not index.exact:
        return ()
    comparer = _Comparer(info, index)
    try:
        still = [g for g in candidates if comparer.is_still(groups, int(g))]
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
        loud = counted & ((index.size > quiet) | index.corrupt)
        late = loud & (order - self.keys[group] > POLISHED)
        self.looked_at = np.flatnonzero(loud & ~late)  # orders of the packets whose frames are compared
        largest = np.zeros(len(self.keys), dtype=np.int64)
        np.maximum.at(largest, group[late], index.size[late])
        self._moving = largest > MAX_REPEATED * quiet
        for number in np.flatnonzero((largest > 0) & ~self._moving):
            mine = group == number
            sizes, counts = np.unique(index.size[mine & counted], return_counts=True)
            self._moving[number] = not np.isin(index.size[mine & late], sizes[counts >= REPEATS]).all()

    def quiet(self) -> npt.NDArray[np.intp]:
        """The groups that may be still by their packets; the last one has nothing to compare with."""
        return np.flatnonzero(~self._moving[:-1])


class _Comparer:
    """Decodes key frames (and what polishes them) small, and compares."""

    def __init__(self, info: VideoInfo, index: PacketIndex) -> None:
        self._index = index
        self._decoder = Decoder(info.path, index)
        self._scaler = Scaler(*fit(info.width, info.height, COMPARED_SIDE))
        self._known: tuple[int, Image | None] = (-1, None)  # the last key frame looked at

    def close(self) -> None:
        self._decoder.close()

    def is_still(self, groups: _Groups, group: int) -> bool:
        key, following = int(groups.keys[group]), int(groups.keys[group + 1])
        picture = self._key_picture(key)
        if picture is None:
            return False
        after = self._key_picture(following)
        if after is None or not same_picture(picture, after):
            return False
        first, last = np.searchsorted(groups.looked_at, (key, key + POLISHED + 1))
        return self._polished_same(picture, key, groups.looked_at[first:last].tolist())

    def _key_picture(self, order: int) -> Image | None:
        if self._known[0] != order:
            frame = self._decoder.decode_alone(order)
            image = None if frame is None else self._scaler.convert(frame, orientation_of(frame))
            self._known = (order, image)
        return self._known[1]

    def _polished_same(self, picture: Image, key: int, orders: list[int]) -> bool:
        """Whether the frames at `orders`, soon after a key frame, all show its picture."""
        wanted = {int(self._index.pts[order]) for order in orders}
        if wanted:
            self._decoder.jump(key)
        while wanted:
            decoded = self._decoder.next()
            if decoded is None or decoded.damaged or decoded.pts > max(wanted):
                return False
            if decoded.pts not in wanted:
                continue
            wanted.remove(decoded.pts)
            shown = self._scaler.convert(decoded.frame, orientation_of(decoded.frame))
            if not same_picture(picture, shown):
                return False
        return True


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
