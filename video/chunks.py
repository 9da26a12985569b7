"""The chunks of an AVI's video as its index lists them, and where they stop leading from one to the next.

AVI stores no times. FFmpeg counts the chunks that it meets, so that whatever comes after lost ones comes too
early; the index at the end of the file says which place each one has.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from av.packet import Packet
from av.video.stream import VideoStream

from video.container import open_container, video_stream

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_HEADER = 8  # bytes in front of a chunk's data: its kind and its size
_KIND = re.compile(rb"[0-9A-Za-z ]{4}")
_DEEPEST_REORDER = 16  # packets
_LISTS = (b"movi", b"rec ", b"AVI ", b"AVIX")  # that hold chunks of media


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """`position` (of its data) and `size` in bytes, `time` in ticks."""

    position: int
    size: int
    time: int
    key: bool


@dataclass(frozen=True)
class ChunkIndex:
    """The chunks of one stream that hold something, in file order."""

    chunks: Sequence[Chunk] = field(repr=False)

    @cached_property
    def _places(self) -> dict[tuple[int, int], int]:
        return {(chunk.position, chunk.size): place for place, chunk in enumerate(self.chunks)}

    @cached_property
    def _positions(self) -> Ints:
        return np.array([chunk.position for chunk in self.chunks], dtype=np.int64)

    def place_of(self, packet: Packet[VideoStream]) -> int | None:
        """Which of the chunks a packet is; None for one that begins or ends elsewhere."""
        return None if packet.pos is None else self._places.get((packet.pos, packet.size))

    def agrees(self, positions: Ints, times: Ints) -> bool:
        """Whether packets read from these positions, with these times, are just what is listed."""
        listed = np.array([chunk.time for chunk in self.chunks], dtype=np.int64)
        return np.array_equal(positions, self._positions) and np.array_equal(times, listed)

    def fits(self, positions: Ints, sizes: Ints | None, *, num_frames: int) -> bool:
        """Whether the list is that of the file whose packets stand at `positions`, and is whole: as many
        frames as the header has, in the order of the file, most packets among them. `sizes` is None where
        pictures were taken out of their chunks.
        """
        if not self.chunks or self.chunks[-1].time + 1 != num_frames:
            return False
        rising = bool((np.diff(self._positions) > 0).all())
        if sizes is None:
            found = np.isin(positions, self._positions)
        else:
            found = np.array(
                [p in self._places for p in zip(positions.tolist(), sizes.tolist(), strict=True)]
            )
        return rising and 2 * int(found.sum()) > len(positions)


def listed_chunks(path: str | os.PathLike[str]) -> ChunkIndex:
    """What the index of an AVI lists. Opened anew, as FFmpeg adds those that it meets while it reads."""
    with open_container(path) as container:  # an entry is gone when the file is closed
        return ChunkIndex(
            [
                Chunk(position=e.pos + _HEADER, size=e.size, time=e.timestamp, key=e.is_keyframe)
                for e in video_stream(container, path).index_entries
            ]
        )


def keys_are_known(path: str | os.PathLike[str], key: Flags, stream: VideoStream) -> bool:
    """Whether `key` can be believed of the packets of an AVI: FFmpeg calls all those key frames that no index
    lists. Where it can't, only the first is sure to be one.
    """
    if not key.all() or stream.codec_context.codec.intra_only:
        return True
    return len(listed_chunks(path).chunks) >= len(key)


def first_unled(path: str | os.PathLike[str], positions: Ints) -> int | None:
    """The order of the first packet in an AVI to which its chunks don't lead; None where they lead to all.
    `positions` are those of the packets.
    """
    unled = positions > max(_chain(path), default=0) + _HEADER
    return int(unled.argmax()) if unled.any() else None


def in_doubt(lost: Flags, *, unsure_from: int | None, reordered: bool) -> Flags:
    """Which packets of a file that lost some can't be trusted: those, all from the first whose time can't be
    known, and where pictures are `reordered`, what may wait for one of them to be shown. The one before is
    always doubted: what spoiled the head of a chunk mostly began in front of it, and its size may be wrong.
    """
    doubted = lost.copy()
    if unsure_from is not None:
        doubted[unsure_from:] = True
    depth = _DEEPEST_REORDER if reordered else 1
    for order in np.flatnonzero(np.diff(doubted.astype(np.int8), prepend=0) > 0):
        doubted[max(order - depth, 0) : order] = True
    return doubted


def _chain(path: str | os.PathLike[str]) -> Iterator[int]:
    """Where each chunk begins, as far as one leads to the next."""
    at = 0
    with open(path, "rb") as file:
        while len(header := os.pread(file.fileno(), 12, at)) == 12 and _KIND.match(header):
            yield at
            kind, size, holds = struct.unpack("<4sI4s", header)
            enters = kind in (b"RIFF", b"LIST") and holds in _LISTS
            at += 12 if enters else _HEADER + size + size % 2
