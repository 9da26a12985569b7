"""The texts of a row as `grounding` reads them: its answer, and its reasoning as pieces.

STGR writes boxes three ways: 0..1 of the frame in rows about a video, pixels of `image_size` in rows about a
picture, and often without the name of the thing. Times are seconds from the video's start.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from grounding import Answer, Box, Claim, Coordinates, Piece, Pieces, Span, parse, pieces
from training.data.rows import Row

PICTURE_S = 0.0
"""The time at which a row's only picture is shown."""

ANY_TIME = Span(0.0, 1e7)
"""Four months: what a time is held against before the video's length is known."""

_WITHOUT_NAME = re.compile(r"\s*<box>")
_SPAN_LIST = re.compile(r"\[[^\[\]]*\]")
_ARTICLE = "(?:the|a|an|this|that|these|those|its|his|her|their|one|two|three)"
_LINK = "(?:in|with|of|on|wearing|holding)"
_WORD = rf"(?!(?:{_ARTICLE}|{_LINK})\b)[\w'-]+"
_NOUN = rf"{_WORD}(?:\s+{_WORD}){{0,4}}"
_NAMES = (
    re.compile(rf"\b{_ARTICLE}\s+({_NOUN}(?:\s+{_LINK}\s+(?:{_ARTICLE}\s+)?{_NOUN}){{0,2}})\s*\Z", re.I),
    re.compile(rf"(?:\A|[.,;:!?(\n\"])\s*({_WORD}(?:\s+{_WORD}){{0,2}})\s*\Z", re.I),
)
"""The words that a nameless box follows: a noun with its article, or all since the last stop."""

_NEAR = 120
"""Characters before a box in which its name is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a row's answer is. `text` is its words; `name` what the answer box is of."""

    text: str
    letter: str | None = None
    spans: tuple[Span, ...] = ()
    box: Box | None = None
    name: str = ""
    abstains: bool = False


def said(row: Row) -> Said:
    """The row's answer. Raises ValueError, saying what its task needs, where it can't be read so."""
    answer = _read(row, row.answer)
    if row.task == "visual QA":
        return _box_or_words(row, answer)
    if row.task in ("temporal QA", "temporal QA (MCQ)") and not answer.abstained:
        return _times(row, answer)
    if row.task == "General video QA MCQ" and not answer.abstained:
        return Said(text=_letter(row, answer), letter=_letter(row, answer))
    if not answer.text:
        raise ValueError(f"the answer {_short(row.answer)} has no words")
    return Said(text=answer.text, abstains=answer.abstained)


def reasoning(row: Row, *, segment: Span = ANY_TIME) -> Pieces:
    """The reasoning in pieces; a box without a name has got the words before it as its name."""
    found = pieces(
        row.reasoning_process or "",
        segment=segment,
        coordinates=_coordinates(row),
        frame_size=row.image_size,
        picture_s=PICTURE_S if row.is_picture else None,
    )
    return Pieces(pieces=tuple(_named(found.pieces, row)), problems=found.problems)


def _read(row: Row, text: str) -> Answer:
    whole = text if "<answer>" in text else f"<answer>{text}</answer>"
    return parse(whole, segment=ANY_TIME, coordinates=_coordinates(row), frame_size=row.image_size)


def _coordinates(row: Row) -> Coordinates:
    """How boxes are written in the row's texts."""
    if not row.is_picture:
        return "relative-1"
    if row.image_size is None or min(row.image_size) < 1:
        raise ValueError(f"image_size must be the picture's width and height in px, not {row.image_size}")
    return "pixels"


def _box_or_words(row: Row, answer: Answer) -> Said:
    if answer.box is None and _WITHOUT_NAME.match(row.answer):
        answer = _read(row, f"<obj>thing</obj>{row.answer}")
    if answer.box is not None:
        return Said(text=answer.text, box=answer.box, name=answer.text)
    if "<box>" in row.answer:
        raise ValueError(f"the answer {_short(row.answer)} has no box inside the {row.image_size} px picture")
    if not answer.text:
        raise ValueError(f"the answer {_short(row.answer)} has neither words nor a box")
    return Said(text=answer.text, letter=answer.letter, abstains=answer.abstained)


def _times(row: Row, answer: Answer) -> Said:
    spans = answer.spans or _read(row, f"From {row.answer}").spans or tuple(_listed_spans(row.answer))
    if not spans:
        raise ValueError(f'the answer {_short(row.answer)} names no stretch of time: write "[start, end]"')
    if any(span.start_s < 0 for span in spans):
        raise ValueError(f"the answer {_short(row.answer)} begins before the video does")
    if row.task == "temporal QA":
        return Said(text=answer.text, spans=spans)
    return Said(text=answer.text, spans=spans, letter=_letter(row, answer))


def _listed_spans(text: str) -> Iterator[Span]:
    """The `[start, end]` of the RL rows."""
    for match in _SPAN_LIST.finditer(text):
        try:
            start_s, end_s = json.loads(match[0])
            yield Span(float(start_s), float(end_s))
        except (ValueError, TypeError):
            continue


def _letter(row: Row, answer: Answer) -> str:
    bare = row.answer.split("\n")[0].strip().strip("[]")
    letter = answer.letter or _read(row, bare).letter
    if letter is None:
        raise ValueError(f"the answer {_short(row.answer)} names no option from A to J")
    return letter


def _named(found: Iterable[Piece], row: Row) -> Iterator[Piece]:
    """Each nameless box of a picture made into a claim about the words right before it, or left out."""
    words = ""
    for piece in found:
        if isinstance(piece, str):
            words += piece
            continue
        name = _name_at_end(words) if isinstance(piece, Box) and row.is_picture else None
        if name is not None:
            words = words[: len(words) - len(name)]
        if words:
            yield words
        words = ""
        if not isinstance(piece, Box):
            yield piece
        elif name is not None:
            yield Claim(subject=name.strip(), boxes=(piece,), time_s=PICTURE_S)
    if words:
        yield words


def _name_at_end(words: str) -> str | None:
    """The name that the words end in, with the space after it; None where they end in none."""
    near = words[-_NEAR:]
    found = next((match for match in (pattern.search(near) for pattern in _NAMES) if match), None)
    return None if found is None else near[found.start(1) :]


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
