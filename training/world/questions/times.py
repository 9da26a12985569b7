"""Questions of when."""

from __future__ import annotations

import numpy as np

from grounding.evidence import Span
from grounding.grammar import format_option
from training.truth import Truth
from training.world.happenings import Happening, Verb
from training.world.questions.telling import (
    Item,
    claim,
    clearest,
    has_clear_borders,
    is_readable,
    once,
    pick,
    seconds,
    seen_in,
    shown_by,
    span_of,
    span_text,
    the,
    written,
)
from training.world.scene import Scene

LETTERS = "ABCD"
SHOWN_BOXES = 3


def asked(scene: Scene, happening: Happening) -> str:
    """When does the red square flash?"""
    subject = the(scene, happening.thing)
    return {
        "view": f"When is {subject} in view?",
        "flash": f"When does {subject} flash?",
        "show": f"When does {subject} show the digit {happening.digit}?",
        "touch": f"When does {subject} touch {the(scene, happening.other) if happening.other >= 0 else ''}?",
        "zone": f"When is {subject} in the zone?",
    }[happening.verb]


def when_of(verb: Verb):  # type: ignore[no-untyped-def]
    """The asker of one kind of happening."""

    def ask(rng: np.random.Generator, scene: Scene) -> Item | None:
        happening = pick(rng, _choices(scene, verb))
        return None if happening is None else when(scene, happening)

    return ask


def _choices(scene: Scene, verb: Verb) -> list[Happening]:
    if verb in ("show", "touch"):  # told apart by their digit, or by the pair
        found = [h for h in scene.happenings if h.verb == verb and scene.askable[h.thing]]
    else:
        found = once(scene, verb)
    # A span of one frame has no length.
    return [h for h in found if h.last > h.first and is_readable(scene, h)]


def when(scene: Scene, happening: Happening, *, question: str | None = None) -> Item | None:
    """The span of a happening, proved by the frame in which it is seen best."""
    proof = clearest(scene, happening)
    if proof is None or not has_clear_borders(scene, happening):
        return None
    span = span_of(scene, happening)
    claims, groups = shown_by(scene, [happening])
    return Item(
        kind=happening.verb if question is None else "when-there",
        question=question or asked(scene, happening),
        reasoning=written([claim(scene, happening.thing, proof)]),
        answer=span_text(span),
        truth=Truth(task="temporal QA", spans=(span,), evidence=claims, groups=groups),
    )


def when_there(rng: np.random.Generator, scene: Scene) -> Item | None:
    """When does the red square flash? It is at [..] (the temporal question of what-where-when)"""
    happening = pick(rng, [*_choices(scene, "flash"), *_choices(scene, "show")])
    return None if happening is None else when_there_of(scene, happening)


def when_there_of(scene: Scene, happening: Happening) -> Item | None:
    frames = seen_in(scene, happening)
    if not frames:
        return None
    boxes = [claim(scene, happening.thing, f).boxes[0] for f in frames[:SHOWN_BOXES]]
    corners = [",".join(str(round(v * 1000)) for v in (b.x1, b.y1, b.x2, b.y2)) for b in boxes]
    places = " ".join(f"[{text}]" for text in corners)
    return when(scene, happening, question=f"{asked(scene, happening)} It is at {places}")


def when_choice(rng: np.random.Generator, scene: Scene) -> Item | None:
    """When does the red square flash? A. From 1.0s to 2.0s B. ..."""
    happening = pick(rng, [*_choices(scene, "flash"), *_choices(scene, "show"), *_choices(scene, "view")])
    item = None if happening is None else when(scene, happening)
    if item is None or happening is None:
        return None
    spans = _other_spans(rng, scene, happening)
    if len(spans) < len(LETTERS) - 1:
        return None
    right = int(rng.integers(len(LETTERS)))
    spans.insert(right, item.truth.spans[0])
    options = " ".join(
        f"{letter}. From {seconds(s.start_s)} to {seconds(s.end_s)}"
        for letter, s in zip(LETTERS, spans, strict=True)
    )
    letter = LETTERS[right]
    return Item(
        kind="when-choice",
        question=f"{item.question} {options}",
        reasoning=item.reasoning,
        answer=format_option(item.answer, letter),
        truth=Truth(
            task="temporal QA (MCQ)",
            answer=letter,
            spans=item.truth.spans,
            evidence=item.truth.evidence,
            groups=item.truth.groups,
        ),
    )


def _other_spans(rng: np.random.Generator, scene: Scene, happening: Happening) -> list[Span]:
    """Three stretches of the same length, all four begun two frames or more apart: of options that lay closer
    the true one would be known without the clip, as none could lie beside it.
    """
    length = happening.last - happening.first
    begun = [happening.first]
    for first in rng.permutation(len(scene.times_s) - length):
        if all(abs(int(first) - other) > 1 for other in begun):
            begun.append(int(first))
    return [Span(float(scene.times_s[f]), float(scene.times_s[f + length])) for f in begun[1 : len(LETTERS)]]
