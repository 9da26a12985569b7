"""Does a name fit? Things named by a query or question, matched to what was seen and said.

A name is matched by the vocabulary's synonyms first, then by the words themselves; a word that neither
knows, by text similarity: cosine of the embeddings at or above a threshold, tuned by `benchmarks/names.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engines.english import noun, singular, stem
from engines.phrases import Denial, Reading, read
from engines.shown import Shown, shown_by, squeezed
from engines.spotter.vocabulary import load_vocabulary
from engines.things import Thing

THRESHOLD = 0.72
"""Least cosine at which a word outside the vocabulary counts as another name for a thing."""

_TOGETHER = ("and", "with")  # shown by both being there
_SCENERY = ("place", "traffic")  # what things are in: required only where nothing else is asked for
_TRAFFIC_LEAST = 3  # vehicles at once


class Embedder(Protocol):
    """Text to unit vectors [N, D] float32."""

    @property
    def name(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a moment fits a query.

    `missing`: things that the query names and the moment doesn't show, and what the query denies and the
    moment doesn't deny itself: not a hit. `fewer`: things of which the query wants more than the moment
    counts. `unproven`: the rest that the query says and nothing in the moment confirms (a colour, an action,
    a place, how things stand together). Both leave a hit, a weaker one.
    """

    missing: tuple[str, ...] = ()
    fewer: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()


class NameMatcher:
    """Matches names; keeps the vectors of the words that it has seen. Not safe for several threads at once.

    `embedder` is asked only about words outside the vocabulary, all of one call in one batch. `threshold` is
    the least cosine; 1.01 switches similarity off.
    """

    def __init__(self, embedder: Embedder, *, threshold: float = THRESHOLD) -> None:
        self._embedder = embedder
        self.threshold = threshold
        self._vectors: dict[str, npt.NDArray[np.float32]] = {}
        self._has_labels = False

    def read(self, text: str) -> Reading:
        """The reading of a text; a thing outside the vocabulary gets the most similar kind, if any is similar
        enough.
        """
        reading = read(text)
        return replace(reading, things=tuple(self._resolved(thing) for thing in reading.things))

    def things(self, text: str) -> tuple[Thing, ...]:
        """The things that an English question, query or sentence names, in order."""
        return self.read(text).things

    def label(self, name: str) -> str | None:
        """The COCO kind most similar to `name`, or None where none reaches the threshold."""
        labels = load_vocabulary().labels
        cosines = self._cosines(name, labels)
        best = int(cosines.argmax())
        return labels[best] if cosines[best] >= self.threshold else None

    def missing(self, query: str, *, text: str, subjects: Sequence[str]) -> tuple[str, ...]:
        """Things that `query` names and that neither `text` nor the claims' `subjects` show."""
        return self.fits(query, [(text, subjects)])[0].missing

    def unproven(self, query: str, *, text: str, subjects: Sequence[str]) -> tuple[str, ...]:
        """What else `query` says and nothing shows: colours, actions, places, how things stand together."""
        return self.fits(query, [(text, subjects)])[0].unproven

    def fits(self, query: str, moments: Sequence[tuple[str, Sequence[str]]]) -> list[Fit]:
        """How each of `moments` (its text, its claims' subjects) fits `query`, in order."""
        reading = read(query)
        there = [shown_by(text, tuple(subjects)) for text, subjects in moments]
        self._learn(reading, there)
        return [self._fit(reading, one) for one in there]

    def _resolved(self, thing: Thing) -> Thing:
        if thing.labels or thing.kind != "thing":
            return thing
        label = self.label(thing.name)
        return thing if label is None else replace(thing, labels=(label,), alike=True)

    def _learn(self, reading: Reading, shown: Sequence[Shown]) -> None:
        """Embeds in one batch all that the comparison will need."""
        unknown = [t.name for t in reading.things if t.is_open]
        lacking = [s for s in shown if any(not s.says(name) for name in unknown)]
        if lacking:
            self._remember([*unknown, *(n for s in lacking for n in (*s.labels, *s.names))])

    def _fit(self, reading: Reading, shown: Shown) -> Fit:
        wanted = [t for t in reading.things if not t.negated]
        found = [(thing, self._fit_of(thing, reading, shown)) for thing in wanted]
        fits = _any_of(found) if reading.alternatives else [fit for _, fit in found]
        missing = [name for fit in fits for name in fit.missing]
        missing += [d.text for d in reading.denials if not self._denies(d, reading, shown)]
        missing += [quote for quote in reading.quotes if squeezed(quote) not in shown.squeezed]
        unproven = [name for fit in fits for name in fit.unproven]
        unproven += _unproven_links(reading, shown)
        # A query of nothing but a deed ("fighting") can't fit everything.
        (unproven if wanted or reading.quotes else missing).extend(_unproven_acts(reading, shown))
        return Fit(
            missing=_once(missing),
            fewer=_once(name for fit in fits for name in fit.fewer),
            unproven=_once(word for word in unproven if word not in missing),
        )

    def _fit_of(self, thing: Thing, reading: Reading, shown: Shown) -> Fit:
        """How the moment fits one thing that the query names."""
        if thing.kind in _SCENERY:
            if _shows_scenery(thing, shown):
                return Fit()
            scenery_alone = all(t.kind in _SCENERY for t in reading.things if not t.negated)
            return Fit(missing=(thing.name,)) if scenery_alone else Fit(unproven=(thing.name,))
        if thing.kind == "writing" and not thing.attributes and reading.quotes:
            return Fit()
        missing, unproven = self._missing(thing, shown), _unproven(thing, shown)
        if thing.kind != "thing" or thing.at_least == 1:
            return Fit(missing=missing, unproven=tuple(unproven))
        number, exact = shown.count(thing)
        lacks = (thing.numbered,) if number < thing.at_least else ()
        if exact:
            return Fit(missing=missing, fewer=lacks, unproven=tuple(unproven))
        return Fit(missing=missing, unproven=(*unproven, *lacks))

    def _missing(self, thing: Thing, shown: Shown) -> tuple[str, ...]:
        if thing.kind == "writing":
            return _missing_writing(thing, shown)
        if shown.says(thing.name):
            return ()
        if thing.labels:
            lacks = not shown.labels.intersection(thing.labels)
            alone = thing.partners and not shown.labels.intersection(thing.partners)
            return (thing.name,) if lacks or alone else ()
        if not all(_is_written(number, shown) for number in thing.name.split() if _has_digit(number)):
            return (thing.name,)  # "customer 4712" is very similar to "customer 4711", and another one
        others = (*shown.labels, *shown.names)
        similar = bool(others) and float(self._cosines(thing.name, others).max()) >= self.threshold
        return () if similar else (thing.name,)

    def _denies(self, denial: Denial, reading: Reading, shown: Shown) -> bool:
        """Whether the moment itself says that it is not so; that it says nothing of it proves nothing."""
        if denial.thing is None:
            return shown.denied_stems.issuperset(stem(singular(word)) for word in denial.words)
        return any(self._alike(reading.things[denial.thing], other) for other in shown.denied)

    def _alike(self, one: Thing, other: Thing) -> bool:
        if one.name == other.name or set(one.labels) & set(other.labels):
            return True
        both_open = one.is_open and other.is_open
        return both_open and float(self._cosines(one.name, [other.name])[0]) >= self.threshold

    def _cosines(self, name: str, others: Sequence[str]) -> npt.NDArray[np.float32]:
        self._remember([name, *others])
        cosines: npt.NDArray[np.float32] = np.stack([self._vectors[o] for o in others]) @ self._vectors[name]
        return cosines

    def _remember(self, texts: Sequence[str]) -> None:
        if not self._has_labels:
            self._vectors.update(shipped_vectors(self._embedder.name))
            self._has_labels = True
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if new:
            self._vectors.update(zip(new, self._embedder.embed(new), strict=True))


def shipped_vectors(embedder: str) -> dict[str, npt.NDArray[np.float32]]:
    """The vectors [384] float32 of the 80 kinds that ship with the package; {} for another embedder's."""
    with as_file(files("engines").joinpath("data/label-vectors.npz")) as path, np.load(path) as stored:
        if str(stored["embedder"]) != embedder:
            return {}
        return dict(zip(stored["labels"].tolist(), stored["vectors"], strict=True))


def _any_of(found: Sequence[tuple[Thing, Fit]]) -> list[Fit]:
    """The fits that count where one thing or another is asked for: all of them only if no thing is there."""
    there = [fit for thing, fit in found if thing.kind in _SCENERY or not fit.missing]
    one = any(thing.kind not in _SCENERY and not fit.missing for thing, fit in found)
    return there if one else [fit for _, fit in found]


def _shows_scenery(thing: Thing, shown: Shown) -> bool:
    crowded = thing.kind == "traffic" and shown.vehicles >= _TRAFFIC_LEAST
    return crowded or shown.says(thing.name)


def _missing_writing(thing: Thing, shown: Shown) -> tuple[str, ...]:
    """Writing is shown by the words on it; with none asked for, by any writing."""
    if not thing.attributes:
        return () if shown.has_writing or thing.name in shown.words else (thing.name,)
    if all(_is_written(word, shown) for word in thing.attributes):
        return ()
    return (thing.text,)


_LEAST_INSIDE = 4  # letters: read text often runs words together, and short ones are found in anything


def _is_written(word: str, shown: Shown) -> bool:
    return word in shown.words or (len(word) >= _LEAST_INSIDE and squeezed(word) in shown.squeezed)


def _has_digit(word: str) -> bool:
    return any(character.isdecimal() for character in word)


def _unproven_links(reading: Reading, shown: Shown) -> list[str]:
    """What is together is there; scenery is doubted already."""
    return [
        link.relation
        for link in reading.links
        if reading.things[link.second].kind not in _SCENERY
        and link.relation not in _TOGETHER
        and link.relation not in shown.relations
    ]


def _unproven_acts(reading: Reading, shown: Shown) -> list[str]:
    acts = zip(reading.action_words, reading.actions, strict=True)
    return [word for word, root in acts if root not in shown.stems]


def _unproven(thing: Thing, shown: Shown) -> list[str]:
    said = [] if thing.kind == "writing" else [a for a in thing.attributes if not _said(a, shown)]
    if thing.least is not None and thing.name in said:
        said.remove(thing.name)  # a crowd: it is counted
    if thing.relation and thing.relation not in shown.relations and thing.relation not in _TOGETHER:
        said.append(thing.relation)
    return said


def _said(attribute: str, shown: Shown) -> bool:
    return noun(attribute) in shown.words or stem(attribute) in shown.stems or shown.says(attribute)


def _once(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
