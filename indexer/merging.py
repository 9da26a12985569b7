"""Many windows' replies to one question become one answer about the whole file.

Existence: any window that says yes. When: the union of the spans, joined where windows meet. How many: the
most that were seen at once, and the text says so. An abstention when every window abstained, or when all the
others saw nothing and some abstained or some of the file could not be seen: a "no" about the whole file needs
all of it, while what was seen stays seen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from grounding.evidence import Answer, Claim, Span

BORDER_S = 0.05  # spans this close are one: a window's border falls between two frames

_COUNTING = re.compile(r"\s*(how many|what number of|count\b)", re.IGNORECASE)
_NUMBER = re.compile(r"\b\d{1,6}\b")
_YES = re.compile(r"\s*yes\b", re.IGNORECASE)
_ZERO = re.compile(r"\s*0+(\.0*)?\b(?![.:\d])")
_NO = re.compile(r"\s*no(ne|thing|t)?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A claim, the sampled frame that it speaks of (`time_s`, `pts`), and its confidence 0..1 or None."""

    claim: Claim
    time_s: float
    pts: int
    confidence: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowAnswer:
    """What was said about one window: the parsed answer and its claims' proof, in file time."""

    window: Span
    answer: Answer
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """One answer about a file. `reason` stands only on an abstention."""

    text: str
    abstained: bool
    reason: str | None
    spans: tuple[Span, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How much of a file's `seconds` could not be seen, for damage or want of a frame: `unseen_s`.

    `interval_s` is the time between two samples: nothing shorter is sure to be seen anywhere.
    """

    seconds: float
    unseen_s: float
    interval_s: float

    @property
    def is_whole(self) -> bool:
        """Whether no more was missed than may be missed between two samples."""
        return self.unseen_s <= self.interval_s


def merge(question: str, answers: Sequence[WindowAnswer], *, sight: Sight) -> Merged:
    """One answer out of the windows' answers, in window order, and what could be seen of the file.

    A window without a readable frame has no answer. None at all: nothing was readable.
    """
    given = [a for a in answers if not a.answer.abstained]
    if not given:
        return _abstention(_reason(answers))
    if all(_is_negative(a) for a in given) and (len(given) < len(answers) or not sight.is_whole):
        return _abstention(_why_not_no(answers, num_given=len(given), sight=sight))
    evidence = tuple(e for a in given for e in a.evidence)
    spans = join([s for a in given for s in a.answer.spans])
    if _COUNTING.match(question):
        text, evidence = _most(given)
    elif spans:
        text = " and ".join(f"From {s.start_s:.2f} s to {s.end_s:.2f} s" for s in spans)
    else:
        text = _said(given)
    return Merged(text=text, abstained=False, reason=None, spans=spans, evidence=evidence)


def join(spans: Sequence[Span], *, gap_s: float = BORDER_S) -> tuple[Span, ...]:
    """The union of `spans`, in order; two that are at most `gap_s` apart become one."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start_s, s.end_s)):
        if joined and span.start_s - joined[-1].end_s <= gap_s:
            joined[-1] = Span(joined[-1].start_s, max(joined[-1].end_s, span.end_s))
        else:
            joined.append(span)
    return tuple(joined)


def _is_negative(given: WindowAnswer) -> bool:
    """Whether a window says that there is nothing: no, none, a count of 0, whatever it shows beside."""
    text = given.answer.text
    if given.answer.spans:
        return False
    return bool(_NO.match(text) or _ZERO.match(text)) or not (text.strip() or given.evidence)


def _abstention(reason: str) -> Merged:
    return Merged(text=f"Cannot tell: {reason}", abstained=True, reason=reason, spans=(), evidence=())


def _reason(answers: Sequence[WindowAnswer]) -> str:
    """Why the windows could not tell."""
    reason = next((a.answer.reason for a in answers if a.answer.reason), None)
    return reason or ("no reason given" if answers else "no frame of the file could be read")


def _why_not_no(answers: Sequence[WindowAnswer], *, num_given: int, sight: Sight) -> str:
    """Where it could not be told, and how much could not be seen, while all else showed nothing."""
    reasons = []
    if num_given < len(answers):
        reasons.append(f"in {len(answers) - num_given} of {len(answers)} windows, {_reason(answers)}")
    if not sight.is_whole:
        reasons.append(f"{sight.unseen_s:.1f} of {sight.seconds:.1f} s could not be seen")
    rest = "the others" if num_given < len(answers) else "the rest"
    return f"{'; '.join(reasons)}; nothing in {rest}"


def _most(given: Sequence[WindowAnswer]) -> tuple[str, tuple[Evidence, ...]]:
    """The highest count that a window gave, with that window's proof."""
    counts = [(_count(a.answer.text), a) for a in given]
    number, best = max(counts, key=lambda pair: pair[0])
    if len(given) == 1:
        return best.answer.text, best.evidence
    if number == 0:
        return _alike([a.answer.text for a in given]), ()
    where = f"between {best.window.start_s:.1f} s and {best.window.end_s:.1f} s"
    return f"{number} (the most seen at once, {where})", best.evidence


def _count(text: str) -> int:
    number = _NUMBER.search(text)
    return int(number.group()) if number else 0


def _said(given: Sequence[WindowAnswer]) -> str:
    """The windows' words, each once; a "no" is dropped when another window saw something."""
    texts = [a.answer.text for a in given if a.answer.text]
    positive = [text for text in texts if not _NO.match(text)]
    if not positive:
        return _alike(texts)
    yes = next((text for text in positive if _YES.match(text)), None)
    return yes or " / ".join(dict.fromkeys(positive))


def _alike(texts: Sequence[str]) -> str:
    """What all windows said in much the same words."""
    if not texts:
        return "no answer was given"
    if len(set(texts)) == 1:
        return texts[0]
    more = "1 more window" if len(texts) == 2 else f"{len(texts) - 1} more windows"
    return f"{texts[0]} (and likewise in {more})"
