"""The packets of one stream, one picture each, in file order."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from video.chunks import Chunk, ChunkIndex
from video.vops import Unpacker

MAX_ERRORS = 100
"""Reading stops after so many failures in a row without a packet between."""


class PacketReader:
    """The packets of one stream in file order; a failure in between is counted and read past.

    `unpack`: several pictures may come in one packet (see `vops`), whose pts can't be used; `pts_of_dts`
    holds the right ones, once they are known.

    `chunks`: what an AVI that lost some of its chunks lists. Then a packet has the time that is listed for
    it, a stand-in that is marked corrupt comes for each lost one, and what is not listed is left out.
    `after_seek` says that reading begins somewhere in the file, with nothing lost before.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        *,
        unpack: bool,
        pts_of_dts: Mapping[int, int] | None = None,
        chunks: ChunkIndex | None = None,
        after_seek: bool = False,
    ) -> None:
        self._container, self._stream = container, stream
        self._packets = container.demux(stream)
        self._unpacker = Unpacker(stream) if unpack else None
        self._pts_of_dts = pts_of_dts
        self._chunks = chunks
        self._next_chunk: int | None = None if after_seek else 0
        self._errors_in_a_row = 0
        self._ready: deque[Packet[VideoStream]] = deque()
        self.failures = 0

    def put_back(self, packet: Packet[VideoStream]) -> None:
        """Let `next` give this packet once more."""
        self._ready.appendleft(packet)

    def next(self) -> Packet[VideoStream] | None:
        """The next packet with content, or None at the end."""
        while not self._ready:
            packet = self._demuxed()
            if self._chunks is not None:
                self._ready.extend(self._listed(packet, self._chunks))
            elif packet is not None:
                self._ready.extend(self._unpacked(packet))
            if packet is None and not self._ready:
                return None
        packet = self._ready.popleft()
        if self._pts_of_dts is not None and packet.dts is not None:
            packet.pts = self._pts_of_dts.get(packet.dts)
        return packet

    def _unpacked(self, packet: Packet[VideoStream]) -> Sequence[Packet[VideoStream]]:
        return [packet] if self._unpacker is None else self._unpacker.take(packet)

    def _listed(self, packet: Packet[VideoStream] | None, index: ChunkIndex) -> Sequence[Packet[VideoStream]]:
        """What comes of a packet (None at the end of the file), after stand-ins for those lost before it."""
        place = len(index.chunks) if packet is None else index.place_of(packet)
        first = place if self._next_chunk is None else self._next_chunk
        if place is None or first is None or place < first:
            return []
        self._next_chunk = place + 1
        lost = [self._stand_in(chunk) for chunk in index.chunks[first:place]]
        if lost and self._unpacker is not None:
            self._unpacker = Unpacker(self._stream)  # what it keeps belongs to a lost one
        if packet is None:
            return lost
        _put_in_place(packet, index.chunks[place])
        return [*lost, *self._unpacked(packet)]

    def _stand_in(self, chunk: Chunk) -> Packet[VideoStream]:
        packet: Packet[VideoStream] = Packet(b"\0")  # type: ignore[assignment]  # typed by its stream
        packet.stream = self._stream
        packet.pts = packet.dts = chunk.time
        packet.is_corrupt = True
        return packet

    def _demuxed(self) -> Packet[VideoStream] | None:
        while True:
            try:
                packet = next(self._packets)
            except (StopIteration, av.error.EOFError):
                return None
            except av.FFmpegError:
                self.failures += 1
                self._errors_in_a_row += 1
                if self._errors_in_a_row >= MAX_ERRORS:
                    return None
                self._packets = self._container.demux(self._stream)
                continue
            if packet.size == 0 and packet.dts is None:  # the demuxer's own end mark
                return None
            self._errors_in_a_row = 0
            return packet


def _put_in_place(packet: Packet[VideoStream], chunk: Chunk) -> None:
    """Give a packet what is listed for it; FFmpeg goes by its own count of those that it met."""
    if packet.pts is not None and packet.dts is not None:
        packet.pts += chunk.time - packet.dts
    packet.dts = chunk.time
    packet.is_keyframe = chunk.key
