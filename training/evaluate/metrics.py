"""The published metrics of grounded video answers: pure functions of numbers, spans and boxes.

V-STaR (arXiv 2503.11495) scores what, when and where, 0..1 each: Acc, m_tIoU and m_vIoU. AM is their mean
and LGM = -(1/3) sum ln(1 - x), both taken of data-set means. mAM and mLGM average the two orders in which it
asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from grounding.evidence import Box, Claim, Span
from grounding.geometry import boxes_array, iou_matrix, tiou
from training.matching import names_alike

Floats = npt.NDArray[np.float64]

LGM_CEILING = 0.999
"""A mean above it counts as this much: the logarithm of a score without a fault is infinite."""

JOINT_TIOU, JOINT_VIOU = 0.3, 0.1
"""What a span and boxes must reach for an answer to be right jointly."""

RECALLED = (0.3, 0.5, 0.7)
SAME_TIME_S = 0.25
"""How far a claim may lie from an annotated time and still be about that frame."""

ALIKE = 0.5
"""Two names that share more than this are names of the same thing."""


def am(acc: Floats | float, tiou: Floats | float, viou: Floats | float) -> Floats:
    """Arithmetic mean of what, when and where."""
    return (np.asarray(acc) + tiou + viou) / 3.0


def lgm(acc: Floats | float, tiou: Floats | float, viou: Floats | float) -> Floats:
    """Logarithmic geometric mean of what, when and where."""
    means = np.minimum(np.stack(np.broadcast_arrays(acc, tiou, viou)), LGM_CEILING)
    spread: Floats = np.abs(np.log1p(-means)).mean(axis=0)
    return spread


def is_joint(acc: float, tiou: float, viou: float) -> bool:
    """Whether what, when and where are right at once (V-STaR: a judge's score of 2 is an acc of 1)."""
    return acc >= 1.0 and tiou >= JOINT_TIOU and viou >= JOINT_VIOU


def judged(scores: Sequence[int]) -> float:
    """V-STaR's Acc: the share of a judge's scores 0..3 that are at least 2."""
    return sum(score >= 2 for score in scores) / len(scores)


def viou(said: Sequence[Claim], truth: Sequence[Claim], *, named: bool) -> float:
    """Mean, over every annotated box, of the best IoU of the boxes said for that time; 0 where there is none.

    `named`: only boxes of a thing of that name count; V-STaR, which asks about one thing, has no names.
    """
    return float(
        np.mean([_best(box, _said_of(claim, said, named)) for claim in truth for box in claim.boxes])
    )


def viou_by_second(said: Mapping[int, Sequence[Box]], truth: Mapping[int, Box]) -> float:
    """V-STaR's vIoU of one sample: by annotated whole second; a second without a prediction counts 0."""
    return float(np.mean([_best(box, said.get(second, ())) for second, box in truth.items()]))


def tvgbench(said: Sequence[Span | None], truth: Sequence[Span]) -> dict[str, float]:
    """TVGBench: mean IoU, and the share of spans that reach an IoU of .3, .5, .7. None is no prediction."""
    overlaps = [0.0 if a is None else tiou(a, b) for a, b in zip(said, truth, strict=True)]
    recalled = {f"r1@{least}": float(np.mean([o >= least for o in overlaps])) for least in RECALLED}
    return {"miou": float(np.mean(overlaps)), **recalled}


def _said_of(claim: Claim, said: Sequence[Claim], named: bool) -> list[Box]:
    return [
        box
        for other in said
        if abs(other.time_s - claim.time_s) <= SAME_TIME_S
        and (not named or names_alike(other.subject, claim.subject) > ALIKE)
        for box in other.boxes
    ]


def _best(box: Box, said: Sequence[Box]) -> float:
    return float(iou_matrix(boxes_array(said), boxes_array([box])).max(initial=0.0))
