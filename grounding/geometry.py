"""Overlap of boxes and of spans, and the best pairing of two sets.

Shapes: `boxes_N4` holds x1, y1, x2, y2 a row; `spans_N2` start and end; matrices are float64, N rows by M
columns, 0..1. Two things without any extent overlap by 0, equal or not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from grounding.evidence import Box, Span

Array = npt.NDArray[np.float64]


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(a.x2, b.x2) - max(a.x1, b.x1)
    height = min(a.y2, b.y2) - max(a.y1, b.y1)
    if width <= 0.0 or height <= 0.0:
        return 0.0
    shared = width * height
    union = area(a) + area(b) - shared
    return min(shared / union, 1.0) if union > 0.0 else 0.0


def area(box: Box) -> float:
    """Area of a box, 0..1 of the frame."""
    return (box.x2 - box.x1) * (box.y2 - box.y1)


def tiou(a: Span, b: Span) -> float:
    """Intersection over union of two spans in time, 0..1."""
    shared = min(a.end_s, b.end_s) - max(a.start_s, b.start_s)
    if shared <= 0.0:
        return 0.0
    return min(shared / ((a.end_s - a.start_s) + (b.end_s - b.start_s) - shared), 1.0)


def remaining(span: Span, taken: Sequence[Span]) -> tuple[Span, ...]:
    """What is left of a span, its end included, without stretches that are half open; in order."""
    left: list[Span] = []
    at_s = span.start_s
    for gone in sorted(taken, key=lambda s: s.start_s):
        if gone.end_s <= at_s or gone.start_s > span.end_s or gone.start_s == gone.end_s:
            continue
        if gone.start_s > at_s:
            left.append(Span(at_s, gone.start_s))
        at_s = gone.end_s
    if at_s <= span.end_s:
        left.append(Span(at_s, span.end_s))
    return tuple(left)


def boxes_array(boxes: Sequence[Box]) -> Array:
    """Boxes as an array of shape [N, 4], also when there are none."""
    return np.array([(b.x1, b.y1, b.x2, b.y2) for b in boxes], dtype=np.float64).reshape(-1, 4)


def spans_array(spans: Sequence[Span]) -> Array:
    """Spans as an array of shape [N, 2], also when there are none."""
    return np.array([(s.start_s, s.end_s) for s in spans], dtype=np.float64).reshape(-1, 2)


def iou_matrix(boxes_N4: Array, boxes_M4: Array) -> Array:
    """IoU of every box of the one set with every box of the other, shape [N, M].

    Any unit will do, if it is the same for both; corners must be in order (x1 <= x2, y1 <= y2).
    """
    a, b = boxes_N4[:, None, :], boxes_M4[None, :, :]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.prod(np.clip(sides, 0.0, None), axis=-1)
    areas_a = np.prod(a[..., 2:] - a[..., :2], axis=-1)
    areas_b = np.prod(b[..., 2:] - b[..., :2], axis=-1)
    return _ratio(shared, areas_a + areas_b - shared)


def tiou_matrix(spans_N2: Array, spans_M2: Array) -> Array:
    """tIoU of every span of the one set with every span of the other, shape [N, M]."""
    a, b = spans_N2[:, None, :], spans_M2[None, :, :]
    shared = np.clip(np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0]), 0.0, None)
    return _ratio(shared, (a[..., 1] - a[..., 0]) + (b[..., 1] - b[..., 0]) - shared)


def match(scores_NM: Array, *, above: float = 0.0) -> list[tuple[int, int]]:
    """The one-to-one pairing of rows with columns whose scores sum highest (Hungarian method).

    Pairs whose score isn't above `above` are left out after the pairing; the rest come ordered by row.
    Raises ValueError when a score is NaN or infinite, or the array hasn't two dimensions.
    """
    from scipy.optimize import linear_sum_assignment

    if scores_NM.ndim != 2 or not np.isfinite(scores_NM).all():
        raise ValueError(f"matching needs a matrix of finite scores, not shape {scores_NM.shape} with gaps")
    rows, columns = linear_sum_assignment(scores_NM, maximize=True)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if scores_NM[r, c] > above]


def _ratio(shared: Array, union: Array) -> Array:
    out = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0.0)
    return np.minimum(out, 1.0)
