"""What is in a picture: SSD MobileNet v2 trained on COCO, run by OpenVINO on the CPU.

Pictures are squeezed to 300x300, so a thing smaller than about a twentieth of the frame is not seen. Shapes:
A = 1917 anchors, K = 91 classes (0 is background). Boxes are (x1, y1, x2, y2), 0..1 of the picture.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.assets import asset, asset_path, user_cache_dir
from engines.spotter import networks
from engines.spotter.coco import LABELS
from engines.spotter.frozen_graph import cut
from engines.spotter.networks import Precision
from video.frames import Image

SIDE = 300
Floats = npt.NDArray[np.float32]

_SOURCE, _BOXES, _CLASSES = "Preprocessor/sub", "concat", "concat_1"
_NETWORK_VERSION = 1  # part of the cached file's name: raise it when the cut or the input scaling changes
_SAME_THING_IOU = 0.6  # of the published graph
_CANDIDATES_A_CLASS = 100


@dataclass(frozen=True, slots=True)
class Detection:
    """A thing of one of the 80 kinds: `box` (x1, y1, x2, y2) 0..1 of the picture, `confidence` 0..1."""

    label: str
    confidence: float
    box: tuple[float, float, float, float]


class Detector:
    """Loads in about 0.4 s once its compiled network is in `cache_dir`, in about 1.5 s the first time.

    `precision="auto"` computes in bfloat16 where the CPU has it (twice as fast, boxes differ by less than a
    pixel or so), `"float32"` gives the same numbers on every CPU. Raises EngineError when the weights are
    missing or altered. Several threads may call it: they take turns.
    """

    def __init__(
        self,
        *,
        floor: float,
        precision: Precision = "auto",
        num_threads: int | None = None,
        cache_dir: Path | None = None,
    ) -> None:
        import openvino

        self.floor = floor
        self.pictures_seen = 0
        cache = user_cache_dir() if cache_dir is None else cache_dir
        options = networks.options(precision=precision, num_threads=num_threads)
        self._queue = openvino.AsyncInferQueue(_compiled(cache, options))
        self._turn = Lock()  # the queue serves one caller at a time
        self._anchors_A4 = _anchors()

    def detect(self, pictures: Sequence[Image]) -> list[list[Detection]]:
        """For each 300x300 RGB picture its things at or above the floor, surest first."""
        raw: list[tuple[Floats, Floats]] = [(_NOTHING, _NOTHING)] * len(pictures)

        def keep(request: Any, index: int) -> None:
            encodings, logits = (
                np.array(request.get_tensor(name).data[0]) for name in (_BOXES + ":0", _CLASSES + ":0")
            )
            raw[index] = (encodings.reshape(-1, 4), logits)

        with self._turn:
            self._queue.set_callback(keep)
            for index, picture in enumerate(pictures):
                assert picture.shape == (SIDE, SIDE, 3), picture.shape
                self._queue.start_async([picture[None]], index)
            self._queue.wait_all()
            self.pictures_seen += len(pictures)
        return [self._decode(encodings, logits) for encodings, logits in raw]

    def _decode(self, encodings_A4: Floats, logits_AK: Floats) -> list[Detection]:
        """Boxes and labels from the network's raw numbers: floor, sigmoid, box coding, suppression."""
        floor_logit = np.log(self.floor / (1.0 - self.floor))
        found: list[Detection] = []
        anchors, classes = np.nonzero(logits_AK[:, 1:] >= floor_logit)
        for kind in np.unique(classes + 1):
            if kind not in LABELS:
                continue
            at = anchors[classes + 1 == kind]
            scores = 1.0 / (1.0 + np.exp(-logits_AK[at, kind]))
            boxes = _boxes(encodings_A4[at], self._anchors_A4[at])
            for i in suppress(boxes, scores, iou=_SAME_THING_IOU, most=_CANDIDATES_A_CLASS):
                x1, y1, x2, y2 = (float(v) for v in boxes[i])
                if x2 > x1 and y2 > y1:
                    found.append(Detection(LABELS[int(kind)], float(scores[i]), (x1, y1, x2, y2)))
        return sorted(found, key=lambda d: (-d.confidence, d.label, d.box))


def suppress(boxes: Floats, scores: Floats, *, iou: float, most: int) -> list[int]:
    """Indices of the boxes that stay, surest first: one that overlaps a surer one by more than `iou` goes."""
    order = np.argsort(-scores, kind="stable")[:most]
    kept: list[int] = []
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(int(first))
        order = rest[_overlap(boxes[first], boxes[rest]) <= iou]
    return kept


def _overlap(box: Floats, others: Floats) -> Floats:
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    result: Floats = shared / np.maximum(areas - shared, 1e-9)
    return result


_NOTHING: Floats = np.zeros((0, 4), np.float32)


def _boxes(encodings: Floats, anchors: Floats) -> Floats:
    """Decode (ty, tx, th, tw) against anchors (cy, cx, h, w) to clipped (x1, y1, x2, y2)."""
    centre = encodings[:, :2] / 10.0 * anchors[:, 2:] + anchors[:, :2]
    half = np.exp(encodings[:, 2:] / 5.0) * anchors[:, 2:] / 2.0
    corners = np.concatenate([centre - half, centre + half], axis=1)
    result: Floats = np.clip(corners[:, [1, 0, 3, 2]], 0.0, 1.0).astype(np.float32)
    return result


def _anchors() -> Floats:
    """[1917, 4] (cy, cx, h, w): the six grids of the published configuration, scales 0.2 to 0.95."""
    scales = [*np.linspace(0.2, 0.95, 6), 1.0]
    rows = []
    for level, cells in enumerate((19, 10, 5, 3, 2, 1)):
        if level == 0:
            sizes = [(0.1, 1.0), (scales[0], 2.0), (scales[0], 0.5)]
        else:
            sizes = [(scales[level], ratio) for ratio in (1.0, 2.0, 0.5, 3.0, 0.3333)]
            sizes.append((float(np.sqrt(scales[level] * scales[level + 1])), 1.0))
        shapes = np.array([(scale / np.sqrt(ratio), scale * np.sqrt(ratio)) for scale, ratio in sizes])
        centres = (np.arange(cells) + 0.5) / cells
        cy, cx = np.meshgrid(centres, centres, indexing="ij")
        middle = np.repeat(np.stack([cy.ravel(), cx.ravel()], axis=1), len(sizes), axis=0)
        rows.append(np.concatenate([middle, np.tile(shapes, (cells * cells, 1))], axis=1))
    return np.concatenate(rows).astype(np.float32)


def _compiled(cache: Path, options: dict[str, Any]) -> Any:
    """The network, from the cache when it is there; made, kept and compiled when it is not."""
    weights = asset_path("coco-detector", cache_dir=cache)
    core = networks.core(cache)
    kept = cache / f"coco-detector-{asset('coco-detector').sha256[:12]}-{_NETWORK_VERSION}.xml"
    if kept.is_file():
        try:
            return core.compile_model(str(kept), "CPU", options)
        except RuntimeError:
            kept.unlink()  # cut short, or changed by hand: made again below
    network = _network(core, weights)
    return networks.compiled(core, _keep(network, kept) or network, options)


def _network(core: Any, weights: Path) -> Any:
    """The convolutions alone, taking uint8 RGB [1, 300, 300, 3]."""
    import openvino
    from openvino.preprocess import PrePostProcessor

    small = cut(weights.read_bytes(), source=_SOURCE, shape=(1, SIDE, SIDE, 3), outputs=(_BOXES, _CLASSES))
    with tempfile.TemporaryDirectory() as folder:  # OpenVINO reads this format from a file only
        file = Path(folder) / "network.pb"
        file.write_bytes(small)
        steps = PrePostProcessor(core.read_model(str(file)))
        steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
        steps.input().preprocess().convert_element_type(openvino.Type.f32).mean(127.5).scale(127.5)
        return steps.build()


def _keep(network: Any, kept: Path) -> str | None:
    """Save the network beside its final name and rename it; None when the folder can't be written."""
    import openvino

    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            file = Path(folder) / kept.name
            openvino.save_model(network, str(file), compress_to_fp16=False)
            os.replace(file.with_suffix(".bin"), kept.with_suffix(".bin"))
            os.replace(file, kept)
    except (OSError, RuntimeError):
        return None
    return str(kept)
