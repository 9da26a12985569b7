"""What one moment shows: the things, words and numbers of its text and its claims, and what it denies.

The text of a stored answer repeats its question. What the question says counts as said, unless the answer is
no: then what it asked for is denied. What a text denies ("no dog", "without a helmet") is not shown by it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from engines.english import is_plural, quoted, singular, stem, straightened, tokens, without_quotes
from engines.phrases import Reading, read
from engines.spotter.vocabulary import load_vocabulary
from engines.things import Thing

SCREEN_TEXT_SUBJECT = "text"
"""Subject of a claim that holds text read off the picture."""

_ASKED = r"(?:[^?\"]|\"[^\"]*\")*\?\s+(?=\S)"
_ASKED_PLAINLY = r"(?:is|are|was|were|do|does|did|has|have|can)\b[^?\"]*?\s(?=No[,.:;(])"  # no question mark
_QUESTION = re.compile(f"{_ASKED}|{_ASKED_PLAINLY}")
_NO = re.compile(r"(?:no|none|nobody|never|0)\s*(?:[,.:;!(]|$)", re.I)
_HAVING = frozenset(["wear", "hold", "carri", "use"])  # stems
_SENTENCE_END = re.compile(r"(?<=[.?!;])\s+")

Count = tuple[int, bool]
"""How many of a thing a sentence tells of, and whether that is the number (else there may be more)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """COCO kinds, name words, stems of words, and names outside the vocabulary, none of them denied.

    `squeezed` is the text without anything but letters and digits. `sentences` are the things of each,
    but for the question of a stored answer: its things are `asked`.
    `denied` things are said not to be there, `denied_stems` are those of all that a text denies.
    """

    labels: frozenset[str]
    words: frozenset[str]
    stems: frozenset[str]
    squeezed: str
    names: tuple[str, ...]
    relations: frozenset[str]
    vehicles: int
    has_writing: bool
    sentences: tuple[tuple[Thing, ...], ...]
    asked: tuple[tuple[Thing, ...], ...]
    denied: tuple[Thing, ...]
    denied_stems: frozenset[str]

    def says(self, name: str) -> bool:
        """Every word of the name stands in the moment's words."""
        return name in self.words or (
            " " in name and all(w in self.words or singular(w) in self.words for w in name.split())
        )

    def count(self, thing: Thing) -> Count:
        """The most of `thing` that one sentence tells of; (0, False) where none does. A question ("how many
        people are there?") names a number of it only where the answer counts none.
        """
        told = _most(thing, self.sentences)
        return told if told[1] else _most(thing, (*self.asked, *self.sentences))


@lru_cache(maxsize=4096)
def shown_by(text: str, subjects: tuple[str, ...]) -> Shown:
    """What a moment with this text and these subjects of claims shows."""
    refused, plain = answered_no(straightened(text))
    unquoted = without_quotes(plain)
    question = _QUESTION.match(unquoted)
    asks = [] if question is None else [read(part) for part in _sentences(question.group())]
    says = [read(part) for part in _sentences(unquoted if question is None else unquoted[question.end() :])]
    readings = [*asks, *says]
    asked, affirmed = _affirmed(asks), _affirmed(says)
    claimed = [thing for subject in subjects for thing in read(subject).things]
    described = [thing for things in (*asked, *affirmed) for thing in things]
    things = [*described, *claimed]
    words = [word for reading in readings for word in _affirmed_words(reading)]
    words += [word for part in (*quoted(plain), *subjects) for word in tokens(straightened(part))]
    cars = set(load_vocabulary().groups["vehicle"])
    vehicles = [t for t in described if cars.intersection(t.labels) and t.kind == "thing"]
    relations = {link.relation for reading in readings for link in reading.links}
    denials = [denial for reading in readings for denial in reading.denials]
    return Shown(
        labels=frozenset(label for t in things for label in (*t.labels, *t.partners) if t.kind == "thing"),
        words=frozenset([*words, *(singular(word) for word in words), *(t.name for t in things)]),
        stems=frozenset(stem(word) for word in words),
        squeezed=squeezed(plain),
        names=tuple(dict.fromkeys(t.name for t in things if t.is_open)),
        relations=frozenset(relations | {thing.relation for thing in things if thing.relation}),
        vehicles=sum(thing.at_least for thing in vehicles),
        has_writing=SCREEN_TEXT_SUBJECT in subjects or any(t.kind == "writing" for t in things),
        sentences=affirmed,
        asked=asked,
        denied=(*(t for reading in readings for t in reading.things if t.negated), *_asked_for(refused)),
        denied_stems=frozenset(stem(singular(word)) for denial in denials for word in denial.words),
    )


def answered_no(text: str) -> tuple[str, str]:
    """The question that a `straightened` text answers with no ("" for none), and what the text says else."""
    question = _QUESTION.match(text)
    no = None if question is None else _NO.match(text, question.end())
    if question is None or no is None:
        return "", text
    return question.group(), text[no.end() :]


def _asked_for(question: str) -> tuple[Thing, ...]:
    """The thing that is not there when the answer is no: the only one, or what someone would wear or hold."""
    reading = read(question)
    things = [thing for thing in reading.things if thing.kind == "thing"]
    if reading.denials or not things or (len(things) > 1 and _HAVING.isdisjoint(reading.actions)):
        return ()
    return (things[-1],)


def squeezed(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


def _sentences(text: str) -> list[str]:
    return _SENTENCE_END.split(text.strip())


def _affirmed(readings: Sequence[Reading]) -> tuple[tuple[Thing, ...], ...]:
    return tuple(tuple(thing for thing in reading.things if not thing.negated) for reading in readings)


def _affirmed_words(reading: Reading) -> list[str]:
    denied = {place for denial in reading.denials for place in range(denial.start, denial.end)}
    return [word for place, word in enumerate(reading.words) if place not in denied]


def _most(thing: Thing, sentences: Sequence[tuple[Thing, ...]]) -> Count:
    wanted = set(thing.labels)
    groups = [
        [_count(t) for t in things if t.name == thing.name or wanted.intersection(t.labels)]
        for things in sentences
    ]
    sums = [(sum(n for n, _ in group), all(exact for _, exact in group)) for group in groups if group]
    return max((n for n, _ in sums), default=0), bool(sums) and all(exact for _, exact in sums)


def _count(thing: Thing) -> Count:
    if thing.count is not None:
        return thing.count, True
    if thing.least is not None:
        return thing.least, False
    many = is_plural(thing.text.rpartition(" ")[2])
    return (2, False) if many else (1, True)
