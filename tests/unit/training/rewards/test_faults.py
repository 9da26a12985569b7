"""Every fault of the published rewards: it pays under theirs and does not under ours."""

from __future__ import annotations

import pytest

from grounding import Box, Span, Task, format_box, format_completion
from tests.unit.training.completions import (
    DOG,
    LEFT,
    MAN,
    READING,
    RIGHT,
    box_answer,
    completion,
    grid,
    seen,
    spans_answer,
    statement,
    truth,
)
from training.rewards import reward_set
from training.truth import Truth


def theirs(text: str, true: Truth, *, progress: float = 1.0) -> dict[str, float]:
    return reward_set("open-o3").score(text, true, reading=READING, progress=progress)


def ours(text: str, true: Truth, *, progress: float = 1.0) -> dict[str, float]:
    return reward_set("proofreel").score(text, true, reading=READING, progress=progress)


def visual(box: Box) -> Truth:
    return Truth(task="visual QA", box=box)


def picture(answer: str, *, task: Task = "visual QA") -> str:
    return format_completion(reasoning="It stands to the left.", answer=answer)


def test_blocks_in_the_wrong_order_are_a_format_to_theirs_and_none_to_ours() -> None:
    inside = statement(MAN)
    turned = f"</answer></think><answer>A man</answer> <think>{inside}</think><think><answer>"
    assert theirs(turned, truth(MAN))["format"] == 1.0
    assert ours(turned, truth(MAN))["format"] == 0.0


def test_an_answer_before_the_thinking_is_a_format_to_theirs_and_none_to_ours() -> None:
    first = f"<answer>A man</answer>\n<think>{statement(MAN)}</think>"
    assert theirs(first, truth(MAN))["format"] == 1.0
    assert ours(first, truth(MAN))["format"] == 0.0


@pytest.mark.parametrize("task", ["General video QA MCQ", "General video QA Free-form"])
def test_a_general_answer_without_any_proof_is_in_full_form_to_theirs_alone(task: Task) -> None:
    bare = format_completion(reasoning="It must be so.", answer="A")
    true = truth(MAN, task=task, answer="A")
    assert theirs(bare, true)["format"] == 1.0
    assert ours(bare, true)["format"] == 0.5
    assert ours(completion(MAN, answer="A"), true)["format"] == 1.0


def test_a_name_of_several_words_is_none_to_theirs() -> None:
    named = picture(box_answer("old red bicycle", LEFT))
    assert theirs(named, visual(LEFT))["format"] == 0.5
    assert ours(named, visual(LEFT))["format"] == 1.0


@pytest.mark.parametrize("late_s", [1.5, 500.0])
def test_a_box_that_comes_late_by_any_time_is_in_place_to_theirs_alone(late_s: float) -> None:
    late = completion(seen("man", MAN.time_s + late_s, LEFT))
    assert theirs(late, truth(MAN))["space"] == 1.0
    assert ours(late, truth(MAN))["evidence"] == 0.0


def test_their_gate_is_shut_to_what_is_early_and_ours_is_the_same_on_both_sides() -> None:
    early, late = (completion(seen("man", MAN.time_s + off_s, LEFT)) for off_s in (-1.5, 1.5))
    assert theirs(early, truth(MAN))["space"] == 0.0 < theirs(late, truth(MAN))["space"]
    near = [ours(completion(seen("man", MAN.time_s + s, LEFT)), truth(MAN)) for s in (-0.5, 0.5)]
    assert near[0]["evidence"] == pytest.approx(near[1]["evidence"])
    assert near[0]["evidence"] > 0.8
    assert ours(early, truth(MAN))["evidence"] == ours(late, truth(MAN))["evidence"] == 0.0


def test_a_grid_of_boxes_hits_everything_to_theirs_alone() -> None:
    true = truth(seen("man", 10.0, Box(0.25, 0.25, 0.5, 0.75)))
    everywhere = completion(seen("man", 10.0, *grid(4)))
    assert len(grid(4)) == 100
    assert theirs(everywhere, true)["space"] == 1.0
    assert ours(everywhere, true)["evidence"] == pytest.approx(2 / 101)


def test_another_name_for_what_is_seen_costs_nothing_with_theirs_alone() -> None:
    wrong = completion(seen("zebra", MAN.time_s, LEFT))
    assert theirs(wrong, truth(MAN))["space"] == 1.0
    assert ours(wrong, truth(MAN))["evidence"] == 0.0


def test_one_claim_of_two_is_enough_for_theirs_alone() -> None:
    half, whole = completion(MAN), completion(MAN, DOG)
    assert theirs(half, truth(MAN, DOG))["space"] == theirs(whole, truth(MAN, DOG))["space"] == 1.0
    assert ours(half, truth(MAN, DOG))["evidence"] == pytest.approx(2 / 3)
    assert ours(whole, truth(MAN, DOG))["evidence"] == pytest.approx(1.0)


def test_to_try_a_second_claim_costs_half_with_theirs_and_less_with_ours() -> None:
    sure, daring = completion(MAN), completion(MAN, seen("dog", 20.0, LEFT))
    true = truth(MAN, DOG)
    assert theirs(daring, true)["space"] == pytest.approx(theirs(sure, true)["space"] / 2)
    assert ours(daring, true)["evidence"] == pytest.approx(ours(sure, true)["evidence"] * 3 / 4)


def test_the_same_claim_again_and_again_pays_in_full_with_theirs_alone() -> None:
    again = completion(*[MAN] * 20)
    assert theirs(again, truth(MAN))["space"] == 1.0
    assert ours(again, truth(MAN))["evidence"] == pytest.approx(2 / 21)


def test_more_boxes_than_the_one_asked_for_cost_nothing_with_theirs_alone() -> None:
    more = "".join(format_box(box, coordinates="relative-1000") for box in grid(4)[:9])
    text = picture(box_answer("dog", LEFT) + more)
    assert theirs(text, visual(LEFT))["answer_box"] == pytest.approx(1.0)
    assert ours(text, visual(LEFT))["answer_box"] == pytest.approx(0.1)
    assert ours(picture(box_answer("dog", LEFT)), visual(LEFT))["answer_box"] == pytest.approx(1.0)


def test_several_objects_in_the_answer_cost_too() -> None:
    text = picture(f"{box_answer('dog', LEFT)} or {box_answer('dog', RIGHT)}")
    assert theirs(text, visual(LEFT))["answer_box"] == pytest.approx(1.0)
    assert ours(text, visual(LEFT))["answer_box"] == pytest.approx(0.5)


def test_a_span_too_many_costs_nothing_with_theirs_alone() -> None:
    true = Truth(task="temporal QA", spans=(Span(10.0, 20.0),))
    text = completion(MAN, answer=spans_answer(*(Span(10.0 * n, 10.0 * n + 10.0) for n in range(1, 10))))
    assert theirs(text, true)["answer_time"] == 1.0
    assert ours(text, true)["answer_time"] == pytest.approx(0.2)


def test_time_that_stands_without_a_claim_pays_with_theirs_alone() -> None:
    text = format_completion(reasoning="<t>10</t>s", answer="A man walks his dog")
    assert theirs(text, truth(MAN))["time"] == 1.0
    assert ours(text, truth(MAN))["time"] == 0.0


def test_what_is_right_pays_in_full_with_both() -> None:
    text = completion(MAN, DOG)
    for scores in (theirs(text, truth(MAN, DOG)), ours(text, truth(MAN, DOG))):
        for name in {"format", "answer", "time", "space", "evidence"} & set(scores):
            assert scores[name] == pytest.approx(1.0), name
