"""GSPO (arXiv 2507.18071) with TRL's GRPOTrainer in that configuration, over lessons.

TRL samples answers to the prompts, has rewards score them, and takes `steps_per_generation` steps on them.
What is asked and what is scored are the same ids and pixels: both come from the lessons of the batch in hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import RepeatSampler

from engines.qwen.shapes import COORDINATES, Shapes
from training.lessons import Lesson
from training.material import Material
from training.policy import zero_variance_share
from training.processor import LessonProcessor
from training.recipe import Gspo, Recipe
from training.rewards import RewardOptions, RewardSet, reward_functions, reward_set
from training.student import adapter
from training.trainers import GoesOn, arguments, sweep


def gspo_trainer(
    load: Callable[[], Any], material: Material, recipe: Recipe, *, processor: LessonProcessor, folder: Path
) -> GspoTrainer:
    """The trainer over the material's questions; checkpoints go to `folder`.

    `load` gives the model, once TRL is ready for it.
    """
    own = recipe.learning("gspo")
    assert isinstance(own, Gspo)
    rewards = rewards_of(own)
    shapes = material.teacher.layout.shapes
    config = GRPOConfig(
        **arguments(recipe, own, folder=folder),
        **policy(own),
        reward_weights=list(rewards.weights.values()),
        generation_kwargs=never_written(shapes, vllm=own.rollout.vllm != "off"),
    )
    trainer = GspoTrainer(
        model=load(),
        reward_funcs=reward_functions(rewards, coordinates=COORDINATES[shapes.family]),
        args=config,
        train_dataset=material.asked(),
        processing_class=processor,
        peft_config=adapter(recipe.model),
    )
    sweep(trainer)
    return trainer


def rewards_of(own: Gspo) -> RewardSet:
    """The reward set as the recipe wants it. Raises ValueError for a component that it doesn't have."""
    options = RewardOptions(
        sigma_s=own.rewards.sigma_s, gate=own.rewards.gate, closed_answers=own.rewards.closed_answers
    )
    return reward_set(own.rewards.set, options=options, weights=own.rewards.weights)


def policy(own: Gspo) -> dict[str, Any]:
    """TRL's fields for what the recipe calls rollout and policy."""
    aggregation = {"group": "sum_then_normalize", "gdpo": "normalize_then_sum"}
    return {
        "loss_type": "grpo",
        "importance_sampling_level": own.importance,
        "epsilon": own.epsilon,
        "epsilon_high": own.epsilon_high,
        "beta": own.beta,
        "steps_per_generation": own.steps_per_generation,
        "num_generations": own.rollout.num_generations,
        "temperature": own.rollout.temperature,
        "top_p": own.rollout.top_p,
        "max_completion_length": own.rollout.max_completion_length,
        "multi_objective_aggregation": aggregation[own.rewards.normalisation],
        "use_vllm": own.rollout.vllm != "off",
        "vllm_mode": "server" if own.rollout.vllm == "server" else "colocate",
    }


def never_written(shapes: Shapes, *, vllm: bool) -> dict[str, Any]:
    """What keeps sampling from writing vision tokens: one would ask for a picture that isn't there."""
    if vllm:
        return {"logit_bias": dict.fromkeys(shapes.vision_tokens, -100.0)}
    return {"suppress_tokens": list(shapes.vision_tokens)}


class GspoTrainer(GoesOn, GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer, asked by lessons; it also logs what TRL does not.

    `zero_variance_share`: of groups whose answers all earned the same, so that nothing is learned from them.
    `kl_from_rollout`: how far the policy has moved since it wrote the answers, by the estimator k3
    (http://joschu.net/blog/kl-approx.html).
    """

    processing_class: LessonProcessor
    _scored: Tensor

    def _get_train_sampler(self, dataset: Any = None) -> EpochSampler:
        return EpochSampler(
            data_source=self.train_dataset if dataset is None else dataset,
            mini_repeat_count=self.num_generations,
            batch_size=self.args.generation_batch_size // self.num_generations,
            repeat_count=self.num_iterations * self.args.steps_per_generation,
            seed=self.args.seed,
            epoch=lambda: int(self.state.epoch or 0),
        )

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self.processing_class.show({row["prompt"][-1]["lesson"]: row["lesson"] for row in inputs})
        found: dict[str, Any] = super()._generate_and_score_completions(inputs)
        return found

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], list[Any], dict[str, Any]]:
        lessons = self.processing_class.lessons(prompts)
        batch = self.processing_class.teacher.batch(lessons, padding="left")
        fields = {
            "pixel_values": batch["pixel_values"],
            "image_grid_thw": batch["image_grid_thw"],
            "mm_token_type_ids": [self._kinds(lesson.prompt) for lesson in lessons],
        }
        return [list(x.prompt) for x in lessons], [pictures(x) for x in lessons], fields

    def _kinds(self, ids: tuple[int, ...]) -> list[int]:
        return [int(token == self.processing_class.image_token_id) for token in ids]

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> Tensor:
        rewards: Tensor = super()._calculate_rewards(*args, **kwargs)
        sums = (rewards * self.reward_weights.to(rewards.device)).nansum(dim=1)
        self._log_now("zero_variance_share", zero_variance_share(sums, group_size=self.num_generations))
        return rewards

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        found = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        self._scored = found[0].detach()
        return found

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        loss: Tensor = super()._compute_loss(model, inputs)
        before = inputs.get("old_per_token_logps")
        if before is not None:
            moved = kl_from(before, self._scored, mask=inputs["completion_mask"])
            self._log_now("kl_from_rollout", float(self.accelerator.gather(moved).mean()))
        return loss

    def _log_now(self, name: str, value: float) -> None:
        self._metrics["train" if self.model.training else "eval"][name].append(value)


class EpochSampler(RepeatSampler):  # type: ignore[misc]
    """TRL's sampler, whose order is decided by seed and epoch.

    TRL's own draws one epoch's order after the other's from one generator: a run that goes on in its third
    epoch would get the first one's again.
    """

    def __init__(self, *, seed: int, epoch: Callable[[], int], **how: Any) -> None:
        super().__init__(seed=seed, **how)
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self.generator.manual_seed(self.seed * 1_000_003 + self._epoch())
        yield from super().__iter__()


def pictures(lesson: Lesson) -> list[Image.Image]:
    """The lesson's pictures one by one: TRL counts them, and vLLM sees them."""
    return [Image.fromarray(lesson.seen.frames[picture.frames[0]]) for picture in lesson.seen.pictures]


def kl_from(before_BT: Tensor, now_BT: Tensor, *, mask: Tensor) -> Tensor:
    """KL from the policy that wrote the answers to the one now, a token: the mean of e^r - 1 - r."""
    log_ratio = (now_BT - before_BT) * mask
    return ((torch.expm1(log_ratio) - log_ratio) * mask).sum() / mask.sum().clamp(min=1)
