"""The formatter: evidence as text that `parse` reads back unchanged.

Text in the grammar is built from these functions alone. Whatever comes from outside (names, read signs,
reasons) goes through `escape` or `quote`, here or at the caller's; so nothing that is filmed or typed can
open a tag, close a block or end a sentence. What survives a round trip: boxes on the lattice that the
convention can express, times to the millisecond, texts as `collapse` leaves them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from grounding.coordinates import Coordinates, to_text
from grounding.escaping import collapse, escape
from grounding.evidence import Box, Claim, Span
from grounding.phrases import TIME_SLACK_S, seconds_text

_BLOCK_TAG = re.compile(r"<(?=/?(?:think|answer)>)")


def format_time(time_s: float, *, segment: Span) -> str:
    """`<t>seconds</t>s`, counted from the start of the segment.

    Raises ValueError for a file time that isn't in the segment.
    """
    if not segment.start_s - TIME_SLACK_S <= time_s <= segment.end_s + TIME_SLACK_S:
        raise ValueError(
            f"time {time_s} s is outside the segment {segment.start_s}..{segment.end_s} s: pass file time"
        )
    return f"<t>{seconds_text(max(time_s - segment.start_s, 0.0))}</t>s"


def format_span(span: Span, *, segment: Span) -> str:
    """`From <t>a</t>s to <t>b</t>s`."""
    start, end = (format_time(t, segment=segment) for t in (span.start_s, span.end_s))
    return f"From {start} to {end}"


def format_spans(spans: Sequence[Span], *, segment: Span) -> str:
    """The answer to "when": the spans joined by " and "."""
    return " and ".join(format_span(span, segment=segment) for span in spans)


def format_box(box: Box, *, coordinates: Coordinates, frame_size: tuple[int, int] | None = None) -> str:
    """`<box>[x1,y1,x2,y2]</box>` in numbers of the convention."""
    corners = to_text(box, coordinates=coordinates, frame_size=frame_size)
    return f"<box>[{','.join(map(str, corners))}]</box>"


def format_claim(
    claim: Claim, *, segment: Span, coordinates: Coordinates, frame_size: tuple[int, int] | None = None
) -> str:
    """`<obj>name</obj><box>..</box>at<t>..</t>s`, with every box of the claim.

    Raises ValueError for a claim without a name or a box, or with a time outside the segment.
    """
    if not claim.boxes:
        raise ValueError(f"a claim needs at least one box, and {claim.subject!r} has none")
    boxes = "".join(format_box(b, coordinates=coordinates, frame_size=frame_size) for b in claim.boxes)
    return f"{_name(claim.subject)}{boxes}at{format_time(claim.time_s, segment=segment)}"


def format_object(
    subject: str, box: Box, *, coordinates: Coordinates, frame_size: tuple[int, int] | None = None
) -> str:
    """The answer to a question about one picture: `<obj>name</obj><box>..</box>`, without a time."""
    return _name(subject) + format_box(box, coordinates=coordinates, frame_size=frame_size)


def format_statement(
    parts: Sequence[str | Claim],
    *,
    span: Span | None = None,
    segment: Span,
    coordinates: Coordinates,
    frame_size: tuple[int, int] | None = None,
) -> str:
    """One line of reasoning: the span, if any, then texts (which are escaped) and claims, spaced.

    It is parsed as one `Statement` whose text is the texts and subjects joined by spaces.
    """
    words = [
        escape(part)
        if isinstance(part, str)
        else format_claim(part, segment=segment, coordinates=coordinates, frame_size=frame_size)
        for part in parts
    ]
    lead = [] if span is None else [format_span(span, segment=segment) + ":"]
    return " ".join(word for word in (*lead, *words) if word)


def format_abstention(reason: str = "") -> str:
    """`Cannot tell: reason`."""
    return f"Cannot tell: {escape(reason)}" if collapse(reason) else "Cannot tell"


def format_option(answer: str, letter: str) -> str:
    """An answer in the grammar, followed by its `Correct Option:` line. Letters are A to J."""
    if len(letter) != 1 or letter not in "ABCDEFGHIJ":
        raise ValueError(f"an option is one letter from A to J, not {letter!r}")
    return f"{answer}\nCorrect Option: {letter}"


def format_completion(*, reasoning: str, answer: str) -> str:
    """The whole completion, from parts that are in the grammar already.

    A tag of a block inside either part is escaped: it can only have come in unescaped from outside.
    """
    inner, outer = (_BLOCK_TAG.sub("&lt;", part) for part in (reasoning, answer))
    return f"<think>{inner}</think>\n<answer>{outer}</answer>"


def _name(subject: str) -> str:
    if not collapse(subject):
        raise ValueError("a claim needs a name for what was seen, not an empty one")
    return f"<obj>{escape(subject)}</obj>"
