"""The parser: any text at all, in linear time, as an `Answer`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from grounding.coordinates import Coordinates, scale_of
from grounding.evidence import Answer, Span
from grounding.limits import MAX_CHARACTERS, Ledger
from grounding.phrases import Grouper, Phrase
from grounding.scanning import BLOCKS, find_blocks, find_tags, scan
from grounding.statements import lines, statements, wording

_BLOCK_TAG = re.compile(r"</?(?:think|answer)>")
_OPTION_LINE = re.compile(r"Correct Option: *\(?([A-J])\b", re.IGNORECASE)
_LETTER = re.compile(r"\(?([A-J])(?:[).:](?:\s|\Z)|\Z)")
_CANNOT_TELL = re.compile(r"cannot tell *(?::|\.?\Z)", re.IGNORECASE)


def parse(
    text: str, *, segment: Span, coordinates: Coordinates, frame_size: tuple[int, int] | None = None
) -> Answer:
    """Read a completion in the evidence grammar. No text makes it raise.

    Times in the text are seconds from `segment.start_s`; those of the answer are the file's own. Boxes in the
    text follow `coordinates` ("pixels" needs `frame_size`, the width and height of the frame the model was
    fed); those of the answer are 0..1 of the frame. White space between the parts of a claim or span is free.
    Numbers are read in ASCII digits only. What isn't in the grammar is in `Answer.problems`.

    Raises ValueError for a `frame_size` that is missing or not positive: a mistake of the caller's.
    """
    scale_of(coordinates, frame_size)
    ledger = Ledger(text)
    if len(text) > MAX_CHARACTERS:
        ledger.report("too_long", MAX_CHARACTERS)
        text = text[:MAX_CHARACTERS]
    tags = find_tags(text)
    answer = find_blocks(text, tags, ledger).answer
    grouper = Grouper(
        scan(text, tags, ledger),
        answer=answer,
        segment=segment,
        coordinates=coordinates,
        frame_size=frame_size,
        ledger=ledger,
    )
    phrases = grouper.group()
    inside, outside = _parted(phrases, answer)
    reply = _read_reply(inside)
    return Answer(
        reasoning=_reasoning(text, answer),
        text=reply.text,
        spans=tuple(grouper.spans[p.span] for p in inside if p.span is not None),
        box=grouper.box,
        letter=reply.letter,
        abstained=reply.reason is not None,
        reason=reply.reason or None,
        claims=tuple(grouper.claims),
        statements=statements(outside, claims=grouper.claims, spans=grouper.spans),
        problems=ledger.problems(),
    )


def is_framed(text: str) -> bool:
    """Whether the text is one think block and one answer block, in this order, and nothing outside them."""
    blocks = [tag for tag in find_tags(text[:MAX_CHARACTERS]) if tag.name in BLOCKS]
    if [(tag.name, tag.closing) for tag in blocks] != [
        (name, end) for name in BLOCKS for end in (False, True)
    ]:
        return False
    opened, closed, answer, end = blocks
    outside = (text[: opened.start], text[closed.end : answer.start], text[end.end :])
    return not any(part.strip() for part in outside)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """The words of the answer block. `reason` is None unless it abstains, and "" when it doesn't say why."""

    text: str
    letter: str | None
    reason: str | None


def _parted(phrases: Sequence[Phrase], answer: tuple[int, int] | None) -> tuple[list[Phrase], list[Phrase]]:
    """The phrases inside and outside of the answer block."""
    start, end = answer or (0, 0)
    inside = [phrase for phrase in phrases if start <= phrase.start < end]
    outside = [phrase for phrase in phrases if not start <= phrase.start < end]
    return inside, outside


def _read_reply(phrases: Sequence[Phrase]) -> _Reply:
    rows = [row for row in (wording(line, with_times=True) for line in lines(phrases)) if row]
    text = "\n".join(rows)
    abstention = _CANNOT_TELL.match(text)
    return _Reply(
        text=text,
        letter=_letter(rows),
        reason=text[abstention.end() :].strip() if abstention else None,
    )


def _letter(rows: Sequence[str]) -> str | None:
    """The option: that of the last "Correct Option:" line, or the letter that the answer begins with."""
    for row in reversed(rows):
        option = _OPTION_LINE.match(row)
        if option:
            return option[1].upper()
    alone = _LETTER.match(rows[0]) if rows else None
    return alone[1] if alone else None


def _reasoning(text: str, answer: tuple[int, int] | None) -> str:
    """Everything outside of the answer block as it was written, without the tags of the blocks."""
    start, end = answer or (len(text), len(text))
    parts = (_BLOCK_TAG.sub("", part).strip() for part in (text[:start], text[end:]))
    return "\n".join(part for part in parts if part)
