"""The pictures (VOPs) in the chunks of MPEG-4 video in AVI, and when each is shown.

AVI stores no display times. DivX and XviD also pack a picture and the one shown before it into one chunk, and
leave a placeholder where that one's own chunk would be; FFmpeg then computes times that jump to and fro.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_VOP_START = b"\x00\x00\x01\xb6"
_INTRA, _BIDIRECTIONAL = 0, 2  # the two bits after a start code; other pictures are referred to, like intra


class Unpacker:
    """Gives packets of one VOP each, in decode order, every dts once; their pts are not to be used."""

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._filter = BitStreamFilterContext("mpeg4_unpack_bframes", stream)

    def take(self, packet: Packet[VideoStream]) -> list[Packet[VideoStream]]:
        unpacked = self._filter.filter(packet)
        for single in unpacked:
            single.stream = self._stream
            single.is_keyframe = _kind(single) == _INTRA
        return unpacked


def needs_unpacking(container: InputContainer, stream: VideoStream) -> bool:
    """Whether the stream may hold packed pictures."""
    is_avi = "avi" in container.format.name.split(",")
    return is_avi and stream.codec_context.name == "mpeg4" and bool(stream.codec_context.has_b_frames)


def shown_between_others(packet: Packet[VideoStream]) -> bool:
    """Whether the packet holds a B-VOP: shown at once, and nothing refers to it."""
    return _kind(packet) == _BIDIRECTIONAL


def display_times(dts: Ints, between: Flags, *, step: int) -> Ints:
    """[P] when the picture of each packet is shown, in ticks.

    `between` names the B-VOPs: they are shown when they are decoded. All others wait for the next of
    their own kind to be decoded; the last one is shown one `step` after all is decoded.
    """
    pts = dts.copy()
    waiting = np.flatnonzero(~between)
    pts[waiting] = np.append(dts[waiting[1:]], dts[-1] + step)
    return pts


def _kind(packet: Packet[VideoStream]) -> int | None:
    """The two bits that say what the first VOP of a packet is; None where there is no VOP."""
    data = bytes(packet)
    at = data.find(_VOP_START) + len(_VOP_START)
    return data[at] >> 6 if len(_VOP_START) <= at < len(data) else None
