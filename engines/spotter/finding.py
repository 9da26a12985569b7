"""All that is seen of what a question asks for, with its proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engines.contract import ScreenText
from engines.spotter.observations import Observations
from engines.spotter.relations import Hit, hits, is_at, stretches
from engines.spotter.screen import matching
from engines.spotter.understanding import Intent
from engines.spotter.writing import (
    Proof,
    Statement,
    by_label,
    clearest,
    listed,
    numbered,
    riding_parts,
    text_statement,
)
from grounding import Span

MOST_STRETCHES = 50
"""Stretches of time in one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What answers a question: `statements` in order of time, the hits they stand on, the texts read."""

    statements: tuple[Statement, ...] = ()
    found: tuple[Hit, ...] = ()
    texts: tuple[ScreenText, ...] = ()

    @property
    def spans(self) -> tuple[Span, ...]:
        """The stretches, each once."""
        return tuple(dict.fromkeys(statement.span for statement in self.statements))

    @property
    def most(self) -> int:
        """How many of the first thing asked for are seen at once, at most."""
        return max((_firsts(hit) for hit in self.found), default=0)


def find(intent: Intent, observations: Observations) -> Finding:
    """Everything in the observations that shows what the intent asks for."""
    if intent.reading_asked:
        texts = [
            text
            for text in matching(observations.screen_texts, intent.words)
            if all(is_at(text.box, side) for side in intent.positions)
        ][:MOST_STRETCHES]
        return Finding(statements=tuple(text_statement([text]) for text in texts), texts=tuple(texts))
    if intent.kind == "which":
        return _of_each_kind(intent, observations)
    found = hits(
        observations, intent.things, links=intent.links, positions=intent.positions, any_of=intent.any_of
    )
    seen = stretches(observations, _proving(intent, found))[:MOST_STRETCHES]
    statements = [Statement(span=span, parts=_parts(intent, clearest(run))) for span, run in seen]
    return Finding(statements=tuple(statements), found=tuple(found))


def _of_each_kind(intent: Intent, observations: Observations) -> Finding:
    """The kinds of a broader word one by one, so that each that is named has its own proof."""
    (thing,) = intent.things
    each = [
        find(replace(intent, kind="exists", things=(replace(thing, labels=(label,)),)), observations)
        for label in thing.labels
    ]
    statements = sorted((s for f in each for s in f.statements), key=lambda s: s.span.start_s)
    return Finding(statements=tuple(statements), found=tuple(hit for f in each for hit in f.found))


def _proving(intent: Intent, found: Sequence[Hit]) -> list[Hit]:
    """The hits that prove the answer: of a count only those with so many, for the others show fewer."""
    most = max((_firsts(hit) for hit in found), default=0)
    return [hit for hit in found if intent.kind != "count" or _firsts(hit) == most]


def _firsts(hit: Hit) -> int:
    return hit.counts[next((i for i, g in enumerate(hit.members) if g), 0)]


def _parts(intent: Intent, hit: Hit) -> tuple[str | Proof, ...]:
    """The hit in words, with its claims."""
    if len(intent.links) == 1 and len(intent.things) == 2:
        return _linked(intent, hit)
    if len(intent.things) == 1 and intent.things[0].relation == "riding":
        people = [s for s in hit.sightings if s.label == "person"]
        return riding_parts(people, [s for s in hit.sightings if s.label != "person"])
    return listed(list(by_label(hit.sightings).values()))


def _linked(intent: Intent, hit: Hit) -> tuple[str | Proof, ...]:
    (link,) = intent.links
    first, second = hit.members[link.first], hit.members[link.second]
    if link.relation == "riding":
        return riding_parts(first, second)
    if intent.things[link.second].kind == "traffic":
        leads = {s.track for s in first}
        others = list(by_label([s for s in second if s.track not in leads]).values())
        tail = ("with", *numbered(others)) if others else ()
        return (*listed(list(by_label(first).values())), "in traffic", *tail)
    if link.relation == "and":
        return listed(list(by_label(hit.sightings).values()))
    return (
        *listed(list(by_label(first).values())),
        link.relation,
        *listed(list(by_label(second).values())),
    )
