"""Questions that the clip can't answer: the thing isn't there, or doesn't do what is asked."""

from __future__ import annotations

import numpy as np

from training.world.names import COLOURS, KINDS, SHAPES, is_held_out
from training.world.questions.telling import Item, abstention, seconds, the
from training.world.scene import Scene


def absent(rng: np.random.Generator, scene: Scene) -> Item | None:
    """One of the ways in which there is nothing to tell."""
    ways = (_no_such_thing, _never, _no_digit, _out_of_view)
    return ways[int(rng.integers(len(ways)))](rng, scene)


def _no_such_thing(rng: np.random.Generator, scene: Scene) -> Item | None:
    missing = _missing(rng, scene)
    if not missing:
        return None
    name = missing[int(rng.integers(len(missing)))]
    time = seconds(scene.times_s[int(rng.integers(len(scene.times_s)))])
    questions = (
        (f"Where is the {name} at {time}?", "visual QA"),
        (f"When does the {name} flash?", "temporal QA"),
        (f"Which digit does the {name} show?", "General video QA Free-form"),
    )
    question, task = questions[int(rng.integers(len(questions)))]
    return abstention("absent", question, task, reason=f"no {name}")  # type: ignore[arg-type]


def _missing(rng: np.random.Generator, scene: Scene) -> list[str]:
    """Names that no thing has, of the sort that one which may be asked about has: a name alone must not tell
    whether its thing is there.
    """
    there = [name for name, askable in zip(scene.names, scene.askable, strict=True) if askable]
    if not there:
        return []
    like = there[int(rng.integers(len(there)))]
    return [name for name in _sort_of(like) if name not in scene.names]


def _sort_of(name: str) -> list[str]:
    """All kinds of cut-outs; or all pairs that training shows, or all that it doesn't."""
    if name in KINDS:
        return list(KINDS)
    colour, shape = name.split()
    held = is_held_out(colour, shape)
    return [f"{c} {s}" for c in COLOURS for s in SHAPES if is_held_out(c, s) == held]


def _never(rng: np.random.Generator, scene: Scene) -> Item | None:
    flashing = {h.thing for h in scene.happenings if h.verb == "flash"}
    still = [k for k in range(len(scene.names)) if k not in flashing and scene.askable[k]]
    if not still:
        return None
    subject = the(scene, still[int(rng.integers(len(still)))])
    return abstention("absent", f"When does {subject} flash?", "temporal QA", reason="no flash")


def _no_digit(rng: np.random.Generator, scene: Scene) -> Item | None:
    showing = {h.thing for h in scene.happenings if h.verb == "show"}
    blank = [k for k in range(len(scene.names)) if k not in showing and scene.askable[k]]
    if not blank:
        return None
    subject = the(scene, blank[int(rng.integers(len(blank)))])
    return abstention(
        "absent", f"Which digit does {subject} show?", "General video QA Free-form", reason="no digit"
    )


def _out_of_view(rng: np.random.Generator, scene: Scene) -> Item | None:
    things, frames = np.nonzero(~scene.present & scene.askable[:, None])
    if not len(things):
        return None
    at = int(rng.integers(len(things)))
    question = f"Where is {the(scene, int(things[at]))} at {seconds(scene.times_s[frames[at]])}?"
    return abstention("absent", question, "visual QA", reason="not in view")
