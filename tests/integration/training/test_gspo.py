"""GSPO by TRL: what is asked, sampled, scored and logged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engines.qwen.shapes import FAMILIES, Family
from tests import tiny_qwen
from tests.schooling import RIGHT, recipe, save_torn, shots, teacher
from training.gspo import GspoTrainer, gspo_trainer, kl_from
from training.material import Material
from training.processor import LessonProcessor
from training.recipe import Recipe
from training.recorder import measured
from training.student import load_student, open_student


def trainer_of(own: Recipe, folder: Path) -> GspoTrainer:
    checkpoint = open_student(own.model)
    taught = teacher(checkpoint.path, own)
    return gspo_trainer(
        lambda: load_student(checkpoint, own.model, taught),
        Material(items=shots(8), teacher=taught),
        own,
        processor=LessonProcessor(taught, folder=checkpoint.path),
        folder=folder,
    )


def logged(trainer: Any) -> list[dict[str, Any]]:
    return [measured(entry) for entry in trainer.state.log_history if "loss" in entry]


@pytest.mark.parametrize(("family", "tuning"), [("qwen3_vl", "full"), ("qwen2_5_vl", "lora")])
def test_the_right_answer_is_given_more_often_after_a_few_rollouts(
    family: Family, tuning: str, tmp_path: Path
) -> None:
    own = recipe(
        save_torn(tmp_path / "ck", family), family, model={"tuning": tuning},
        gspo={"batch": 4, "steps": 8, "save_every": 100, "learning_rate": 2e-3, "epsilon": 0.2,
              "epsilon_high": 0.2, "rollout": {"num_generations": 8, "max_completion_length": 4}},
    )  # fmt: skip
    trainer = trainer_of(own, tmp_path / "run")
    trainer.train()
    found = logged(trainer)
    rewards = [entry["reward"] for entry in found if "reward" in entry]
    assert len(rewards) == 2  # one a rollout of four steps
    assert rewards[1] > rewards[0] + 0.3
    scored = {"reward_format", "reward_answer", "zero_variance_share", "clip_fraction", "clip_low",
              "clip_high", "kl_from_rollout", "length", "length_max", "cut_off_share"}  # fmt: skip
    assert scored <= set(found[0])
    assert found[0]["length"] == 2.0 and found[0]["cut_off_share"] == 0.0
    assert found[0]["kl_from_rollout"] < 1e-6 < found[3]["kl_from_rollout"]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_scored_is_what_was_asked(family: Family, tmp_path: Path) -> None:
    """The log-probabilities of TRL's scoring pass are those of the stock model on the lesson itself."""
    own = recipe(tiny_qwen.save_checkpoint(tmp_path / "ck", family), family)
    trainer = trainer_of(own, tmp_path / "run")
    rows = next(iter(trainer.get_train_dataloader()))
    scored = trainer._generate_and_score_completions(rows)
    stock = type(trainer.model)(trainer.model.config).eval()
    stock.load_state_dict(trainer.model.state_dict())
    for number, row in enumerate(rows):
        asked = scored["prompt_ids"][number][scored["prompt_mask"][number] == 1]
        assert asked.tolist() == list(row["lesson"].prompt)
        said = scored["completion_ids"][number][scored["completion_mask"][number] == 1]
        expected = logps(stock, trainer.processing_class.teacher, row["lesson"], said)
        found = scored["old_per_token_logps"][number][: len(said)]
        assert torch.allclose(found, expected, atol=2e-4)


def logps(stock: Any, taught: Any, lesson: Any, said: torch.Tensor) -> torch.Tensor:
    batch = taught.batch([lesson], padding="right")
    del batch["labels"]
    count = len(said)
    batch["input_ids"] = torch.cat([batch["input_ids"], said[None]], dim=1)
    batch["attention_mask"] = torch.ones_like(batch["input_ids"])
    batch["mm_token_type_ids"] = torch.nn.functional.pad(batch["mm_token_type_ids"], (0, count))
    with torch.no_grad():
        logits = stock(**batch).logits[0, -count - 1 : -1]
    return logits.log_softmax(-1)[torch.arange(count), said]


@pytest.mark.parametrize("token", ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"])
def test_a_model_that_loves_a_vision_token_does_not_write_it(token: str, tmp_path: Path) -> None:
    loved = tiny_qwen.ids()[token]
    own = recipe(save_torn(tmp_path / "ck", "qwen3_vl", loves=loved), "qwen3_vl")
    trainer = trainer_of(own, tmp_path / "run")
    rows = next(iter(trainer.get_train_dataloader()))
    written = trainer._generate_and_score_completions(rows)["completion_ids"]
    assert not bool((written == loved).any())
    allowed = {"suppress_tokens": None}
    trainer.generation_config.update(**allowed)
    trainer.generation_kwargs.update(allowed)
    unbound = trainer._generate_single_turn(*trainer._tokenize_prompts([r["prompt"] for r in rows]), 2)[0]
    assert any(loved in ids for ids in unbound)  # and it does love it


@pytest.mark.parametrize("normalisation", ["group", "gdpo"])
def test_groups_that_all_earn_the_same_are_counted_and_teach_nothing(
    normalisation: str, tmp_path: Path
) -> None:
    sure = save_torn(tmp_path / "ck", "qwen3_vl", answers=[RIGHT])
    own = recipe(sure, "qwen3_vl", gspo={"rewards": {"normalisation": normalisation}})
    trainer = trainer_of(own, tmp_path / "run")
    trainer.train()
    first = logged(trainer)[0]
    assert first["zero_variance_share"] == 1.0
    assert first["reward_answer"] == 1.0
    assert first["grad_norm"] == pytest.approx(0.0, abs=1e-6)


def test_the_published_rewards_can_be_chosen(tmp_path: Path) -> None:
    own = recipe(save_torn(tmp_path / "ck", "qwen2_5_vl"), "qwen2_5_vl", gspo={"rewards": {"set": "open-o3"}})
    trainer = trainer_of(own, tmp_path / "run")
    trainer.train()
    assert {f"reward_{name}" for name in trainer.reward_func_names} <= set(logged(trainer)[0])
    assert (
        trainer.reward_func_names
        != trainer_of(recipe(tmp_path / "ck", "qwen2_5_vl"), tmp_path / "other").reward_func_names
    )


def test_steps_after_the_first_of_a_rollout_are_off_policy_and_clipped(tmp_path: Path) -> None:
    narrow = {
        "learning_rate": 1e-1,
        "batch": 4,
        "rollout": {"num_generations": 8, "max_completion_length": 4},
    }
    own = recipe(save_torn(tmp_path / "ck", "qwen3_vl"), "qwen3_vl", gspo=narrow)
    trainer = trainer_of(own, tmp_path / "run")
    trainer.train()
    clipped = [entry["clip_fraction"] for entry in logged(trainer)]
    assert clipped[0] == 0.0 and max(clipped[1:]) > 0.2


def test_how_far_the_policy_has_moved_is_a_mean_over_the_answers_tokens() -> None:
    before, mask = torch.zeros(1, 3), torch.tensor([[1, 1, 0]])
    moved = torch.tensor([[0.1, -0.2, 9.0]])
    expected = sum(torch.exp(torch.tensor(r)) - 1 - r for r in (0.1, -0.2)) / 2
    assert float(kl_from(before, moved, mask=mask)) == pytest.approx(float(expected), rel=1e-5)
