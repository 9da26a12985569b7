"""ROUGE-1, -2 and -L (Lin 2004) as Open-o3 Video scores free text: the mean of their F1.

Words are those of Google's `rouge-score` with its stemmer: runs of a-z and 0-9 in lower case, those longer
than three letters cut to their stem (Porter). Our own, because that package brings NLTK and absl along and
compares two long texts in quadratic time; here a long completion against a short truth costs linear time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

_WORD = re.compile(r"[a-z0-9]+")


def rouge(truth: str, said: str) -> float:
    """Mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L, 0..1."""
    a, b = words(truth), words(said)
    shared = (_shared(a, b, size=1), _shared(a, b, size=2), longest_common(a, b))
    # Of n words there are n - 1 pairs: each measure has its own count of what could be shared.
    whole = (len(a) + len(b), max(len(a) - 1, 0) + max(len(b) - 1, 0), len(a) + len(b))
    return sum(2.0 * s / w if w else 0.0 for s, w in zip(shared, whole, strict=True)) / 3.0


def words(text: str) -> list[str]:
    """The stems of a text's words, in order."""
    return [_stem(word) if len(word) > 3 else word for word in _WORD.findall(text.lower())]


def longest_common(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, a bit for each word of the shorter (Hyyrö 2004)."""
    short, long = sorted((a, b), key=len)
    places: dict[str, int] = {}
    for at, word in enumerate(short):
        places[word] = places.get(word, 0) | 1 << at
    full = (1 << len(short)) - 1
    row = full
    for word in long:
        met = row & places.get(word, 0)
        row = ((row + met) | (row - met)) & full
    return len(short) - row.bit_count()


def _shared(a: Sequence[str], b: Sequence[str], *, size: int) -> int:
    """How many runs of `size` words both texts have, each as often as in the one that has it less often."""
    runs = (Counter(zip(*(text[start:] for start in range(size)), strict=False)) for text in (a, b))
    first, second = runs
    return (first & second).total()


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


@cache
def _stemmer() -> Any:
    from snowballstemmer import stemmer

    return stemmer("porter")
