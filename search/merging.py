"""When two moments are one hit, and how far a hit reaches.

Two moments of one video are one hit when they *touch* (they overlap, or at most `TOUCH_S` lies between them)
and *say the same*: they share at least two thirds of all their content words (stems; numbers and small words
don't count, so that "2 cars" and "3 cars" are one hit that tells both). What is read off the screen is
compared by what is read: a text, and the statement that quotes it, are one; a text that scrolls is read in
pieces, and a piece says the same as the whole. Each part must say the same as the hit's best moment, the
*leader*, not as its neighbour: texts that drift never chain a film into one hit. The same text throughout
does, and should.

Parts come from SQL, not from the candidate lists, so that a hit's start and end don't depend on where those
lists were cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from engines.english import quoted, singular, stem, straightened, tokens, without_quotes, word_classes
from engines.shown import squeezed
from grounding.evidence import Span
from search.query import small_words
from search.scope import IN_VIEW

TOUCH_S = 1.0
"""Two sampling steps of the default engine: a thing that is seen in each of two neighbouring windows."""

SHARED = 2 / 3
_LEAST_PIECE = 4
"""Letters and digits: a shorter text stands in many others by chance."""

_FIRST_REACH_S = 15.0

# The earliest start keeps the database from reading a long video from its first moment on.
_BETWEEN = text(
    "SELECT id, video_id, start_s, end_s, text, source FROM moment"
    f" WHERE video_id = :video AND start_s BETWEEN :earliest AND :end AND end_s >= :start AND {IN_VIEW}"
)
_LONGEST = text("SELECT max(end_s - start_s) FROM segment")


class Candidate(NamedTuple):
    """A moment as it is stored. A tuple, because a search makes thousands of them."""

    id: int
    video_id: int
    start_s: float
    end_s: float
    text: str
    source: str


def says_the_same(one: Candidate, other: Candidate) -> bool:
    """Whether two moments' texts are one statement (see the module)."""
    readings, others = read_off(one.text, one.source), read_off(other.text, other.source)
    if (readings is None) != (others is None):
        return False
    if readings is None or others is None:
        return one.text == other.text or _share_words(one.text, other.text)
    return any(_reads_the_same(mine, yours) for mine in readings for yours in others)


@lru_cache(maxsize=8192)
def read_off(text: str, source: str) -> tuple[str, ...] | None:
    """The texts that a moment says stand on the screen, or None for one that says something else."""
    if source == "screen_text":
        return (text,)
    plain = straightened(text)
    texts = quoted(plain)
    return texts if texts and content_words(without_quotes(plain)) <= {"text", "screen"} else None


def _reads_the_same(one: str, other: str) -> bool:
    short, long = sorted((squeezed(one), squeezed(other)), key=len)
    if short == long or (len(short) >= _LEAST_PIECE and short in long):
        return True
    return _share_words(one, other)


def _share_words(one: str, other: str) -> bool:
    words, others = content_words(one), content_words(other)
    return bool(words) and len(words & others) >= SHARED * len(words | others)


@lru_cache(maxsize=8192)
def content_words(text: str) -> frozenset[str]:
    """The stems of a text's words without numbers, marks and words that join others."""
    dropped = small_words() | word_classes().numbers.keys()
    words = (token for token in tokens(straightened(text)) if any(c.isalpha() for c in token))
    return frozenset(stem(singular(word)) for word in words if word not in dropped)


def joined(leader: Candidate, others: Sequence[Candidate]) -> list[Candidate]:
    """The leader and those of `others` (all say the same) that touch it or one another, by start."""
    ordered = sorted([leader, *others], key=lambda c: (c.start_s, c.end_s, c.id))
    groups: list[list[Candidate]] = []
    end_s = 0.0
    for candidate in ordered:
        if groups and candidate.start_s - end_s <= TOUCH_S:
            groups[-1].append(candidate)
            end_s = max(end_s, candidate.end_s)
        else:
            groups.append([candidate])
            end_s = candidate.end_s
    return next(group for group in groups if leader in group)


def extended(
    session: Session,
    leader: Candidate,
    accepts: Callable[[Sequence[Candidate]], Sequence[Candidate]],
    *,
    longest_s: float,
) -> list[Candidate]:
    """The leader with every moment of its video that is one hit with it, by start.

    `accepts` picks, of moments that say the same, those that may be in. No moment is longer than `longest_s`.
    """
    reach_s = _FIRST_REACH_S
    while True:
        within = Span(leader.start_s - reach_s, leader.end_s + reach_s)
        group = joined(leader, accepts(_like(session, leader, within, longest_s=longest_s)))
        first, last = group[0].start_s, max(part.end_s for part in group)
        if first - TOUCH_S > within.start_s and last + TOUCH_S < within.end_s:
            return group
        reach_s *= 4


def longest_moment_s(session: Session) -> float:
    """No moment is longer than this: each lies within its segment, but for the time of a frame or two."""
    return float(session.scalar(_LONGEST) or 0.0) + TOUCH_S


def _like(session: Session, leader: Candidate, within: Span, *, longest_s: float) -> list[Candidate]:
    """Moments of the leader's video that share time with `within` and say the same as the leader."""
    values = {
        "video": leader.video_id,
        "earliest": within.start_s - longest_s,
        "start": within.start_s,
        "end": within.end_s,
    }
    rows = [Candidate(*row) for row in session.execute(_BETWEEN, values) if row[0] != leader.id]
    return [candidate for candidate in rows if says_the_same(leader, candidate)]
