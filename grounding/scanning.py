"""A text as a row of elements: tags with what they hold, and the text between them.

One pass forward over a token pattern that can't backtrack, one pass back to tell a tag that is never closed
from one that is closed too late. What is no tag of the grammar (`<b>`, `<3`) is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from grounding.limits import Ledger

_TAG = re.compile(r"<(/?)(think|answer|obj|box|t)>")
_CUT_TAG = re.compile(r"</?[a-z]{1,6}\Z|</\Z")
_WHOLE_TAGS = tuple(
    f"<{slash}{name}>" for slash in ("", "/") for name in ("think", "answer", "obj", "box", "t")
)
_UNIT = re.compile(r"sec(?:ond)?s?(?![a-z])|s")
_NUMBERS = re.compile(r"[\[\]0-9., +-]*(?:s\b)?")

BLOCKS = ("think", "answer")


class Tag(NamedTuple):
    """One tag as it stands in the text."""

    name: str
    closing: bool
    start: int
    end: int


class Element(NamedTuple):
    """A piece of the text. `content` is what stands between its tags, or the text itself.

    "obj", "box" and "t" are whole (a "t" takes its unit along); "block" is one tag of think or answer;
    "cut" is a tag that belongs to nothing.
    """

    kind: Literal["text", "obj", "box", "t", "block", "cut"]
    start: int
    end: int
    content: str


class Blocks(NamedTuple):
    """Where the blocks are: tags that count, and the stretch of the answer (None without one)."""

    tags: frozenset[int]
    answer: tuple[int, int] | None


def find_tags(text: str) -> list[Tag]:
    """Every tag of the grammar, in order."""
    return [Tag(m[2], bool(m[1]), m.start(), m.end()) for m in _TAG.finditer(text)]


def find_blocks(text: str, tags: list[Tag], ledger: Ledger) -> Blocks:
    """The think and the answer block; every other tag of theirs is reported.

    The answer is the first `<answer>` after the first `</think>`, or the first of all when there is none;
    a block that is never closed runs to the end.
    """
    of_blocks = [tag for tag in tags if tag.name in BLOCKS]
    opened = _first(of_blocks, "think", closing=False)
    closed = _first(of_blocks, "think", closing=True)
    answer = _first(of_blocks, "answer", closing=False, after=closed.start if closed else -1)
    if answer is None:
        answer = _first(of_blocks, "answer", closing=False)
    if opened and answer and opened.start > answer.start:
        opened = None
    if closed and (opened is None or closed.start < opened.start or (answer and closed.start > answer.start)):
        closed = None
    end = _first(of_blocks, "answer", closing=True, after=answer.start) if answer else None
    counted = frozenset(tag.start for tag in (opened, closed, answer, end) if tag)
    for tag in of_blocks:
        if tag.start not in counted:
            ledger.report("stray_tag", tag.start)
    if opened and not closed:
        ledger.report("cut_off", opened.start)
    if answer is None:
        ledger.report("no_answer", len(text))
        return Blocks(counted, None)
    if end is None:
        ledger.report("cut_off", answer.start)
    return Blocks(counted, (answer.end, end.start if end else len(text)))


def scan(text: str, tags: list[Tag], ledger: Ledger) -> list[Element]:
    """The whole text as elements without gaps or overlaps; tags that match nothing are reported."""
    closed_later = _closed_later(tags)
    elements: list[Element] = []
    at = index = 0
    while index < len(tags):
        tag = tags[index]
        elements.extend(_plain(text, at, tag.start))
        partner = tags[index + 1] if index + 1 < len(tags) else None
        if tag.name in BLOCKS:
            element = Element("block", tag.start, tag.end, "")
        elif not tag.closing and partner and partner.closing and partner.name == tag.name:
            element = _whole(text, tag, partner)
            index += 1
        else:
            ledger.report("stray_tag" if tag.closing or closed_later[index] else "cut_off", tag.start)
            element = _cut(text, tag)
        elements.append(element)
        at = element.end
        index += 1
    elements.extend(_tail(text, at, ledger))
    return elements


def _first(tags: list[Tag], name: str, *, closing: bool, after: int = -1) -> Tag | None:
    matching = (t for t in tags if t.name == name and t.closing == closing and t.start > after)
    return next(matching, None)


def _closed_later(tags: list[Tag]) -> list[bool]:
    """For each tag: whether the next tag of its name is a closing one."""
    following: dict[str, bool] = {}
    found = [False] * len(tags)
    for index in range(len(tags) - 1, -1, -1):
        found[index] = following.get(tags[index].name, False)
        following[tags[index].name] = tags[index].closing
    return found


def _whole(text: str, tag: Tag, partner: Tag) -> Element:
    content = text[tag.end : partner.start]
    if tag.name == "t":
        unit = _UNIT.match(text, partner.end)
        return Element("t", tag.start, unit.end() if unit else partner.end, content)
    return Element("obj" if tag.name == "obj" else "box", tag.start, partner.end, content)


def _cut(text: str, tag: Tag) -> Element:
    """A tag alone; the numbers after an opened box or time go with it, as no one could read them."""
    numbers = None if tag.closing or tag.name == "obj" else _NUMBERS.match(text, tag.end)
    return Element("cut", tag.start, numbers.end() if numbers else tag.end, "")


def _plain(text: str, start: int, end: int) -> Iterator[Element]:
    if start < end:
        yield Element("text", start, end, text[start:end])


def _tail(text: str, start: int, ledger: Ledger) -> Iterator[Element]:
    """The text after the last tag; a tag that the end of the text cuts through is reported."""
    cut = _CUT_TAG.search(text, max(start, len(text) - 8))
    if cut is None or not any(whole.startswith(cut[0]) for whole in _WHOLE_TAGS):
        yield from _plain(text, start, len(text))
        return
    ledger.report("cut_off", cut.start())
    yield from _plain(text, start, cut.start())
    yield Element("cut", cut.start(), len(text), "")
