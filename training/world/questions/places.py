"""Questions of where: one thing in one frame, all things in a frame, one thing over several frames."""

from __future__ import annotations

import numpy as np

from grounding.grammar import format_object
from training.truth import Truth
from training.world.happenings import Happening
from training.world.names import COLOURS
from training.world.questions.telling import (
    COORDINATES,
    Item,
    box_of,
    claim,
    clearest,
    is_readable,
    pick,
    seconds,
    seen_in,
    span_of,
    the,
    written,
)
from training.world.scene import Scene

MOST_LISTED = 6
MOST_FRAMES = 5


def where(rng: np.random.Generator, scene: Scene) -> Item | None:
    """Where is the red square at 3.5s?"""
    frame = int(rng.integers(len(scene.times_s)))
    seen = np.flatnonzero(scene.visible[:, frame] & scene.askable)
    if not len(seen):
        return None
    thing = int(rng.choice(seen))
    box = box_of(scene, thing, frame)
    return Item(
        kind="where",
        question=f"Where is {the(scene, thing)} at {seconds(scene.times_s[frame])}?",
        reasoning="",
        answer=format_object(scene.names[thing], box, coordinates=COORDINATES),
        truth=Truth(
            task="visual QA", answer=scene.names[thing], box=box, evidence=(claim(scene, thing, frame),)
        ),
    )


def dense(rng: np.random.Generator, scene: Scene) -> Item | None:
    """List everything at 3.5s. In a full clip: everything of one colour."""
    listed = (_listed(rng, scene, int(frame)) for frame in rng.permutation(len(scene.times_s)))
    return next((item for item in listed if item is not None), None)


def _listed(rng: np.random.Generator, scene: Scene, frame: int) -> Item | None:
    """What there is in a frame; None where something is so covered that it may be counted or not."""
    things = np.flatnonzero(scene.present[:, frame])
    what = "everything"
    if len(things) > MOST_LISTED:
        colour = str(rng.choice(list(COLOURS)))
        things = np.array([k for k in things if scene.names[k].startswith(f"{colour} ")], int)
        what = f"everything {colour}"
    if not len(things) or not scene.visible[things, frame].all():
        return None
    claims = tuple(claim(scene, int(k), frame) for k in things[np.argsort(scene.boxes[things, frame, 0])])
    return Item(
        kind="dense",
        question=f"List {what} at {seconds(scene.times_s[frame])}.",
        reasoning=written(claims),
        answer=str(len(claims)),
        truth=Truth(task="temporal-spatial free-form QA", answer=str(len(claims)), evidence=claims),
    )


def track(rng: np.random.Generator, scene: Scene) -> Item | None:
    """Where is the red square from 1.0s to 3.0s?, or: where does it flash?"""
    if rng.random() < 0.5:
        told = [h for h in scene.happenings if h.verb in ("flash", "show") and scene.askable[h.thing]]
        seen = [h for h in told if is_readable(scene, h) and clearest(scene, h) is not None]
        happening = pick(rng, seen)
        return None if happening is None else track_happening(scene, happening)
    things = np.flatnonzero(scene.askable)
    if not len(things):
        return None
    length = int(rng.integers(2, MOST_FRAMES + 1))
    if length > len(scene.times_s):
        return None
    first = int(rng.integers(len(scene.times_s) - length + 1))
    stretch = Happening(verb="view", thing=int(rng.choice(things)), first=first, last=first + length - 1)
    return track_range(scene, stretch)


def track_range(scene: Scene, stretch: Happening) -> Item | None:
    """Where is the red square from 1.0s to 3.0s? (the spatial question of what-when-where)"""
    span = span_of(scene, stretch)
    begin, end = seconds(span.start_s), seconds(span.end_s)
    return _tracked(scene, stretch, f"Where is {the(scene, stretch.thing)} from {begin} to {end}?")


def track_happening(scene: Scene, happening: Happening) -> Item | None:
    """Where does the red square flash? (the spatial question of what-where-when)"""
    what = "flash" if happening.verb == "flash" else f"show the digit {happening.digit}"
    return _tracked(scene, happening, f"Where does {the(scene, happening.thing)} {what}?")


def _tracked(scene: Scene, stretch: Happening, question: str) -> Item | None:
    frames = seen_in(scene, stretch)
    if not frames or len(frames) > MOST_FRAMES:
        return None
    claims = tuple(claim(scene, stretch.thing, frame) for frame in frames)
    name = scene.names[stretch.thing]
    return Item(
        kind="track",
        question=question,
        reasoning=written(claims),
        answer=name,
        truth=Truth(task="temporal-spatial free-form QA", answer=name, evidence=claims),
    )
