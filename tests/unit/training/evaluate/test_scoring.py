"""The measures of one reply."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grounding import Box, Span, format_abstention, format_completion
from tests.unit.training.completions import (
    DOG,
    LEFT,
    MAN,
    READING,
    box_answer,
    completion,
    seen,
    spans_answer,
    truth,
)
from training.evaluate.scoring import scores
from training.truth import Truth


def scored(text: str, true: Truth) -> dict[str, float]:
    return scores(text, READING.parse(text), true)


def test_a_right_and_proven_answer_has_full_marks() -> None:
    found = scored(completion(MAN, DOG), truth(MAN, DOG))
    expected = {"parsed": 1, "acc": 1, "evidence_f1": 1, "viou": 1, "claims": 2, "timed": 2, "late": 0}
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_words_that_are_near_are_not_right() -> None:
    assert scored(completion(MAN, answer="a man walks a dog"), truth(MAN))["acc"] == 0.0


def test_a_claim_is_late_by_more_than_a_second_after_the_nearest_moment_and_not_before_it() -> None:
    claims = [seen("man", second, LEFT) for second in (8.0, 10.9, 11.2, 14.9, 19.5, 300.0)]
    found = scored(completion(*claims), truth(MAN, DOG))
    assert (found["late"], found["timed"]) == (3.0, 6.0)  # 11.2 and 14.9 after 10 s, 300 after 20 s


def test_where_one_moment_of_a_group_is_enough_places_in_each_frame_are_not_asked() -> None:
    grouped = replace(truth(MAN, seen("man", 11.0, LEFT)), groups=(0, 0))
    found = scored(completion(MAN), grouped)
    assert (found["evidence_f1"], found["evidence_precision"]) == (pytest.approx(1.0), pytest.approx(1.0))
    assert "viou" not in found


def test_spans_boxes_and_descriptions_are_found_where_they_stand() -> None:
    when = Truth(task="temporal QA", spans=(Span(10.0, 20.0),))
    assert scored(completion(MAN, answer=spans_answer(Span(10.0, 15.0))), when)["tiou"] == pytest.approx(0.5)
    where = Truth(task="visual QA", answer="ball", box=LEFT, evidence=(seen("ball", 3.5, LEFT),))
    half = Box(LEFT.x1, LEFT.y1, LEFT.x2, (LEFT.y1 + LEFT.y2) / 2)
    found = scored(format_completion(reasoning="", answer=box_answer("ball", half)), where)
    assert (found["viou"], found["evidence_f1"]) == (pytest.approx(0.5), pytest.approx(0.5))
    told = Truth(task="describe", answer="1 event", spans=(Span(10.0, 20.0),))
    text = format_completion(reasoning=f"{spans_answer(Span(10.0, 20.0))}: a man walks.", answer="1 event")
    assert scored(text, told)["tiou"] == pytest.approx(1.0)


def test_abstentions_are_counted_on_both_sides() -> None:
    silent = format_completion(reasoning="Dark.", answer=format_abstention())
    nothing = Truth(task="General video QA Free-form", abstains=True)
    names = ("acc", "abstained", "abstains", "abstained_rightly")
    assert [scored(silent, nothing)[name] for name in names] == [1, 1, 1, 1]
    assert [scored(silent, truth(MAN))[name] for name in names] == [0, 1, 0, 0]
    assert [scored(completion(MAN), nothing)[name] for name in names] == [0, 0, 1, 0]


@pytest.mark.parametrize("text", ["", "Yes.", completion(MAN)[:-4], completion(MAN) + completion(DOG)])
def test_what_is_not_in_the_grammar_does_not_count_as_parsed(text: str) -> None:
    assert scored(text, truth(MAN))["parsed"] == 0.0
