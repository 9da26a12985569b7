"""One row as a model is given it: frames, words, and what is true.

Frames come off the file as the indexer's do: the same reader, the same grid of times, the same sizes. The
times of a clip follow from its video and the model alone; what was annotated has no part in it. (Open-o3's
trainer puts annotated frames among the sampled ones at their own times, which gives the answer away.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grounding.errors import MediaError
from grounding.evidence import Span
from grounding.prompts import Task
from training.data.opening import Data
from training.data.rows import Row
from training.data.texts import PICTURE_S
from training.data.truths import check_times, completion_of, sides_alike, snapped_truth, truth_of
from training.data.view import ModelView
from training.truth import Truth
from video import Images, open_video
from video.sampling import grid


class Unusable(Exception):
    """A row that can't be trained on now. `reason` is one of a few words, to be counted by."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        super().__init__(detail)


@dataclass(frozen=True, kw_only=True)
class Example:
    """What is trained on. `index` is the row's place in its file.

    `frames` [T, H, W, 3] uint8 RGB, sized as the model is fed; `times_s` [T] seconds from the clip's start;
    `duration_s` of the whole clip, 0 for a picture. `system` and `question` are what is asked; `completion`
    is what should be said (None in RL rows). `truth` has its evidence on sampled frames, and `moved_s` says
    how far each claim was moved for that.
    """

    index: int
    id: str
    source: str
    task: Task
    frames: Images = field(repr=False)
    times_s: npt.NDArray[np.float64]
    duration_s: float
    system: str
    question: str
    completion: str | None
    truth: Truth
    moved_s: tuple[float, ...]

    @property
    def frame_size(self) -> tuple[int, int]:
        """Width and height in px of the frames: what "pixels" are of."""
        return (self.frames.shape[2], self.frames.shape[1])


@dataclass(frozen=True, kw_only=True)
class _Seen:
    frames: Images
    times_s: npt.NDArray[np.float64]
    duration_s: float


class Reader:
    """Makes examples of rows. Not safe for several threads at once."""

    def __init__(self, data: Data, view: ModelView) -> None:
        self.data = data
        self.view = view

    def __len__(self) -> int:
        return len(self.data)

    def read(self, place: int) -> Example:
        """The example of the row at `place` of the data. Raises `Unusable` where its media fail it."""
        row = self.data[place]
        truth = truth_of(row)
        seen = self._see(row, self.data.media(row))
        snapped, moved_s = snapped_truth(truth, seen.times_s.tolist())
        return Example(
            index=int(self.data.indices[place]),
            id=row.id,
            source=row.source,
            task=row.task,
            frames=seen.frames,
            times_s=seen.times_s,
            duration_s=seen.duration_s,
            system=self.view.prompts.system[row.task],
            question=row.question,
            completion=self._completion(row, seen),
            truth=snapped,
            moved_s=moved_s,
        )

    def _completion(self, row: Row, seen: _Seen) -> str | None:
        if row.reasoning_process is None:
            return None
        height, width = seen.frames.shape[1:3]
        return completion_of(
            row,
            duration_s=seen.duration_s,
            coordinates=self.view.coordinates,
            frame_size=(width, height),
            times_s=seen.times_s.tolist(),
        )

    def _see(self, row: Row, path: Path) -> _Seen:
        if not path.is_file():
            raise Unusable("missing", f"{path} is gone")
        try:
            seen = self._picture(row, path) if row.is_picture else self._clip(path)
        except MediaError as error:
            raise Unusable(type(error).__name__, str(error)) from error
        if not row.is_picture:
            _check_row_times(row, seen.duration_s)
        return seen

    def _clip(self, path: Path) -> _Seen:
        with open_video(path) as source:
            window = Span(source.info.start_s, source.info.end_s)
            times_s = grid(
                window,
                anchor_s=source.info.start_s,
                rate_hz=self.view.rate_hz,
                max_frames=self.view.max_frames,
            )
            clip = source.clip(window, times_s=times_s, max_side=self.view.max_side)
        if not len(clip.images):
            raise Unusable("no frame", f"{path}: none of its sampled frames can be decoded")
        return _Seen(
            frames=self._fed(clip.images, path, most=self.view.most_pixels),
            times_s=np.maximum(clip.times_s - window.start_s, 0.0),
            duration_s=window.end_s - window.start_s,
        )

    def _picture(self, row: Row, path: Path) -> _Seen:
        from video.pictures import read_picture

        image = read_picture(path)
        height, width = image.shape[:2]
        if row.image_size is not None:
            is_other = not sides_alike(row.image_size, (width, height))
            if is_other:
                raise Unusable("other picture", f"{path} is {width}x{height}, its row says {row.image_size}")
        most = self.view.picture_most_pixels or self.view.most_pixels
        return _Seen(
            frames=self._fed(image[None], path, most=most), times_s=np.array([PICTURE_S]), duration_s=0.0
        )

    def _fed(self, images: Images, path: Path, *, most: int) -> Images:
        """At the size that the network is fed, by the engine's own resizing."""
        from engines.qwen.pixels import fitted, resized

        height, width = images.shape[1:3]
        try:
            size = fitted(
                width,
                height,
                step=self.view.step,
                least=self.view.least_pixels,
                most=most,
            )
        except ValueError as error:
            raise Unusable("shape", f"{path}: {error}") from error
        return resized(images, size)


def _check_row_times(row: Row, duration_s: float) -> None:
    try:
        check_times(row, duration_s)
    except ValueError as error:
        raise Unusable("late", f"row {row.id}: {error}") from error
