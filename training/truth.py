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
    frame by frame; it may hold several boxes of one name at one time. `groups` numbers which of the evidence
    proves the same thing, so that one claim of a group is enough; empty: each is a group of its own.
    `abstains`: the clip does not tell.
    """

    task: Task
    answer: str | None = None
    spans: tuple[Span, ...] = ()
    box: Box | None = None
    evidence: tuple[Claim, ...] = ()
    groups: tuple[int, ...] = ()
    abstains: bool = False

    def __post_init__(self) -> None:
        if self.groups and len(self.groups) != len(self.evidence):
            raise ValueError(
                f"{len(self.evidence)} claims are in {len(self.groups)} groups: one each is needed"
            )
