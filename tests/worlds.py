"""Scenes for tests, and cut-outs that are drawn for them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from training.world.levels import LevelName, SplitName, world
from training.world.names import KINDS
from training.world.pictures import NO_CUTOUTS, Cutouts
from training.world.scene import Scene, sample_scene


def write_stamps(root: Path, *, each: int = 5) -> None:
    """A folder of stamps: `each` discs a kind, in places where those of the kind are looked for."""
    from PIL import Image, ImageDraw

    for number, kind in enumerate(KINDS):
        folder = root / Path(KINDS[kind][0]).parent
        pattern = Path(KINDS[kind][0]).name
        if pattern.count("*") != 1:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        for k in range(each):
            picture = Image.new("RGBA", (90, 60), (0, 0, 0, 0))
            colour = (40 + 6 * number, 250 - 5 * number, 40 * k, 255)
            ImageDraw.Draw(picture).ellipse((10, 10, 70, 50), fill=colour)
            picture.save(folder / pattern.replace("*", f"b{kind}{k}"))


@cache
def scenes(level: LevelName, split: SplitName = "train", *, count: int = 60) -> tuple[Scene, ...]:
    """Scenes of seeds 0, 1, ..., without cut-outs."""
    where = world(level, split)
    return tuple(
        sample_scene(np.random.default_rng(seed), world=where, cutouts=NO_CUTOUTS) for seed in range(count)
    )


def scene(level: LevelName = "plain", *, seed: int = 0, cutouts: Cutouts = NO_CUTOUTS) -> Scene:
    return sample_scene(np.random.default_rng(seed), world=world(level, "train"), cutouts=cutouts)
