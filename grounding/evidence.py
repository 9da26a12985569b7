"""What an answer is made of: boxes, spans, claims, statements.

Boxes are 0..1 of the *displayed* frame (rotation and sample aspect applied). Times are seconds; those of a
parsed `Answer` are the file's own (the parser maps a segment's times when it is told where the segment
starts).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Box:
    """Two corners, 0..1 of the displayed frame, x1 <= x2 and y1 <= y2. Raises ValueError otherwise."""

    x1: float
    y1: float
    x2: float
    y2: float

    def __post_init__(self) -> None:
        corners = (self.x1, self.y1, self.x2, self.y2)
        if not all(math.isfinite(v) and 0.0 <= v <= 1.0 for v in corners):
            raise ValueError(f"a box needs four numbers in 0..1 of the frame, not {corners}")
        if self.x1 > self.x2 or self.y1 > self.y2:
            raise ValueError(f"a box needs x1 <= x2 and y1 <= y2, not {corners}")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in seconds, start_s <= end_s. Raises ValueError otherwise."""

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_s) and math.isfinite(self.end_s) and self.start_s <= self.end_s):
            raise ValueError(f"a span needs finite start <= end, not ({self.start_s}, {self.end_s})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """`subject` was seen at `time_s` in `boxes` (at least one): one
    `<obj>..</obj><box>..</box>at<t>..</t>s`.
    """

    subject: str
    boxes: tuple[Box, ...]
    time_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One sentence (or line) of the reasoning that holds a span or at least one claim: what becomes a moment.

    `text` is the sentence without tags; `span` the `From <t>a</t>s to <t>b</t>s` in it, or None; `claims`
    are indices into `Answer.claims`.
    """

    text: str
    span: Span | None
    claims: tuple[int, ...]


ProblemKind = Literal[
    "cut_off",  # a tag is opened and never closed
    "bad_box",  # not four finite numbers, inverted, or outside the frame
    "bad_time",  # not a finite number, or a span that ends before it starts
    "outside_segment",  # a time outside the segment that was asked about
    "no_box",  # an object with no box
    "no_time",  # an object and box with no time
    "no_answer",  # no <answer> block
    "stray_tag",  # a tag in the wrong place
    "too_many",  # more claims, boxes or problems than are kept
    "too_long",  # the text is longer than is read
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in a text that is not in the grammar. `offset` is its character position, `excerpt` at most
    80 characters. `count` is how many such things it stands for: above one for "too_many" alone.
    """

    kind: ProblemKind
    offset: int
    excerpt: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole completion, parsed. Any text at all gives one.

    `text` is what stands in `<answer>` without tags; `spans` and `box` are its spans and its visual-QA box;
    `letter` its option; `abstained` is true for "Cannot tell", with `reason`. `claims` are those of the
    whole completion in order of appearance (a claim has a subject, boxes and a time); `statements` group
    them by sentence. `problems` are what was malformed: counted and stored, never silently dropped.
    """

    reasoning: str
    text: str
    spans: tuple[Span, ...] = ()
    box: Box | None = None
    letter: str | None = None
    abstained: bool = False
    reason: str | None = None
    claims: tuple[Claim, ...] = ()
    statements: tuple[Statement, ...] = ()
    problems: tuple[Problem, ...] = ()
