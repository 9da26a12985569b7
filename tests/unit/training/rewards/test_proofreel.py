"""What ours pay for, question by question."""

from __future__ import annotations

import math

import pytest

from grounding import Box, Claim, Span, format_abstention, format_claim, format_completion, format_option
from tests.unit.training.completions import (
    DOG,
    LEFT,
    MAN,
    READING,
    RIGHT,
    box_answer,
    completion,
    seen,
    spans_answer,
    truth,
)
from training.rewards import Reading, RewardOptions, reward_set
from training.truth import Truth

FIXED = RewardOptions(sigma_s=1.0)
PICTURE = Truth(task="visual QA", box=LEFT)


def scores(
    text: str, true: Truth, *, options: RewardOptions = FIXED, progress: float = 0.0
) -> dict[str, float]:
    return reward_set("proofreel", options=options).score(text, true, reading=READING, progress=progress)


@pytest.mark.parametrize("said", ["B", "B.", "(B) the dog"])
def test_a_letter_is_right_or_wrong(said: str) -> None:
    for letter, expected in (("B", 1.0), ("C", 0.0)):
        true = truth(MAN, task="General video QA MCQ", answer=letter)
        assert scores(completion(MAN, answer=said), true)["answer"] == expected


def test_the_option_of_a_temporal_question_stands_behind_its_span() -> None:
    true = Truth(task="temporal QA (MCQ)", answer="C", spans=(Span(10.0, 20.0),))
    found = scores(completion(MAN, answer=format_option(spans_answer(Span(15.0, 25.0)), "C")), true)
    assert (found["answer"], found["answer_time"]) == (1.0, pytest.approx(1 / 3))


def test_free_text_is_paid_by_the_words_it_shares_and_a_closed_answer_as_a_whole() -> None:
    near = completion(MAN, answer="a man walks his cat")
    assert 0.5 < scores(near, truth(MAN))["answer"] < 1.0
    closed = RewardOptions(closed_answers=True)
    assert scores(near, truth(MAN), options=closed)["answer"] == 0.0
    right = completion(MAN, answer="A man  walks his dog.")
    assert scores(right, truth(MAN), options=closed)["answer"] == 1.0


def test_the_one_box_asked_for_is_proof_enough() -> None:
    found = scores(format_completion(reasoning="It is red.", answer=box_answer("ball", LEFT)), PICTURE)
    assert (found["format"], found["answer_box"]) == (1.0, pytest.approx(1.0))
    half = Box(LEFT.x1, LEFT.y1, LEFT.x2, (LEFT.y1 + LEFT.y2) / 2)
    found = scores(format_completion(reasoning="It is red.", answer=box_answer("ball", half)), PICTURE)
    assert found["answer_box"] == pytest.approx(0.5)


def test_a_picture_answered_in_words_has_no_proof() -> None:
    found = scores(format_completion(reasoning="It is red.", answer="the ball"), PICTURE)
    assert (found["format"], found["answer_box"]) == (0.5, 0.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (completion(MAN), 1.0),
        (format_completion(reasoning="Too dark.", answer=format_abstention("too dark")), 1.0),
        (format_completion(reasoning="A man.", answer="A man"), 0.5),
        (completion(MAN, answer="<obj>man</obj>"), 0.5),  # a claim that points nowhere
        (completion(MAN)[:-9], 0.0),  # cut off
        (completion(MAN) + " and so on", 0.0),
        ("The answer is A.", 0.0),
        ("", 0.0),
    ],
)
def test_the_format_is_what_the_parser_finds_nothing_wrong_with(text: str, expected: float) -> None:
    assert scores(text, truth(MAN))["format"] == expected


def test_a_time_outside_the_clip_is_against_the_format() -> None:
    text = completion(seen("man", 12.5, LEFT))
    short = Reading(duration_s=12.0)
    rewards = reward_set("proofreel")
    assert rewards.score(text, truth(MAN), reading=short, progress=0.0)["format"] == 0.5
    assert rewards.score(text, truth(MAN), reading=READING, progress=0.0)["format"] == 1.0


def test_to_say_so_is_right_where_the_clip_does_not_tell_and_claims_cost_there() -> None:
    true = Truth(task="General video QA Free-form", abstains=True)
    silent = format_completion(reasoning="It is dark.", answer=format_abstention())
    claiming = completion(MAN, DOG, answer=format_abstention())
    guessing = completion(MAN, answer="a dog")
    assert (scores(silent, true)["answer"], scores(silent, true)["evidence"]) == (1.0, 1.0)
    assert (scores(claiming, true)["answer"], scores(claiming, true)["evidence"]) == (
        1.0,
        pytest.approx(1 / 3),
    )
    assert (scores(guessing, true)["answer"], scores(guessing, true)["evidence"]) == (0.0, 0.5)


def test_to_abstain_is_wrong_where_the_clip_tells() -> None:
    found = scores(format_completion(reasoning="Hm.", answer=format_abstention()), truth(MAN))
    assert (found["answer"], found["time"], found["evidence"]) == (0.0, 0.0, 0.0)


def test_claims_are_paid_by_how_near_in_time_they_are_to_any_key_frame() -> None:
    found = scores(completion(seen("man", 12.0, LEFT), DOG), truth(MAN, DOG))
    assert found["time"] == pytest.approx((math.exp(-2.0) + 1.0) / 2)


def test_without_key_frames_a_claim_inside_the_true_span_is_on_time() -> None:
    true = Truth(task="temporal QA", spans=(Span(10.0, 20.0), Span(40.0, 50.0)))
    found = scores(completion(seen("man", 15.0, LEFT), seen("man", 52.0, LEFT)), true)
    assert found["time"] == pytest.approx((1.0 + math.exp(-2.0)) / 2)
    assert math.isnan(found["evidence"])


@pytest.mark.parametrize(
    ("progress", "sigma_s"), [(0.0, 4.0), (0.5, 2.0), (0.74, 1.04), (0.75, 1.0), (1.0, 1.0)]
)
def test_sigma_goes_from_four_seconds_to_one_and_stays(progress: float, sigma_s: float) -> None:
    off_two = completion(seen("man", 12.0, LEFT))
    expected = math.exp(-4.0 / (2 * sigma_s**2))
    annealed = RewardOptions()
    assert scores(off_two, truth(MAN), options=annealed, progress=progress)["time"] == pytest.approx(expected)
    theirs = reward_set("open-o3").score(off_two, truth(MAN), reading=READING, progress=progress)
    assert theirs["time"] == pytest.approx(expected)
    assert scores(off_two, truth(MAN), progress=progress)["time"] == pytest.approx(math.exp(-2.0))


def test_without_the_gate_a_box_that_is_late_is_paid_by_its_nearness() -> None:
    late = completion(seen("man", 12.0, LEFT))
    assert scores(late, truth(MAN))["evidence"] == 0.0
    open_gate = RewardOptions(sigma_s=1.0, gate=False)
    assert scores(late, truth(MAN), options=open_gate)["evidence"] == pytest.approx(math.exp(-2.0))


def test_what_does_not_apply_neither_pays_nor_costs() -> None:
    rewards = reward_set("proofreel", weights={"format": 2.0})
    found = rewards.score(
        format_completion(reasoning="Red.", answer=box_answer("ball", LEFT)), PICTURE, reading=READING,
        progress=0.0,
    )  # fmt: skip
    assert [name for name, value in found.items() if not math.isnan(value)] == ["format", "answer_box"]
    assert rewards.total(found) == pytest.approx(3.0)


def test_the_box_of_a_picture_is_evidence_where_no_claim_is_made() -> None:
    true = Truth(task="visual QA", answer="ball", box=LEFT, evidence=(seen("ball", 3.5, LEFT),))
    found = scores(format_completion(reasoning="", answer=box_answer("ball", LEFT)), true)
    assert (found["evidence"], found["answer_box"], found["answer"]) == (
        pytest.approx(1.0), pytest.approx(1.0), pytest.approx(2 / 3),
    )  # fmt: skip
    assert math.isnan(found["time"])
    wrong = format_completion(reasoning="", answer=box_answer("ball", RIGHT))
    assert scores(wrong, true)["evidence"] == 0.0


def test_a_description_has_its_spans_in_its_statements() -> None:
    true = Truth(task="describe", answer="2 events", spans=(Span(10.0, 20.0), Span(30.0, 40.0)))
    text = f"{spans_answer(Span(10.0, 20.0))}: a man walks.\n{spans_answer(Span(30.0, 35.0))}: a dog barks."
    found = scores(format_completion(reasoning=text, answer="2 events"), true)
    assert found["answer_time"] == pytest.approx(0.75)
    elsewhere = Truth(task="temporal QA", spans=true.spans)
    assert scores(format_completion(reasoning=text, answer="then"), elsewhere)["answer_time"] == 0.0


def test_boxes_in_pixels_are_read_with_the_size_of_the_frame() -> None:
    pixels = Reading(duration_s=600.0, coordinates="pixels", frame_size=(640, 360))
    claim = Claim(subject="man", boxes=(Box(0.25, 0.5, 0.5, 1.0),), time_s=10.0)
    text = format_claim(claim, segment=Span(0.0, 600.0), coordinates="pixels", frame_size=(640, 360))
    for name, part in (("proofreel", "evidence"), ("open-o3", "space")):
        found = reward_set(name).score(
            format_completion(reasoning=text, answer="A man"), truth(claim), reading=pixels, progress=1.0
        )
        assert found[part] == pytest.approx(1.0)


def test_unknown_sets_components_and_settings_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no reward set named 'best'; there are: open-o3, proofreel"):
        reward_set("best")
    with pytest.raises(ValueError, match="proofreel has no beauty; its components are: format, answer,"):
        reward_set("proofreel", weights={"beauty": 1.0})
    with pytest.raises(ValueError, match="sigma must be above 0 s or 'annealed', not 0"):
        RewardOptions(sigma_s=0.0)
    with pytest.raises(ValueError, match=r"progress runs from 0 to 1, not 1\.5"):
        scores("", truth(MAN), progress=1.5)


def test_a_box_to_the_other_side_is_no_proof() -> None:
    assert scores(completion(seen("man", 10.0, RIGHT)), truth(MAN))["evidence"] == 0.0
