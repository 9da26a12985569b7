"""The proof of an answer, drawn: a PNG of its best claim, or an MP4 of its spans with the boxes moving along.

A box is drawn where it was seen. Between two sampled frames it is where the thing's track was, if the engine
followed it; else it stands only for the half interval around the frame on which it was claimed.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Generic, TypeVar, cast

from engines.contract import Track, TrackPoint
from grounding.errors import printable
from grounding.evidence import Box, Span
from grounding.geometry import iou
from indexer.merging import Evidence, Merged, join
from video.clips import write_clip
from video.drawing import Mark, draw, write_png
from video.frames import Frame, FrameSource, Image, VideoInfo
from video.reader import open_video

SUFFIXES = (".png", ".mp4")
MAX_OVERLAY_S = 120.0
"""A longer proof is cut off there: it is meant to be watched."""

AROUND_S = 1.0
"""Seconds shown before and after a claim that belongs to no span."""

SAME_THING_IOU = 0.5

_ROUNDING_S = 1e-6

T = TypeVar("T")


def check_overlay(out: Path, *, video: Path) -> None:
    """Raise ValueError where no proof of `video` can be drawn into a file of that name."""
    if out.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"--overlay takes a file name that ends in {' or '.join(SUFFIXES)}, not {out.name!r}"
        )
    if not out.absolute().parent.is_dir():
        raise ValueError(f"{printable(out)}: there is no such folder; make it first")
    if os.path.exists(out) and os.path.exists(video) and os.path.samefile(out, video):
        raise ValueError(f"{printable(out)} is the video itself; name another file for --overlay")


def draw_proof(
    video: Path, answer: Merged, *, tracks: Sequence[Track], interval_s: float, out: Path
) -> Path | None:
    """Draw the proof of `answer` into `out`; None when it has none (a "no", an abstention).

    `interval_s` is the time between two sampled frames.
    """
    if not answer.evidence:
        return None
    source = open_video(video)
    try:
        if out.suffix.lower() == ".png":
            write_png(_best_frame(source, answer.evidence), out)
        else:
            marks = Marks(answer.evidence, tracks=tracks, reach_s=interval_s / 2)
            _write_film(source, _shown(answer, source.info), marks, out)
    finally:
        source.close()
    return out


class Marks:
    """Which boxes stand at a time, in file seconds."""

    def __init__(self, evidence: Sequence[Evidence], *, tracks: Sequence[Track], reach_s: float) -> None:
        self._reach_s = reach_s
        there = Timeline([(track.span.start_s, track.span.end_s, track) for track in tracks])
        followed: dict[int, tuple[Track, Evidence]] = {}
        alone: list[tuple[Box, Evidence]] = []
        for item in evidence:
            for box in item.claim.boxes:
                track = _track_of(box, item.time_s, there.at(item.time_s))
                if track is None:
                    alone.append((box, item))
                else:
                    followed[id(track)] = (track, item)
        self._followed = Timeline(
            [(track.span.start_s, track.span.end_s, (track, item)) for track, item in followed.values()]
        )
        wide_s = reach_s + _ROUNDING_S
        self._alone = Timeline([(i.time_s - wide_s, i.time_s + wide_s, (box, i)) for box, i in alone])

    def at(self, time_s: float) -> list[Mark]:
        """The marks to draw on the frame that is on display at `time_s`, each thing once."""
        followed = [
            Mark(box=box, label=track.label, confidence=item.confidence)
            for track, item in self._followed.at(time_s)
            if (box := box_at(track, time_s)) is not None
        ]
        alone = [
            Mark(box=box, label=item.claim.subject, confidence=item.confidence)
            for box, item in self._alone.at(time_s)
            if abs(item.time_s - time_s) <= self._reach_s
        ]
        return [*followed, *alone]


class Timeline(Generic[T]):
    """Things that each last from a start to an end, both included; those of one time are found quickly, as
    long as none lasts much longer than the others.
    """

    def __init__(self, things: Sequence[tuple[float, float, T]]) -> None:
        self._things = things
        self._by_start = sorted(range(len(things)), key=lambda number: things[number][0])
        self._starts = [things[number][0] for number in self._by_start]
        ends = (things[number][1] for number in self._by_start)
        self._reached = list(accumulate(ends, max))  # the latest end of a thing and all before it

    def at(self, time_s: float) -> list[T]:
        """What lasts at `time_s`, in the order in which it was given."""
        place = bisect_right(self._starts, time_s)
        found = []
        while place > 0 and self._reached[place - 1] >= time_s:
            place -= 1
            if self._things[self._by_start[place]][1] >= time_s:
                found.append(self._by_start[place])
        return [self._things[number][2] for number in sorted(found)]


def _track_of(box: Box, time_s: float, tracks: Sequence[Track]) -> Track | None:
    """The track of the thing in `box`, whatever the claim calls it ("cars"), or None."""
    there = [(iou(box, seen), track) for track in tracks if (seen := box_at(track, time_s)) is not None]
    overlap, best = max(there, key=lambda pair: pair[0], default=(0.0, None))
    return best if overlap >= SAME_THING_IOU else None


def box_at(track: Track, time_s: float) -> Box | None:
    """Where the tracked thing is at `time_s`: on the line between two points, still at its ends.

    The track's points are in the order of their times.
    """
    if not track.points or not track.span.start_s <= time_s <= track.span.end_s:
        return None
    after = bisect_right(track.points, time_s, key=lambda point: point.time_s)
    if after in (0, len(track.points)):
        return track.points[min(after, len(track.points) - 1)].box
    return _between(track.points[after - 1], track.points[after], time_s)


def _between(one: TrackPoint, other: TrackPoint, time_s: float) -> Box:
    share = (time_s - one.time_s) / (other.time_s - one.time_s)
    a, b = one.box, other.box
    corners = ((a.x1, b.x1), (a.y1, b.y1), (a.x2, b.x2), (a.y2, b.y2))
    return Box(*(min(max(start + share * (end - start), 0.0), 1.0) for start, end in corners))


def _best_frame(source: FrameSource, evidence: Sequence[Evidence]) -> Image:
    best = max(evidence, key=lambda item: (item.confidence or 0.0, -item.time_s))
    marks = [
        Mark(box=box, label=item.claim.subject, confidence=item.confidence)
        for item in evidence
        if item.pts == best.pts
        for box in item.claim.boxes
    ]
    (frame,) = source.frames_at([max(best.time_s, source.info.start_s)])
    return draw(frame.image, marks)


def _shown(answer: Merged, info: VideoInfo) -> list[Span]:
    """The stretches to show: the spans and a little around every other claim, MAX_OVERLAY_S in all."""
    around = [Span(e.time_s - AROUND_S, e.time_s + AROUND_S) for e in answer.evidence]
    loose = [s for s in around if not any(_overlap(s, span) for span in answer.spans)]
    shown, left_s = [], MAX_OVERLAY_S
    for span in join([*answer.spans, *loose]):
        start_s = max(span.start_s, info.start_s)
        end_s = min(span.end_s, info.end_s, start_s + left_s)
        if end_s > start_s:
            shown.append(Span(start_s, end_s))
            left_s -= end_s - start_s
    return shown


def _overlap(one: Span, other: Span) -> bool:
    return one.start_s <= other.end_s and other.start_s <= one.end_s


def _write_film(source: FrameSource, shown: Sequence[Span], marks: Marks, out: Path) -> None:
    time_base = source.info.time_base

    def overlay(frame: Frame) -> Image:
        # Its time is that of the film; its pts is still the file's own.
        return draw(frame.image, marks.at(float(frame.pts * time_base)))

    film = _Film(source, tuple(shown))
    # `write_clip` asks its source for nothing but `info` and `frames_in`.
    write_clip(cast(FrameSource, film), Span(0.0, film.duration_s), out, overlay=overlay)


@dataclass(frozen=True, slots=True)
class _Film:
    """Several stretches of a file, one after the other, as one that begins at 0."""

    source: FrameSource
    shown: tuple[Span, ...]

    @property
    def info(self) -> VideoInfo:
        return self.source.info

    @property
    def duration_s(self) -> float:
        return sum(span.end_s - span.start_s for span in self.shown)

    def frames_in(self, span: Span, *, max_side: int | None = None) -> Iterator[Frame]:
        """Every frame, whatever `span` is: a film is shown whole."""
        offset_s = 0.0
        for part in self.shown:
            for frame in self.source.frames_in(part, max_side=max_side):
                begin_s = max(frame.time_s, part.start_s)
                end_s = min(frame.time_s + frame.duration_s, part.end_s)
                yield replace(
                    frame, time_s=offset_s + begin_s - part.start_s, duration_s=max(end_s - begin_s, 0.0)
                )
            offset_s += part.end_s - part.start_s
