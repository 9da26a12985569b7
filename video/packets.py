"""The packets of a file as arrays, read once without decoding: what seeking, ends and stillness go by.

"Order" is a packet's place in decode order. All times are ticks of the stream's time base.
"""

from __future__ import annotations

import os
import time
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.stream import VideoStream

from grounding.errors import TimedOut, Unreadable
from video.chunks import ChunkIndex, first_unled, in_doubt, keys_are_known, listed_chunks
from video.container import ends_in_a_packet, open_container, video_stream
from video.packet_reader import PacketReader
from video.vops import display_times, needs_unpacking, shown_between_others

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NEVER_SEEK = frozenset({"mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc", "obu"})
"""Formats with no index of their own: a seek lands somewhere near and can't be checked."""

_CACHED_FILES = 4
_SHORTEST_GAP = Fraction(1, 2)  # s
_REPEATS_A_PICTURE = 16  # bytes: so small a packet only says "the one before again"


@dataclass(frozen=True, kw_only=True)
class PacketIndex:
    """Every packet of the video stream, in decode order ([P] each).

    `hidden` packets give no frame on display: cut off by an edit list, or not decodable because no key
    frame comes before them. `exact` is false where the container stores no usable display times: then
    `pts` are counted, and the file can only be read from its start. `ended_badly` says that reading stopped
    at an error; `broadcast` that frames come at a steady pace. `pts_of_dts` is there where packets come with
    no pts that can be used, and theirs was found out (see `vops`). `chunks` is there where an AVI lost some
    of those that it lists: each lost one has its order here, and is `corrupt`.
    `positions` in the file are there for an AVI, whose index may be spoilt and lead a seek astray.
    `end` is where the last frame's display ends.
    """

    stream_index: int
    time_base: Fraction
    pts: Ints = field(repr=False)
    size: Ints = field(repr=False)
    key: Flags = field(repr=False)
    hidden: Flags = field(repr=False)
    corrupt: Flags = field(repr=False)
    end: int
    exact: bool
    seekable: bool
    ended_badly: bool
    broadcast: bool = False
    pts_of_dts: Mapping[int, int] | None = field(default=None, repr=False)
    chunks: ChunkIndex | None = field(default=None, repr=False)
    positions: Ints | None = field(default=None, repr=False)

    @cached_property
    def by_time(self) -> Ints:
        """[F] orders of the shown packets, sorted by pts."""
        shown = np.flatnonzero(~self.hidden)
        return shown[np.argsort(self.pts[shown], kind="stable")]

    @cached_property
    def shown_pts(self) -> Ints:
        """[F] pts of the shown packets, sorted."""
        return self.pts[self.by_time]

    @cached_property
    def _keys(self) -> tuple[list[int], list[int]]:
        orders = np.flatnonzero(self.key)
        orders = orders[np.argsort(self.pts[orders], kind="stable")]
        return self.pts[orders].tolist(), orders.tolist()

    @cached_property
    def reorder_depth(self) -> int:
        """How many frames can be displayed before, and yet decoded after, some frame."""
        order = np.argsort(np.argsort(self.pts, kind="stable"))
        return int(np.clip((order - np.arange(len(order))).max(initial=0), 0, 16))

    @property
    def has_open_groups(self) -> bool:
        """Whether pictures are shown before the key frame that they were decoded after."""
        latest_key = np.maximum.accumulate(np.where(self.key, np.arange(len(self.key)), 0))
        return bool((~self.hidden & (self.pts < self.pts[latest_key])).any())

    @property
    def start(self) -> int:
        return int(self.shown_pts[0])

    def order_at(self, pts: int) -> int | None:
        """The order of the packet with exactly this pts, or None."""
        sorted_pts, orders = self._all_by_time
        place = int(np.searchsorted(sorted_pts, pts))
        return int(orders[place]) if place < len(orders) and sorted_pts[place] == pts else None

    @cached_property
    def _all_by_time(self) -> tuple[Ints, Ints]:
        orders = np.argsort(self.pts, kind="stable")
        return self.pts[orders], orders

    def place_at(self, pts: int) -> int | None:
        """Where in `by_time` the frame on display at `pts` stands; None outside [start, end)."""
        if not self.start <= pts < self.end:
            return None
        return int(np.searchsorted(self.shown_pts, pts, side="right")) - 1

    def key_for(self, pts: int) -> int:
        """The order of the key frame from which the frame on display at `pts` is decoded."""
        if not self.exact:
            return int(self.key.argmax())
        key_pts, orders = self._keys
        return orders[max(bisect_right(key_pts, pts) - 1, 0)]

    def shown_between(self, after: int, before: int) -> list[int]:
        """Orders of the packets with after < pts < before that hold a picture of their own."""
        first = int(np.searchsorted(self.shown_pts, after, side="right"))
        last = int(np.searchsorted(self.shown_pts, before))
        between = self.by_time[first:last]
        return [int(order) for order in between if self.size[order] > _REPEATS_A_PICTURE]

    def lost(self, errors: list[int], *, order: int, pts: int) -> bool:
        """Whether a frame can't be trusted, given the sorted orders of the packets that failed.

        All from a failed packet to the next key frame is lost; a picture shown before that key frame and
        decoded after it leans on both, and nothing that comes later leans on it.
        """
        key = self.key_for(pts)
        for place in range(bisect_left(errors, key), bisect_right(errors, order)):
            if self.pts[min(errors[place], len(self.pts) - 1)] >= self.pts[key]:
                return True
        return False

    def is_lost(self, errors: list[int], ticks: int) -> bool:
        """Whether the picture that belongs on display at `ticks` can't be trusted, or is not there."""
        place = self.place_at(ticks)
        if place is None or any(begin <= ticks < end for begin, end in self.gaps):
            return True
        return self.lost(errors, order=int(self.by_time[place]), pts=int(self.shown_pts[place]))

    def lost_ranges(self, errors: list[int], *, start: int, end: int) -> list[tuple[int, int]]:
        """Half-open tick ranges inside [start, end) whose frames are lost, merged and sorted."""
        gaps = [(max(a, start), min(b, end)) for a, b in self.gaps if a < end and b > start]
        if not errors:
            return gaps
        first = max(int(np.searchsorted(self.shown_pts, start, side="right")) - 1, 0)
        last = int(np.searchsorted(self.shown_pts, end))
        ranges: list[tuple[int, int]] = []
        for place in range(first, last):
            pts = int(self.shown_pts[place])
            if not self.lost(errors, order=int(self.by_time[place]), pts=pts):
                continue
            until = int(self.shown_pts[place + 1]) if place + 1 < len(self.shown_pts) else self.end
            if (begin := max(pts, start)) < (until := min(until, end)):
                ranges.append((begin, until))
        return merged([*ranges, *gaps])

    @cached_property
    def gaps(self) -> list[tuple[int, int]]:
        """Half-open tick ranges in which a broadcast stream lost its packets without a trace."""
        if not self.broadcast or len(self.shown_pts) < 3:
            return []
        steps = np.diff(self.shown_pts)
        step = int(np.median(steps))
        holes = np.flatnonzero((steps > 10 * step) & (steps * self.time_base > _SHORTEST_GAP))
        return [(int(self.shown_pts[i]) + step, int(self.shown_pts[i + 1])) for i in holes]

    def known_errors(self) -> list[int]:
        """Orders of the packets that the demuxer itself found damaged."""
        return [int(order) for order in np.flatnonzero(self.corrupt)]


def merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges sorted, with those that touch or overlap made one."""
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if joined and joined[-1][1] >= begin:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


@dataclass(slots=True)
class _Columns:
    pts: array[int] = field(default_factory=lambda: array("q"))
    dts: array[int] = field(default_factory=lambda: array("q"))
    duration: array[int] = field(default_factory=lambda: array("q"))
    size: array[int] = field(default_factory=lambda: array("q"))
    position: array[int] = field(default_factory=lambda: array("q"))
    flags: array[int] = field(default_factory=lambda: array("B"))
    ended_badly: bool = False
    has_vops: bool = False
    chunks: ChunkIndex | None = None
    unsure_from: int | None = None


_NO_TIME = -(1 << 63)
_KEY, _DISCARD, _CORRUPT, _INVISIBLE, _BETWEEN = 1, 2, 4, 8, 16

_cache: OrderedDict[tuple[object, ...], PacketIndex] = OrderedDict()


def packet_index(path: str | os.PathLike[str], *, timeout_s: float = 600.0) -> PacketIndex:
    """The index of `path`, kept for the last few files so that each is demuxed once.

    Raises `Unreadable`, `NoVideoStream`, and `TimedOut` when reading takes longer than `timeout_s`.
    """
    key = _identity(path)
    if key in _cache:
        _cache.move_to_end(key)
        return _cache[key]
    index = _cache[key] = _read(path, timeout_s=timeout_s)
    while len(_cache) > _CACHED_FILES:
        _cache.popitem(last=False)
    return index


def forget_indexes() -> None:
    """Drop the kept indexes, so that the next look at a file demuxes it again."""
    _cache.clear()


def _identity(path: str | os.PathLike[str]) -> tuple[object, ...]:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return (os.path.abspath(path),)  # opening it will say what is wrong
    return (os.path.abspath(path), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _read(path: str | os.PathLike[str], *, timeout_s: float, chunks: ChunkIndex | None = None) -> PacketIndex:
    """Read all packets; once more, by the `chunks` that an AVI lists, where it lacks some of them."""
    with open_container(path) as container:
        stream = video_stream(container, path)
        columns = _Columns(has_vops=needs_unpacking(container, stream), chunks=chunks)
        _fill(columns, container, stream, path=path, timeout_s=timeout_s)
        if container.format.name == "avi" and chunks is None:
            fitting = _fitting_list(columns, stream, path)
            if fitting is not None:
                return _read(path, timeout_s=timeout_s, chunks=fitting)
        index = _build(columns, container, stream)
    if index is None:
        raise Unreadable(path, "its header is there and no decodable frame follows; copy it again")
    return index


def _fitting_list(columns: _Columns, stream: VideoStream, path: str | os.PathLike[str]) -> ChunkIndex | None:
    """The chunks of an AVI that lacks some of them; without such a list, `columns` say what isn't known."""
    positions = np.array(columns.position, dtype=np.int64)
    if not keys_are_known(path, (np.array(columns.flags) & _KEY) > 0, stream):
        columns.flags[1:] = array("B", (flag & ~_KEY for flag in columns.flags[1:]))
    if len(positions) == stream.frames:
        return None
    listed = listed_chunks(path)
    if listed.agrees(positions, np.array(columns.dts, dtype=np.int64)):
        return None
    sizes = None if columns.has_vops else np.array(columns.size, dtype=np.int64)
    if listed.fits(positions, sizes, num_frames=stream.frames):
        return listed
    columns.unsure_from = first_unled(path, positions)
    return None


def _fill(
    columns: _Columns,
    container: InputContainer,
    stream: VideoStream,
    *,
    path: str | os.PathLike[str],
    timeout_s: float,
) -> None:
    deadline = time.monotonic() + timeout_s
    reader = PacketReader(container, stream, unpack=columns.has_vops, chunks=columns.chunks)
    is_vp8 = stream.codec_context.name in {"vp8", "libvpx"}
    while (packet := reader.next()) is not None:
        if len(columns.pts) % 256 == 0 and time.monotonic() > deadline:
            raise TimedOut(path, f"reading its packets took over {timeout_s:g} s; check the disk")
        invisible = is_vp8 and packet.size > 0 and not memoryview(packet)[0] & 0x10
        columns.pts.append(_NO_TIME if packet.pts is None else packet.pts)
        columns.dts.append(_NO_TIME if packet.dts is None else packet.dts)
        columns.duration.append(packet.duration or 0)
        columns.size.append(packet.size)
        columns.position.append(-1 if packet.pos is None else packet.pos)
        columns.flags.append(
            _KEY * packet.is_keyframe
            + _DISCARD * packet.is_discard
            + _CORRUPT * packet.is_corrupt
            + _INVISIBLE * invisible
            + _BETWEEN * (columns.has_vops and shown_between_others(packet))
        )
    columns.ended_badly = reader.failures > 0


def _build(columns: _Columns, container: InputContainer, stream: VideoStream) -> PacketIndex | None:
    flags = np.frombuffer(columns.flags, dtype=np.uint8) if columns.flags else np.zeros(0, np.uint8)
    key = (flags & _KEY) > 0
    if not key.any() or stream.time_base is None:
        return None
    formats = set(container.format.name.split(","))
    step = _frame_step(columns, stream)
    if columns.has_vops:
        dts = np.array(columns.dts, dtype=np.int64)
        pts, exact = display_times(dts, (flags & _BETWEEN) > 0, step=step), True
    else:
        pts, exact = _display_times(columns, stream, formats, step)
    # A frame needs a key frame before it in decode order, and leading pictures of the first one lack theirs.
    first_key = int(np.flatnonzero(key)[0])
    hidden = (flags & (_DISCARD | _INVISIBLE)) > 0
    hidden |= (np.arange(len(pts)) < first_key) | (pts < pts[first_key])
    if hidden.all():
        return None
    corrupt = _damage(columns, stream, exact=exact)
    corrupt[-1] |= "mpegts" in formats and ends_in_a_packet(container)
    last = int(np.flatnonzero(~hidden)[np.argmax(pts[~hidden])])
    not_met = 0 if columns.unsure_from is None else max(stream.frames - len(pts), 0)
    return PacketIndex(
        stream_index=stream.index,
        time_base=stream.time_base,
        pts=pts,
        size=np.array(columns.size, dtype=np.int64),
        key=key,
        hidden=hidden,
        corrupt=corrupt,
        end=int(pts[last]) + (columns.duration[last] or step) + not_met * step,
        exact=exact,
        seekable=exact and not formats & NEVER_SEEK,
        ended_badly=columns.ended_badly,
        broadcast=bool(formats & {"mpegts", "mpeg"}),
        pts_of_dts=dict(zip(dts.tolist(), pts.tolist(), strict=True)) if columns.has_vops else None,
        chunks=columns.chunks,
        positions=np.array(columns.position, dtype=np.int64) if "avi" in formats else None,
    )


def _damage(columns: _Columns, stream: VideoStream, *, exact: bool) -> Flags:
    corrupt = (np.array(columns.flags) & _CORRUPT) > 0
    unsure_from = columns.unsure_from
    if columns.chunks is not None and not exact and corrupt.any():
        unsure_from = int(corrupt.argmax())  # the pictures that come are counted
    if columns.chunks is None and unsure_from is None:
        return corrupt
    return in_doubt(corrupt, unsure_from=unsure_from, reordered=_is_reordered(stream))


def _frame_step(columns: _Columns, stream: VideoStream) -> int:
    """Ticks a frame where the container gives no duration: from the rate that the stream claims."""
    known = [d for d in columns.duration if d > 0]
    if known:
        return int(np.median(known))
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    assert stream.time_base is not None
    return max(round(1 / (rate * stream.time_base)), 1)


def _display_times(columns: _Columns, stream: VideoStream, formats: set[str], step: int) -> tuple[Ints, bool]:
    """pts of every packet, and whether they are the file's own.

    AVI stores no display times, and with B-frames in H.264 those that FFmpeg computes are wrong; a stream
    whose clock jumps back has no single time line either.
    """
    pts = np.array(columns.pts, dtype=np.int64)
    dts = np.array(columns.dts, dtype=np.int64)
    reordered = _is_reordered(stream)
    if not reordered:
        pts = np.where(pts == _NO_TIME, dts, pts)
    absent = pts == _NO_TIME
    guessed = "avi" in formats and stream.codec_context.name in {"h264", "hevc"} and reordered
    known_dts = dts[dts != _NO_TIME]
    jumps_back = bool((np.diff(known_dts) < -_ticks(1.0, stream)).any())
    if not absent.any() and not guessed and not jumps_back:
        if columns.chunks is not None:  # a stand-in lacks the delay that the others have
            lost = (np.array(columns.flags) & _CORRUPT) > 0
            pts[lost] += (pts - dts)[~lost].min()
        return pts, True
    present = pts[~absent] if not jumps_back else pts[~absent][:1]
    origin = int(present.min()) if len(present) else 0
    return origin + step * np.arange(len(pts), dtype=np.int64), False


def _is_reordered(stream: VideoStream) -> bool:
    return bool(stream.codec_context.has_b_frames or stream.codec_context.delay > 0)


def _ticks(seconds: float, stream: VideoStream) -> float:
    assert stream.time_base is not None
    return seconds / float(stream.time_base)
