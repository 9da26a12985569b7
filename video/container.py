"""Opening a file that may be anything: with one clear sentence when it is no video.

Only real media formats are allowed: a text file named `.mp4` could else be read as a playlist that names
other files, or drawn as text art.
"""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Discard
from av.video.stream import VideoStream

from grounding.errors import NoVideoStream, UnknownFormat, Unreadable

MAX_PIXELS = 8192 * 8192
"""The largest picture that is decoded (8K UHD is half of it)."""

FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,obu,ivf,flv,asf,ogg,rm,nut,mxf,gif,apng,dv,"
    "yuv4mpegpipe,mp3,aac,ac3,wav,flac,aiff,amr,caf"
)
"""Demuxers that may open a file; the audio ones only so that the message can say what is missing."""

_NO_PERMISSION = "no permission to read it; change its permissions or the user"
_NOT_MOVING = ("attached_pic", "timed_thumbnails", "still_image")


def open_container(path: str | os.PathLike[str]) -> InputContainer:
    """Open `path` for demuxing. Raises `Unreadable` for whatever is no media file."""
    name = os.path.abspath(os.fspath(path))  # absolute, so that "http:..." is a name and no protocol
    _check_regular_file(name)
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    try:
        container: InputContainer = av.open(name, "r", options=options, metadata_errors="replace")
        return container
    except (av.FFmpegError, ValueError) as error:
        raise _not_opened(path, name, error) from error


def video_stream(container: InputContainer, path: str | os.PathLike[str]) -> VideoStream:
    """The stream to index: the default or else the largest moving one; all others are not read.

    Raises `NoVideoStream` where only sound, subtitles or a cover picture are there.
    """
    moving = [s for s in container.streams.video if not any(s.disposition & _flag(n) for n in _NOT_MOVING)]
    if not moving:
        held = sorted({str(s.type) for s in container.streams}) or ["no stream"]
        cover = " (its picture is a cover)" if container.streams.video else ""
        raise NoVideoStream(path, f"it holds no moving picture, only {', '.join(held)}{cover}; leave it out")
    chosen = max(moving, key=_preference)
    _check_decodable(chosen, path)
    for other in container.streams:
        if other is not chosen:
            other.discard = Discard.all
    return chosen


def has_audio(container: InputContainer) -> bool:
    return bool(container.streams.audio)


def _flag(name: str) -> Any:
    return av.stream.Disposition[name]


def _preference(stream: VideoStream) -> tuple[bool, int]:
    return bool(stream.disposition & _flag("default")), _pixels(stream)


def _pixels(stream: VideoStream) -> int:
    context = stream.codec_context
    return 0 if context is None else context.width * context.height


def _check_decodable(stream: VideoStream, path: str | os.PathLike[str]) -> None:
    if stream.codec_context is None:
        raise Unreadable(path, "no decoder knows its codec; convert it to H.264 first")
    if _pixels(stream) > MAX_PIXELS:
        size = f"{stream.codec_context.width}x{stream.codec_context.height}"
        raise Unreadable(path, f"its frames of {size} pixels exceed the cap of 8192x8192; scale it down")


def _check_regular_file(name: str) -> None:
    try:
        status = os.stat(name)
        if stat.S_ISDIR(status.st_mode):
            raise Unreadable(name, "it is a directory, not a video file; name a file in it")
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(name, "it is a device, pipe or socket, not a regular file; copy it to one")
        if status.st_size == 0:
            raise Unreadable(name, "the file is empty (0 bytes); copy it again from its source")
        with open(name, "rb"):
            pass
    except FileNotFoundError as error:
        raise Unreadable(name, "there is no such file; check the path") from error
    except PermissionError as error:
        raise Unreadable(name, _NO_PERMISSION) from error
    except (OSError, ValueError) as error:
        raise Unreadable(name, f"the system can't read it ({error}); check the path and the disk") from error


def _not_opened(path: str | os.PathLike[str], name: str, error: Exception) -> Unreadable:
    if isinstance(error, PermissionError):
        return Unreadable(path, _NO_PERMISSION)
    if isinstance(error, OSError | MemoryError):
        return Unreadable(path, f"the system can't read it ({error}); check the path and the disk")
    if _lacks_moov(Path(name)):
        reason = "its index (moov) is missing, as after a cut-off recording; repair it or copy it again"
        return Unreadable(path, reason)
    return UnknownFormat(
        path,
        "it is no video in a known format (MP4, Matroska, AVI, MPEG-TS, ...); leave it out or convert it",
    )


def _lacks_moov(path: Path) -> bool:
    """Whether this is an MP4/MOV file (it starts with `ftyp`) none of whose top boxes is `moov`."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        if file.read(8)[4:] != b"ftyp":
            return False
        position = 0
        for _ in range(1000):
            file.seek(position)
            header = file.read(16)
            if len(header) < 8:
                break
            length, kind = struct.unpack(">I4s", header[:8])
            if kind == b"moov":
                return False
            if length == 1 and len(header) == 16:
                (length,) = struct.unpack(">Q", header[8:])
            if length < 8 or position + length > size:
                break
            position += length
    return True


def ends_in_a_packet(container: InputContainer) -> bool:
    """Whether a transport stream was cut off in one of its packets of 188 (or 192) bytes."""
    return container.size % 188 > 0 and container.size % 192 > 0


def is_cut_matroska(path: str | os.PathLike[str]) -> bool:
    """Whether this is a Matroska/WebM file whose segment says it is longer than the file."""
    with open(path, "rb") as file:
        head = file.read(4096)
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return False
    content, size = _ebml_size(head, 4)
    segment = content + size
    if head[segment : segment + 4] != b"\x18\x53\x80\x67":
        return False
    content, size = _ebml_size(head, segment + 4)
    return size >= 0 and content + size > os.stat(path).st_size


def _ebml_size(data: bytes, at: int) -> tuple[int, int]:
    """Where an EBML element's content starts, and its length; -1 for a length that is left open."""
    width = 9 - data[at].bit_length() if at < len(data) and data[at] else 8
    value = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
    return at + width, -1 if value == (1 << 7 * width) - 1 else value
