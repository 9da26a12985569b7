"""What a run will be, before anything is loaded: steps, tokens, memory, data, and how it is launched."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from engines.qwen.pixels import fitted
from grounding.errors import printable
from training.memory import Memory, Sharding, memory_of
from training.networks import Network, network_of
from training.recipe import Frames, Gspo, Recipe, Stage
from training.runs import hash_of

if TYPE_CHECKING:
    from training.data import Data

RELEASED_ROWS: dict[Stage, int] = {"sft": 31_166, "gspo": 37_231}
"""Rows of STGR-SFT and STGR-RL as released with arXiv 2510.20579."""

ASSUMED_TEXT_TOKENS = 1024
"""System words, question and SFT's answer: they are counted when data and a checkpoint are there."""

_SHARDINGS: dict[str, Sharding] = {
    "MULTI_GPU": "ddp",
    "FSDP": "fsdp2",
    "DEEPSPEED": "zero3",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All of it. `rows` were counted in the data, or are those released; `options`: see `launch_of`."""

    stage: Stage
    recipe: Recipe
    config: Path
    network: Network
    sharding: Sharding
    rows: int
    data: Mapping[str, Any]
    text_tokens: int
    options: Sequence[str]
    text_tokens_from: Literal["counted", "assumed"]

    @property
    def frame_tokens(self) -> int:
        """Of one video frame, at most."""
        return self.recipe.frames.most_pixels // self.network.shapes.vision.step**2

    @property
    def vision_tokens(self) -> int:
        """Of one example, at most."""
        frames, step = self.recipe.frames, self.network.shapes.vision.step
        return max(frames.max_frames * self.frame_tokens, frames.picture_most_pixels // step**2)

    @property
    def tokens(self) -> int:
        """Of one example, answer included, at most."""
        return min(self.vision_tokens + self.text_tokens, self.recipe.learning(self.stage).max_length)

    @property
    def examples_a_step(self) -> float:
        """Rows that one step learns from, on all GPUs; below 1 where steps share a group of answers."""
        own = self.recipe.learning(self.stage)
        together = own.batch * own.accumulation * self.recipe.launch.gpus
        return together / own.rollout.num_generations if isinstance(own, Gspo) else together

    @property
    def steps(self) -> int:
        """As the trainers count them: GSPO leaves out what fills no rollout, SFT nothing."""
        own, gpus = self.recipe.learning(self.stage), self.recipe.launch.gpus
        if own.steps is not None:
            return own.steps
        if isinstance(own, Gspo):
            rollouts = (
                self.rows * own.rollout.num_generations // (own.batch * gpus * own.steps_per_generation)
            )
            passes = rollouts * own.steps_per_generation
        else:
            passes = math.ceil(self.rows / (own.batch * gpus))
        return math.ceil(own.epochs * math.ceil(passes / own.accumulation))

    @property
    def memory(self) -> Memory:
        return memory_of(
            self.network,
            self.recipe,
            self.stage,
            tokens=self.tokens,
            vision_tokens=self.vision_tokens,
            sharding=self.sharding,
        )

    @property
    def launch(self) -> str:
        return launch_of(self.stage, self.recipe, config=self.config, options=self.options)

    def document(self) -> dict[str, Any]:
        """As `proofreel.train-plan/1`."""
        own = self.recipe.learning(self.stage)
        settings = self.recipe.settings(self.stage)
        return {
            "schema": "proofreel.train-plan/1",
            "stage": self.stage,
            "config": printable(os.path.abspath(self.config)),
            "config_hash": hash_of(settings),
            "model": self._model(),
            "data": dict(self.data),
            "example": {
                "frames": self.recipe.frames.max_frames,
                "frame_tokens": self.frame_tokens,
                "frame_size_16_9": list(_widescreen(self.recipe.frames, self.network.shapes.vision.step)),
                "vision_tokens": self.vision_tokens,
                "text_tokens": self.text_tokens,
                "text_tokens_from": self.text_tokens_from,
                "tokens": self.tokens,
                "max_length": own.max_length,
            },
            "steps": {
                "gpus": self.recipe.launch.gpus,
                "examples_a_step": self.examples_a_step,
                "answers_a_step": own.batch * own.accumulation * self.recipe.launch.gpus,
                "total": self.steps,
                "checkpoints": self.steps // own.save_every,
            },
            "memory": {"sharding": self.sharding, **self.memory.document()},
            "launch": self.launch,
            "settings": settings,
        }

    def _model(self) -> dict[str, Any]:
        network, model = self.network, self.recipe.model
        return {
            "checkpoint": model.checkpoint,
            "family": model.family,
            "shapes_from": network.source,
            "parameters": network.parameters,
            "trained": network.trained,
            "layout": model.layout,
            "tuning": model.tuning,
        }


def make_plan(
    stage: Stage,
    recipe: Recipe,
    *,
    config: Path,
    data: Data | None,
    options: Sequence[str] = (),
    text_tokens: int | None = None,
    rows: int | None = None,
) -> Plan:
    """The plan of a recipe, with `data` where they are there.

    `text_tokens` are the most that a row has beside its frames, and `rows` those that are short enough, where
    they were counted.

    Raises ValueError for GPUs and batches that don't go together.
    """
    own = recipe.learning(stage)
    sharding = sharding_of(recipe, config=config)
    answer = own.rollout.max_completion_length if isinstance(own, Gspo) else 0
    text = ASSUMED_TEXT_TOKENS + answer if text_tokens is None else text_tokens
    counted = RELEASED_ROWS[stage] if data is None else len(data)
    return Plan(
        stage=stage,
        recipe=recipe,
        config=config,
        network=network_of(recipe.model),
        sharding=sharding,
        rows=counted if rows is None else rows,
        data=_data_of(stage, data),
        text_tokens=text,
        options=options,
        text_tokens_from="assumed" if text_tokens is None else "counted",
    )


def launch_of(stage: Stage, recipe: Recipe, *, config: Path, options: Sequence[str] = ()) -> str:
    """The command that starts a stage on the recipe's GPUs, as a shell reads it.

    `options` are those beside `--config` that it was asked for with.
    """
    words = ["proofreel", "train", stage, "--config", str(config), *options]
    if recipe.launch.gpus > 1:
        file = config.parent / (recipe.launch.accelerate or "")
        words = ["accelerate", "launch", "--config_file", str(file), "-m", *words]
    return printable(Path(shlex.join(words)))


def sharding_of(recipe: Recipe, *, config: Path) -> Sharding:
    """How weights lie on the GPUs, by the accelerate file beside the recipe.

    Raises ValueError where there is none, or it is for another number of GPUs.
    """
    gpus, name = recipe.launch.gpus, recipe.launch.accelerate
    if gpus == 1:
        return "none"
    if name is None:
        raise ValueError(
            f"launch.gpus is {gpus}, and launch.accelerate names no file: add one of accelerate/*.yaml"
        )
    path = config.parent / name
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        sharding = _SHARDINGS[table["distributed_type"]]
        processes = table["num_processes"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ValueError(
            f"{printable(path)}: no accelerate file with num_processes and a distributed_type of "
            f"{', '.join(_SHARDINGS)} ({type(error).__name__}): check launch.accelerate"
        ) from error
    if processes != gpus:
        raise ValueError(
            f"{printable(path)} starts {processes} processes, and launch.gpus is {gpus}: make them equal"
        )
    return sharding


def _data_of(stage: Stage, data: Data | None) -> dict[str, Any]:
    split = "sft" if stage == "sft" else "rl"
    if data is None:
        return {
            "root": None,
            "split": split,
            "rows": RELEASED_ROWS[stage],
            "counted": False,
            "note": "released, not counted here: no DATA_ROOT",
        }
    report = data.report
    return {
        "root": printable(os.path.abspath(data.root)),
        "split": split,
        "rows": len(data),
        "counted": True,
        "note": f"{report.missing:,} without media and {report.broken:,} broken are left out",
        "tasks": dict(sorted(report.by_task.items())),
        "sources": {name: count.usable for name, count in sorted(report.by_source.items())},
        "fingerprint": data.fingerprint,
    }


def _widescreen(frames: Frames, step: int) -> tuple[int, int]:
    """What a 16:9 frame is fed at."""
    return fitted(
        frames.max_side,
        round(frames.max_side * 9 / 16),
        step=step,
        least=frames.least_pixels,
        most=frames.most_pixels,
    )
