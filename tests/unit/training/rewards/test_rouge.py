"""ROUGE as `rouge-score` 0.1.2 computes it: what that package gave for these is written down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.rewards.rouge import longest_common, rouge

GIVEN = [
    (
        "A man in a red jacket is riding a bicycle",
        "The man rides his bicycles wearing red",
        0.2745098039215686,
    ),
    ("She opens the fridge and takes milk.", "She takes the milk, opens the fridge", 0.5873015873015873),
    ("Running quickly, the runner ran", "running quick the runners run", 0.48333333333333334),
    ("7", "7", 0.6666666666666666),
    ("the dog", "a cat", 0.0),
    ("", "", 0.0),
]
sentences = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), max_size=12)


@pytest.mark.parametrize(("truth", "said", "expected"), GIVEN)
def test_it_is_what_the_package_of_google_gives(truth: str, said: str, expected: float) -> None:
    assert rouge(truth, said) == pytest.approx(expected, abs=1e-12)


@given(sentences, sentences)
def test_the_common_subsequence_is_the_longest(a: list[str], b: list[str]) -> None:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    assert longest_common(a, b) == table[-1][-1]


@given(st.text(), st.text())
def test_any_two_texts_get_a_score(a: str, b: str) -> None:
    assert 0.0 <= rouge(a, b) <= 1.0
    assert rouge(a, b) == rouge(b, a)
