"""Decoded frames of one file in display order, from any key frame on, each marked if not to be trusted."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from video.container import MAX_PIXELS, open_container, video_stream
from video.packet_reader import PacketReader
from video.packets import PacketIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A frame as the decoder gave it (its own pixel format, not turned), and its pts in ticks."""

    frame: VideoFrame
    pts: int
    damaged: bool


class Decoder:
    """A position in one file. `next` decodes on; `jump` goes to a key frame by its order.

    A flaw is often flagged only after pictures that lean on it were put out (B-frames are shown before the
    picture they refer to), so as many frames as the stream reorders are held back before they are given.
    `errors` are the orders of all packets known to have failed, sorted.
    """

    def __init__(self, path: Path, index: PacketIndex, *, threads: int = 1) -> None:
        self._path, self._index, self._threads = path, index, threads
        self.errors = index.known_errors()
        self._open()

    def _open(self) -> None:
        self._container: InputContainer = open_container(self._path)
        self._stream: VideoStream = video_stream(self._container, self._path)
        prepare_decoder(self._stream, threads=self._threads)
        self._restart(self._reader(), position=0, first_pts=None)

    def _reader(self, *, after_seek: bool = False) -> PacketReader:
        pts_of_dts = self._index.pts_of_dts
        return PacketReader(
            self._container,
            self._stream,
            unpack=pts_of_dts is not None,
            pts_of_dts=pts_of_dts,
            chunks=self._index.chunks,
            after_seek=after_seek,
        )

    def _restart(self, packets: PacketReader, *, position: int, first_pts: int | None) -> None:
        self._packets = packets
        self.position = position  # order of the packet that is read next
        self._first_pts = first_pts  # frames before it lean on pictures that were jumped over
        self._held: deque[tuple[VideoFrame, int, int]] = deque()
        self._given = 0
        self._latest_pts = self._index.start - 1 if first_pts is None else first_pts - 1
        self._ended = False

    def close(self) -> None:
        self._container.close()

    def next(self) -> Decoded | None:
        """The next frame in display order, or None after the last."""
        while not self._ended and len(self._held) <= self._index.reorder_depth:
            self._feed()
        if not self._held:
            return None
        frame, pts, order = self._held.popleft()
        return Decoded(frame=frame, pts=pts, damaged=self._index.lost(self.errors, order=order, pts=pts))

    def jump(self, order: int) -> None:
        """Go on from the key frame that stands at `order`; works in any direction."""
        if not self._index.exact:  # its frames can only be told apart by counting from the start
            order = int(self._index.key.argmax())
        first_pts = int(self._index.pts[order])
        if self._index.seekable and self._seek(order, first_pts):
            return
        if order < self.position or self._index.seekable:
            self.close()
            self._open()
        while self.position < order and self._packets.next() is not None:
            self.position += 1
        self._stream.codec_context.flush_buffers()
        self._restart(self._packets, position=order, first_pts=first_pts)

    def decode_alone(self, order: int) -> VideoFrame | None:
        """The key frame at `order` with none of its followers, or None where it can't be decoded."""
        self.jump(order)
        failures = len(self.errors)
        self._feed()
        self._take(self._flush)
        self._stream.codec_context.flush_buffers()
        held = [frame for frame, _, at in self._held if at == order or not self._index.exact]
        self._held.clear()
        return held[0] if held and len(self.errors) == failures else None

    def _seek(self, order: int, pts: int) -> bool:
        """Seek, and check by its pts (and place) that the wanted packet came. False when it did not."""
        try:
            self._container.seek(pts, stream=self._stream, backward=True)
        except av.FFmpegError:
            return False
        reader = self._reader(after_seek=True)
        position = None if self._index.positions is None else int(self._index.positions[order])
        while (packet := reader.next()) is not None and packet.pts is not None:
            if packet.pts == pts and packet.is_keyframe and position in {None, packet.pos}:
                reader.put_back(packet)
                self._restart(reader, position=order, first_pts=pts)
                return True
            reached = self._index.order_at(packet.pts)
            if reached is None or reached > order:
                break
        return False

    def _feed(self) -> None:
        failures = self._packets.failures
        packet = self._packets.next()
        if self._packets.failures > failures:
            self._fail(self.position)
        if packet is None:
            self._ended = True
            self._take(self._flush)
            self._note_missing(until=self._index.end)
            return
        if packet.is_corrupt:
            self._fail(self.position)
        self._take(packet.decode)
        self.position += 1

    def _flush(self) -> Sequence[VideoFrame]:
        frames: Sequence[VideoFrame] = self._stream.codec_context.decode(None)
        return frames

    def _take(self, decode: Callable[[], Sequence[VideoFrame]]) -> None:
        try:
            frames = decode()
        except (av.FFmpegError, ValueError):
            self._fail(self.position)
            return
        for frame in frames:
            self._hold(frame)

    def _hold(self, frame: VideoFrame) -> None:
        if not self._index.exact:
            order = min(self._given, len(self._index.pts) - 1)
            self._given += 1
            pts = int(self._index.pts[order])
        elif frame.pts is None:
            return
        else:
            pts = frame.pts
            found = self._index.order_at(pts)
            order = self.position if found is None else found
        if self._first_pts is not None and pts < self._first_pts:
            return
        if not frame.interlaced_frame:  # two packets, one a field, may make one frame
            self._note_missing(until=pts)
        self._latest_pts = pts
        if frame.is_corrupt:
            self._fail(order)
        self._held.append((frame, pts, order))

    def _note_missing(self, *, until: int) -> None:
        """A picture that should have been put out by now, and was not, is a failure no one reported."""
        for order in self._index.shown_between(self._latest_pts, until):
            if order < self.position:
                self._fail(order)

    def _fail(self, order: int) -> None:
        place = bisect_left(self.errors, order)
        if self.errors[place : place + 1] != [order]:
            self.errors.insert(place, order)


def prepare_decoder(stream: VideoStream, *, threads: int) -> None:
    """Set the decoder up: its threads, and a cap on what a frame inside the stream may claim as size."""
    context = stream.codec_context
    context.thread_count = threads
    context.options = {"max_pixels": str(MAX_PIXELS)}


def decode_key_frames(
    path: str | os.PathLike[str], index: PacketIndex, orders: Sequence[int], *, threads: int = 1
) -> Iterator[tuple[int, VideoFrame | None]]:
    """The key frames at `orders` (rising), each decoded alone; None where one can't be decoded.

    What lies between is not decoded, which makes this many times faster than showing every frame.
    """
    decoder = Decoder(Path(path), index, threads=threads)
    try:
        for order in orders:
            yield order, decoder.decode_alone(order)
    finally:
        decoder.close()
