"""Claimed evidence held against true evidence: the best one-to-one matching, and its precision and recall.

A claim with several boxes counts as one sighting a box. Sighting i and truth j go together by

    S_ij = exp(-(t_i - g_j)^2 / 2 sigma^2) * IoU(box_i, box_j) * names alike, 0..1

and by 0 where they lie more than a gate apart in time. True sightings of a group prove the same thing, so
that the best of them counts for all. None pays twice: a wrong claim and a repeated one both cost precision,
and what is left out costs recall.

Shapes: N sightings said, M true ones, G groups of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grounding.escaping import collapse
from grounding.evidence import Box, Claim
from grounding.geometry import boxes_array, iou_matrix, match
from training.rewards.rouge import words
from training.truth import Truth

GATE_S = 1.0
"""How far a sighting may lie from the true one, either way, where the gate is on."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceScore:
    """How well what was said covers what is true, each 0..1. Nothing said has a precision of 0."""

    precision: float
    recall: float
    f1: float


def evidence_score(
    said: Sequence[Claim], truth: Truth, *, sigma_s: float, gate_s: float | None, lost: int = 0
) -> EvidenceScore:
    """Precision, recall and F1 of the best matching. `truth` must hold evidence.

    `lost` sightings more were said than are given here (too many to keep): they count as wrong.
    """
    groups_M = _groups(truth)
    total, wanted = len(_boxes(said)) + lost, len(np.unique(groups_M))
    if not total:
        return EvidenceScore(precision=0.0, recall=0.0, f1=0.0)
    scores_NM = sighting_scores(said, truth.evidence, sigma_s=sigma_s, gate_s=gate_s)
    scores_NG = np.stack([scores_NM[:, groups_M == g].max(axis=1) for g in np.unique(groups_M)], axis=1)
    reached = sum(float(scores_NG[pair]) for pair in match(scores_NG))
    return EvidenceScore(
        precision=reached / total, recall=reached / wanted, f1=2.0 * reached / (total + wanted)
    )


def sighting_scores(
    said: Sequence[Claim], truth: Sequence[Claim], *, sigma_s: float, gate_s: float | None
) -> Array:
    """S [N, M] of every sighting said with every true one."""
    apart_NM = np.abs(_times(said)[:, None] - _times(truth)[None, :])
    scores_NM = np.exp(-(apart_NM**2) / (2.0 * sigma_s**2))
    if gate_s is not None:
        scores_NM[apart_NM > gate_s] = 0.0
    boxes_NM = iou_matrix(boxes_array(_boxes(said)), boxes_array(_boxes(truth)))
    matched: Array = scores_NM * boxes_NM * _names_matrix(said, truth)
    return matched


def names_alike(a: str, b: str) -> float:
    """1 for the same name, else the F1 of their words' stems: "red ball" and "the red balls" give 0.8."""
    if collapse(a).casefold() == collapse(b).casefold():
        return 1.0
    first, second = set(words(a)), set(words(b))
    shared = len(first & second)
    return 2.0 * shared / (len(first) + len(second)) if shared else 0.0


def _groups(truth: Truth) -> npt.NDArray[np.int64]:
    """The group of every true sighting [M]; each is one of its own unless the truth says otherwise."""
    if not truth.groups:
        return np.arange(len(_boxes(truth.evidence)))
    boxes = [len(claim.boxes) for claim in truth.evidence]
    return np.repeat(np.array(truth.groups, dtype=np.int64), boxes)


def _names_matrix(said: Sequence[Claim], truth: Sequence[Claim]) -> Array:
    """`names_alike` [N, M], worked out once for each pair of different names."""
    rows, row_N = np.unique(_names(said), return_inverse=True)
    columns, column_M = np.unique(_names(truth), return_inverse=True)
    alike = np.array([[names_alike(str(row), str(column)) for column in columns] for row in rows])
    return alike.reshape(len(rows), len(columns))[np.ix_(row_N, column_M)]


def _names(claims: Sequence[Claim]) -> npt.NDArray[np.object_]:
    return np.array([claim.subject for claim in claims for _ in claim.boxes], dtype=object)


def _boxes(claims: Sequence[Claim]) -> list[Box]:
    return [box for claim in claims for box in claim.boxes]


def _times(claims: Sequence[Claim]) -> Array:
    return np.array([claim.time_s for claim in claims for _ in claim.boxes], dtype=np.float64)
