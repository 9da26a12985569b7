"""Sentences with their proof, in the evidence grammar: claims, statements, replies.

A statement is words and claims in one line; its text reads as plain English once the tags are gone ("person
riding a bicycle", "1 bus and 3 cars"), because that text is what people search and read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engines.contract import Reply, ScreenText
from engines.english import plural
from engines.shown import SCREEN_TEXT_SUBJECT
from engines.spotter.relations import Hit, Sighting
from grounding import (
    Claim,
    Coordinates,
    Span,
    collapse,
    format_abstention,
    format_completion,
    format_statement,
)

COORDINATES: Coordinates = "relative-1000"

_STOOD_ON = frozenset(["skateboard", "surfboard", "snowboard", "skis"])

MOST_BOXES = 20
"""Boxes in one claim; a crowd is proven by its surest members."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A claim and how sure it is (0..1: the least sure of its boxes)."""

    claim: Claim
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One line of reasoning: words and proofs in reading order, over a span of file time."""

    span: Span
    parts: tuple[str | Proof, ...]

    @property
    def proofs(self) -> tuple[Proof, ...]:
        return tuple(part for part in self.parts if isinstance(part, Proof))

    @property
    def text(self) -> str:
        """The words as a reader sees them."""
        words = (part if isinstance(part, str) else part.claim.subject for part in self.parts)
        return " ".join(words).replace(" ,", ",")


def counted(label: str, number: int) -> str:
    """The label in the number that fits: "bus", "people"."""
    return label if number == 1 else plural(label)


def proof(group: Sequence[Sighting], *, name: str | None = None) -> Proof:
    """One claim over sightings of one kind in one frame, the surest first."""
    surest = sorted(group, key=lambda s: -s.point.confidence)[:MOST_BOXES]
    subject = name or counted(group[0].label, len(group))
    claim = Claim(subject=subject, boxes=tuple(s.point.box for s in surest), time_s=surest[0].point.time_s)
    return Proof(claim=claim, confidence=min(s.point.confidence for s in surest))


def by_label(found: Sequence[Sighting]) -> dict[str, list[Sighting]]:
    """Sightings by their kind, in order of appearance."""
    groups: dict[str, list[Sighting]] = {}
    for sighting in found:
        groups.setdefault(sighting.label, []).append(sighting)
    return groups


def listed(groups: Sequence[Sequence[Sighting]]) -> tuple[str | Proof, ...]:
    """Groups of one kind each, as "bus" or "1 bus and 3 cars" or "1 bus, 2 people and 3 cars"."""
    if len(groups) == 1 and len(groups[0]) == 1:
        return (proof(groups[0]),)
    return numbered(groups)


def numbered(groups: Sequence[Sequence[Sighting]]) -> tuple[str | Proof, ...]:
    """Groups of one kind each, always with their numbers: "1 bus and 3 cars"."""
    parts: list[str | Proof] = []
    for number, group in enumerate(groups):
        between = "" if number == 0 else "and " if number == len(groups) - 1 else ", "
        if between == ", ":
            parts.append(",")
            between = ""
        parts.extend((f"{between}{len(group)}", proof(group)))
    return tuple(parts)


def riding_parts(people: Sequence[Sighting], ridden: Sequence[Sighting]) -> tuple[str | Proof, ...]:
    """ "person riding a bicycle" or "2 people riding bicycles"; one stands on a board."""
    label = ridden[0].label
    verb = "on" if label in _STOOD_ON else "riding"
    if min(len(people), len(ridden)) > 1:
        return (str(len(people)), proof(people), verb, proof(ridden))
    article = "" if label.endswith("s") else " an" if label[0] in "aeiou" else " a"
    return (proof(_surest(people)), verb + article, proof(_surest(ridden)))


def _surest(group: Sequence[Sighting]) -> list[Sighting]:
    return [max(group, key=lambda s: s.point.confidence)]


def clearest(found: Sequence[Hit]) -> Hit:
    """The hit with the most things; among equals the one whose least sure thing is surest."""
    return max(
        found,
        key=lambda hit: (len(hit.sightings), min(s.point.confidence for s in hit.sightings), -hit.sample),
    )


def text_statement(texts: Sequence[ScreenText]) -> Statement:
    """Texts read in one frame: `text on screen: "A", "B"`, one claim with a box each."""
    first = texts[0]
    claim = Claim(subject=SCREEN_TEXT_SUBJECT, boxes=tuple(text.box for text in texts), time_s=first.time_s)
    confidence = min(text.confidence for text in texts)
    words = f"on screen: {quotes(texts)}"
    return Statement(span=first.span, parts=(Proof(claim=claim, confidence=confidence), words))


def quotes(texts: Sequence[ScreenText]) -> str:
    """The texts in double quotes, each once: `"A", "B"`."""
    return ", ".join(f'"{text}"' for text in dict.fromkeys(collapse(t.text) for t in texts))


def reply(statements: Sequence[Statement], *, answer: str, window: Span) -> Reply:
    """The statements as reasoning, one a line, and `answer`, which is in the grammar already."""
    lines = [
        format_statement(
            [part if isinstance(part, str) else part.claim for part in statement.parts],
            span=statement.span,
            segment=window,
            coordinates=COORDINATES,
        )
        for statement in statements
    ]
    confidences = tuple(p.confidence for statement in statements for p in statement.proofs)
    return Reply(text=format_completion(reasoning="\n".join(lines), answer=answer), confidences=confidences)


def abstention(reason: str) -> Reply:
    """`Cannot tell: reason`, without a claim."""
    return Reply(text=format_completion(reasoning="", answer=format_abstention(reason)), confidences=())
