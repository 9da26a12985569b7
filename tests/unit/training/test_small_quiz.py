"""What the small model practises on: the same questions for the same number, and rewards in their order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from training.small.practice import Practice
from training.small.quiz import Quiz
from training.small.scoring import Scoring
from training.small.shape import head_length
from training.world.pictures import NO_CUTOUTS
from training.world.words import IMAGE_ID, PAD_ID, decode

KINDS = {"where": 1.0, "digit": 1.0, "flash": 1.0}


def practice(**changes: Any) -> Practice:
    given = {"start": "", "mix": KINDS, "prompts": 6, "minibatches": 1, "scorers": 0, **changes}
    return Practice.model_validate(given)


def test_a_rollouts_questions_depend_on_its_number_and_the_seed_alone() -> None:
    one, again, other = (Quiz(practice=practice(seed=s), cutouts=NO_CUTOUTS) for s in (1, 1, 2))
    assert one[0]["ids"].equal(one[0]["ids"])
    assert one[3]["ids"].equal(again[3]["ids"])
    assert one[3]["known"] == again[3]["known"]
    assert all(one[3]["scene"][name].equal(made) for name, made in again[3]["scene"].items())
    assert not one[3]["ids"].equal(one[4]["ids"])
    assert not one[3]["ids"].equal(other[3]["ids"])


def test_a_prompt_is_its_frames_and_one_question_up_to_where_the_answer_begins() -> None:
    asked = Quiz(practice=practice(frames=5), cutouts=NO_CUTOUTS)[0]
    head = head_length(5)
    assert asked["ids"].shape == (6, head + 80)
    assert asked["scene"]["centre"].shape[:3] == (6, 12, 5)
    for ids, length, known in zip(asked["ids"], asked["lengths"], asked["known"], strict=True):
        assert (ids[:head] == IMAGE_ID).sum() == 5 * 64
        assert not (ids[head:] == IMAGE_ID).any()
        question = decode(ids[head:length].tolist())
        assert question.endswith("\n") and question.count("\n") == 1
        assert {"where": "Where", "digit": "digit", "flash": "flash"}[known.kind] in question
        assert set(ids[length:].tolist()) == {PAD_ID}
        assert 0.0 < known.duration_s < 10.0


def test_a_still_is_asked_about_as_a_clip_of_one_frame() -> None:
    quiz = Quiz(practice=practice(frames=1, mix={"where": 1.0}), cutouts=NO_CUTOUTS)
    quiz.check()
    assert quiz[0]["scene"]["centre"].shape[2] == 1
    for known in quiz[0]["known"]:
        assert known.truth.box is not None and known.duration_s == 1.0


@pytest.fixture
def scorings() -> Iterator[list[Scoring]]:
    """The same rewards, worked out here and in two other processes."""
    made = [Scoring(practice(scorers=scorers, weights={"time": 0.0})) for scorers in (0, 2)]
    yield made
    for scoring in made:
        scoring.close()


def test_rewards_come_in_the_order_of_the_answers_wherever_they_are_worked_out(
    scorings: list[Scoring],
) -> None:
    quiz = Quiz(practice=practice(), cutouts=NO_CUTOUTS)
    drawn = (quiz[number]["known"] for number in range(50))
    known = next(some for some in drawn if any(k.kind == "digit" for k in some))
    said = [
        f"<think></think><answer>{k.truth.answer or 'Cannot tell'}</answer>" if k.kind == "digit" else "what?"
        for k in known
    ]
    here, there = (scoring(said, known, 0.5) for scoring in scorings)
    assert torch.equal(here.nan_to_num(-1), there.nan_to_num(-1))
    answer = scorings[0].components.index("answer")
    right = [k.kind == "digit" for k in known]
    assert any(right)
    assert [bool(value == 1) for value in here[:, answer]] == right
    assert scorings[0].weights[scorings[0].components.index("time")] == 0
