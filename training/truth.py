"""What is true of one question: what rewards and metrics hold an answer against."""

from __future__ import annotations

from dataclasses import dataclass

from grounding.evidence import Box, Claim, Span
from grounding.prompts import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The annotation of one question. Times are seconds from the start of the clip, boxes 0..1 of its frame.

    `answer` is the letter, the closed answer or the free text, and None where spans or a box are the whole
    answer. `spans` answer "when", `box` a question about one picture. `evidence` names what is to be seen,
    frame by frame; it may hold several boxes of one name at one time. `abstains`: the clip does not tell.
    """

    task: Task
    answer: str | None = None
    spans: tuple[Span, ...] = ()
    box: Box | None = None
    evidence: tuple[Claim, ...] = ()
    abstains: bool = False
