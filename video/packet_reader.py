"""The packets of one stream, one picture each, in file order."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from video.vops import Unpacker

MAX_ERRORS = 100
"""Reading stops after so many failures in a row without a packet between."""


class PacketReader:
    """The packets of one stream in file order; a failure in between is counted and read past.

    `unpack`: several pictures may come in one packet (see `vops`), whose pts can't be used; `pts_of_dts`
    holds the right ones, once they are known.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        *,
        unpack: bool,
        pts_of_dts: Mapping[int, int] | None = None,
    ) -> None:
        self._container, self._stream = container, stream
        self._packets = container.demux(stream)
        self._unpacker = Unpacker(stream) if unpack else None
        self._pts_of_dts = pts_of_dts
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
            if packet is None:
                return None
            self._ready.extend([packet] if self._unpacker is None else self._unpacker.take(packet))
        packet = self._ready.popleft()
        if self._pts_of_dts is not None and packet.dts is not None:
            packet.pts = self._pts_of_dts.get(packet.dts)
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
