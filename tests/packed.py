"""AVI files as DivX 5 and XviD wrote them: a picture and the one shown before it in one chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av

_VOP_START = b"\x00\x00\x01\xb6"
_PACKED = b"\x00\x00\x01\xb2DivX503b1393p"  # user data: "p" tells the decoder


def pack_b_frames(path: Path) -> Path:
    """Rewrite an MPEG-4 AVI with B-frames in place, its B-frames packed."""
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        pictures = [bytes(packet) for packet in source.demux(stream) if packet.size]
        width, height, rate = stream.width, stream.height, stream.average_rate
    with av.open(str(path), "w") as container:
        out = container.add_stream("mpeg4", rate=rate)
        out.width, out.height, out.pix_fmt = width, height, "yuv420p"
        out.codec_context.codec_tag = "XVID"
        for number, chunk in enumerate(_chunks(pictures)):
            packet = av.Packet(chunk)
            packet.stream, packet.time_base = out, 1 / Fraction(rate)
            packet.pts = packet.dts = number
            packet.is_keyframe = _kind(chunk) == "I"
            container.mux(packet)
    return path


def _chunks(pictures: Sequence[bytes]) -> Iterator[bytes]:
    """What `pictures`, in decode order, become: as many chunks."""
    first = pictures[0].index(_VOP_START)
    pictures = [pictures[0][:first] + _PACKED + pictures[0][first:], *pictures[1:]]
    place = 0
    while place < len(pictures):
        following = place + 1
        while following < len(pictures) and _kind(pictures[following]) == "B":
            following += 1
        reference, *between = pictures[place:following]
        if between:
            yield reference + between[0]
            yield from between[1:]
            yield _placeholder(reference)
        else:
            yield reference
        place = following


def _kind(picture: bytes) -> str:
    return "IPBS"[picture[picture.index(_VOP_START) + 4] >> 6]


def _placeholder(reference: bytes) -> bytes:
    """A picture that says only: not coded, at the time of `reference`."""
    at = reference.index(_VOP_START) + 4
    bits = f"{int.from_bytes(reference[at : at + 8], 'big'):064b}"
    time_bits = 2 + bits[2:].index("0") + 2  # the kind, whole seconds, a zero, a marker
    header = "01" + bits[2:time_bits] + bits[time_bits : time_bits + _TIME_BITS] + "1" + "0"
    stuffed = header + "0" + "1" * (-(len(header) + 1) % 8)
    return _VOP_START + int(stuffed, 2).to_bytes(len(stuffed) // 8, "big")


_TIME_BITS = 5  # of a clock that counts to 30
