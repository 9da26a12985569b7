from __future__ import annotations

import pytest

from engines.contract import DESCRIBE
from indexer.questions import MAX_QUESTION_CHARS, as_question, question_set


def test_a_question_becomes_one_clean_line() -> None:
    assert as_question("  is  anyone\n on the ladder? ").text == "is anyone on the ladder?"


def test_when_asks_for_spans_and_everything_else_for_claims() -> None:
    assert as_question("When does the bus pass?").task == "temporal QA"
    assert as_question("who is there when the bus passes?").task == "temporal-spatial free-form QA"


def test_the_standing_description_comes_first_and_a_question_counts_once() -> None:
    asked = question_set(["a bus?", " a  bus? ", "a car?"])

    assert asked[0] == DESCRIBE
    assert [q.text for q in asked] == ["", "a bus?", "a car?"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" \n", "must not be empty"),
        ("x" * (MAX_QUESTION_CHARS + 1), f"at most {MAX_QUESTION_CHARS}"),
        ("a \udcff", "must be text"),
    ],
)
def test_a_question_that_can_not_be_asked_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        as_question(text)
