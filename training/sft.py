"""Supervised fine-tuning with TRL: the loss is on the answer's tokens and on nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trl import SFTConfig, SFTTrainer

from training.lessons import Teacher
from training.material import Material
from training.processor import LessonProcessor
from training.recipe import Recipe
from training.student import adapter
from training.trainers import GoesOn, arguments, sweep


def sft_trainer(
    load: Callable[[], Any], material: Material, recipe: Recipe, *, processor: LessonProcessor, folder: Path
) -> LessonTrainer:
    """TRL's trainer over the material; checkpoints go to `folder`.

    `load` gives the model, once TRL is ready for it.
    """
    learning = recipe.learning("sft")
    config = SFTConfig(
        **arguments(recipe, learning, folder=folder),
        max_length=None,  # longer rows were named before this
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    trainer = LessonTrainer(
        model=load(),
        args=config,
        train_dataset=material.answered(),
        data_collator=Collator(material.teacher),
        processing_class=processor,
        peft_config=adapter(recipe.model),
    )
    sweep(trainer)
    return trainer


class LessonTrainer(GoesOn, SFTTrainer):  # type: ignore[misc]
    """TRL's trainer, over lessons."""


class Collator:
    """Lessons as one batch, padded on the right; prompts and padding carry no label."""

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return dict(self._teacher.batch([example["lesson"] for example in examples], padding="right"))
