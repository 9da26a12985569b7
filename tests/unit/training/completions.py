"""Completions in the grammar and truths, for the tests of what is held against what."""

from __future__ import annotations

from collections.abc import Sequence

from grounding import (
    Box,
    Claim,
    Span,
    Task,
    format_claim,
    format_completion,
    format_object,
    format_spans,
    format_statement,
)
from training.rewards import Reading
from training.truth import Truth

CLIP = Span(0.0, 600.0)
READING = Reading(duration_s=CLIP.end_s)
WHERE_AND_WHEN: Task = "temporal-spatial free-form QA"

LEFT = Box(0.1, 0.2, 0.4, 0.6)
RIGHT = Box(0.6, 0.2, 0.9, 0.6)


def seen(subject: str, time_s: float, *boxes: Box) -> Claim:
    return Claim(subject=subject, boxes=boxes, time_s=time_s)


MAN = seen("man", 10.0, LEFT)
DOG = seen("dog", 20.0, RIGHT)


def statement(*claims: Claim) -> str:
    return format_statement(claims, segment=CLIP, coordinates="relative-1000")


def completion(*claims: Claim, answer: str = "A man walks his dog") -> str:
    """A whole completion whose reasoning makes these claims."""
    return format_completion(reasoning=f"I see {statement(*claims)}.", answer=answer)


def spans_answer(*spans: Span) -> str:
    return format_spans(spans, segment=CLIP)


def box_answer(subject: str, box: Box) -> str:
    return format_object(subject, box, coordinates="relative-1000")


def claim_text(claim: Claim) -> str:
    return format_claim(claim, segment=CLIP, coordinates="relative-1000")


def truth(*evidence: Claim, task: Task = WHERE_AND_WHEN, answer: str | None = "A man walks his dog") -> Truth:
    return Truth(task=task, answer=answer, evidence=evidence)


def grid(side: int) -> Sequence[Box]:
    """Boxes of many sizes all over the frame: one of them is near any box."""
    edges = [n / side for n in range(side + 1)]
    return [
        Box(x1, y1, x2, y2)
        for x1 in edges
        for x2 in edges
        for y1 in edges
        for y2 in edges
        if x1 < x2 and y1 < y2
    ]
