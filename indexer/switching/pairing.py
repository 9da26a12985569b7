"""Which moment of one run is which of another's, and how well their boxes agree. Pure.

Two moments are one when they speak of the same things (a subject in common, or the same words) and overlap in
time by at least `LEAST_TIOU`; each has at most one partner, chosen so that the overlaps sum highest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grounding.evidence import Box, Span
from grounding.geometry import boxes_array, iou_matrix, match, tiou

LEAST_TIOU = 0.2
LEAST_IOU = 0.5
WIDER_S = 0.25
"""Each end is moved out by half a sampling step: a moment on one frame has no length to overlap by."""

MOVED_S = 0.5
SAME_TIME_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A claim: what was seen when, and where."""

    subject: str
    time_s: float
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A moment of one run with its claims."""

    id: int
    start_s: float
    end_s: float
    text: str
    claims: tuple[Seen, ...]

    @property
    def span(self) -> Span:
        """The time it is compared by."""
        return Span(self.start_s - WIDER_S, self.end_s + WIDER_S)

    @property
    def subjects(self) -> frozenset[str]:
        return frozenset(claim.subject.casefold() for claim in self.claims)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxes:
    """Boxes of the same subject at the same time: pairs that overlap, the sum of their IoU, and the rest."""

    pairs: int = 0
    iou_sum: float = 0.0
    gone: int = 0
    new: int = 0

    def __add__(self, other: Boxes) -> Boxes:
        return Boxes(
            pairs=self.pairs + other.pairs,
            iou_sum=self.iou_sum + other.iou_sum,
            gone=self.gone + other.gone,
            new=self.new + other.new,
        )


def pair_up(before: Sequence[Told], after: Sequence[Told]) -> list[tuple[int, int]]:
    """The places of the moments that are one, by the first."""
    edges = _edges(before, after)
    if not edges:
        return []
    pairs: list[tuple[int, int]] = []
    for rows, columns in _groups(edges, len(before), len(after)):
        scores = np.array([[edges.get((row, column), 0.0) for column in columns] for row in rows])
        pairs += [(rows[r], columns[c]) for r, c in match(scores) if (rows[r], columns[c]) in edges]
    return sorted(pairs)


def has_moved(before: Told, after: Told) -> bool:
    """Whether a start or an end is another, by more than a sampling step."""
    return max(abs(before.start_s - after.start_s), abs(before.end_s - after.end_s)) > MOVED_S


def compare_boxes(before: Told, after: Told) -> Boxes:
    """The boxes of two moments that are one: claims of one subject, nearest in time, box by box."""
    total, free = Boxes(), list(after.claims)
    for claim in before.claims:
        near = [c for c in free if c.subject.casefold() == claim.subject.casefold()]
        partner = min(near, key=lambda c: abs(c.time_s - claim.time_s), default=None)
        if partner is None or abs(partner.time_s - claim.time_s) > SAME_TIME_S:
            total += Boxes(gone=len(claim.boxes))
            continue
        free.remove(partner)
        total += _boxes(claim.boxes, partner.boxes)
    return total + Boxes(new=sum(len(claim.boxes) for claim in free))


def _boxes(before: Sequence[Box], after: Sequence[Box]) -> Boxes:
    overlaps_NM = iou_matrix(boxes_array(before), boxes_array(after))
    pairs = match(overlaps_NM, above=LEAST_IOU)
    return Boxes(
        pairs=len(pairs),
        iou_sum=float(sum(overlaps_NM[pair] for pair in pairs)),
        gone=len(before) - len(pairs),
        new=len(after) - len(pairs),
    )


def _edges(before: Sequence[Told], after: Sequence[Told]) -> dict[tuple[int, int], float]:
    """Overlap in time of every two moments that may be one; those far apart are never looked at."""
    order = sorted(range(len(after)), key=lambda i: after[i].span.start_s)
    starts = np.array([after[i].span.start_s for i in order])
    longest_s = max((told.span.end_s - told.span.start_s for told in after), default=0.0)
    edges = {}
    for row, one in enumerate(before):
        first, last = np.searchsorted(starts, [one.span.start_s - longest_s, one.span.end_s])
        for column in order[first:last]:
            other = after[column]
            overlap = tiou(one.span, other.span)
            if overlap >= LEAST_TIOU and (one.text == other.text or one.subjects & other.subjects):
                edges[row, column] = overlap
    return edges


def _groups(
    edges: dict[tuple[int, int], float], num_rows: int, num_columns: int
) -> list[tuple[list[int], list[int]]]:
    """Rows and columns that hang together: a long video falls into many small problems."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns = zip(*edges, strict=True)
    size = num_rows + num_columns
    graph = coo_array((np.ones(len(edges)), (rows, [num_rows + c for c in columns])), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    groups: dict[int, tuple[list[int], list[int]]] = {}
    for row in sorted(set(rows)):
        groups.setdefault(int(labels[row]), ([], []))[0].append(row)
    for column in sorted(set(columns)):
        groups[int(labels[num_rows + column])][1].append(column)
    return list(groups.values())
