"""What a file is, from its packets and one decoded frame."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from grounding.errors import Unreadable
from grounding.evidence import Span
from video.container import MAX_PIXELS, has_audio, is_cut_matroska, open_container, video_stream
from video.decoding import decode_key_frames
from video.frames import VideoInfo
from video.packets import PacketIndex, packet_index
from video.scaling import orientation_of

MAX_SPARSE_S = 7 * 86_400.0
"""However few its frames, a file may be so long: a camera that records only what moves leaves long gaps."""

MAX_S_A_FRAME = 60.0
"""A longer file needs a frame so often on the whole, or its times are taken for broken."""

_TRIED_KEY_FRAMES = 10
_SANE_ASPECTS = (Fraction(1, 20), Fraction(20))
_DATE_KEYS = ("com.apple.quicktime.creationdate", "creation_time", "DATE_RECORDED", "date")
_YEARS = range(1970, 2101)  # a date out of them (UTC) is nobody's: MP4 counts from 1904, for one
_UNSET = (1970, 1, 1)  # the zero of Unix's clock: a camera whose date was never set


def probe(path: str | os.PathLike[str], *, timeout_s: float = 600.0) -> VideoInfo:
    """Read a file's facts by demuxing it once and decoding one frame.

    Times come from the packets, not from the header. Raises `Unreadable` (also where the times
    can't be true), `NoVideoStream`, and `TimedOut` when demuxing takes longer than `timeout_s`.
    """
    index = packet_index(path, timeout_s=timeout_s)
    _check_time_line(path, index)
    frame = _first_decodable(path, index)
    orientation = orientation_of(frame)
    with open_container(path) as container:
        stream = video_stream(container, path)
        aspect = _sample_aspect(stream)
        width, height = _displayed_size(path, frame, aspect, turned=orientation.transpose)
        return VideoInfo(
            path=Path(path),
            container=container.format.name,
            codec=stream.codec_context.codec.canonical_name,
            width=width,
            height=height,
            rotation=orientation.rotation,
            sample_aspect=aspect,
            time_base=index.time_base,
            start_s=float(index.start * index.time_base),
            end_s=float(index.end * index.time_base),
            duration_s_header=_header_duration(container, stream),
            num_frames=len(index.shown_pts),
            num_frames_from_header=stream.frames or None,
            keyframe_pts=tuple(sorted(int(p) for p in index.pts[index.key & ~index.hidden])),
            seekable=index.seekable,
            has_audio=has_audio(container),
            recorded_at=_recorded_at({**stream.metadata, **container.metadata}),
            damaged=_damaged(path, index, container, stream),
        )


def _check_time_line(path: str | os.PathLike[str], index: PacketIndex) -> None:
    """Refuse a file that a few frames stretch over years: its windows alone would fill the memory."""
    num_frames = len(index.shown_pts)
    length_s = float((index.end - index.start) * index.time_base)
    if length_s <= max(MAX_SPARSE_S, MAX_S_A_FRAME * num_frames):
        return
    times = np.append(index.shown_pts, index.end).astype(np.float64) * float(index.time_base)
    raise Unreadable(
        path,
        f"{num_frames} frames can't last the {length_s / 86_400:,.0f} days that its times claim, most of it "
        "after this one; convert it with a steady frame rate",
        position_s=float(times[np.diff(times).argmax()]),
    )


def _first_decodable(path: str | os.PathLike[str], index: PacketIndex) -> VideoFrame:
    orders = [int(order) for order in index.key.nonzero()[0][:_TRIED_KEY_FRAMES]]
    for _, frame in decode_key_frames(path, index, orders):
        if frame is not None:
            return frame
    raise Unreadable(path, "none of its first key frames can be decoded; copy it again or convert it")


def _sample_aspect(stream: VideoStream) -> Fraction:
    """Width of a stored pixel over its height; 1 where it is not said or absurd."""
    aspect: Fraction | None = stream.sample_aspect_ratio
    if not aspect or not _SANE_ASPECTS[0] <= aspect <= _SANE_ASPECTS[1]:
        return Fraction(1)
    return Fraction(aspect)


def _displayed_size(
    path: str | os.PathLike[str], frame: VideoFrame, aspect: Fraction, *, turned: bool
) -> tuple[int, int]:
    width, height = max(round(frame.width * aspect), 1), int(frame.height)
    if width * height > MAX_PIXELS:
        raise Unreadable(path, f"it is shown at {width}x{height} pixels, over the cap of 8192x8192; scale it")
    return (height, width) if turned else (width, height)


def _header_duration(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / 1e6


def _avi_length_s(container: InputContainer, stream: VideoStream) -> float:
    """What an AVI's header lists; 0 for another file. Where one was cut off, FFmpeg guesses its duration anew
    from what is left, but keeps the number of frames.
    """
    if container.format.name != "avi" or stream.time_base is None:
        return 0.0
    return float(stream.frames * stream.time_base)


def _recorded_at(metadata: Mapping[str, str]) -> date | None:
    for key in _DATE_KEYS:
        moment = _date(metadata.get(key, ""))
        if moment is not None and moment.year in _YEARS and (moment.year, moment.month, moment.day) != _UNSET:
            return moment
    return None


def _date(text: str) -> date | None:
    """A datetime in UTC, or the date alone where the text names no time of day; None for another text."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        written = datetime.fromisoformat(text)
        return (written if written.tzinfo else written.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _damaged(
    path: str | os.PathLike[str], index: PacketIndex, container: InputContainer, stream: VideoStream
) -> tuple[Span, ...]:
    """Ranges lost for certain: packets the demuxer found damaged, and a tail the header lists in vain."""
    time_base = index.time_base
    ranges = index.lost_ranges(index.known_errors(), start=index.start, end=index.end)
    claims_more = (stream.frames or 0) > len(index.pts) or is_cut_matroska(path)
    if claims_more or index.ended_badly:
        begin = stream.start_time if stream.start_time is not None else index.start
        length_s = _avi_length_s(container, stream) or _header_duration(container, stream) or 0.0
        end = begin + round(length_s / float(time_base))
        ranges += [(index.end, end)] if end > index.end else []
    return tuple(Span(float(begin * time_base), float(end * time_base)) for begin, end in ranges)
