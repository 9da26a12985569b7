"""The questions of an evaluation: balanced over kinds, each about a clip of its own, equal on any machine.

Some clips are asked a chain of V-STaR's what, when and where, in both orders: what-when-where, in which the
spatial question gets the true stretch of time, and what-where-when, in which the temporal one gets the boxes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from engines.contract import Question
from grounding.evidence import Span
from training.world.levels import LevelName, SplitName, World, world
from training.world.pictures import Cutouts
from training.world.questions import Item, ask
from training.world.questions.places import track_happening, track_range
from training.world.questions.things import alone, what_of
from training.world.questions.times import when, when_there_of
from training.world.rendering import Renderer, scene_arrays, tensors
from training.world.scene import Scene, sample_scene
from video.frames import Clip

Link = Literal["what", "when-1", "where-1", "where-2", "when-2"]
"""A question of a chain; 1 is what-when-where, 2 is what-where-when."""

ASKED: dict[LevelName, tuple[str, ...]] = {
    "plain": (
        "where", "dense", "track", "view", "flash", "show", "when-there", "when-choice", "digit", "choice",
        "first", "what", "absent", "describe",
    ),
    "hard": (
        "where", "dense", "track", "view", "flash", "show", "touch", "when-there", "when-choice", "digit",
        "choice", "order", "first", "what", "absent",
    ),
}  # fmt: skip
CHAIN = "chain"
_TRIES = 1000
_STREAM = (715_517,)
"""Keeps evaluation apart from training, whatever the seeds: NumPy takes [715517, 3, 5] and [715517, 3, 5, 0]
for the same.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question of the evaluation. `id` tells it from all others of its level, split and seed; questions
    about the same clip share `scene_id`. `link` is its place in a chain, or None.
    """

    id: str
    scene_id: str
    link: Link | None
    item: Item
    scene: Scene = field(repr=False)

    @property
    def question(self) -> Question:
        """As an engine is asked it."""
        text = "" if self.item.task == "describe" else self.item.question
        return Question(text=text, task=self.item.task)


def questions(
    *,
    level: LevelName,
    split: SplitName,
    seed: int,
    count: int,
    cutouts: Cutouts,
    kinds: Sequence[str] | None = None,
) -> Iterator[Asked]:
    """The first `count` questions of a seed; a smaller count gives the beginning of a larger one.

    `kinds` asks those alone (CHAIN among them); None asks what belongs to the level. Raises ValueError for a
    split that the level doesn't have, or whose pictures aren't there.
    """
    where = world(level, split)
    if split == "objects" and not cutouts.kind:
        raise ValueError("split objects needs cut-outs: install Debian's tuxpaint-stamps-default")
    turn = kinds or (*ASKED[level], CHAIN)
    made = 0
    number = 0
    while made < count:
        kind = turn[number % len(turn)]
        for asked in _about_one_clip(where, kind, seed, number, cutouts)[: count - made]:
            yield asked
            made += 1
        number += 1


def _about_one_clip(where: World, kind: str, seed: int, number: int, cutouts: Cutouts) -> list[Asked]:
    """The questions about clip `number`: one of `kind`, or a chain."""
    for attempt in range(_TRIES):
        rng = np.random.default_rng(np.random.SeedSequence([seed, number, attempt], spawn_key=_STREAM))
        scene = sample_scene(rng, world=where, cutouts=cutouts)
        scene_id = f"{where.level}-{where.split}-{seed}-{number}"
        if kind == CHAIN:
            links = chain(rng, scene)
            if links:
                return [
                    Asked(id=f"{scene_id}-{link}", scene_id=scene_id, link=link, item=item, scene=scene)
                    for link, item in links.items()
                ]
        else:
            item = ask(rng, scene, kind)
            if item is not None:
                return [Asked(id=scene_id, scene_id=scene_id, link=None, item=item, scene=scene)]
    raise ValueError(f"no clip of level {where.level}, split {where.split} holds a question of kind {kind!r}")


def chain(rng: np.random.Generator, scene: Scene) -> dict[Link, Item]:
    """The five questions about one happening, or none where a scene holds no such."""
    found = [(h, words) for h, words in alone(scene) if h.last > h.first]
    if not found:
        return {}
    happening, words = found[int(rng.integers(len(found)))]
    made: dict[Link, Item | None] = {
        "what": what_of(scene, happening, words),
        "when-1": when(scene, happening),
        "where-1": track_range(scene, happening),
        "where-2": track_happening(scene, happening),
        "when-2": when_there_of(scene, happening),
    }
    whole = {link: item for link, item in made.items() if item is not None}
    return whole if len(whole) == len(made) else {}


def clip_of(scene: Scene, renderer: Renderer) -> Clip:
    """The clip that an engine is given: the scene's frames at its own times."""
    made = tensors(scene_arrays([scene], things=len(scene.names)))
    images = renderer(made)[0].permute(0, 2, 3, 1).numpy()
    times_s = scene.times_s
    step_s = float(times_s[1] - times_s[0]) if len(times_s) > 1 else 1.0  # of one frame nothing tells
    base = Fraction(1, 1000)
    return Clip(
        path=Path(f"proofworld-{scene.look_seed}"),
        time_base=base,
        window=Span(0.0, float(times_s[-1]) + step_s),
        images=images,
        pts=np.round(times_s * 1000).astype(np.int64),
        times_s=times_s,
        durations_s=np.append(np.diff(times_s), step_s),
    )
