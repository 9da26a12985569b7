"""SFT by TRL: what the loss is of, and what is left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from engines.qwen.shapes import FAMILIES, Family
from tests import tiny_qwen
from tests.schooling import Shot, Shots, recipe, shots, teacher
from training.lessons import IGNORED
from training.material import Material
from training.processor import LessonProcessor
from training.recipe import Recipe
from training.sft import sft_trainer
from training.student import load_student, open_student


def trainer_of(own: Recipe, folder: Path, *, items: Shots | None = None) -> Any:
    checkpoint = open_student(own.model)
    taught = teacher(checkpoint.path, own)
    return sft_trainer(
        lambda: load_student(checkpoint, own.model, taught),
        Material(items=items or shots(4), teacher=taught),
        own,
        processor=LessonProcessor(taught, folder=checkpoint.path),
        folder=folder,
    )


def checkpoint_of(folder: Path, family: Family) -> Path:
    return tiny_qwen.save_checkpoint(folder / "ck", family)


SMALL = {"patch_size": 8, "temporal_patch_size": 1}  # as the small model has it: a picture a frame


@pytest.mark.parametrize(
    ("family", "layout", "vision"),
    [("qwen2_5_vl", "open-o3", {}), ("qwen3_vl", "open-o3", {}), ("qwen3_vl", "stamped", SMALL)],
)
def test_the_loss_is_the_mean_of_the_answers_tokens_and_of_no_other(
    family: Family, layout: str, vision: dict[str, int], tmp_path: Path
) -> None:
    checkpoint = tiny_qwen.save_checkpoint(tmp_path / "ck", family, vision=vision)
    trainer = trainer_of(recipe(checkpoint, family, model={"layout": layout}), tmp_path / "run")
    batch = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    labels = batch["labels"]
    trainer.model.eval()
    loss = trainer.compute_loss(trainer.model, dict(batch)).detach()
    with torch.no_grad():
        logits = tiny_like(trainer)(**{k: v for k, v in batch.items() if k != "labels"}).logits
    taught = labels[:, 1:] != IGNORED
    expected = torch.nn.functional.cross_entropy(logits[:, :-1][taught], labels[:, 1:][taught])
    assert int(taught.sum()) == sum(
        len(trainer.train_dataset[k]["lesson"].answer) for k in order_of_first_batch(trainer)
    )
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def tiny_like(trainer: Any) -> Any:
    """The stock model with the trainer's weights: TRL has put a forward of its own on the trainer's."""
    stock = type(trainer.model)(trainer.model.config).eval()
    stock.load_state_dict(trainer.model.state_dict())
    return stock


def order_of_first_batch(trainer: Any) -> list[int]:
    return next(iter(trainer.get_train_dataloader().batch_sampler))


def test_no_gradient_comes_from_what_the_prompt_says_next(tmp_path: Path) -> None:
    """With the output layer's rows apart: a token of the prompt that no answer holds pulls at nothing."""
    trainer = trainer_of(recipe(checkpoint_of(tmp_path, "qwen3_vl"), "qwen3_vl"), tmp_path / "run")
    batch = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    labels, ids = batch["labels"], batch["input_ids"]
    # Of a softmax's loss, the row of a target is pulled up, all others are pushed down.
    trainer.model.zero_grad()
    hidden = trainer.model.model(**{k: v for k, v in batch.items() if k != "labels"}).last_hidden_state
    hidden.retain_grad()
    kept: list[torch.Tensor] = []
    hook = trainer.model.model.register_forward_hook(
        lambda _module, _args, out: (out.last_hidden_state.retain_grad(), kept.append(out.last_hidden_state))[
            0
        ]
    )
    trainer.compute_loss(trainer.model, dict(batch)).backward()
    hook.remove()
    pulled = kept[0].grad
    assert pulled is not None
    predicts = torch.zeros_like(ids, dtype=torch.bool)
    predicts[:, :-1] = labels[:, 1:] != IGNORED
    assert bool((pulled[predicts].abs().sum(dim=-1) > 0).all())
    assert float(pulled[~predicts].abs().max()) == 0.0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_it_learns_the_answer_of_two_clips(family: Family, tuning: str, tmp_path: Path) -> None:
    rate = 1e-3 if tuning == "full" else 1e-2
    own = recipe(
        checkpoint_of(tmp_path, family), family,
        model={"tuning": tuning}, sft={"steps": 6, "save_every": 100, "learning_rate": rate},
    )  # fmt: skip
    trainer = trainer_of(own, tmp_path / "run", items=shots(2))
    before = {name: w.clone() for name, w in trainer.model.named_parameters()}
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < losses[0] - 0.5
    changed = {name for name, w in trainer.model.named_parameters() if not torch.equal(w, before[name])}
    adapters = {name for name in before if "lora_" in name}
    assert changed == (adapters or changed)
    assert bool(adapters) == (tuning == "lora")


def test_a_frozen_vision_tower_stays_as_it_was(tmp_path: Path) -> None:
    own = recipe(checkpoint_of(tmp_path, "qwen3_vl"), "qwen3_vl", model={"freeze_vision": True})
    trainer = trainer_of(own, tmp_path / "run")
    before = {name: w.clone() for name, w in trainer.model.named_parameters()}
    trainer.train()
    changed = {name for name, w in trainer.model.named_parameters() if not torch.equal(w, before[name])}
    assert changed and not any("visual" in name for name in changed)


def test_checkpointing_activations_changes_no_loss(tmp_path: Path) -> None:
    found = []
    checkpoint = checkpoint_of(tmp_path, "qwen2_5_vl")
    for kept in (True, False):
        own = recipe(checkpoint, "qwen2_5_vl", sft={"gradient_checkpointing": kept})
        trainer = trainer_of(own, tmp_path / f"run-{kept}")
        trainer.train()
        found.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_pixels_are_seen(tmp_path: Path) -> None:
    """A batch with other frames has another loss: the trainer is not blind."""
    trainer = trainer_of(recipe(checkpoint_of(tmp_path, "qwen3_vl"), "qwen3_vl"), tmp_path / "run")
    batch = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    other = {**batch, "pixel_values": batch["pixel_values"].flip(0)}
    trainer.model.eval()
    losses = [float(trainer.compute_loss(trainer.model, dict(b)).detach()) for b in (batch, other)]
    assert losses[0] != pytest.approx(losses[1], rel=1e-4)


def test_every_row_is_drawn_once_an_epoch_in_an_order_that_the_seed_decides(tmp_path: Path) -> None:
    checkpoint = checkpoint_of(tmp_path, "qwen3_vl")
    orders = []
    for seed in (0, 0, 1):
        items = Shots([Shot(number=k) for k in range(6)])
        own = recipe(checkpoint, "qwen3_vl", sft={"steps": 3, "save_every": 100, "seed": seed})
        trainer = trainer_of(own, tmp_path / "run", items=items)
        items.read_places.clear()  # TRL looks at the first row when it begins
        trainer.train()
        orders.append(items.read_places)
    assert all(sorted(order) == list(range(6)) for order in orders)
    assert orders[0] == orders[1] != orders[2]
