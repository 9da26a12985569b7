"""Phrases as sentences a reader can read: lines, sentence ends, and the words without tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from grounding.escaping import collapse, unescape
from grounding.evidence import Claim, Span, Statement
from grounding.phrases import Phrase

_QUOTE_OR_END = re.compile(r'"|[.!?](?=\s)')
_CLOSING_MARKS = tuple(",.;:!?")
_OPENING_MARKS = tuple(",.;:!?-")
_LOOSE_MARKS = tuple(",:")  # no semicolon: it may be the end of an entity


def lines(phrases: Sequence[Phrase]) -> Iterator[list[Phrase]]:
    """The phrases line by line; a border of a block ends a line too."""
    line: list[Phrase] = []
    for phrase in phrases:
        if phrase.kind == "text":
            first, *others = phrase.text.split("\n")
            line.append(phrase._replace(text=first))
            for other in others:
                if line:
                    yield line
                line = [phrase._replace(text=other)] if other else []
        elif phrase.kind != "border":
            line.append(phrase)
        elif line:
            yield line
            line = []
    if line:
        yield line


def sentences(line: Sequence[Phrase]) -> Iterator[list[Phrase]]:
    """A line cut where a sentence ends: at `.`, `!` or `?` before white space, outside double quotes.

    A quote without a partner on its line protects nothing.
    """
    quotes = sum(phrase.text.count('"') for phrase in line if phrase.kind == "text")
    paired, seen = quotes - quotes % 2, 0
    sentence: list[Phrase] = []
    for phrase in line:
        if phrase.kind != "text":
            sentence.append(phrase)
            continue
        at = 0
        for mark in _QUOTE_OR_END.finditer(phrase.text):
            if mark[0] == '"':
                seen += 1
            elif seen % 2 == 0 or seen > paired:
                sentence.append(phrase._replace(text=phrase.text[at : mark.end()]))
                yield sentence
                sentence, at = [], mark.end()
        sentence.append(phrase._replace(text=phrase.text[at:]))
    yield sentence


def statements(
    phrases: Sequence[Phrase], *, claims: Sequence[Claim], spans: Sequence[Span]
) -> tuple[Statement, ...]:
    """One statement per sentence that holds a claim or a span.

    A sentence with several spans gives one statement per span: each claim goes to the first span that its
    time lies in, or else to the first of all.
    """
    found: list[Statement] = []
    for line in lines(phrases):
        for sentence in sentences(line):
            found.extend(_of_sentence(sentence, claims, spans))
    return tuple(found)


def wording(phrases: Sequence[Phrase], *, with_times: bool) -> str:
    """What is left to read, on one line: tags, boxes and (unless `with_times`) times gone.

    Where something was removed, the gap closes: no space before punctuation, no comma, colon or dash left
    hanging, no empty brackets.
    """
    parts: list[str] = []
    spaced = removed = False
    last = ""
    for phrase in phrases:
        shown = phrase.kind in ("text", "name") or (with_times and phrase.kind == "time")
        part = collapse(phrase.text) if shown else ""
        removed = removed or phrase.kind in ("name", "cut", "time")
        spaced = spaced or phrase.text[:1].isspace()
        if removed and last == phrase.kind == "text" and _emptied_brackets(parts, part):
            part, spaced = _close_brackets(parts, part), True
        if part == "-" and not parts and phrase.kind == "text":
            part = ""  # the dash of a list, with the proof right behind it
        if part:
            _join(parts, part, spaced=spaced, removed=removed)
            spaced, removed, last = phrase.text[-1:].isspace(), phrase.kind == "name", phrase.kind
    if removed:
        _drop_loose_mark(parts)
    return unescape(collapse("".join(parts)))


def _of_sentence(
    sentence: Sequence[Phrase], claims: Sequence[Claim], spans: Sequence[Span]
) -> Iterator[Statement]:
    own_claims = [phrase.claim for phrase in sentence if phrase.claim is not None]
    own_spans = [spans[phrase.span] for phrase in sentence if phrase.span is not None]
    if not own_claims and not own_spans:
        return
    text = wording(sentence, with_times=False)
    if not own_spans:
        yield Statement(text=text, span=None, claims=tuple(own_claims))
        return
    shares: list[list[int]] = [[] for _ in own_spans]
    for claim in own_claims:
        shares[_first_around(claims[claim].time_s, own_spans)].append(claim)
    for span, share in zip(own_spans, shares, strict=True):
        yield Statement(text=text, span=span, claims=tuple(share))


def _first_around(time_s: float, spans: Sequence[Span]) -> int:
    around = (index for index, span in enumerate(spans) if span.start_s <= time_s <= span.end_s)
    return next(around, 0)


def _join(parts: list[str], part: str, *, spaced: bool, removed: bool) -> None:
    """Put `part` behind `parts` with the space, and without the punctuation, that the gap asks for."""
    if removed and not parts and part.startswith(_OPENING_MARKS):
        part = part[1:].lstrip()
    elif removed and parts and part.startswith(_CLOSING_MARKS):
        _drop_loose_mark(parts)
        spaced = False
    elif removed and parts and parts[-1][-1:].isalnum() and part[:1].isalnum():
        spaced = True
    if part:
        parts.append(f" {part}" if spaced and parts else part)


def _emptied_brackets(parts: list[str], part: str) -> bool:
    """Whether nothing but what was removed stands in brackets between the two."""
    return bool(parts) and parts[-1].endswith("(") and part.startswith(")")


def _close_brackets(parts: list[str], part: str) -> str:
    """Take the empty brackets away; what is left of `part`."""
    parts[-1] = parts[-1][:-1].rstrip()
    # What comes later joins on this and not on the long piece before it, which is so cut only once.
    parts.append("")
    return part[1:].lstrip()


def _drop_loose_mark(parts: list[str]) -> None:
    if parts and parts[-1].endswith(_LOOSE_MARKS):
        parts[-1] = parts[-1][:-1].rstrip()
