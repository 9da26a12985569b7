"""The standing description: few, readable statements of who does what with what, and what is written.

Per shot: first what people ride, then vehicles in traffic, then all that is left, by the stretch of time in
which it is seen; text on screen at the end. Each statement is proven at its clearest frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from engines.contract import ScreenText
from engines.phrases import Link
from engines.spotter.observations import Observations
from engines.spotter.relations import RIDDEN, Hit, Sighting, hits, sightings, stretches
from engines.spotter.vocabulary import load_vocabulary
from engines.spotter.writing import (
    Statement,
    by_label,
    clearest,
    listed,
    numbered,
    proof,
    riding_parts,
    text_statement,
)
from engines.things import Thing
from grounding import Span
from grounding.geometry import tiou

SAME_STRETCH_LEAST = 0.6
"""tIoU from which two kinds of thing are told in one statement."""

_TRAFFIC = Thing(text="traffic", name="traffic", kind="traffic", labels=("car", "motorcycle", "bus", "truck"))
_PERSON = Thing(text="person", name="person", labels=("person",))


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A label, from when to when it is seen, and the frames."""

    label: str
    span: Span
    found: tuple[Hit, ...]


def describe(observations: Observations) -> list[Statement]:
    """All statements, in order of time."""
    statements: list[Statement] = []
    for shot in observations.shots:
        within = _within(observations, shot)
        if within.times_s:
            statements.extend(_of_shot(within))
    statements.extend(_texts(observations.screen_texts))
    return sorted(statements, key=lambda s: (s.span.start_s, s.span.end_s))


def _within(observations: Observations, shot: Span) -> Observations:
    """The observations of one shot alone (the last shot holds its own end)."""
    last = shot.end_s >= observations.window.end_s
    kept = [
        i
        for i, t in enumerate(observations.times_s)
        if shot.start_s <= t < shot.end_s or (last and t == shot.end_s)
    ]
    return replace(
        observations,
        window=shot,
        times_s=tuple(observations.times_s[i] for i in kept),
        pts=tuple(observations.pts[i] for i in kept),
        shots=(shot,),
    )


def _of_shot(shot: Observations) -> list[Statement]:
    riders: list[Sighting] = []  # and what they ride
    statements: list[Statement] = []
    for label in load_vocabulary().labels:
        if label in RIDDEN:
            ridden = Thing(text=label, name=label, labels=(label,))
            link = Link(first=0, relation="riding", second=1)
            for span, run in stretches(shot, hits(shot, (_PERSON, ridden), links=(link,))):
                statements.append(_riding(span, run))
                riders.extend(s for hit in run for s in hit.sightings)
    traffic, vehicles = _traffic(shot)
    statements.extend(traffic)
    statements.extend(_sets(_rest(shot, told=[*riders, *vehicles])))
    return statements


def _riding(span: Span, run: Sequence[Hit]) -> Statement:
    best = clearest(run)
    return Statement(span=span, parts=riding_parts(*best.members))


def _traffic(shot: Observations) -> tuple[list[Statement], list[Sighting]]:
    """Statements about traffic, and the vehicles that they tell of."""
    statements: list[Statement] = []
    told: list[Sighting] = []
    link = Link(first=0, relation="in", second=1)
    for label in ("bus", "truck", "motorcycle"):
        lead = Thing(text=label, name=label, labels=(label,))
        for span, run in stretches(shot, hits(shot, (lead, _TRAFFIC), links=(link,))):
            best = clearest(run)
            groups = by_label(best.members[1])
            leads = groups.pop(label)
            number = () if len(leads) == 1 else (str(len(leads)),)
            others = () if not groups else ("with", *numbered(list(groups.values())))
            statements.append(Statement(span=span, parts=(*number, proof(leads), "in traffic", *others)))
            told.extend(s for hit in run for s in hit.sightings)
    for span, run in stretches(shot, hits(shot, (_TRAFFIC,))):
        if any(_alike(span, statement.span) for statement in statements):
            continue
        groups = by_label(clearest(run).sightings)
        statements.append(Statement(span=span, parts=(*numbered(list(groups.values())), "in traffic")))
        told.extend(s for hit in run for s in hit.sightings)
    return statements, told


def _rest(shot: Observations, told: Sequence[Sighting]) -> list[_Stretch]:
    """Each kind's stretches, less what the statements before have told."""
    seen = _without(told, sightings(shot))
    labels = dict.fromkeys(s.label for at in seen for s in at)
    found: list[_Stretch] = []
    for label in labels:
        own = [
            Hit(sample=i, members=(group,), counts=(len(group),))
            for i, at in enumerate(seen)
            if (group := tuple(s for s in at if s.label == label))
        ]
        found.extend(_Stretch(label, span, tuple(run)) for span, run in stretches(shot, own))
    return found


def _without(told: Sequence[Sighting], seen: Sequence[Sequence[Sighting]]) -> list[list[Sighting]]:
    """What was seen less what is told; a track goes altogether when half of it or more is told."""
    gone = {(s.track, s.sample) for s in told}
    told_of = Counter(track for track, _ in gone)
    lengths = Counter(s.track for at in seen for s in at)
    whole = {track for track, number in told_of.items() if 2 * number >= lengths[track]}
    return [[s for s in at if s.track not in whole and (s.track, s.sample) not in gone] for at in seen]


def _sets(found: Sequence[_Stretch]) -> list[Statement]:
    """Kinds seen over about the same time, told together."""
    groups: list[list[_Stretch]] = []
    for stretch in sorted(found, key=lambda s: (s.span.start_s, -s.span.end_s)):
        home = next((g for g in groups if _alike(g[0].span, stretch.span)), None)
        if home is None or any(s.label == stretch.label for s in home):
            groups.append([stretch])
        else:
            home.append(stretch)
    return [
        Statement(span=_hull(group), parts=listed([clearest(s.found).sightings for s in _in_order(group)]))
        for group in groups
    ]


def _alike(first: Span, second: Span) -> bool:
    return first == second or tiou(first, second) >= SAME_STRETCH_LEAST


def _in_order(group: Sequence[_Stretch]) -> list[_Stretch]:
    """People first, as in the vocabulary."""
    return sorted(group, key=lambda s: load_vocabulary().labels.index(s.label))


def _hull(group: Sequence[_Stretch]) -> Span:
    return Span(min(s.span.start_s for s in group), max(s.span.end_s for s in group))


def _texts(texts: Sequence[ScreenText]) -> list[Statement]:
    """Texts that stand together in time, in one statement."""

    def when(text: ScreenText) -> tuple[float, float, float]:
        return (text.span.start_s, text.span.end_s, text.time_s)

    return [text_statement(list(group)) for _, group in groupby(sorted(texts, key=when), key=when)]
