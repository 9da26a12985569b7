"""Overlap and pairing against numbers worked out by hand and against the plain definitions."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from grounding.evidence import Box, Span
from grounding.geometry import (
    area,
    boxes_array,
    iou,
    iou_matrix,
    match,
    remaining,
    spans_array,
    tiou,
    tiou_matrix,
)

pairs = st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)).map(sorted)
boxes = st.builds(lambda xs, ys: Box(xs[0], ys[0], xs[1], ys[1]), pairs, pairs)
spans = pairs.map(lambda pair: Span(pair[0] * 1000, pair[1] * 1000))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (Box(0, 0, 0.5, 0.5), Box(0, 0, 0.5, 0.5), 1.0),
        (Box(0, 0, 0.5, 1), Box(0.25, 0, 0.75, 1), 1 / 3),
        (Box(0, 0, 1, 1), Box(0.25, 0.25, 0.75, 0.75), 0.25),
        (Box(0, 0, 0.5, 0.5), Box(0.5, 0, 1, 0.5), 0.0),
        (Box(0, 0, 0.2, 0.2), Box(0.8, 0.8, 1, 1), 0.0),
        (Box(0.5, 0.5, 0.5, 0.5), Box(0.5, 0.5, 0.5, 0.5), 0.0),
        (Box(0, 0, 1e-200, 1e-200), Box(0, 0, 1e-200, 1e-200), 0.0),
    ],
)
def test_iou_of_two_boxes_is_what_a_ruler_says(a: Box, b: Box, expected: float) -> None:
    assert iou(a, b) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (Span(0, 10), Span(0, 10), 1.0),
        (Span(0, 10), Span(5, 15), 1 / 3),
        (Span(0, 10), Span(2, 4), 0.2),
        (Span(0, 10), Span(10, 20), 0.0),
        (Span(0, 1), Span(5, 6), 0.0),
        (Span(3, 3), Span(3, 3), 0.0),
    ],
)
def test_tiou_of_two_spans_is_what_a_clock_says(a: Span, b: Span, expected: float) -> None:
    assert tiou(a, b) == pytest.approx(expected)


@given(boxes, boxes)
@hypothesis_settings(deadline=None)
def test_iou_is_symmetric_and_at_most_the_ratio_of_the_areas(a: Box, b: Box) -> None:
    assert iou(a, b) == pytest.approx(iou(b, a))
    assert 0.0 <= iou(a, b) <= 1.0
    assert iou(a, b) * max(area(a), area(b)) <= min(area(a), area(b)) + 1e-12


@given(st.lists(boxes, max_size=6), st.lists(boxes, max_size=6))
@hypothesis_settings(deadline=None)
def test_the_iou_matrix_holds_the_iou_of_each_pair(rows: list[Box], columns: list[Box]) -> None:
    matrix = iou_matrix(boxes_array(rows), boxes_array(columns))
    assert matrix.shape == (len(rows), len(columns))
    plain = [iou(a, b) for a in rows for b in columns]
    assert matrix.ravel() == pytest.approx(plain, abs=1e-9)


@given(st.lists(spans, max_size=6), st.lists(spans, max_size=6))
@hypothesis_settings(deadline=None)
def test_the_tiou_matrix_holds_the_tiou_of_each_pair(rows: list[Span], columns: list[Span]) -> None:
    matrix = tiou_matrix(spans_array(rows), spans_array(columns))
    assert matrix.shape == (len(rows), len(columns))
    assert matrix.ravel() == pytest.approx([tiou(a, b) for a in rows for b in columns], abs=1e-9)


@given(st.integers(1, 5), st.integers(1, 5), st.data())
@hypothesis_settings(deadline=None)
def test_the_match_sums_as_high_as_the_best_of_all_pairings(n: int, m: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, 100), min_size=n * m, max_size=n * m))
    scores = np.array(values, dtype=np.float64).reshape(n, m) / 100
    pairing = match(scores)
    assert len({r for r, _ in pairing}) == len({c for _, c in pairing}) == len(pairing)
    wide = scores if n <= m else scores.T
    best = max(
        sum(wide[row, column] for row, column in enumerate(order))
        for order in permutations(range(wide.shape[1]), wide.shape[0])
    )
    assert sum(scores[pair] for pair in pairing) == pytest.approx(best)


def test_the_match_prefers_the_best_whole_to_the_best_pair() -> None:
    assert match(np.array([[0.9, 0.8], [0.8, 0.1]])) == [(0, 1), (1, 0)]


def test_pairs_that_do_not_reach_the_floor_are_left_out() -> None:
    scores = np.array([[0.9, 0.0], [0.0, 0.3]])
    assert match(scores) == [(0, 0), (1, 1)]
    assert match(scores, above=0.3) == [(0, 0)]
    assert match(np.zeros((2, 3))) == []


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_matches_nothing(shape: tuple[int, int]) -> None:
    assert match(np.zeros(shape)) == []


@pytest.mark.parametrize("scores", [np.array([[np.nan]]), np.array([[np.inf, 1.0]]), np.zeros(3)])
def test_scores_that_can_not_be_compared_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(ValueError, match="matrix of finite scores"):
        match(scores)


@pytest.mark.parametrize(
    ("taken", "left"),
    [
        ([], [(2, 8)]),
        ([(4, 5)], [(2, 4), (5, 8)]),
        ([(6, 7), (3, 4), (3, 5)], [(2, 3), (5, 6), (7, 8)]),
        ([(0, 3), (7, 9)], [(3, 7)]),
        ([(1, 9)], []),
        ([(5, 8)], [(2, 5), (8, 8)]),  # what is taken is half open
        ([(5, 5), (8, 9)], [(2, 8)]),
    ],
)
def test_what_remains_of_a_span_lies_between_what_is_taken(
    taken: list[tuple[int, int]], left: list[tuple[int, int]]
) -> None:
    assert [(s.start_s, s.end_s) for s in remaining(Span(2, 8), [Span(*t) for t in taken])] == left
