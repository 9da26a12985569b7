"""The video that annotations are of: frame numbers become times by the frames' own, whatever the rate."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grounding.errors import printable
from grounding.evidence import Span
from training.data.converting.tracks import Annotated, Stretch, Track
from video import Image, open_video
from video.packets import packet_index

ASPECTS_ALIKE = 0.02
"""How far the ratio of the annotated frame's sides may be from the video's: more is another video."""

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".ts", ".m4v", ".mpg", ".mpeg")


@dataclass(frozen=True, kw_only=True)
class Footage:
    """A video by its frames. `starts_s` [N + 1]: when each is shown, from the video's start, and the end."""

    path: Path
    start_s: float
    size: tuple[int, int]
    starts_s: npt.NDArray[np.float64] = field(repr=False)

    @property
    def num_frames(self) -> int:
        return len(self.starts_s) - 1

    @property
    def duration_s(self) -> float:
        return float(self.starts_s[-1])

    def time_s(self, frame: int) -> float:
        """When the frame comes on display, in seconds from the video's start, to the millisecond."""
        return round(float(self.starts_s[frame]), 3)

    def span(self, first: int, last: int) -> Span:
        """From when the first frame comes on display to when the last one leaves it."""
        return Span(self.time_s(first), round(float(self.starts_s[last + 1]), 3))

    def picture(self, frame: int) -> Image | None:
        """The frame itself, at full size; None where it is damaged."""
        middle_s = float(self.starts_s[frame] + self.starts_s[frame + 1]) / 2
        with open_video(self.path) as source:
            found = next(iter(source.frames_at([self.start_s + middle_s])), None)
        return None if found is None or found.damaged else found.image


def open_footage(path: Path) -> Footage:
    """The video. Raises MediaError where it can't be read."""
    with open_video(path) as source:
        info = source.info
    index = packet_index(path)
    ticks = np.append(index.shown_pts, index.end) - index.start
    return Footage(
        path=path,
        start_s=info.start_s,
        size=(info.width, info.height),
        starts_s=ticks.astype(np.float64) * float(index.time_base),
    )


def find_video(given: Path, name: str) -> Path:
    """The video called `name` by its annotations: `given` itself, or a file of that name in the folder.

    A name without a suffix (a folder of frames) finds the video of that stem. Raises ValueError.
    """
    if given.is_file():
        return given
    if not given.is_dir():
        raise ValueError(f"{printable(given)} is no video file and no folder of them: correct --video")
    wanted = Path(name).name
    videos = [p for p in sorted(given.iterdir()) if p.suffix.lower() in VIDEO_SUFFIXES]
    found = [p for p in videos if p.name == wanted] or [
        p for p in videos if p.stem in (wanted, Path(wanted).stem) and wanted
    ]
    if len(found) != 1:
        raise ValueError(
            f"{printable(given)} holds {len(found)} videos called {name!r}, as the annotations call theirs: "
            "name the file by --video"
        )
    return found[0]


def fitted(annotated: Annotated, footage: Footage) -> Annotated:
    """The annotations cut at the video's last frame.

    Raises ValueError where they can't be this video's: another shape of frame, or frames it doesn't have.
    """
    _check_shape(annotated, footage)
    tracks = []
    for track in annotated.tracks:
        stretches = tuple(s for s in (_cut(s, track, footage) for s in track.stretches) if s is not None)
        if stretches:
            tracks.append(replace(track, stretches=stretches))
    for event in annotated.events:
        _check_frame(event.last, f"event {event.label!r}", footage)
    return replace(annotated, tracks=tuple(tracks))


def _cut(stretch: Stretch, track: Track, footage: Footage) -> Stretch | None:
    place = bisect_right(stretch.keys, stretch.last, key=lambda key: key.frame)
    named = max([stretch.first, *(key.frame for key in stretch.keys[:place])])
    _check_frame(named, f"track {track.number} ({track.label})", footage)
    last = min(stretch.last, footage.num_frames - 1)
    return replace(stretch, last=last) if last >= stretch.first else None


def _check_frame(frame: int, whose: str, footage: Footage) -> None:
    if frame >= footage.num_frames:
        raise ValueError(
            f"{whose} names frame {frame}, and {printable(footage.path)} has {footage.num_frames:,} frames: "
            "is it the video that was annotated?"
        )


def _check_shape(annotated: Annotated, footage: Footage) -> None:
    if annotated.size is None:
        return
    (width, height), (own_width, own_height) = annotated.size, footage.size
    if abs((width / height) / (own_width / own_height) - 1) > ASPECTS_ALIKE:
        raise ValueError(
            f"the annotations are of {width}x{height} frames, and {printable(footage.path)} is shown at "
            f"{own_width}x{own_height}: is it the video that was annotated?"
        )
