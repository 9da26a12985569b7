"""A text in the grammar as the row of things that it is made of, in order: to be written anew.

Where `parse` says what a completion claims, `pieces` keeps everything in its place, so that a reasoning can
be written again with other coordinates or times and the same words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grounding.coordinates import Coordinates, scale_of
from grounding.evidence import Box, Claim, Problem, Span
from grounding.limits import Ledger
from grounding.phrases import Grouper, Phrase
from grounding.scanning import Element, find_blocks, find_tags, scan

Piece = str | Claim | Span | Box
"""Words as they were written (entities too), or what stands between them. A Box is one that has no name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """The pieces of a text in order, and what in it was malformed: such a claim is left as its name."""

    pieces: tuple[Piece, ...]
    problems: tuple[Problem, ...]


def pieces(
    text: str,
    *,
    segment: Span,
    coordinates: Coordinates,
    frame_size: tuple[int, int] | None = None,
    picture_s: float | None = None,
) -> Pieces:
    """A reasoning (or a whole completion) as pieces; tags of blocks are left out. No text makes it raise.

    Arguments as for `parse`. `picture_s`: the text speaks of one picture, shown at that time, and an object
    without a time is a claim about it. A time that belongs to no object and no span becomes words.

    Raises ValueError for a `frame_size` that is missing or not positive: a mistake of the caller's.
    """
    scale_of(coordinates, frame_size)
    ledger = Ledger(text)
    tags = find_tags(text)
    answer = find_blocks(text, tags, Ledger(text)).answer
    elements = scan(text, tags, ledger)
    grouper = Grouper(
        elements,
        answer=answer,
        segment=segment,
        coordinates=coordinates,
        frame_size=frame_size,
        ledger=ledger,
        picture_s=picture_s,
    )
    phrases = grouper.group()
    boxes = {element.start: element for element in elements if element.kind == "box"}
    return Pieces(pieces=tuple(_in_order(phrases, grouper, boxes)), problems=ledger.problems())


def _in_order(phrases: list[Phrase], grouper: Grouper, boxes: dict[int, Element]) -> Iterator[Piece]:
    for phrase in phrases:
        if phrase.claim is not None:
            yield grouper.claims[phrase.claim]
        elif phrase.span is not None:
            yield grouper.spans[phrase.span]
        elif phrase.kind == "cut" and phrase.start in boxes:
            box = grouper.read_box(boxes[phrase.start])
            if box is not None:
                yield box
        elif phrase.text:
            yield phrase.text
