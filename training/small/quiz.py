"""Questions to practise on, by number: clips, prompts and what is true of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from training.small.practice import Practice
from training.truth import Truth
from training.world.batches import clip_ids
from training.world.levels import world
from training.world.pictures import Cutouts
from training.world.questions import KINDS, Item, ask
from training.world.rendering import scene_arrays, tensors
from training.world.scene import Scene, sample_scene
from training.world.words import PAD_ID, encode

_STREAM = 902_881
"""Keeps these questions apart from those of supervised learning and of evaluation."""

_TRIES = 500
_STILL_S = 1.0
"""How long a clip of one frame lasts: the longest step that there is between frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What an answer is held against: the truth, the kind of question, the length of its clip in seconds."""

    truth: Truth
    kind: str
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class Quiz:
    """The stream of a practice: item k is its rollout k's prompts."""

    practice: Practice
    cutouts: Cutouts = field(repr=False)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.practice.mix) - set(KINDS))
        if unknown:
            raise ValueError(f"no question of kind {unknown[0]!r}; there are: {', '.join(KINDS)}")
        if sum(self.practice.mix.values()) <= 0:
            raise ValueError("a mix needs kinds of question with weights above 0")

    def check(self) -> None:
        """That every kind of the mix is to be found. Raises ValueError for one that clips don't hold."""
        rng = np.random.default_rng([_STREAM, self.practice.seed])
        for kind, weight in self.practice.mix.items():
            if weight and all(self._item(rng, kind) is None for _ in range(_TRIES)):
                raise ValueError(
                    f"no clip of level {self.practice.level} and {self.practice.frames} frames holds a short "
                    f"enough question of kind {kind!r}: take it out of the mix"
                )

    def __getitem__(self, number: int) -> Mapping[str, Any]:
        """`ids` [P, S] int64, `lengths` [P], `scene`, and `known`: a `Known` for each prompt."""
        rng = np.random.default_rng([_STREAM, self.practice.seed, number])
        asked = [self._asked(rng) for _ in range(self.practice.prompts)]
        scenes = [scene for scene, _ in asked]
        prompts = [clip_ids(scene) + encode(item.question + "\n") for scene, item in asked]
        ids = np.full((len(asked), len(clip_ids(scenes[0])) + self.practice.question_len), PAD_ID, np.int64)
        for row, prompt in zip(ids, prompts, strict=True):
            row[: len(prompt)] = prompt
        things = world(self.practice.level, "train").most_things
        return {
            "ids": torch.from_numpy(ids),
            "lengths": torch.tensor([len(prompt) for prompt in prompts]),
            "scene": tensors(scene_arrays(scenes, things=things)),
            "known": [_known(scene, item) for scene, item in asked],
        }

    def _asked(self, rng: np.random.Generator) -> tuple[Scene, Item]:
        """A clip with a question of the mix that it holds and that is short enough."""
        names, chances = self._chances()
        while True:
            found = self._item(rng, names[int(rng.choice(len(names), p=chances))])
            if found is not None:
                return found

    def _item(self, rng: np.random.Generator, kind: str) -> tuple[Scene, Item] | None:
        where = world(self.practice.level, "train", frames=self.practice.frames)
        scene = sample_scene(rng, world=where, cutouts=self.cutouts)
        item = ask(rng, scene, kind)
        if item is None or len(encode(item.question)) >= self.practice.question_len:
            return None
        return scene, item

    def _chances(self) -> tuple[list[str], npt.NDArray[np.float64]]:
        weights = np.array(list(self.practice.mix.values()), np.float64)
        return list(self.practice.mix), weights / weights.sum()


def _known(scene: Scene, item: Item) -> Known:
    step_s = float(scene.times_s[1] - scene.times_s[0]) if len(scene.times_s) > 1 else _STILL_S
    return Known(truth=item.truth, kind=item.kind, duration_s=float(scene.times_s[-1]) + step_s)
