"""Recipes for tiny checkpoints, and items to teach them without a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engines.qwen.checkpoint import open_checkpoint
from grounding.prompts import PROOFREEL, Task
from tests import tiny_qwen
from training.lessons import Teacher, teacher_of
from training.recipe import Recipe
from training.truth import Truth

SIZE_PX = 56
FRAMES = {
    "max_frames": 3,
    "max_side": 160,
    "least_pixels": 784,
    "most_pixels": 3600,
    "picture_most_pixels": 3600,
}
QUICK = {"batch": 2, "workers": 0, "learning_rate": 1e-3, "schedule": "constant", "warmup": 0.0}
RIGHT, WRONG = "<think>I see it</think>\n<answer>C</answer>", "<answer>D</answer>"


def table(checkpoint: Path, family: str, **parts: Any) -> dict[str, Any]:
    """A recipe's table; `parts` change it: {"sft": {"steps": 2}, "model": {"tuning": "lora"}}."""
    base: dict[str, Any] = {
        "model": {"checkpoint": str(checkpoint), "family": family, "dtype": "fp32", "lora": {"rank": 4}},
        "frames": FRAMES,
        "sft": {**QUICK, "steps": 2, "save_every": 1},
        "gspo": {
            **QUICK,
            "steps": 4,
            "save_every": 4,
            "rollout": {"num_generations": 2, "max_completion_length": 6},
        },
    }
    for name, values in parts.items():
        base[name] = {**base.get(name, {}), **values}
    return base


def recipe(checkpoint: Path, family: str, **parts: Any) -> Recipe:
    return Recipe.model_validate(table(checkpoint, family, **parts))


def write_recipe(path: Path, table: Mapping[str, Any]) -> Path:
    """The table as TOML."""
    path.write_text("\n".join(_lines(table, ())) + "\n")
    return path


def _lines(table: Mapping[str, Any], place: tuple[str, ...]) -> list[str]:
    lines = [f"[{'.'.join(place)}]"] if place else []
    lines += [f"{k} = {json.dumps(v)}" for k, v in table.items() if not isinstance(v, Mapping)]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += _lines(value, (*place, key))
    return lines


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One clip of noise with a question, whose answer is `right`."""

    number: int
    times_s: Sequence[float] = (0.0, 0.5, 1.0)
    duration_s: float = 1.5
    task: Task = "General video QA MCQ"
    question: str = "Which? A, B, C or D"
    completion: str | None = RIGHT
    right: str = "C"

    @property
    def frames(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        noise = np.random.default_rng(self.number)
        return noise.integers(0, 256, (len(self.times_s), SIZE_PX, SIZE_PX, 3), dtype=np.uint8)

    @property
    def system(self) -> str:
        return PROOFREEL.system[self.task]

    @property
    def truth(self) -> Truth:
        return Truth(task=self.task, answer=self.right)


@dataclass
class Shots:
    """Items that note which were read."""

    items: Sequence[Shot]
    read_places: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.items)

    def read(self, place: int, /) -> Shot:
        self.read_places.append(place)
        return self.items[place]


def shots(count: int) -> Shots:
    return Shots([Shot(number=k) for k in range(count)])


def teacher(checkpoint: Path, own: Recipe) -> Teacher:
    return teacher_of(open_checkpoint(str(checkpoint)), layout=own.model.layout, frames=own.frames)


def save_torn(
    folder: Path, family: str, *, answers: Sequence[str] = (RIGHT, WRONG), loves: int | None = None
) -> Path:
    """A checkpoint that writes one of `answers`, each as likely; and before all, the token `loves`.

    As `tiny_qwen.save_forced`: what a token says depends on nothing but itself.
    """
    import torch

    tiny_qwen.save_checkpoint(folder, family)
    tokenizer = json.loads(tiny_qwen.tokenizer_json())
    first, end = len(tokenizer["model"]["vocab"]), tiny_qwen.ids()["<|im_end|>"]
    ids = range(first, first + len(answers))
    tokenizer["added_tokens"] += [
        {"id": number, "content": answer, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": False}
        for number, answer in zip(ids, answers, strict=True)
    ]  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    torn = tiny_qwen.model(family)
    with torch.no_grad():
        for layer in torn.model.language_model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        words, head = torn.model.language_model.embed_tokens.weight, torn.lm_head.weight
        words.zero_()
        words[:, 0] = 1.0
        head.zero_()
        head[end, 1] = 10.0
        for place, number in enumerate(ids):
            words[number] = torch.eye(words.shape[1])[1]
            head[number, 0] = 10.0
            head[number, 2 + place] = 5.0  # nothing yet; it is what can be learned
        if loves is not None:
            head[loves, 0] = 20.0
    torn.save_pretrained(folder)
    return folder
