"""The types check themselves."""

from __future__ import annotations

import dataclasses

import pytest

from grounding.evidence import Box, Problem, Span


@pytest.mark.parametrize(
    "corners",
    [
        (0.5, 0.0, 0.4, 1.0),
        (0.0, 0.5, 1.0, 0.4),
        (-0.1, 0.0, 1.0, 1.0),
        (0.0, 0.0, 1.1, 1.0),
        (float("nan"), 0.0, 1.0, 1.0),
        (0.0, 0.0, float("inf"), 1.0),
    ],
)
def test_a_box_that_is_inverted_or_leaves_the_frame_is_refused(corners: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="a box needs"):
        Box(*corners)


@pytest.mark.parametrize("ends", [(2.0, 1.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_a_span_that_runs_backwards_or_for_ever_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="a span needs finite start <= end"):
        Span(*ends)


def test_borders_belong_to_the_frame_and_an_instant_is_a_span() -> None:
    assert Box(0.0, 0.0, 1.0, 1.0).x2 == 1.0
    assert Span(3.0, 3.0).start_s == 3.0


def test_evidence_can_not_be_changed_once_made() -> None:
    for made, field in ((Box(0, 0, 1, 1), "x1"), (Span(0, 1), "end_s")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, field, 0.5)


def test_a_problem_stands_for_one_thing_unless_it_says_more() -> None:
    assert Problem(kind="bad_box", offset=0, excerpt="").count == 1
