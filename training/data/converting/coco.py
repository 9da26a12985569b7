"""COCO with videos: images that name their video and frame, annotations with a box and a track.

Frames are counted from `first_frame` in what was exported. A frame's number is its image's `frame_id` or
`frame_index`, or the digits at the end of its file name; its video is named by `video_id`, or by the folder
that the file name lies in. A thing is in view as long as each next annotated image of its video shows it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, Field

from grounding.errors import printable
from training.data.converting.files import as_model, read_json
from training.data.converting.tracks import Annotated, Key, Track, clipped, runs

_DIGITS = re.compile(r"(\d+)\.\w+\Z")


class _Video(BaseModel):
    id: int
    name: str = Field(default="", validation_alias=AliasChoices("name", "file_name"))


class _Image(BaseModel):
    id: int
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    file_name: str = ""
    video_id: int | None = None
    frame: int | None = Field(default=None, validation_alias=AliasChoices("frame_id", "frame_index", "frame"))


class _Category(BaseModel):
    id: int
    name: str


class _Annotation(BaseModel):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float] | None = None
    iscrowd: bool = False
    track: int | str | None = Field(
        default=None, validation_alias=AliasChoices("track_id", "instance_id", "tracking_id")
    )


class _Document(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]
    videos: list[_Video] = []


def read_coco(path: Path, *, first_frame: int = 0) -> list[Annotated]:
    """The annotated videos, in the order of their names. Raises ValueError for what is no such file."""
    document = as_model(_Document, read_json(path), printable(path))
    names = {category.id: category.name for category in document.categories}
    by_image: dict[int, list[_Annotation]] = defaultdict(list)
    for annotation in document.annotations:
        by_image[annotation.image_id].append(annotation)
    videos = {video.id: video.name for video in document.videos}
    by_video: dict[str, list[_Image]] = defaultdict(list)
    for image in document.images:
        by_video[_video_of(image, videos)].append(image)
    return [
        _annotated(video, images, by_image, names, path=path, first_frame=first_frame)
        for video, images in sorted(by_video.items())
    ]


def _video_of(image: _Image, videos: dict[int, str]) -> str:
    if image.video_id is not None:
        return videos.get(image.video_id) or str(image.video_id)
    return str(Path(image.file_name).parent) if "/" in image.file_name else ""


def _annotated(
    video: str,
    images: list[_Image],
    by_image: dict[int, list[_Annotation]],
    names: dict[int, str],
    *,
    path: Path,
    first_frame: int,
) -> Annotated:
    frames = {image.id: _frame_of(image, path, first_frame=first_frame) for image in images}
    order = sorted(set(frames.values()))
    following = dict(pairwise(order))
    left_out: Counter[str] = Counter()
    keys: dict[tuple[str, str], list[Key]] = defaultdict(list)
    for image in images:
        for annotation in by_image.get(image.id, []):
            reason = _add(keys, annotation, image, frames[image.id], names)
            if reason:
                left_out[reason] += 1
    return Annotated(
        video=video,
        tracks=tuple(
            Track(label=label, number=number, stretches=runs(found, following=following))
            for (label, number), found in sorted(keys.items())
        ),
        size=(images[0].width, images[0].height),
        left_out=left_out,
    )


def _frame_of(image: _Image, path: Path, *, first_frame: int) -> int:
    """The frame of an image, counted from 0."""
    where = f"{printable(path)}: image {image.id} ({image.file_name[:80]!r})"
    digits = _DIGITS.search(image.file_name)
    if image.frame is None and digits is None:
        raise ValueError(
            f"{where} names no frame: it needs a frame_id, or a file name that ends in the frame's number"
        )
    number = int(digits[1]) if image.frame is None and digits is not None else int(image.frame or 0)
    if number < first_frame:
        raise ValueError(f"{where} is frame {number}, before --first-frame {first_frame}: correct the flag")
    return number - first_frame


def _add(keys: Any, annotation: _Annotation, image: _Image, frame: int, names: dict[int, str]) -> str | None:
    """Keep the annotation under its track, or say why not."""
    if annotation.track is None:
        return "no track"
    if annotation.bbox is None:
        return "no box"
    if annotation.iscrowd:
        return "a crowd"
    if annotation.category_id not in names:
        return "unknown category"
    x, y, width, height = annotation.bbox
    box = clipped(x / image.width, y / image.height, (x + width) / image.width, (y + height) / image.height)
    if box is None:
        return "outside the frame"
    keys[names[annotation.category_id], str(annotation.track)].append(Key(frame=frame, box=box))
    return None
