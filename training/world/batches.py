"""Training batches: clips with several questions and answers packed behind each.

Batch k of a stream depends on its seed, its stage and k alone, so that a run can go on anywhere.
Shapes: B clips, S tokens = frames x (64 + 6) + text, N things. A clip that shows fewer frames is followed by
its text at once; pads behind fill its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.world.levels import World
from training.world.pictures import Cutouts
from training.world.questions import KINDS, Item, ask
from training.world.rendering import scene_arrays, tensors
from training.world.scene import Scene, sample_scene
from training.world.words import (
    EOS_ID,
    FIRST_NUMBER_ID,
    ID,
    IMAGE_ID,
    PAD_ID,
    VISION_END_ID,
    VISION_START_ID,
    encode,
)

FEATURES = 64
"""Picture tokens of a frame."""

PROMPT, ANSWER, COORDINATE = 0, 1, 2
"""Roles of tokens: what was given (or pads), what is learnt, and of that the numbers of boxes."""

TOKENS_A_FRAME = 4 + 1 + FEATURES + 1
"""Its time in four, and a mark on either side of its picture."""

TRIES = 40
_OPEN, _CLOSE = ID["<box>["], ID["]</box>"]
_SECONDS = ID["<sec>"]


Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Row:
    scene: Scene
    ids: npt.NDArray[np.int64]
    roles: Bytes
    kinds: Bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """`ids` [B, S] int64; `roles` and `kinds` [B, S] uint8; `frames` [B] int64, how many each clip shows;
    `scene` as the renderer reads it.
    """

    ids: Tensor
    roles: Tensor
    kinds: Tensor
    frames: Tensor
    scene: dict[str, Tensor] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Batches:
    """The stream of one stage; `mix` gives each kind of question its weight. Map-style: `batches[k]`.

    Of `short_share` of all clips the number of frames is drawn between the two of `shown`; the others show
    all of the world's, as every clip does without `shown`.
    """

    world: World
    mix: Mapping[str, float]
    size: int
    text_length: int
    seed: int
    stage: int
    cutouts: Cutouts = field(repr=False)
    shown: tuple[int, int] | None = None
    short_share: float = 1.0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.mix) - set(KINDS))
        if unknown:
            raise ValueError(f"no question of kind {unknown[0]!r}; there are: {', '.join(KINDS)}")
        if not self.mix or min(self.mix.values()) < 0 or sum(self.mix.values()) <= 0:
            raise ValueError("a mix needs kinds of question with weights above 0")

    def check_room(self) -> None:
        """That questions fit into `text_length`. Raises ValueError where none of many clips holds one."""
        rng = np.random.default_rng([self.seed, self.stage])
        if not any(self._row(rng).roles.any() for _ in range(TRIES)):
            raise ValueError(
                f"of {TRIES} clips none holds a question of the mix that fits into text_len "
                f"{self.text_length}: raise it, or change the mix"
            )

    def __getitem__(self, number: int) -> Batch:
        """Batch `number`, from zero."""
        rng = np.random.default_rng([self.seed, self.stage, number])
        rows = [self._row(rng) for _ in range(self.size)]
        scenes = [row.scene for row in rows]
        made = scene_arrays(scenes, things=self.world.most_things, frames=self.world.frames)
        return Batch(
            ids=torch.from_numpy(np.stack([row.ids for row in rows])),
            roles=torch.from_numpy(np.stack([row.roles for row in rows])),
            kinds=torch.from_numpy(np.stack([row.kinds for row in rows])),
            frames=torch.tensor([len(scene.times_s) for scene in scenes]),
            scene=tensors(made),
        )

    def _row(self, rng: np.random.Generator) -> _Row:
        scene = sample_scene(rng, world=self._world(rng), cutouts=self.cutouts)
        head = clip_ids(scene)
        ids = np.full(self.world.frames * TOKENS_A_FRAME + self.text_length, PAD_ID, np.int64)
        roles, kinds = np.zeros(len(ids), np.uint8), np.zeros(len(ids), np.uint8)
        ids[: len(head)] = head
        at, stop = len(head), len(head) + self.text_length
        for kind in self._kinds(rng):
            item = ask(rng, scene, kind)
            if item is None:
                continue
            asked, said = turn_ids(item)
            end = at + len(asked) + len(said)
            if end > stop:
                break
            ids[at:end] = asked + said
            roles[at + len(asked) : end] = roles_of(said)
            kinds[at:end] = KINDS.index(kind)
            at = end
        return _Row(scene=scene, ids=ids, roles=roles, kinds=kinds)

    def _world(self, rng: np.random.Generator) -> World:
        """The world of the next clip: all frames, or fewer."""
        if self.shown is None or rng.random() >= self.short_share:
            return self.world
        least, most = self.shown
        return replace(self.world, frames=int(rng.integers(least, most + 1)))

    def _kinds(self, rng: np.random.Generator) -> list[str]:
        names, chances = self._chances
        return [names[k] for k in rng.choice(len(names), TRIES, p=chances)]

    @cached_property
    def _chances(self) -> tuple[list[str], npt.NDArray[np.float64]]:
        weights = np.array(list(self.mix.values()), np.float64)
        return list(self.mix), weights / weights.sum()


def clip_ids(scene: Scene) -> list[int]:
    """The tokens of a clip: each frame's time, then its picture."""
    ids: list[int] = []
    for time_s in scene.times_s:
        ids += [*encode(f"{time_s:.1f}"), _SECONDS, VISION_START_ID, *[IMAGE_ID] * FEATURES, VISION_END_ID]
    return ids


def turn_ids(item: Item) -> tuple[list[int], list[int]]:
    """The tokens of a question, and of its answer to the end."""
    return encode(item.question + "\n"), [*encode(item.completion), EOS_ID]


def roles_of(said: list[int]) -> Bytes:
    """Which of an answer's tokens are numbers of a box."""
    roles = np.full(len(said), ANSWER, np.uint8)
    inside = False
    for place, token in enumerate(said):
        inside = token == _OPEN or (inside and token != _CLOSE)
        if inside and token >= FIRST_NUMBER_ID:
            roles[place] = COORDINATE
    return roles
