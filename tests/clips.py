"""Video files made by the tests: every frame carries its own number, readable after scaling and recoding.

The number stands upright in the *displayed* picture as a 4 x 4 board of black and white cells over its
middle: 12 bits of number and 4 of checksum, so a picture that is turned, torn or blended does not read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import OutputContainer

Picture = npt.NDArray[np.uint8]  # [H, W, 3] RGB

NUMBERS = 4096
_CELLS = 4
_MARGIN = 0.14  # of each side, left to the moving background


def coded_picture(number: int, *, width: int = 320, height: int = 240) -> Picture:
    """[height, width, 3] uint8: a drifting texture with `number` (0..4095) on a board in the middle."""
    picture = _texture(number, width, height)
    top, left, cell_h, cell_w = _board(height, width)
    for place, bit in enumerate(_bits(number)):
        y, x = top + place // _CELLS * cell_h, left + place % _CELLS * cell_w
        picture[round(y) : round(y + cell_h), round(x) : round(x + cell_w)] = 235 if bit else 20
    return picture


def read_number(picture: Picture) -> int | None:
    """The number in a displayed picture of any size from about 24 px on, or None where none is readable."""
    height, width = picture.shape[:2]
    top, left, cell_h, cell_w = _board(height, width)
    bits = []
    for place in range(_CELLS * _CELLS):
        y, x = top + (place // _CELLS + 0.5) * cell_h, left + (place % _CELLS + 0.5) * cell_w
        half_h, half_w = max(cell_h / 5, 0.5), max(cell_w / 5, 0.5)
        patch = picture[
            round(y - half_h) : max(round(y + half_h), round(y - half_h) + 1),
            round(x - half_w) : max(round(x + half_w), round(x - half_w) + 1),
        ]
        level = float(patch.mean())
        if 100 < level < 155:
            return None
        bits.append(level > 127)
    number = sum(bit << i for i, bit in enumerate(bits[:12]))
    return number if _bits(number) == bits else None


def _bits(number: int) -> list[bool]:
    assert 0 <= number < NUMBERS, number
    check = (number ^ number >> 4 ^ number >> 8) * 7 + 5 & 15
    return [bool(number >> i & 1) for i in range(12)] + [bool(check >> i & 1) for i in range(4)]


def _board(height: int, width: int) -> tuple[float, float, float, float]:
    span = 1 - 2 * _MARGIN
    return height * _MARGIN, width * _MARGIN, height * span / _CELLS, width * span / _CELLS


def _texture(number: int, width: int, height: int) -> Picture:
    y, x = np.mgrid[0:height, 0:width]
    red = 128 + 60 * np.sin((x + 3 * number) / 17) + 30 * np.sin(y / 11)
    green = 128 + 60 * np.sin((y + 2 * number) / 23)
    blue = 128 + 60 * np.cos((x + y - 2 * number) / 29)
    return np.stack([red, green, blue], axis=-1).clip(0, 255).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class ClipPlan:
    """How `make_clip` writes a file. `pts` are ticks of `time_base`, one a frame; the default is 0, 1, 2, ...

    `rotation` turns the stored picture that many degrees counterclockwise for display (0, 90, 180, 270).
    `width` and `height` are those of the displayed picture before the sample aspect is applied.
    """

    frames: int = 60
    width: int = 320
    height: int = 240
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=lambda: {"preset": "veryfast", "g": "24", "bf": "3"})
    time_base: Fraction = Fraction(1, 30)
    pts: Sequence[int] | None = None
    rotation: int = 0
    sample_aspect: Fraction | None = None
    container: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    pixel_format: str = "yuv420p"
    with_audio: bool = False
    picture: Callable[[int], Picture] | None = None

    @property
    def times(self) -> list[Fraction]:
        """Exact display time of each frame in seconds, as given to the encoder."""
        return [p * self.time_base for p in (self.pts or range(self.frames))]


def make_clip(path: Path, plan: ClipPlan | None = None, **changes: object) -> Path:
    """Write the clip that `plan` (or the default plan with `changes`) describes; returns `path`."""
    plan = plan or ClipPlan(**changes)  # type: ignore[arg-type]
    with av.open(str(path), "w", container_options=plan.container) as container:
        container.metadata.update(plan.metadata)
        rate = 1 / plan.time_base if plan.pts is None else Fraction(30)
        stream = container.add_stream(plan.codec, rate=rate, options=dict(plan.options))
        turned = plan.rotation in (90, 270)
        stream.width, stream.height = (plan.height, plan.width) if turned else (plan.width, plan.height)
        stream.pix_fmt = plan.pixel_format
        stream.codec_context.time_base = plan.time_base
        stream.time_base = plan.time_base
        if plan.sample_aspect is not None:
            stream.codec_context.sample_aspect_ratio = plan.sample_aspect
        if plan.rotation:
            stream.set_display_rotation(plan.rotation)
        sound = _add_audio(container) if plan.with_audio else None
        for frame in _frames(plan):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _write_silence(container, sound, seconds=float(plan.times[-1] - plan.times[0]) + 0.1)
    return path


def _frames(plan: ClipPlan) -> Iterator[av.VideoFrame]:
    for number, pts in enumerate(plan.pts or range(plan.frames)):
        if plan.picture is not None:
            shown = plan.picture(number)
        else:
            shown = coded_picture(number, width=plan.width, height=plan.height)
        stored = np.ascontiguousarray(np.rot90(shown, -plan.rotation // 90))
        frame = av.VideoFrame.from_ndarray(stored, format="rgb24")
        frame.pts, frame.time_base = pts, plan.time_base
        yield frame


def _add_audio(container: OutputContainer) -> AudioStream:
    return container.add_stream("aac", rate=16000, layout="mono")


def _write_silence(container: OutputContainer, stream: AudioStream, *, seconds: float) -> None:
    for start in range(0, int(seconds * 16000), 1024):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def make_audio(path: Path, *, seconds: float = 1.0) -> Path:
    """A file with silence and no picture."""
    with av.open(str(path), "w") as container:
        _write_silence(container, _add_audio(container), seconds=seconds)
    return path


def boxes(data: bytes, *, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int, int]]:
    """MP4 boxes in data[start:end] as (kind, offset of the box, of its content, and of its end)."""
    position, end = start, len(data) if end is None else end
    while position + 8 <= end:
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        header = 8
        if length == 1:
            (length,) = struct.unpack(">Q", data[position + 8 : position + 16])
            header = 16
        length = length or end - position
        yield kind, position, position + header, position + length
        position += length


def find_box(data: bytes, *path: bytes) -> tuple[int, int]:
    """Content range of the first box reached by `path`, e.g. b"moov", b"trak", b"tkhd"."""
    start, end = 0, len(data)
    for wanted in path:
        for kind, _, content, stop in boxes(data, start=start, end=end):
            if kind == wanted:
                start, end = content, stop
                break
        else:
            raise AssertionError(f"no box {wanted!r} in {path}")
    return start, end


def drop_edit_list(path: Path) -> Path:
    """Make an MP4 lose its edit list, so that its media times are shown as they are stored."""
    data = bytearray(path.read_bytes())
    start, _ = find_box(bytes(data), b"moov", b"trak", b"edts")
    data[start - 4 : start] = b"free"
    path.write_bytes(bytes(data))
    return path


def set_display_matrix(path: Path, matrix: Sequence[float]) -> Path:
    """Overwrite the nine numbers of the first track's display matrix (16.16 and 2.30 fixed point)."""
    data = bytearray(path.read_bytes())
    start, _ = find_box(bytes(data), b"moov", b"trak", b"tkhd")
    offset = start + (52 if data[start] == 1 else 40)
    ones = [1 << 16, 1 << 16, 1 << 30] * 3
    fixed = [round(value * one) for value, one in zip(matrix, ones, strict=True)]
    data[offset : offset + 36] = struct.pack(">9i", *fixed)
    path.write_bytes(bytes(data))
    return path


def claim_duration(path: Path, *, seconds: float) -> Path:
    """Make the headers of an MP4 (mvhd, tkhd, mdhd) or Matroska file claim a duration it does not have."""
    data = bytearray(path.read_bytes())
    if path.suffix == ".mkv":
        at = data.index(b"\x44\x89\x88") + 3
        data[at : at + 8] = struct.pack(">d", seconds * 1000)  # Matroska counts milliseconds by default
    else:
        _claim_mp4_duration(data, seconds)
    path.write_bytes(bytes(data))
    return path


def _claim_mp4_duration(data: bytearray, seconds: float) -> None:
    movie, _ = find_box(bytes(data), b"moov", b"mvhd")
    track, _ = find_box(bytes(data), b"moov", b"trak", b"tkhd")
    media, _ = find_box(bytes(data), b"moov", b"trak", b"mdia", b"mdhd")
    for duration_at, scale_at in (
        (movie + 16, movie + 12),
        (track + 20, movie + 12),
        (media + 16, media + 12),
    ):
        (scale,) = struct.unpack(">I", data[scale_at : scale_at + 4])
        data[duration_at : duration_at + 4] = struct.pack(">I", round(seconds * scale))


def truncate(path: Path, *, keep: float) -> Path:
    """Cut the file off after the share `keep` of its bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def damage_packets(path: Path, orders: Iterable[int], *, erase: bool = False) -> Path:
    """Spoil the packets at these places in decode order: bits flipped from byte 16 on, or all zeroed."""
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(container.streams.video[0]) if p.size]
    data = bytearray(path.read_bytes())
    for order in orders:
        position, size = places[order]
        assert position is not None
        if erase:
            data[position : position + size] = bytes(size)
        for at in range(position + 16, position + size, 7):
            data[at] ^= 0xFF * (not erase)
    path.write_bytes(bytes(data))
    return path


def shift_composition_times(path: Path, *, ticks: int) -> Path:
    """Add `ticks` of the media time scale to the display time of every frame of an MP4 with B-frames."""
    data = bytearray(path.read_bytes())
    start, _ = find_box(bytes(data), b"moov", b"trak", b"mdia", b"minf", b"stbl", b"ctts")
    (entries,) = struct.unpack(">I", data[start + 4 : start + 8])
    data[start] = 1  # version 1: offsets are signed
    for entry in range(entries):
        at = start + 8 + 8 * entry + 4
        (offset,) = struct.unpack(">i", data[at : at + 4])
        data[at : at + 4] = struct.pack(">i", offset + ticks)
    path.write_bytes(bytes(data))
    return path
