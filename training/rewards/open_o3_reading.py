"""A completion as the released code of Open-o3 Video reads it: with string searches, not with a parser.

The rewards in `open_o3` reproduce published numbers, which depend on what that code takes for a claim, a time
or a box, its mistakes included. `grounding.parse` rightly reads less and other things; so this module is the
one exception to the rule that only `grounding` reads tags. Its searches give what the released patterns give,
in time linear in the text (some of those patterns need exponential time on a text that doesn't match).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from grounding.geometry import Array

_TIME = re.compile(r"<t>([\d.]++)</t>s")
_STRETCH = re.compile(r"<t>(\d++(?:\.\d*+)?+)</t>s to <t>(\d++(?:\.\d*+)?+)</t>s")
_WORD_AND_BOX = re.compile(r"<obj>\w++</obj><box>\[")
_OPEN_BOX, _CLOSED_BOX = "<box>[", "]</box>"
_LARGEST = 1e9  # a box that reaches further overlaps nothing to speak of


@dataclass(frozen=True, slots=True, kw_only=True)
class RawClaim:
    """`boxes_N4` are in the numbers of the text; what is no box of four ordered numbers is left out."""

    time_s: float
    boxes_N4: Array


def block(text: str, name: str) -> str | None:
    """What stands between the first `<name>` and the next `</name>`, or None."""
    _, opened, rest = text.partition(f"<{name}>")
    inside, closed, _ = rest.partition(f"</{name}>")
    return inside if opened and closed else None


def is_paired(text: str, name: str) -> bool:
    """Whether there are as many closing tags as opening ones, in whatever order."""
    return text.count(f"<{name}>") == text.count(f"</{name}>")


def times(text: str) -> list[float]:
    """Every `<t>..</t>s`; none at all when one of them is no number."""
    try:
        return [float(number) for number in _TIME.findall(text)]
    except ValueError:
        return []


def first_stretch(text: str) -> tuple[float, float] | None:
    """The first `<t>a</t>s to <t>b</t>s`, if it does not end before it starts."""
    found = _STRETCH.search(text)
    start, end = (float(found[1]), float(found[2])) if found else (1.0, 0.0)
    return (start, end) if start <= end else None


def boxes(text: str) -> Array:
    """Every `<box>[..]</box>` that stands on one line, [N, 4]."""
    return boxes_array(value for inside in _boxes_as_text(text) for value in _read(inside))


def first_box(text: str) -> Array:
    """The first of them, [1, 4]; [0, 4] when there is none or it can't be read."""
    inside = next(_boxes_as_text(text), None)
    return boxes_array(() if inside is None else _read(inside))


def names_a_word_with_its_box(text: str) -> bool:
    """Whether a name of a single word is followed by a box: names of several words don't count."""
    found = ((line, _WORD_AND_BOX.search(line)) for line in text.split("\n"))
    return any(match is not None and _CLOSED_BOX in line[match.end() :] for line, match in found)


def claims(text: str) -> Iterator[RawClaim]:
    """Every name with boxes and a time. One whose time or boxes can't be read is left out.

    Where something is not closed, a claim goes on to the next place that closes it.
    """
    at = 0
    while (opened := text.find("<obj>", at)) >= 0:
        start = text.find(f"</obj>{_OPEN_BOX}", opened + len("<obj>"))
        inside = start + len(f"</obj>{_OPEN_BOX}")
        end = text.find(f"{_CLOSED_BOX}at<t>", inside) if start >= 0 else -1
        time = end + len(f"{_CLOSED_BOX}at<t>")
        closed = text.find("</t>s", time) if end >= 0 else -1
        if closed < 0:
            return
        at = closed + len("</t>s")
        values = [_read(f"[{found}]") for found in _between(f"[{text[inside:end]}]", "[", "]")]
        time_s = _seconds(text[time:closed])
        if time_s is not None and all(values):
            yield RawClaim(time_s=time_s, boxes_N4=boxes_array(box for of_one in values for box in of_one))


def boxes_array(values: Any) -> Array:
    """What can be a box among values that came out of JSON, [N, 4]."""
    kept = [corners for value in values if (corners := _corners(value)) is not None]
    return np.array(kept, dtype=np.float64).reshape(-1, 4)


def _boxes_as_text(text: str) -> Iterator[str]:
    for found in _between(text, _OPEN_BOX, _CLOSED_BOX):
        yield f"[{found}]"


def _between(text: str, opening: str, closing: str) -> Iterator[str]:
    """What stands between the two wherever both are on one line, from left to right."""
    for line in text.split("\n"):
        at = 0
        while (start := line.find(opening, at)) >= 0:
            end = line.find(closing, start + len(opening))
            if end < 0:
                break
            yield line[start + len(opening) : end]
            at = end + len(closing)


def _read(text: str) -> list[Any]:
    """The JSON value in a list, or an empty list."""
    try:
        return [json.loads(text)]
    except (ValueError, RecursionError):
        return []


def _corners(value: Any) -> list[float] | None:
    if not (isinstance(value, list) and len(value) == 4):
        return None
    try:
        x1, y1, x2, y2 = (float(corner) for corner in value)
    except (TypeError, ValueError, OverflowError):
        return None
    in_order = -_LARGEST <= x1 <= x2 <= _LARGEST and -_LARGEST <= y1 <= y2 <= _LARGEST
    return [x1, y1, x2, y2] if in_order else None


def _seconds(text: str) -> float | None:
    try:
        return float(text.strip())
    except ValueError:
        return None
