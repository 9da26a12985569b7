"""Label Studio: video rectangles with their key frames, and timeline labels, exported as JSON.

Frames are counted from 1; boxes are in percent of the frame. A rectangle moves evenly between key frames; one
that isn't `enabled` is the last frame in which it is seen, until the next key frame. A task with several
annotations gives its first that isn't cancelled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, Field

from grounding.errors import printable
from training.data.converting.files import as_model, read_json
from training.data.converting.tracks import Annotated, Event, Key, Stretch, Track, clipped

TO_THE_END = 1 << 60
"""The last frame of a rectangle that is never switched off."""


class _KeyFrame(BaseModel):
    frame: int = Field(ge=1)
    enabled: bool = True
    x: float
    y: float
    width: float
    height: float
    rotation: float = 0.0


class _Range(BaseModel):
    start: int = Field(ge=1)
    end: int = Field(ge=1)


class _Value(BaseModel):
    labels: list[str] = []
    timelinelabels: list[str] = []
    sequence: list[_KeyFrame] = []
    ranges: list[_Range] = []


class _Result(BaseModel):
    id: str = "?"
    type: str = ""
    value: dict[str, Any] = {}


class _Annotation(BaseModel):
    result: list[_Result] = []
    was_cancelled: bool = False


class _Task(BaseModel):
    id: int | str = 0
    data: dict[str, Any] = {}
    annotations: list[_Annotation] = []


def read_label_studio(path: Path) -> list[Annotated]:
    """The annotated videos, one a task. Raises ValueError for what is no such file."""
    document = read_json(path)
    tasks = document if isinstance(document, list) else [document]
    found = []
    for place, value in enumerate(tasks):
        task = as_model(_Task, value, f"{printable(path)}, task {place}")
        results = next((a.result for a in task.annotations if not a.was_cancelled), None)
        if results is not None:
            found.append(_annotated(task, results, f"{printable(path)}, task {task.id}"))
    if not found:
        raise ValueError(
            f"{printable(path)} holds no task with an annotation: export it as JSON (not JSON-MIN)"
        )
    return found


def _annotated(task: _Task, results: list[_Result], where: str) -> Annotated:
    left_out: Counter[str] = Counter()
    tracks: list[Track] = []
    events: list[Event] = []
    for result in results:
        if result.type not in ("videorectangle", "timelinelabels"):
            left_out[result.type or "no type"] += 1
            continue
        value = as_model(_Value, result.value, f"{where}, region {result.id}")
        if result.type == "videorectangle":
            tracks += _tracks(result, value, left_out)
        else:
            events += _events(value, f"{where}, region {result.id}")
    return Annotated(video=_video_of(task), tracks=tuple(tracks), events=tuple(events), left_out=left_out)


def _video_of(task: _Task) -> str:
    """The file's name out of the URL by which the task shows it; local files hide it in `?d=`."""
    for value in task.data.values():
        if isinstance(value, str) and "." in PurePosixPath(urlsplit(value).path or value).name:
            return PurePosixPath(unquote(urlsplit(value).path)).name
        if isinstance(value, str) and (hidden := parse_qs(urlsplit(value).query).get("d")):
            return PurePosixPath(hidden[0]).name
    return ""


def _tracks(result: _Result, value: _Value, left_out: Counter[str]) -> Iterator[Track]:
    if not value.labels:
        left_out["no label"] += 1
        return
    stretches = tuple(_stretches(value.sequence, left_out))
    if stretches:
        yield Track(label=value.labels[0], number=result.id, stretches=stretches)


def _stretches(sequence: list[_KeyFrame], left_out: Counter[str]) -> Iterator[Stretch]:
    keys: list[Key] = []
    for drawn in sorted(sequence, key=lambda key: key.frame):
        box = None if drawn.rotation % 360 else _box(drawn)
        if box is None:
            left_out["turned box" if drawn.rotation % 360 else "outside the frame"] += 1
            if keys:
                yield Stretch(keys=tuple(keys), last=drawn.frame - 2)
            keys = []
            continue
        keys.append(Key(frame=drawn.frame - 1, box=box))
        if not drawn.enabled:
            yield Stretch(keys=tuple(keys), last=drawn.frame - 1)
            keys = []
    if keys:
        yield Stretch(keys=tuple(keys), last=TO_THE_END)


def _box(drawn: _KeyFrame) -> Any:
    return clipped(
        drawn.x / 100,
        drawn.y / 100,
        (drawn.x + drawn.width) / 100,
        (drawn.y + drawn.height) / 100,
    )


def _events(value: _Value, where: str) -> Iterator[Event]:
    for label in value.timelinelabels:
        for stretch in value.ranges:
            if stretch.end < stretch.start:
                raise ValueError(
                    f"{where}: a range ends at frame {stretch.end}, before its start {stretch.start}"
                )
            yield Event(label=label, first=stretch.start - 1, last=stretch.end - 1)
