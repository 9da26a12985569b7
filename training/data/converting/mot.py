"""MOT challenge: `gt/gt.txt` with a box a line, and `seqinfo.ini` with the size of the frames.

A line is: frame (from 1), id, left, top, width, height (px), considered (0 or 1), class, visibility. Names of
the classes come from `labels.txt` beside gt.txt where there is one (as CVAT exports it), else from MOT17.
"""

from __future__ import annotations

import configparser
import csv
import io
from collections import Counter, defaultdict
from pathlib import Path

from grounding.errors import printable
from training.data.converting.files import checked, read_text
from training.data.converting.tracks import Annotated, Key, Track, clipped, runs

MOT17 = {
    1: "pedestrian",
    2: "person on vehicle",
    3: "car",
    4: "bicycle",
    5: "motorbike",
    6: "non-motorised vehicle",
    7: "static person",
}
"""What is to be seen; the other classes (distractors, occluders, reflections) are no things to ask about."""


def read_mot(path: Path) -> list[Annotated]:
    """The one annotated video of a sequence folder, or of its gt.txt. Raises ValueError for neither."""
    truth = checked(path / "gt" / "gt.txt" if path.is_dir() else path)
    info = _sequence(truth)
    names = _names(truth)
    left_out: Counter[str] = Counter()
    keys: dict[tuple[str, str], list[Key]] = defaultdict(list)
    for line, values in enumerate(csv.reader(io.StringIO(read_text(truth))), start=1):
        if not values:
            continue
        frame, number, corners, considered, kind = _numbers(values, f"{printable(truth)}, line {line}")
        label = names.get(kind)
        box = clipped(*(side / info.size[k % 2] for k, side in enumerate(corners)))
        if not considered or label is None or box is None:
            reason = "not considered" if not considered else "class" if label is None else "outside the frame"
            left_out[reason] += 1
            continue
        keys[label, str(number)].append(Key(frame=frame - 1, box=box))
    tracks = tuple(
        Track(label=label, number=number, stretches=runs(found))
        for (label, number), found in sorted(keys.items())
    )
    return [Annotated(video=info.name, tracks=tracks, size=info.size, left_out=left_out)]


class _Sequence:
    """What seqinfo.ini says."""

    def __init__(self, *, name: str, size: tuple[int, int]) -> None:
        self.name, self.size = name, size


def _sequence(truth: Path) -> _Sequence:
    """Of the folder above `gt`, or the one that gt.txt is in."""
    places = [folder / "seqinfo.ini" for folder in (truth.parent.parent, truth.parent)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise ValueError(
            f"{printable(truth)} has no seqinfo.ini above it, which gives the size of the frames"
        )
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(found))
        section = parser["Sequence"]
        size = (section.getint("imWidth"), section.getint("imHeight"))
        if not all(side and side > 0 for side in size):
            raise ValueError("imWidth and imHeight are not both there")
    except (configparser.Error, KeyError, ValueError) as error:
        raise ValueError(f"{printable(found)} can't be read: {str(error).splitlines()[0]}") from None
    return _Sequence(name=section.get("name", ""), size=(int(size[0] or 0), int(size[1] or 0)))


def _names(truth: Path) -> dict[int, str]:
    labels = truth.parent / "labels.txt"
    if not labels.is_file():
        return MOT17
    return dict(enumerate((line.strip() for line in read_text(labels).splitlines() if line.strip()), start=1))


def _numbers(values: list[str], where: str) -> tuple[int, int, tuple[float, ...], bool, int]:
    """Frame, id, corners in px, whether it is considered, and the class (1 where the line has none)."""
    try:
        frame, number = int(float(values[0])), int(float(values[1]))
        left, top, width, height = (float(value) for value in values[2:6])
        considered = len(values) < 7 or float(values[6]) != 0
        kind = int(float(values[7])) if len(values) > 7 else 1
        kind = 1 if kind < 0 else kind  # MOT15 has a place in the world there, which is -1
    except (ValueError, OverflowError):
        raise ValueError(
            f"{where}: {','.join(values)[:80]!r} is not frame,id,left,top,width,height,considered,class"
        ) from None
    if frame < 1:
        raise ValueError(f"{where}: frames are counted from 1, not {frame}")
    return frame, number, (left, top, left + width, top + height), considered, kind
