"""Does a name fit? Things named by a query or question, matched to what was seen and said.

A name is matched by the vocabulary's synonyms first, then by the words themselves; a word that neither
knows, by text similarity: cosine of the embeddings at or above a threshold, tuned by `benchmarks/names.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import as_file, files
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engines.english import noun, singular, stem, straightened, tokens
from engines.phrases import Reading, read
from engines.spotter.vocabulary import load_vocabulary
from engines.things import Thing

THRESHOLD = 0.72
"""Least cosine at which a word outside the vocabulary counts as another name for a thing."""

SCREEN_TEXT_SUBJECT = "text"
"""Subject of a claim that holds text read off the picture."""

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

    `missing`: things that the query names and the moment doesn't show: not a hit. `unproven`: the
    rest that the query says and nothing in the moment confirms (a colour, an action, a place, how things
    stand together): still a hit, a weaker one.
    """

    missing: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """What one moment shows: COCO kinds, name words and stems of words, names outside the vocabulary."""

    labels: frozenset[str]
    words: frozenset[str]
    stems: frozenset[str]
    squeezed: str  # the text without anything but letters and digits
    names: tuple[str, ...]
    relations: frozenset[str]
    vehicles: int
    has_writing: bool


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
        shown = [_shown(text, tuple(subjects)) for text, subjects in moments]
        self._learn(reading, shown)
        return [self._fit(reading, one) for one in shown]

    def _resolved(self, thing: Thing) -> Thing:
        if thing.labels or thing.kind != "thing":
            return thing
        label = self.label(thing.name)
        return thing if label is None else replace(thing, labels=(label,), alike=True)

    def _learn(self, reading: Reading, shown: Sequence[_Shown]) -> None:
        """Embeds in one batch all that the comparison will need."""
        unknown = [t.name for t in reading.things if _is_open(t)]
        lacking = [s for s in shown if any(not _says(name, s) for name in unknown)]
        if lacking:
            self._remember([*unknown, *(n for s in lacking for n in (*s.labels, *s.names))])

    def _fit(self, reading: Reading, shown: _Shown) -> Fit:
        missing: list[str] = []
        unproven: list[str] = []
        wanted = [t for t in reading.things if not t.negated]
        scenery_alone = all(t.kind in _SCENERY for t in wanted)
        for thing in reading.things:
            if thing.negated:
                unproven.append(f"no {thing.text}")
            elif thing.kind in _SCENERY:
                if not _shows_scenery(thing, shown):
                    (missing if scenery_alone else unproven).append(thing.name)
            elif thing.kind != "writing" or thing.attributes or not reading.quotes:
                missing.extend(self._missing(thing, shown))
                unproven.extend(_unproven(thing, shown))
        for quote in reading.quotes:
            if _squeezed(quote) not in shown.squeezed:
                missing.append(quote)
        for link in reading.links:
            if reading.things[link.second].kind in _SCENERY or link.relation in _TOGETHER:
                continue  # the scenery is doubted already; what is together is there
            if link.relation not in shown.relations:
                unproven.append(link.relation)
        acts = [
            word
            for word, root in zip(reading.action_words, reading.actions, strict=True)
            if root not in shown.stems
        ]
        # A query of nothing but a deed ("fighting"), or of what must not be there, can't fit everything.
        (unproven if wanted or reading.quotes else missing).extend(acts)
        if not wanted and not reading.quotes and not reading.actions:
            missing.extend(f"no {t.text}" for t in reading.things)
        return Fit(missing=_once(missing), unproven=_once(w for w in unproven if w not in missing))

    def _missing(self, thing: Thing, shown: _Shown) -> tuple[str, ...]:
        if thing.kind == "writing":
            return _missing_writing(thing, shown)
        if _says(thing.name, shown):
            return ()
        if thing.labels:
            lacks = not shown.labels.intersection(thing.labels)
            alone = thing.partners and not shown.labels.intersection(thing.partners)
            return (thing.name,) if lacks or alone else ()
        others = (*shown.labels, *shown.names)
        similar = bool(others) and float(self._cosines(thing.name, others).max()) >= self.threshold
        return () if similar else (thing.name,)

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


@lru_cache(maxsize=4096)
def _shown(text: str, subjects: tuple[str, ...]) -> _Shown:
    readings = [read(text), *(read(subject) for subject in subjects)]
    things = [thing for reading in readings for thing in reading.things if not thing.negated]
    vocabulary = load_vocabulary()
    words = [w for part in (text, *subjects) for w in tokens(straightened(part))]
    described = readings[0].things
    vehicles = [
        t for t in described if set(t.labels) & set(vocabulary.groups["vehicle"]) and t.kind == "thing"
    ]
    relations = {link.relation for reading in readings for link in reading.links}
    relations |= {thing.relation for thing in things if thing.relation}
    return _Shown(
        labels=frozenset(label for t in things for label in (*t.labels, *t.partners) if t.kind == "thing"),
        words=frozenset([*words, *(singular(word) for word in words), *(t.name for t in things)]),
        stems=frozenset(stem(word) for word in words),
        squeezed=_squeezed(straightened(text)),
        names=tuple(dict.fromkeys(t.name for t in things if _is_open(t))),
        relations=frozenset(relations),
        vehicles=sum(thing.count or 1 for thing in vehicles),
        has_writing=SCREEN_TEXT_SUBJECT in subjects or any(t.kind == "writing" for t in things),
    )


def _is_open(thing: Thing) -> bool:
    """No word list says what it is."""
    return thing.kind == "thing" and not thing.labels


def _shows_scenery(thing: Thing, shown: _Shown) -> bool:
    crowded = thing.kind == "traffic" and shown.vehicles >= _TRAFFIC_LEAST
    return crowded or _says(thing.name, shown)


def _says(name: str, shown: _Shown) -> bool:
    """Every word of the name stands in the moment's words."""
    return name in shown.words or (
        " " in name and all(w in shown.words or singular(w) in shown.words for w in name.split())
    )


def _missing_writing(thing: Thing, shown: _Shown) -> tuple[str, ...]:
    """Writing is shown by the words on it; with none asked for, by any writing."""
    if not thing.attributes:
        return () if shown.has_writing or thing.name in shown.words else (thing.name,)
    if all(_is_written(word, shown) for word in thing.attributes):
        return ()
    return (thing.text,)


_LEAST_INSIDE = 4  # letters: read text often runs words together, and short ones are found in anything


def _is_written(word: str, shown: _Shown) -> bool:
    return word in shown.words or (len(word) >= _LEAST_INSIDE and _squeezed(word) in shown.squeezed)


def _unproven(thing: Thing, shown: _Shown) -> list[str]:
    said = [] if thing.kind == "writing" else [a for a in thing.attributes if not _said(a, shown)]
    if thing.relation and thing.relation not in shown.relations and thing.relation not in _TOGETHER:
        said.append(thing.relation)
    return said


def _said(attribute: str, shown: _Shown) -> bool:
    return noun(attribute) in shown.words or stem(attribute) in shown.stems or _says(attribute, shown)


def _squeezed(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


def _once(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
