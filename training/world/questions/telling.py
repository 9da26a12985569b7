"""What questions have in common: names, claims and times of a scene, and the item that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from grounding.coordinates import Coordinates
from grounding.evidence import Box, Claim, Span
from grounding.grammar import format_abstention, format_claim, format_completion, format_span
from grounding.prompts import Task
from training.truth import Truth
from training.world.happenings import Happening, Verb
from training.world.names import SHAPES
from training.world.scene import Scene

COORDINATES: Coordinates = "relative-1000"
SEGMENT = Span(0.0, 100.0)
"""Times in a clip's texts are seconds from its start; no clip is longer."""

RING = SHAPES.index("ring")

MOST = 0.999
"""The largest coordinate: a box's text has three digits at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question of a clip with its answer in the grammar, and what is true of it."""

    kind: str
    question: str
    reasoning: str
    answer: str
    truth: Truth

    @property
    def task(self) -> Task:
        return self.truth.task

    @property
    def completion(self) -> str:
        return format_completion(reasoning=self.reasoning, answer=self.answer)


Asker = Callable[[np.random.Generator, Scene], Item | None]
"""Draws a question about a scene, or None where it holds none of that kind."""


def seconds(time_s: float) -> str:
    """A time in a question."""
    return f"{time_s:.1f}s"


def the(scene: Scene, thing: int) -> str:
    return f"the {scene.names[thing]}"


def box_of(scene: Scene, thing: int, frame: int) -> Box:
    """Where a thing is, on the lattice that the text can hold."""
    centre, radius = scene.centres[thing, frame], scene.radii[thing]
    corners = np.clip(np.round(np.concatenate([centre - radius, centre + radius]) / 128, 3), 0.0, MOST)
    return Box(*corners.tolist())


def claim(scene: Scene, thing: int, frame: int) -> Claim:
    return Claim(
        subject=scene.names[thing], boxes=(box_of(scene, thing, frame),), time_s=float(scene.times_s[frame])
    )


def written(claims: Iterable[Claim]) -> str:
    """Claims in the grammar, spaced."""
    return " ".join(format_claim(c, segment=SEGMENT, coordinates=COORDINATES) for c in claims)


def span_of(scene: Scene, happening: Happening) -> Span:
    return Span(float(scene.times_s[happening.first]), float(scene.times_s[happening.last]))


def span_text(span: Span) -> str:
    return format_span(span, segment=SEGMENT)


def seen_in(scene: Scene, happening: Happening) -> list[int]:
    """Frames of a happening in which its thing can be seen."""
    frames = np.arange(happening.first, happening.last + 1)
    return [int(f) for f in frames[scene.visible[happening.thing, frames]]]


def clearest(scene: Scene, happening: Happening) -> int | None:
    """The frame of a happening in which its thing is least covered; of equals, the middle one."""
    frames = np.arange(happening.first, happening.last + 1)
    hidden = np.round(scene.hidden[happening.thing, frames], 1)
    best = frames[hidden == hidden.min()]
    return int(best[(len(best) - 1) // 2]) if hidden.min() < 0.3 else None


def has_clear_borders(scene: Scene, happening: Happening) -> bool:
    """Whether it can be told when it begins and ends: its thing is seen there, and right before and after."""
    first, last = happening.first, happening.last
    around = [f for f in (first - 1, first, last, last + 1) if 0 <= f < len(scene.times_s)]
    in_view = [f for f in around if scene.present[happening.thing, f]]
    return bool(scene.visible[happening.thing, in_view].all())


def is_readable(scene: Scene, happening: Happening) -> bool:
    """Whether a digit that is shown can be told from others: on a ring most of its strokes are missing."""
    return happening.verb != "show" or scene.sprites[happening.thing] != RING


def shown_by(scene: Scene, happenings: Sequence[Happening]) -> tuple[tuple[Claim, ...], tuple[int, ...]]:
    """Evidence of happenings, a group each: one claim anywhere in it proves it."""
    claims, groups = [], []
    for group, happening in enumerate(happenings):
        for frame in seen_in(scene, happening):
            claims.append(claim(scene, happening.thing, frame))
            groups.append(group)
    return tuple(claims), tuple(groups)


def once(scene: Scene, verb: Verb) -> list[Happening]:
    """Readable happenings of a kind that befall their thing just once, and that thing may be asked about."""
    all_of = [h for h in scene.happenings if h.verb == verb]
    things = [h.thing for h in all_of]
    alone = [h for h in all_of if things.count(h.thing) == 1 and scene.askable[h.thing]]
    return [h for h in alone if is_readable(scene, h)]


def pick(rng: np.random.Generator, choices: Sequence[Happening]) -> Happening | None:
    return choices[int(rng.integers(len(choices)))] if choices else None


def abstention(kind: str, question: str, task: Task, *, reason: str) -> Item:
    """An item that the clip can't answer."""
    return Item(
        kind=kind,
        question=question,
        reasoning="",
        answer=format_abstention(reason),
        truth=Truth(task=task, abstains=True),
    )
