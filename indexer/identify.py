"""What a found file is: a video known by its content, no video at all, or one that can't be used.

A file whose size and time of modification are as the last run left them is not opened again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grounding.errors import MediaError, NoVideoStream, UnknownFormat, Unreadable
from indexer.identity import Stamp, check_unchanged, content_hash, stamp
from indexer.library import FoundFile
from indexer.timing import Stopwatch
from storage.rows import KnownFile, VideoFacts
from video.frames import VideoInfo
from video.probe import probe

_SUFFIXES = """
    .3g2 .3gp .asf .avi .dav .divx .dv .f4v .flv .h264 .h265 .hevc .ivf .m1v .m2t .m2ts .m2v .m4v .mj2 .mkv
    .mov .mp4 .mpe .mpeg .mpg .mts .mxf .nut .ogm .ogv .qt .rm .rmvb .ts .vob .webm .wmv .y4m
"""
VIDEO_SUFFIXES = frozenset(_SUFFIXES.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A file with moving pictures, all of it read once. `stamp` is what it had before and after."""

    facts: VideoFacts
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A file that gives no video. `failed` when it should have; `keep` when its reason may be remembered."""

    reason: str
    failed: bool
    keep: bool


def is_as_it_was(found: FoundFile, known: KnownFile | None) -> bool:
    """Whether the file at a known path has the size and time that it had when it was last looked at."""
    return known is not None and (known.size_bytes, known.mtime_ns) == (found.size_bytes, found.mtime_ns)


def promises_video(path: Path) -> bool:
    """Whether the name says that a video is in it: then it is a failure when there is none."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def recognise(found: FoundFile, *, stopwatch: Stopwatch) -> Recognised | Unusable:
    """Read `found` from end to end. Whatever goes wrong with this file is told, not raised."""
    try:
        before = stamp(found.path)
        with stopwatch.on("probe"):
            info = probe(found.path)
        with stopwatch.on("hash"):
            digest = content_hash(found.path)
        check_unchanged(found.path, before)
    except Exception as error:  # the one file is at fault, and the others go on
        return unusable(found, error)
    return Recognised(facts=_facts(info, digest=digest, size_bytes=before.size_bytes), stamp=before)


def unusable(found: FoundFile, error: Exception) -> Unusable:
    """How `error` counts: what was named, or calls itself a video, should have been one.

    Only what the content itself settles spares a file from being opened again. One that calls itself a video
    is opened again in any case, so that its reason may be kept whatever it is, for `status` to tell.
    """
    no_video, unreadable = isinstance(error, NoVideoStream), isinstance(error, Unreadable)
    promised = promises_video(found.path)
    failed = found.named or not (no_video or unreadable) or (promised and not no_video)
    reason = error.reason if isinstance(error, MediaError) else f"{type(error).__name__}: {error}"
    keep = no_video or isinstance(error, UnknownFormat) or (promised and unreadable)
    return Unusable(reason=reason, failed=failed, keep=keep)


def _facts(info: VideoInfo, *, digest: str, size_bytes: int) -> VideoFacts:
    return VideoFacts(
        content_hash=digest,
        size_bytes=size_bytes,
        container=info.container,
        codec=info.codec,
        width=info.width,
        height=info.height,
        rotation=info.rotation,
        time_base=info.time_base,
        start_s=info.start_s,
        end_s=info.end_s,
        num_frames=info.num_frames,
        has_audio=info.has_audio,
        recorded_at=info.recorded_at,
        missing_s=info.missing_s,
    )
