"""CVAT for video 1.1: an XML file of tracks whose boxes are key frames.

Between two boxes of a track CVAT moves it evenly; `outside="1"` takes it out of view from that frame on,
until a box without it; a track that is not taken out stays to the end. Frames are counted from 0.
Format: https://docs.cvat.ai/docs/manual/advanced/xml_format
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grounding.errors import printable
from training.data.converting.files import checked
from training.data.converting.tracks import Annotated, Key, Stretch, Track, clipped

TO_THE_END = 1 << 60
"""The last frame of a track that is never taken out of view."""

_OTHER_SHAPES = ("polygon", "polyline", "points", "cuboid", "ellipse", "mask", "skeleton")


def read_cvat(path: Path) -> list[Annotated]:
    """The one annotated video. Raises ValueError for what is no such file, or would be harmful to read."""
    document = _Document()
    try:
        for event, element in _elements(path):
            document.take(event, element)
    except _parse_errors() as error:
        raise ValueError(f"{printable(path)} is no CVAT XML that can be read: {error}") from None
    except ValueError as error:
        raise ValueError(f"{printable(path)}: {error}") from None
    if not document.is_cvat:
        raise ValueError(
            f"{printable(path)} is no CVAT for video file: its outermost element isn't annotations"
        )
    if document.has_images:
        raise ValueError(f"{printable(path)} is CVAT for images: export the task as CVAT for video 1.1")
    return [
        Annotated(
            video=document.source,
            tracks=tuple(document.tracks),
            size=document.size,
            left_out=document.left_out,
        )
    ]


def _elements(path: Path) -> Iterator[tuple[str, Any]]:
    """Elements as they begin and end. No DTD is taken: entities could grow without bound."""
    from defusedxml.ElementTree import iterparse

    with open(checked(path), "rb") as stream:
        yield from iterparse(stream, events=("start", "end"), forbid_dtd=True)


def _parse_errors() -> tuple[type[Exception], ...]:
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException

    return (ParseError, DefusedXmlException)


@dataclass(slots=True)
class _Document:
    """What has been read so far; each element is let go of when it ends."""

    is_cvat: bool = False
    has_images: bool = False
    source: str = ""
    sides: dict[str, int] = field(default_factory=dict)
    tracks: list[Track] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    boxes: list[dict[str, str]] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int] | None:
        both = (self.sides.get("width"), self.sides.get("height"))
        return (both[0], both[1]) if both[0] and both[1] else None

    def take(self, event: str, element: Any) -> None:
        if event == "start":
            self.is_cvat = self.is_cvat or (not self.parents and element.tag == "annotations")
            self.parents.append(element.tag)
            return
        self.parents.pop()
        parent = self.parents[-1] if self.parents else ""
        if element.tag == "box" and parent == "track":
            self.boxes.append(dict(element.attrib))
        elif element.tag in _OTHER_SHAPES and parent == "track":
            self.left_out[element.tag] += 1
        elif element.tag == "track":
            self._end_track(dict(element.attrib))
        elif parent == "original_size" and element.tag in ("width", "height"):
            self.sides[element.tag] = int(element.text or "")
        elif element.tag == "source" and parent in ("task", "job", "meta"):
            if self.source:
                raise ValueError("it holds several tasks: export them one by one")
            self.source = (element.text or "").strip()
        elif element.tag == "image":
            self.has_images = True
        if parent != "meta":
            element.clear()

    def _end_track(self, track: dict[str, str]) -> None:
        boxes, self.boxes = self.boxes, []
        if not boxes:
            return
        if self.size is None:
            raise ValueError(
                "it has no meta/.../original_size, by which boxes could be measured: export it again"
            )
        number = track.get("id", "?")
        label = track.get("label", "").strip()
        if not label:
            self.left_out["no label"] += 1
            return
        stretches = tuple(_stretches(boxes, self.size, self.left_out, number))
        if stretches:
            self.tracks.append(Track(label=label, number=number, stretches=stretches))


def _stretches(
    boxes: list[dict[str, str]], size: tuple[int, int], left_out: Counter[str], number: str
) -> Iterator[Stretch]:
    """The stretches in view: from a box that is not outside to the frame before the next that is."""
    keys: list[Key] = []
    read = sorted((_box_of(box, number) for box in boxes), key=lambda box: box[0])
    for frame, corners, outside, turned in read:
        box = None if turned else clipped(*(c / size[k % 2] for k, c in enumerate(corners)))
        if box is None and not outside:
            left_out["turned box" if turned else "outside the frame"] += 1
        if outside or box is None:
            if keys:
                moved = (Key(frame=frame, box=box),) if box is not None else ()
                yield Stretch(keys=(*keys, *moved), last=frame - 1)
            keys = []
        else:
            keys.append(Key(frame=frame, box=box))
    if keys:
        yield Stretch(keys=tuple(keys), last=TO_THE_END)


def _box_of(box: dict[str, str], number: str) -> tuple[int, tuple[float, ...], bool, bool]:
    """Frame, corners in px, whether it is out of view, and whether it is turned."""
    try:
        frame = int(box["frame"])
        corners = tuple(float(box[side]) for side in ("xtl", "ytl", "xbr", "ybr"))
        turned = float(box.get("rotation", 0)) % 360 != 0
    except (KeyError, ValueError) as error:
        raise ValueError(f"track {number}: a box of it can't be read ({error!r})") from None
    if frame < 0:
        raise ValueError(f"track {number}: a box of it is in frame {frame}")
    return frame, corners, box.get("outside") == "1", turned
