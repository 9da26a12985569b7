"""The functions that TRL calls: one a component, told of the progress, None where one does not apply."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from grounding import Box, Span, format_completion
from tests.unit.training.completions import DOG, LEFT, MAN, READING, box_answer, completion, seen, truth
from training.rewards import RewardOptions, read_truth, reward_functions, reward_set, truth_column
from training.truth import Truth

PICTURE = Truth(task="visual QA", box=LEFT)


def state(step: int, steps: int = 100) -> Any:
    return SimpleNamespace(global_step=step, max_steps=steps)


def called(function: Any, *, step: int, truths: list[Truth], completions: list[Any]) -> list[float | None]:
    found: list[float | None] = function(
        prompts=["?"] * len(truths),
        completions=completions,
        completion_ids=[[1]] * len(truths),
        truth=[truth_column(true) for true in truths],
        duration_s=[READING.duration_s] * len(truths),
        trainer_state=state(step),
        log_metric=None,
    )
    return found


def test_each_component_is_a_function_under_its_name() -> None:
    rewards = reward_set("proofreel")
    functions = reward_functions(rewards, coordinates="relative-1000")
    assert [function.__name__ for function in functions] == list(rewards.weights)


def test_they_give_what_the_set_gives_at_that_step_and_none_for_what_does_not_apply() -> None:
    rewards = reward_set("proofreel")
    texts = [
        completion(seen("man", 12.0, LEFT)),
        format_completion(reasoning="", answer=box_answer("dog", LEFT)),
    ]
    truths = [truth(MAN, DOG), PICTURE]
    for step in (0, 90):
        direct = [
            rewards.score(text, true, reading=READING, progress=step / 100)
            for text, true in zip(texts, truths, strict=True)
        ]
        for function in reward_functions(rewards, coordinates="relative-1000"):
            found = called(function, step=step, truths=truths, completions=texts)
            expected = [None if v != v else v for v in (scores[function.__name__] for scores in direct)]
            assert found == expected, function.__name__


def test_the_steps_of_the_trainer_anneal_sigma() -> None:
    time = reward_functions(reward_set("proofreel"), coordinates="relative-1000")[4]
    late = [completion(seen("man", 12.0, LEFT))]
    early, end = (called(time, step=step, truths=[truth(MAN)], completions=late)[0] for step in (0, 100))
    assert time.__name__ == "time"
    assert early is not None and end is not None
    assert early > 0.8 > 0.2 > end
    fixed = reward_functions(
        reward_set("proofreel", options=RewardOptions(sigma_s=1.0)), coordinates="relative-1000"
    )
    assert called(fixed[4], step=0, truths=[truth(MAN)], completions=late) == [end]


def test_messages_are_read_as_well_as_texts() -> None:
    text = completion(MAN)
    evidence = reward_functions(reward_set("proofreel"), coordinates="relative-1000")[5]
    as_messages = [
        text,
        [{"role": "assistant", "content": text}],
        [{"role": "assistant", "content": [{"type": "text", "text": text}]}],
        [],
    ]
    assert called(evidence, step=0, truths=[truth(MAN)] * 4, completions=as_messages) == [1.0, 1.0, 1.0, 0.0]


def test_the_size_of_the_frame_comes_from_its_column() -> None:
    box = reward_functions(reward_set("open-o3"), coordinates="pixels")[2]
    said = "<think>.</think>\n<answer><obj>dog</obj><box>[160,180,320,360]</box></answer>"
    true = Truth(task="visual QA", box=Box(0.25, 0.5, 0.5, 1.0))
    found = box(
        prompts=["?", "?"], completions=[said, said], truth=[truth_column(true)] * 2, duration_s=[1.0, 1.0],
        trainer_state=state(1), frame_size=[[640, 360], [1280, 720]],
    )  # fmt: skip
    assert found[0] == pytest.approx(1.0)
    assert found[1] == 0.0


def test_a_truth_comes_back_out_of_its_column_as_it_was() -> None:
    true = Truth(
        task="temporal QA (MCQ)", answer="A", spans=(Span(0.5, 2.0),), box=LEFT, evidence=(MAN, DOG),
        abstains=True,
    )  # fmt: skip
    assert read_truth(truth_column(true)) == true
    with pytest.raises(ValueError, match="task"):
        read_truth('{"task": "juggling"}')
