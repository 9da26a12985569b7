"""Claimed evidence against true evidence: pairs are found, none twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding import Box, Claim
from tests.unit.training.completions import DOG, LEFT, MAN, RIGHT, seen, truth
from training.matching import EvidenceScore, evidence_score, names_alike

claims = st.lists(
    st.builds(
        seen,
        st.sampled_from(["man", "dog", "red ball"]),
        st.integers(0, 5).map(float),
        st.sampled_from([LEFT, RIGHT, Box(0.1, 0.2, 0.5, 0.6), Box(0.0, 0.0, 0.0, 0.0)]),
    ),
    max_size=6,
)


def scored(
    said: Sequence[Claim], true: Sequence[Claim], *, groups: tuple[int, ...] = (), lost: int = 0
) -> EvidenceScore:
    whole = replace(truth(*true), groups=groups)
    return evidence_score(said, whole, sigma_s=1.0, gate_s=1.0, lost=lost)


def test_one_claim_of_a_group_is_enough_and_a_second_one_costs() -> None:
    moments = [seen("man", 10.0 + n, LEFT) for n in range(4)]
    whole = [*moments, DOG]
    for moment in moments:
        assert scored([moment, DOG], whole, groups=(0, 0, 0, 0, 1)).f1 == pytest.approx(1.0)
    assert scored(moments, whole, groups=(0, 0, 0, 0, 1)).precision == pytest.approx(1 / 4)
    assert scored([DOG], whole, groups=(0, 0, 0, 0, 1)).recall == pytest.approx(1 / 2)
    assert scored([DOG], whole).recall == pytest.approx(1 / 5)


def test_each_truth_pays_once_and_what_is_left_out_costs_recall() -> None:
    found = scored([MAN, MAN, seen("cat", 10.0, LEFT)], [MAN, DOG])
    assert (found.precision, found.recall) == (pytest.approx(1 / 3), pytest.approx(1 / 2))
    assert found.f1 == pytest.approx(2 / 5)


def test_the_pairing_is_the_best_one_and_not_the_first() -> None:
    loose = Box(0.1, 0.2, 0.4, 0.5)
    said = [seen("man", 10.0, LEFT), seen("man", 10.0, loose)]
    true = [seen("man", 10.0, loose), seen("man", 10.0, LEFT)]
    assert scored(said, true).f1 == pytest.approx(1.0)


def test_two_of_a_kind_in_one_claim_are_two_sightings() -> None:
    both = seen("man", 10.0, LEFT, RIGHT)
    assert scored([both], [both]).f1 == pytest.approx(1.0)
    assert scored([MAN], [both]).recall == pytest.approx(0.5)


def test_what_was_too_much_to_keep_counts_as_wrong() -> None:
    assert scored([MAN], [MAN], lost=9).precision == pytest.approx(0.1)


def test_saying_nothing_scores_nothing() -> None:
    assert scored([], [MAN]).f1 == 0.0


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("Red  Ball", "red ball", 1.0),
        ("red ball", "the red balls", 0.8),
        ("man", "woman", 0.0),
        ("自転車", "自転車", 1.0),
        ("自転車", "犬", 0.0),
    ],
)
def test_names_are_alike_by_the_words_they_share(a: str, b: str, expected: float) -> None:
    assert names_alike(a, b) == pytest.approx(expected)


@given(claims, claims.filter(bool))
def test_any_claims_score_from_zero_to_one_whatever_their_order(said: list[Claim], true: list[Claim]) -> None:
    found = scored(said, true)
    turned = scored(said[::-1], true[::-1])
    assert found.f1 == pytest.approx(turned.f1)
    assert all(0.0 <= value <= 1.0 + 1e-12 for value in (found.precision, found.recall, found.f1))


@given(claims.filter(bool))
def test_the_truth_itself_scores_full_unless_a_box_has_no_extent(true: list[Claim]) -> None:
    flat = sum(box.x1 == box.x2 for claim in true for box in claim.boxes)
    assert scored(true, true).recall == pytest.approx(1 - flat / len(true))
