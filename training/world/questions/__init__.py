"""What is asked about a clip, by kind."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from training.world.questions.absences import absent
from training.world.questions.places import dense, track, where
from training.world.questions.telling import Asker, Item
from training.world.questions.things import choice, describe, digit, first, order, what
from training.world.questions.times import when_choice, when_of, when_there
from training.world.scene import Scene

__all__ = ["ASKERS", "KINDS", "Item", "ask"]

ASKERS: Mapping[str, Asker] = {
    "where": where,
    "dense": dense,
    "track": track,
    "view": when_of("view"),
    "flash": when_of("flash"),
    "show": when_of("show"),
    "touch": when_of("touch"),
    "zone": when_of("zone"),
    "when-there": when_there,
    "when-choice": when_choice,
    "digit": digit,
    "choice": choice,
    "order": order,
    "first": first,
    "what": what,
    "absent": absent,
    "describe": describe,
}
KINDS = tuple(ASKERS)
"""The kinds of question; the number of one is its place here."""


def ask(rng: np.random.Generator, scene: Scene, kind: str) -> Item | None:
    """A question of this kind about the scene, or None where it holds none."""
    return ASKERS[kind](rng, scene)
