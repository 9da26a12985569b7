"""Questions of what: digits, names, order, options, and a description of the whole clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from grounding.evidence import Claim
from grounding.grammar import format_statement
from training.truth import Truth
from training.world.happenings import Happening
from training.world.questions.telling import (
    COORDINATES,
    SEGMENT,
    Item,
    claim,
    clearest,
    has_clear_borders,
    is_readable,
    once,
    pick,
    seconds,
    shown_by,
    span_of,
    the,
    written,
)
from training.world.questions.times import LETTERS
from training.world.scene import Scene

MOST_DESCRIBED = 6


def digit(rng: np.random.Generator, scene: Scene) -> Item | None:
    """Which digit does the red square show?"""
    show = pick(rng, once(scene, "show"))
    if show is None:
        return None
    return _proved(
        scene, "digit", f"Which digit does {the(scene, show.thing)} show?", str(show.digit), [show]
    )


def choice(rng: np.random.Generator, scene: Scene) -> Item | None:
    """Which digit does the red square show? A. digit 3 B. digit 7 C. digit 5 D. digit 1"""
    show = pick(rng, once(scene, "show"))
    if show is None:
        return None
    options = [int(d) for d in rng.permutation([d for d in range(10) if d != show.digit])[: len(LETTERS) - 1]]
    right = int(rng.integers(len(LETTERS)))
    options.insert(right, show.digit)
    listed = " ".join(f"{letter}. digit {d}" for letter, d in zip(LETTERS, options, strict=True))
    question = f"Which digit does {the(scene, show.thing)} show? {listed}"
    item = _proved(scene, "choice", question, LETTERS[right], [show], task="General video QA MCQ")
    # Said first, so that the letter is looked up and not guessed.
    return None if item is None else replace(item, reasoning=f"{item.reasoning} shows the digit {show.digit}")


Side = Literal["after", "before"]


def order(rng: np.random.Generator, scene: Scene) -> Item | None:
    """Which digit does the red square show after the blue ball leaves? Of several digits, time decides."""
    found = [
        (show, anchor, side, words)
        for show in scene.happenings
        if show.verb == "show" and scene.askable[show.thing] and is_readable(scene, show)
        for anchor in _anchors(scene)
        if anchor.thing != show.thing
        for side, words in _told(scene, anchor)
        if _decides(scene, show, anchor, side, words)
    ]
    if not found:
        return None
    show, anchor, side, words = found[int(rng.integers(len(found)))]
    question = f"Which digit does {the(scene, show.thing)} show {side} {the(scene, anchor.thing)} {words}?"
    return _proved(scene, "order", question, str(show.digit), [_moment(anchor, words), show])


def _anchors(scene: Scene) -> list[Happening]:
    everyone = [h for h in scene.happenings if h.verb in ("flash", "view")]
    return [h for h in everyone if sum(o.verb == h.verb and o.thing == h.thing for o in everyone) == 1]


def _told(scene: Scene, anchor: Happening) -> list[tuple[Side, str]]:
    """The words for a happening that others come after or before."""
    if anchor.verb == "flash":
        return [("after", "flashes"), ("before", "flashes")]
    told: list[tuple[Side, str]] = []
    if anchor.first > 0:
        told.append(("before", "appears"))
        told.append(("after", "appears"))
    if anchor.last < len(scene.times_s) - 1:
        told.append(("before", "leaves"))
        told.append(("after", "leaves"))
    return told


def _moment(anchor: Happening, words: str) -> Happening:
    """The frames that prove it: of a thing that appears, its first; of one that leaves, its last."""
    if words == "appears":
        return replace(anchor, last=min(anchor.first + 1, anchor.last))
    if words == "leaves":
        return replace(anchor, first=max(anchor.last - 1, anchor.first))
    return anchor


def _decides(scene: Scene, show: Happening, anchor: Happening, side: Side, words: str) -> bool:
    """Whether of all digits of the thing this one alone is on that side, and all are clearly on one."""
    first, last = anchor.first, anchor.last
    if words == "appears":
        first = last = anchor.first
    elif words == "leaves":
        first = last = anchor.last + 1
    shows = [h for h in scene.happenings if h.verb == "show" and h.thing == show.thing]
    later = [h for h in shows if h.first > last]
    earlier = [h for h in shows if h.last < first]
    chosen = later if side == "after" else earlier
    return len(shows) > 1 and chosen == [show] and len(later) + len(earlier) == len(shows)


def first(rng: np.random.Generator, scene: Scene) -> Item | None:
    """Which flashes first, the red square or the blue ring?"""
    flashes = [h for h in once(scene, "flash") if has_clear_borders(scene, h)]
    pairs = [(a, b) for a in flashes for b in flashes if a.first < b.first]
    if not pairs:
        return None
    earlier, later = pairs[int(rng.integers(len(pairs)))]
    named = [earlier, later] if rng.random() < 0.5 else [later, earlier]
    either = " or ".join(the(scene, h.thing) for h in named)
    name = scene.names[earlier.thing]
    return _proved(scene, "first", f"Which flashes first, {either}?", name, [earlier, later])


def what(rng: np.random.Generator, scene: Scene) -> Item | None:
    """What flashes?, what shows the digit 7?, what flashes at 3.5s?"""
    candidates = [
        (h, words) for h in scene.happenings if scene.askable[h.thing] for words in _alone(scene, h)
    ]
    if not candidates:
        return None
    happening, words = candidates[int(rng.integers(len(candidates)))]
    return what_of(scene, happening, words)


def what_of(scene: Scene, happening: Happening, words: str) -> Item | None:
    return _proved(scene, "what", f"What {words}?", scene.names[happening.thing], [happening])


def _alone(scene: Scene, happening: Happening) -> list[str]:
    """Words that fit this happening alone."""
    words = []
    same = [h for h in scene.happenings if h.verb == happening.verb]
    if happening.verb == "flash":
        if len(same) == 1:
            words.append("flashes")
        for frame in range(happening.first, happening.last + 1):
            if sum(h.first <= frame <= h.last for h in same) == 1:
                words.append(f"flashes at {seconds(scene.times_s[frame])}")
    alike = [h for h in same if h.digit == happening.digit or not is_readable(scene, h)]
    if happening.verb == "show" and alike == [happening] and is_readable(scene, happening):
        words.append(f"shows the digit {happening.digit}")
    return words


def alone(scene: Scene) -> list[tuple[Happening, str]]:
    """Happenings that can be asked for without a name or a time: where a chain of questions begins."""
    return [
        (h, words)
        for h in scene.happenings
        if scene.askable[h.thing]
        for words in _alone(scene, h)
        if " at " not in words
    ]


def _proved(
    scene: Scene,
    kind: str,
    question: str,
    answer: str,
    by: Sequence[Happening],
    *,
    task: Literal["General video QA Free-form", "General video QA MCQ"] = "General video QA Free-form",
) -> Item | None:
    """An answer with one claim for each happening that it rests on."""
    proofs = [(h, clearest(scene, h)) for h in by]
    if any(frame is None for _, frame in proofs):
        return None
    claims, groups = shown_by(scene, by)
    said = [claim(scene, h.thing, frame) for h, frame in proofs if frame is not None]
    return Item(
        kind=kind,
        question=question,
        reasoning=written(said),
        answer=answer,
        truth=Truth(task=task, answer=answer, evidence=claims, groups=groups),
    )


DESCRIBED = ("flash", "show")


def describe(_: np.random.Generator, scene: Scene) -> Item | None:
    """Describe what happens: what flashes, and what shows which digit."""
    told = [h for h in scene.happenings if h.verb in DESCRIBED]
    proofs = [(h, clearest(scene, h)) for h in told]
    is_clear = all(frame is not None and h.last > h.first and is_readable(scene, h) for h, frame in proofs)
    if len(told) > MOST_DESCRIBED or not is_clear:
        return None
    lines = [_line(scene, h, frame) for h, frame in proofs if frame is not None]
    claims, groups = shown_by(scene, told)
    count = f"{len(lines)} events" if lines else "nothing happens"
    return Item(
        kind="describe",
        question="Describe what happens.",
        reasoning="\n".join(lines),
        answer=count,
        truth=Truth(task="describe", answer=count, evidence=claims, groups=groups,
                    spans=tuple(span_of(scene, h) for h in told)),
    )  # fmt: skip


def _line(scene: Scene, happening: Happening, frame: int) -> str:
    verb = "flashes" if happening.verb == "flash" else f"shows the digit {happening.digit}"
    parts: list[str | Claim] = ["the", claim(scene, happening.thing, frame), verb]
    return format_statement(parts, span=span_of(scene, happening), segment=SEGMENT, coordinates=COORDINATES)
