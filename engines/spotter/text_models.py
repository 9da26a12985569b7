"""Find and read printed text in a picture: the PP-OCR networks of the package rapidocr, run by OpenVINO.

The package's own code is not used: importing it takes a second, and it may fetch files from the network.
Shapes: H, W picture; T steps of a line; C characters. Boxes are (x1, y1, x2, y2), 0..1 of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.assets import asset_path, user_cache_dir
from engines.spotter import networks
from engines.spotter.networks import Precision
from video.frames import Image

Floats = npt.NDArray[np.float32]
Corners = npt.NDArray[np.float32]  # [4, 2] x and y in pixels: top left, top right, bottom right, bottom left

_INK, _LINE_SURE, _SPREAD = 0.3, 0.5, 1.6  # of the published post-processing (DB)
_LEAST_SIDE = 3.0
_LINE_HEIGHT = 48
_LINE_WIDTHS = (320, 480, 640, 960, 1280, 1920)  # few, as each new width is compiled once
_UPRIGHT = 1.5  # a crop this much higher than wide is a line turned by 90 degrees


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text: `box` (x1, y1, x2, y2) 0..1 of the picture, `confidence` 0..1."""

    text: str
    confidence: float
    box: tuple[float, float, float, float]


class TextModels:
    """The finder and the reader of lines; the reader is loaded when the first line is found.

    Chinese, English and other Latin scripts, as far as the models know them. Several threads take turns.
    """

    def __init__(
        self, *, precision: Precision = "auto", num_threads: int | None = None, cache_dir: Path | None = None
    ) -> None:
        self._cache = user_cache_dir() if cache_dir is None else cache_dir
        self._core = networks.core(self._cache)
        self._options = networks.options(precision=precision, num_threads=num_threads)
        finder = asset_path("text-detector", cache_dir=self._cache)
        alone = self._options | {"PERFORMANCE_HINT": "LATENCY"}  # one picture at a time, on all cores
        self._finder = networks.compiled(self._core, str(finder), alone).create_infer_request()
        self._reader: _LineReader | None = None
        self._turn = Lock()  # the networks serve one caller at a time

    def find(self, picture: Image, *, side: int) -> list[Corners]:
        """The lines of text in RGB `picture`, looked for with its longest side at most `side` px."""
        import cv2

        height, width = picture.shape[:2]
        scale = min(1.0, side / max(height, width))
        high, wide = (max(32, round(v * scale / 32) * 32) for v in (height, width))
        small = cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA)
        with self._turn:
            self._finder.infer([_as_input(small)[None]])
            ink_HW = np.array(self._finder.get_output_tensor().data[0, 0], np.float32)
        stretch = np.array([width / wide, height / high], np.float32)
        return [corners * stretch for corners in _lines(ink_HW)]

    def read(self, picture: Image, lines: Sequence[Corners]) -> list[Line]:
        """The text of each line, in order; text that can't be made out is empty."""
        if not lines:
            return []
        height, width = picture.shape[:2]
        with self._turn:
            if self._reader is None:
                path = asset_path("text-recogniser", cache_dir=self._cache)
                self._reader = _LineReader(self._core, path, self._options)
            found = self._reader.read([_crop(picture, corners) for corners in lines])
        return [
            Line(text, confidence, _box(corners, width, height))
            for (text, confidence), corners in zip(found, lines, strict=True)
        ]


class _LineReader:
    def __init__(self, core: Any, path: Path, options: dict[str, Any]) -> None:
        import openvino

        network = core.read_model(str(path))
        listed = network.get_rt_info()["framework"]["character"].value
        self._characters = ["", *listed.splitlines(), " "]  # CTC's blank first, the space last
        self._queue = openvino.AsyncInferQueue(networks.compiled(core, network, options))

    def read(self, crops: Sequence[Image]) -> list[tuple[str, float]]:
        results: list[tuple[str, float]] = [("", 0.0)] * len(crops)

        def keep(request: Any, index: int) -> None:
            results[index] = self._decode(request.get_output_tensor().data[0])

        self._queue.set_callback(keep)
        for index, crop in enumerate(crops):
            self._queue.start_async([_line_input(crop)[None]], index)
        self._queue.wait_all()
        return results

    def _decode(self, chances_TC: Floats) -> tuple[str, float]:
        """Best character of each step; repeats are one, blanks none; confidence is the mean of the rest."""
        best = chances_TC.argmax(axis=1)
        kept = best != 0
        kept[1:] &= best[1:] != best[:-1]
        if not kept.any():
            return "", 0.0
        sure = chances_TC[np.flatnonzero(kept), best[kept]]
        return "".join(self._characters[i] for i in best[kept]).strip(), float(sure.mean())


def _as_input(picture: Image) -> Floats:
    """RGB [H, W, 3] to the networks' BGR [3, H, W], -1..1."""
    result: Floats = np.ascontiguousarray(picture[:, :, ::-1].transpose(2, 0, 1), np.float32) / 127.5 - 1.0
    return result


def _line_input(crop: Image) -> Floats:
    import cv2

    height, width = crop.shape[:2]
    wanted = max(1, round(_LINE_HEIGHT * width / height))
    room = next((w for w in _LINE_WIDTHS if w >= wanted), _LINE_WIDTHS[-1])
    padded = np.zeros((3, _LINE_HEIGHT, room), np.float32)
    used = min(wanted, room)
    padded[:, :, :used] = _as_input(cv2.resize(crop, (used, _LINE_HEIGHT)))
    return padded


def _lines(ink_HW: Floats) -> list[Corners]:
    """Corners of the lines in a map of how likely each pixel belongs to text, top to bottom."""
    import cv2

    mask = cv2.dilate((ink_HW > _INK).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for contour in contours:
        centre, (wide, high), angle = cv2.minAreaRect(contour)
        if (
            min(wide, high) < _LEAST_SIDE
            or _mean_ink(ink_HW, cv2.boxPoints((centre, (wide, high), angle))) < _LINE_SURE
        ):
            continue
        spread = wide * high * _SPREAD / (wide + high)  # both sides together
        points = cv2.boxPoints((centre, (wide + spread, high + spread), angle))
        found.append(_ordered(np.asarray(points, np.float32)))
    return sorted(found, key=lambda corners: (float(corners[0, 1]) // 10, float(corners[0, 0])))


def _mean_ink(ink_HW: Floats, points: Any) -> float:
    import cv2

    left, top = np.floor(points.min(axis=0)).astype(int).clip(0)
    right, bottom = np.ceil(points.max(axis=0)).astype(int) + 1
    part = np.ascontiguousarray(ink_HW[top:bottom, left:right])
    inside = np.zeros(part.shape, np.uint8)
    cv2.fillPoly(inside, [(points - (left, top)).astype(np.int32)], 1)
    return float(cv2.mean(part, inside)[0])


def _ordered(points: Corners) -> Corners:
    """Top left, top right, bottom right, bottom left."""
    by_x = points[np.argsort(points[:, 0], kind="stable")]
    left, right = (half[np.argsort(half[:, 1], kind="stable")] for half in (by_x[:2], by_x[2:]))
    return np.stack([left[0], right[0], right[1], left[1]])


def _crop(picture: Image, corners: Corners) -> Image:
    """The line cut out of the picture and set straight."""
    import cv2

    wide = max(np.linalg.norm(corners[0] - corners[1]), np.linalg.norm(corners[3] - corners[2]))
    high = max(np.linalg.norm(corners[0] - corners[3]), np.linalg.norm(corners[1] - corners[2]))
    width, height = max(1, int(wide)), max(1, int(high))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    turn = cv2.getPerspectiveTransform(corners, target)
    crop: Image = cv2.warpPerspective(
        picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE, flags=cv2.INTER_CUBIC
    )
    return np.rot90(crop) if height >= _UPRIGHT * width else crop


def _box(corners: Corners, width: int, height: int) -> tuple[float, float, float, float]:
    low = (corners.min(axis=0) / (width, height)).clip(0.0, 1.0)
    high = (corners.max(axis=0) / (width, height)).clip(0.0, 1.0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
