"""Which of the texts read off the picture hold the words that are asked for?"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from engines.contract import ScreenText
from engines.english import singular, straightened, tokens

_MISREAD_LEAST = 0.8
"""Likeness (0..1) from which a word of five letters or more counts as the same, misread ("ERR0R")."""
_LONG = 5
_LEAST_INSIDE = 4


def matching(texts: Sequence[ScreenText], words: Sequence[str]) -> list[ScreenText]:
    """The texts, in order of time, that hold all `words`, by themselves or with others on screen meanwhile.

    No words: every text.
    """
    ordered = sorted(texts, key=lambda t: (t.span.start_s, t.time_s))
    wanted = frozenset(word.lower() for word in words)
    held = [frozenset(word for word in wanted if holds(text.text, word)) for text in ordered]
    kept = []
    for text, own in zip(ordered, held, strict=True):
        if not wanted:
            kept.append(text)
        elif own:
            around = (
                h
                for other, h in zip(ordered, held, strict=True)
                if other.span.start_s <= text.span.end_s and text.span.start_s <= other.span.end_s
            )
            if own.union(*around) == wanted:
                kept.append(text)
    return kept


def holds(text: str, word: str) -> bool:
    """Whether `word` (lower case) stands in the text; long words may be misread or run together."""
    words = tokens(straightened(text))
    if word in words or singular(word) in (singular(w) for w in words):
        return True
    if len(word) >= _LEAST_INSIDE and word in "".join(words):
        return True
    return len(word) >= _LONG and any(
        abs(len(w) - len(word)) <= 2 and SequenceMatcher(None, w, word).ratio() >= _MISREAD_LEAST
        for w in words
    )
