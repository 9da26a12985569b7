"""Converted rows written as a DATA_ROOT: both lists, the videos linked in, and the pictures cut out."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from grounding.errors import TrainingError, printable
from training.data.converting.footage import find_video, fitted, open_footage
from training.data.converting.questions import Asked, Asker
from training.data.converting.tracks import Annotated
from training.data.layout import ROW_FILES, SPLITS, Split, media_path
from training.data.rows import BrokenRow, Row, read_rows

Tool = Literal["coco", "cvat", "mot", "label-studio"]


@dataclass(slots=True, kw_only=True)
class Converted:
    """What came of a conversion. `left_out` counts annotations that made no question, by reason."""

    out: Path
    videos: int = 0
    tracks: int = 0
    events: int = 0
    rows: dict[Split, int] = field(default_factory=dict)
    by_task: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)


def read_annotations(tool: Tool, source: Path, *, first_frame: int = 0) -> list[Annotated]:
    """The annotated videos of a file (or MOT's folder). Raises ValueError for what the tool didn't write."""
    if tool == "coco":
        from training.data.converting.coco import read_coco

        return read_coco(source, first_frame=first_frame)
    if tool == "cvat":
        from training.data.converting.cvat import read_cvat

        return read_cvat(source)
    if tool == "mot":
        from training.data.converting.mot import read_mot

        return read_mot(source)
    from training.data.converting.label_studio import read_label_studio

    return read_label_studio(source)


def convert(
    tool: Tool,
    source: Path,
    out: Path,
    *,
    video: Path,
    first_frame: int = 0,
    add: bool = False,
    copy: bool = False,
) -> Converted:
    """Make a DATA_ROOT at `out` of what was annotated about `video` (a file, or a folder of files).

    `add`: rows go beside those that are there, in place of their like; else `out` must hold none. `copy`:
    videos are copied and not linked. Nothing is written before all annotations were read and found to fit.

    Raises ValueError for annotations that can't be read or are not of this video, MediaError for the video,
    TrainingError where `out` can't be written.
    """
    before = rows_there(out, add=add)
    found = read_annotations(tool, source, first_frame=first_frame)
    if len(found) > 1 and video.is_file():
        names = ", ".join(repr(one.video) for one in found[:5])
        raise ValueError(
            f"{printable(source)} is about {len(found)} videos ({names}): give their folder by --video"
        )
    askers = [_asker(one, tool, find_video(video, one.video)) for one in found]
    try:
        return _written(askers, out=out, before=before, copy=copy)
    except OSError as error:
        raise TrainingError(
            f"{printable(error.filename2 or error.filename or out)} can't be written ({error.strerror}): "
            "make room there, or give another OUT"
        ) from error


def _written(askers: Sequence[Asker], *, out: Path, before: dict[Split, list[Row]], copy: bool) -> Converted:
    result = Converted(out=out, videos=len(askers))
    rows: list[Row] = []
    for asker in askers:
        result.tracks += len(asker.annotated.tracks)
        result.events += len(asker.annotated.events)
        result.left_out += asker.annotated.left_out
        rows += _write_media(asker, out=out, copy=copy)
    result.by_task.update(row.task for row in rows)
    for split in SPLITS:
        own = rows if split == "sft" else [made for row in rows if (made := for_rl(row)) is not None]
        write_rows(out / ROW_FILES[split], joined(before[split], own))
        result.rows[split] = len(own)
    return result


def for_rl(row: Row) -> Row | None:
    """The row as the RL split has it: no reasoning, and a stretch of time as a list. None where its answer
    has several stretches, for which that split has no form.
    """
    if row.task == "temporal QA":
        from training.data.texts import said

        answer = said(row)
        if len(answer.spans) > 1:
            return None
        if answer.spans:
            (span,) = answer.spans
            stretch = json.dumps([span.start_s, span.end_s])
            return row.model_copy(update={"reasoning_process": None, "answer": stretch})
    return row.model_copy(update={"reasoning_process": None})


def _asker(annotated: Annotated, tool: Tool, path: Path) -> Asker:
    footage = open_footage(path)
    return Asker(
        annotated=fitted(annotated, footage), footage=footage, source=tool, video=f"{tool}/{path.name}"
    )


def rows_there(out: Path, *, add: bool) -> dict[Split, list[Row]]:
    """The rows of both lists in `out`, to be added to.

    Raises ValueError where a list is there and not `add`, or is broken.
    """
    there: dict[Split, list[Row]] = {}
    for split in SPLITS:
        path = out / ROW_FILES[split]
        there[split] = []
        if not path.is_file():
            continue
        if not add:
            raise ValueError(
                f"{printable(path)} is there already: give --add to add to it, or another folder"
            )
        for index, row in enumerate(read_rows(path)):
            if isinstance(row, BrokenRow):
                raise ValueError(
                    f"{printable(path)}, row {index} ({row.id}): {row.what}; mend it before adding"
                )
            there[split].append(row)
    return there


def joined(before: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """Both, a new row in the place of the one that has its id."""
    ids = {row.id for row in new}
    return [*(row for row in before if row.id not in ids), *new]


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write a list of rows, whole or not at all. Errors as `video.output.whole_file`."""
    from video.output import whole_file

    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, suffix=".json") as part:
        values = [row.model_dump(mode="json") for row in rows]
        Path(part).write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_media(asker: Asker, *, out: Path, copy: bool) -> list[Row]:
    """The rows about one video, once it lies in its place with the pictures that they need."""
    asked = list(asker.ask())
    if asked:
        _bring(asker.footage.path, media_path(out, source=asker.source, name=asker.video), copy=copy)
    return [one.row for one in asked if _has_picture(one, asker, out)]


def _has_picture(asked: Asked, asker: Asker, out: Path) -> bool:
    """Write the picture that a row needs, if any; False where that frame is damaged."""
    from video.drawing import write_png

    if asked.picture_of is None or asked.row.image_path is None:
        return True
    picture = asker.footage.picture(asked.picture_of)
    if picture is None:
        return False
    write_png(picture, media_path(out, source=asker.source, name=asked.row.image_path))
    return True


def _bring(video: Path, place: Path, *, copy: bool) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists() and place.samefile(video):
        return
    if os.path.lexists(place):
        raise ValueError(
            f"{printable(place)} is another video of that name: rename one, or give another folder"
        )
    if copy:
        shutil.copyfile(video, place)
    else:
        place.symlink_to(video.resolve())
