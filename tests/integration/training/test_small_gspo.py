"""GSPO of the small model: it learns what is rewarded, and a stopped practice goes on as if nothing was."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.integration.training.small_process import source
from tests.small_world import QUESTION, TOKENS, VOCABULARY, Squares, taught, write_tokenizer
from training.runs import Run
from training.small.gspo import Examiner, practise
from training.small.model import Cut, save
from training.small.practice import Practice
from training.small.shape import head_length
from training.small.source import AsTensors

CPU = torch.device("cpu")
COMPONENTS = ("low", "nothing")


class Quiz:
    """Where is the square? Of another clip every time."""

    def __init__(self, prompts: int) -> None:
        self._clips = AsTensors(Squares(seed=9, batch=prompts, frames=1, text_len=24))

    def __getitem__(self, k: int) -> Mapping[str, Any]:
        batch = self._clips[k]
        length = head_length(1) + len(QUESTION)
        ids = torch.full((len(batch["ids"]), head_length(1) + 8), TOKENS.pad)
        ids[:, :length] = batch["ids"][:, :length]
        known = [tuple(corner) for corner in batch["scene"]["corner"][:, 0].tolist()]
        return {
            "ids": ids,
            "lengths": torch.full((len(ids),), length),
            "scene": batch["scene"],
            "known": known,
        }


def score(completions: Sequence[str], known: Sequence[Any], progress: float) -> Tensor:
    """Numbers below 300 are liked; the second component never applies."""
    assert len(completions) == len(known) and 0 <= progress <= 1
    numbers = [[int(word) for word in said.split() if word.isdigit()] for said in completions]
    liked = [sum(n < 300 for n in said) / max(len(said), 1) for said in numbers]
    return torch.tensor([[value, float("nan")] for value in liked])


def examiner(prompts: int = 4) -> Examiner:
    return Examiner(
        quiz=Quiz(prompts),
        score=score,
        components=COMPONENTS,
        weights=torch.ones(2),
        decode=lambda ids: " ".join(VOCABULARY[token] for token in ids),
    )


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that has learnt to answer."""
    folder = tmp_path_factory.mktemp("start")
    save(taught(frames=1, steps=45), folder, tokens=TOKENS, cut=Cut(), write_tokenizer=write_tokenizer)
    return str(folder)


def practice(start: str, **changes: Any) -> Practice:
    given = {
        "size": "tiny", "start": start, "mix": {"where": 1.0}, "frames": 1, "question_len": 8, "longest": 16,
        "prompts": 4, "copies": 6, "minibatches": 2, "rollouts": 6, "workers": 0, "scorers": 0,
        "compile": "off", "lr": 3e-3, "warmup": 0, "epsilon": 0.2, "epsilon_high": 0.2, "checkpoint_every": 2,
        **changes,
    }  # fmt: skip
    return Practice.model_validate(given)


def rows(out: Path) -> list[dict[str, Any]]:
    """What was logged, times aside."""
    return [
        {name: value for name, value in row.items() if not name.endswith("_s") and name != "seconds"}
        for row in Run(folder=out).metrics()
    ]


def practised(config: Practice, out: Path, *, stop_after: int = 0) -> list[dict[str, Any]]:
    def told(line: str) -> None:
        if stop_after and line.startswith(f"rollout {stop_after}:"):
            raise KeyboardInterrupt

    try:
        practise(config, source=source(), examiner=examiner(), out=out, device=CPU, command="t", told=told)
    except KeyboardInterrupt:
        assert stop_after
    return rows(out)


@pytest.mark.parametrize("ratio", ["sequence", "token"])
def test_what_is_rewarded_is_said_more_often(start: str, tmp_path: Path, ratio: str) -> None:
    found = practised(practice(start, ratio=ratio, rollouts=12), tmp_path)
    first, last = (sum(row["reward"] for row in part) / 3 for part in (found[:3], found[-3:]))
    assert last > first + 0.2
    assert all(
        "reward_nothing" not in row and row["reward"] == pytest.approx(row["reward_low"]) for row in found
    )
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["rollouts"], summary["answers"]) == (12, 12 * 4 * 6)
    practised(practice(start, ratio=ratio, rollouts=12), tmp_path)  # which is over, and stays as it is
    assert json.loads((tmp_path / "summary.json").read_text()) == summary


def test_a_practice_that_was_stopped_goes_on_with_the_same_rewards_and_losses(
    start: str, tmp_path: Path
) -> None:
    config = practice(start, final_share=0.1, ema_decay=0.5)
    whole = practised(config, tmp_path / "whole")
    practised(config, tmp_path / "cut", stop_after=5)
    assert practised(config, tmp_path / "cut") == whole
    assert len(whole) == 6
    name = "model/model.safetensors"
    assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_first_update_is_on_policy_and_narrow_clips_hold_the_later_ones_back(
    start: str, tmp_path: Path
) -> None:
    one = practised(practice(start, minibatches=1, rollouts=2), tmp_path / "one")
    assert [row["ratio_deviation"] for row in one] == [0.0, 0.0]
    assert [row["clip_fraction"] for row in one] == [0.0, 0.0]
    narrow = practised(practice(start, epsilon=3e-4, epsilon_high=4e-4, rollouts=2), tmp_path / "narrow")
    assert all(row["clip_fraction"] > 0 and row["ratio_deviation"] > 3e-4 for row in narrow)


def test_boxes_that_are_not_drawn_give_nothing_to_learn_where_words_are_all_alike(
    start: str, tmp_path: Path
) -> None:
    drawn = practised(practice(start, temperature=0.2, rollouts=1), tmp_path / "drawn")
    bound = practised(practice(start, temperature=0.2, rollouts=1, draw_boxes=False), tmp_path / "bound")
    assert drawn[0]["zero_variance_share"] < 1.0
    assert bound[0]["zero_variance_share"] == 1.0


@pytest.mark.parametrize("aggregation", ["sum_then_normalize", "normalize_then_sum"])
def test_groups_in_which_all_earned_alike_take_no_update(
    start: str, tmp_path: Path, aggregation: str
) -> None:
    config = practice(start, rollouts=1, aggregation=aggregation, copies=7)
    even = Examiner(
        quiz=Quiz(4),
        score=lambda completions, known, progress: torch.full((len(completions), 2), 0.7),
        components=COMPONENTS,
        weights=torch.ones(2),
        decode=lambda ids: "",
    )
    practise(config, source=source(), examiner=even, out=tmp_path, device=CPU, command="t", told=print)
    (row,) = rows(tmp_path)
    assert (row["zero_variance_share"], row["updates"]) == (1.0, 0.0)
    for name in ("model.safetensors",):
        assert (tmp_path / "model" / name).read_bytes() == (Path(start) / name).read_bytes()
