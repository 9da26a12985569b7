"""A stretch of a file as an MP4 that plays anywhere, each frame shown as long as in the original."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream

from grounding.errors import Damaged
from grounding.evidence import Span
from video.frames import Frame, FrameSource, Image
from video.output import whole_file

TIME_BASE = Fraction(1, 90_000)
"""Ticks of the written file: finer than any camera's."""

_OPTIONS = {"preset": "veryfast", "crf": "20", "bf": "0"}  # no B-frames: the file starts at 0 everywhere
_HD_HEIGHT = 720


def write_clip(
    source: FrameSource,
    span: Span,
    out: str | os.PathLike[str],
    *,
    overlay: Callable[[Frame], Image] | None = None,
    max_side: int | None = None,
) -> None:
    """Write the frames on display in `span` (file time) as H.264 MP4, without sound, whole or not at all.

    `overlay` gives the picture to write for a frame (same size). The written file starts at 0. Frames known
    to be damaged are left out (the one before stays on). Raises `Damaged` where no frame is left, and errors
    as `output.whole_file`.
    """
    shown = (
        frame if overlay is None else replace(frame, image=overlay(frame))
        for frame in source.frames_in(span, max_side=max_side)
        if not frame.damaged
    )
    with whole_file(out, suffix=".mp4") as part:
        if not _write(shown, span, part, _OPTIONS):
            reason = "no undamaged frame is on display from here to the span's end; choose another"
            raise Damaged(Path(source.info.path), reason, position_s=span.start_s)


def write_frames(frames: Iterable[Frame], span: Span, out: str | os.PathLike[str], *, crf: int = 20) -> None:
    """Write frames that were made, not read, as `write_clip` does; `crf` is H.264's quality (0: no loss).

    Raises ValueError where no frame is given.
    """
    with whole_file(out, suffix=".mp4") as part:
        if not _write(frames, span, part, {**_OPTIONS, "crf": str(crf)}):
            raise ValueError("a clip needs at least one frame")


def _write(frames: Iterable[Frame], span: Span, path: Path, options: Mapping[str, str]) -> bool:
    """Whether there was a frame to write."""
    durations: dict[int, int] = {}
    stream: VideoStream | None = None
    with av.open(str(path), "w", format="mp4", container_options={"movflags": "+faststart"}) as container:
        for frame in frames:
            image = even(frame.image)
            stream = stream or _add_stream(container, image, options)
            pts, duration = _shown(frame, span)
            durations[pts] = duration
            _mux(container, stream.encode(_picture(image, pts)), durations)
        if stream is not None:
            _mux(container, stream.encode(None), durations)
    return stream is not None


def even(image: Image) -> Image:
    """The image with its last row and column doubled where needed: H.264's colour needs even sides."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _shown(frame: Frame, span: Span) -> tuple[int, int]:
    """When the frame is shown in the written file, and for how long, in ticks."""
    start = max(frame.time_s, span.start_s) - span.start_s
    end = min(frame.time_s + frame.duration_s, span.end_s) - span.start_s
    begin = round(start / TIME_BASE)
    return begin, max(round(end / TIME_BASE) - begin, 1)


def _add_stream(container: OutputContainer, image: Image, options: Mapping[str, str]) -> VideoStream:
    stream = container.add_stream("libx264", rate=30, options=dict(options))
    stream.height, stream.width = image.shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = TIME_BASE
    stream.time_base = TIME_BASE
    return stream


def _picture(image: Image, pts: int) -> VideoFrame:
    hd = image.shape[0] >= _HD_HEIGHT  # unlabelled video of this height is taken for BT.709
    rgb = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    frame = rgb.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709 if hd else Colorspace.ITU601)
    frame.pts, frame.time_base = pts, TIME_BASE
    return frame


def _mux(
    container: OutputContainer, packets: Iterable[Packet[VideoStream]], durations: dict[int, int]
) -> None:
    """Write packets with the duration of their frame, which the encoder does not pass on."""
    for packet in packets:
        assert packet.pts is not None
        packet.duration = durations.pop(packet.pts)
        container.mux(packet)
