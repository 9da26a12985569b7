"""Elements grouped into phrases: claims, spans, the visual-QA box, and the text around them.

This is where the numbers are read: a box in the engine's convention becomes 0..1 of the frame, a time of the
segment becomes the file's own.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from grounding.coordinates import Coordinates, from_text
from grounding.escaping import collapse, unescape
from grounding.evidence import Box, Claim, ProblemKind, Span
from grounding.limits import Ledger
from grounding.scanning import Element

TIME_SLACK_S = 0.001
"""How far outside its segment a time may lie and still count as its border: times are written in ms."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+")
_NOTHING = Element("cut", 0, 0, "")


class Phrase(NamedTuple):
    """A piece of the text as a reader sees it.

    "text" and "name" are shown; "time" (a span or a bare time, in file time) is shown in an answer and not
    in a statement; "cut" never; "border" parts the blocks. `claim` and `span` are indices, or None.
    """

    kind: Literal["text", "name", "time", "cut", "border"]
    start: int
    text: str = ""
    claim: int | None = None
    span: int | None = None


def number(text: str) -> float:
    """The number that `text` is, in ASCII digits only; white space around it is allowed.

    Raises ValueError for anything else (NaN, infinity and digits of other scripts among it); a number that is
    too large comes out as infinity.
    """
    text = text.strip()
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"not a number: {text[:40]!r}")
    return float(text)


def seconds_text(time_s: float) -> str:
    """Seconds as the grammar writes them: to the millisecond, with at least one decimal."""
    text = f"{round(time_s, 3) + 0.0:.3f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


class Grouper:
    """Walks the elements of one text once. `claims`, `spans` and `box` fill up on the way.

    `picture_s` is the time of an object that names none, in a text about one picture; outside of the answer.
    """

    def __init__(
        self,
        elements: list[Element],
        *,
        answer: tuple[int, int] | None,
        segment: Span,
        coordinates: Coordinates,
        frame_size: tuple[int, int] | None,
        ledger: Ledger,
        picture_s: float | None = None,
    ) -> None:
        self._picture_s = picture_s
        self._elements = elements
        self._answer = answer
        self._segment = segment
        self._coordinates = coordinates
        self._frame_size = frame_size
        self._ledger = ledger
        self._phrases: list[Phrase] = []
        self.claims: list[Claim] = []
        self.spans: list[Span] = []
        self.box: Box | None = None

    def group(self) -> list[Phrase]:
        """The phrases in order of appearance."""
        index = 0
        while index < len(self._elements):
            element = self._elements[index]
            if element.kind == "obj":
                index = self._object(index)
            elif element.kind == "t":
                index = self._time(index)
            else:
                self._single(element)
                index += 1
        return self._phrases

    def _single(self, element: Element) -> None:
        if element.kind == "text":
            self._phrases.append(Phrase("text", element.start, element.content))
        elif element.kind == "block":
            self._phrases.append(Phrase("border", element.start))
        else:
            if element.kind == "box":
                self._ledger.report("stray_tag", element.start)
            self._phrases.append(Phrase("cut", element.start))

    def _object(self, index: int) -> int:
        """An object with the boxes and the time that follow it; the index after them."""
        name = self._elements[index]
        boxes, index = self._boxes(index + 1)
        time, index = self._at_time(index)
        claim = self._claim(name, boxes, time)
        self._phrases.append(Phrase("name", name.start, name.content, claim=claim))
        return index

    def _boxes(self, index: int) -> tuple[list[Element], int]:
        boxes: list[Element] = []
        while True:
            ahead = index + self._is_text(index, "")
            if self._at(ahead).kind != "box":
                return boxes, index
            boxes.append(self._at(ahead))
            index = ahead + 1

    def _at_time(self, index: int) -> tuple[Element | None, int]:
        if self._is_text(index, "at") and self._at(index + 1).kind == "t":
            return self._at(index + 1), index + 2
        return None, index

    def _claim(self, name: Element, boxes: list[Element], time: Element | None) -> int | None:
        """The index of the claim that these make; without one, what is wrong has been reported."""
        subject = unescape(collapse(name.content))
        if not subject:
            self._ledger.report("stray_tag", name.start)
            return None
        if not boxes:
            self._ledger.report("no_box", name.start)
            return None
        if time is None and (self._picture_s is None or self._in_answer(name.start)):
            self._box_alone(name, boxes)
            return None
        time_s = self._picture_s if time is None else self._file_time(time)
        if time_s is None or not self._ledger.admit("claims", name.start):
            return None
        kept = self._read_boxes(boxes)
        if not kept:
            return None
        self.claims.append(Claim(subject=subject, boxes=kept, time_s=time_s))
        return len(self.claims) - 1

    def _box_alone(self, name: Element, boxes: list[Element]) -> None:
        """An object without a time is the visual-QA box in the answer, and unfinished elsewhere."""
        if not self._in_answer(name.start) or self.box is not None:
            self._ledger.report("no_time", name.start)
            return
        kept = self._read_boxes(boxes[:1])
        self.box = kept[0] if kept else None
        if len(boxes) > 1:
            self._ledger.refuse("boxes", boxes[1].start, count=len(boxes) - 1)

    def _read_boxes(self, boxes: list[Element]) -> tuple[Box, ...]:
        read = (self.read_box(element) for element in boxes)
        return tuple(box for box in read if box is not None)

    def read_box(self, element: Element) -> Box | None:
        """The box that the element holds; None, and reported, where it holds none or too many came before."""
        try:
            box = self._box(element.content)
        except ValueError:
            self._ledger.report("bad_box", element.start)
            return None
        return box if self._ledger.admit("boxes", element.start) else None

    def _box(self, content: str) -> Box:
        content = content.strip()
        if content[:1] != "[" or content[-1:] != "]" or content.count(",") != 3:
            raise ValueError(f"not [x1,y1,x2,y2]: {content[:40]!r}")
        x1, y1, x2, y2 = map(number, content[1:-1].split(","))
        return from_text((x1, y1, x2, y2), coordinates=self._coordinates, frame_size=self._frame_size)

    def _time(self, index: int) -> int:
        """A time that no object owns: the start of a span, or stray. The index after it."""
        start, end = self._at(index), self._at(index + 2)
        if end.kind == "t" and self._is_text(index + 1, "to") and self._take_from():
            span = self._span(start, end)
            text = f"From {self._shown(start)} to {self._shown(end)}"
            self._phrases.append(Phrase("time", start.start, text, span=span))
            return index + 3
        self._ledger.report("stray_tag", start.start)
        self._phrases.append(Phrase("time", start.start, self._shown(start)))
        return index + 1

    def _take_from(self) -> bool:
        """Whether the text before ends in "From"; the word is taken off it."""
        last = self._phrases[-1] if self._phrases else None
        if last is None or last.kind != "text":
            return False
        before = last.text.rstrip()
        head, word = before[:-4], before[-4:]
        if word.lower() != "from" or head[-1:].isalnum():
            return False
        self._phrases[-1] = last._replace(text=head)
        return True

    def _span(self, start: Element, end: Element) -> int | None:
        start_s, end_s = self._file_time(start), self._file_time(end)
        if start_s is None or end_s is None:
            return None
        if start_s > end_s:
            self._ledger.report("bad_time", start.start)
            return None
        if not self._ledger.admit("spans", start.start):
            return None
        self.spans.append(Span(start_s, end_s))
        return len(self.spans) - 1

    def _shown(self, time: Element) -> str:
        kind_or_time = self._read_time(time.content)
        if isinstance(kind_or_time, str):
            return f"{time.content}s"
        return f"{seconds_text(kind_or_time)}s"

    def _file_time(self, time: Element) -> float | None:
        """The file's time; None, and reported, when it is none or outside the segment."""
        kind_or_time = self._read_time(time.content)
        if isinstance(kind_or_time, str):
            self._ledger.report(kind_or_time, time.start)
            return None
        return kind_or_time

    def _read_time(self, content: str) -> float | ProblemKind:
        try:
            time_s = round(self._segment.start_s + number(content), 6)
        except (ValueError, OverflowError):
            return "bad_time"
        if time_s in (float("inf"), float("-inf")):
            return "bad_time"
        start_s, end_s = self._segment.start_s, self._segment.end_s
        if not start_s - TIME_SLACK_S <= time_s <= end_s + TIME_SLACK_S:
            return "outside_segment"
        return min(max(time_s, start_s), end_s)

    def _at(self, index: int) -> Element:
        return self._elements[index] if index < len(self._elements) else _NOTHING

    def _is_text(self, index: int, word: str) -> bool:
        """Whether the element is text that holds this word and nothing else, white space aside."""
        element = self._at(index)
        return element.kind == "text" and element.content.strip().lower() == word

    def _in_answer(self, offset: int) -> bool:
        return self._answer is not None and self._answer[0] <= offset < self._answer[1]
