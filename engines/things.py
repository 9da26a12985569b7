"""What a noun phrase names: a known kind, a place, writing, traffic, or a word that no list knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engines.english import noun, plural, word_classes
from engines.spotter.vocabulary import Name, load_vocabulary

Kind = Literal["thing", "place", "writing", "traffic"]

_VEHICLES = ("car", "motorcycle", "bus", "truck")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One noun phrase.

    `text` is the phrase as written, lower case ("red cars"); `name` its head, singular ("car").
    `labels` are the COCO kinds that answer for it, () where no word of the vocabulary fits. `attributes` are
    what is said of it and no detector of things shows ("red"; "woman" for a person). A "cyclist" is a person
    with `relation` "riding" to one of the `partners`. `count` is the number in the text, if any; `least` how
    many a word for many means at least ("a crowd": 5). A `place`
    ("street") is scenery; `writing` ("sign", "dialog") is known by what is read off it: its `attributes`
    ("error" dialog) are looked for in the text on screen; `traffic` is many vehicles at once. `alike`: its
    labels were guessed by similarity.
    """

    text: str
    name: str
    kind: Kind = "thing"
    labels: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    count: int | None = None
    least: int | None = None
    negated: bool = False
    relation: str | None = None
    partners: tuple[str, ...] = ()
    alike: bool = False

    @property
    def at_least(self) -> int:
        """How many of it there must be."""
        return self.count or self.least or 1

    @property
    def numbered(self) -> str:
        """Its text with how many of it there must be, where that is more than one."""
        if self.at_least == 1:
            return self.text
        is_many = self.name in word_classes().least and len(self.labels) == 1  # a crowd: many people
        text = plural(self.labels[0]) if is_many else self.text
        return f"{self.count} {text}" if self.count else f"at least {self.least} {text}"

    @property
    def is_open(self) -> bool:
        """No word list says what it is."""
        return self.kind == "thing" and not self.labels


def thing_of(words: Sequence[str], adjectives: Sequence[str]) -> Thing:
    """The noun phrase of `words`: the longest tail that is a name is its head, the rest is said of it."""
    classes = word_classes()
    flat = " ".join(words).split()
    for start in range(len(flat)):
        tail = noun(" ".join(flat[start:]))
        if tail in load_vocabulary().names:
            return named(tail, name=tail, attributes=[*adjectives, *flat[:start]], text=[*adjectives, *flat])
    text = " ".join([*adjectives, *flat])
    for start in range(len(flat)):
        tail = noun(" ".join(flat[start:]))
        said = (*adjectives, *flat[:start])
        if tail in classes.places:
            return Thing(text=text, name=tail, kind="place", attributes=said)
        if tail in classes.traffic:
            return Thing(text=text, name="traffic", kind="traffic", labels=_VEHICLES, attributes=said)
        if tail in classes.writing:
            return _writing(text, tail, said)
    head = noun(flat[-1])
    if head.isdecimal() and len(flat) > 1 and flat[-2] in classes.writing:  # "error 504"
        return Thing(text=text, name=flat[-2], kind="writing", attributes=(*adjectives, *flat))
    if head.isdecimal() and len(flat) > 1:  # "gate 5"
        kind = noun(flat[-2])
        if kind in load_vocabulary().names:  # "bus 42" is a bus, and its number is said of it
            said = (*adjectives, *flat[:-2], head)
            return named(kind, name=kind, attributes=said, text=[*adjectives, *flat])
        head = f"{flat[-2]} {head}"
        flat = flat[:-1]
    return Thing(text=text, name=head, attributes=(*adjectives, *flat[:-1]))


def _writing(text: str, name: str, said: tuple[str, ...]) -> Thing:
    spoken = (name,) if not said and name in word_classes().spoken_writing else ()
    return Thing(text=text, name=name, kind="writing", attributes=said + spoken)


def named(phrase: str, *, name: str, attributes: Sequence[str], text: Sequence[str] = ()) -> Thing:
    known: Name = load_vocabulary().names[phrase]
    extra = () if known.attribute is None else (known.attribute,)
    return Thing(
        text=" ".join(text) or phrase,
        name=name,
        labels=known.labels,
        attributes=(*attributes, *extra),
        relation=known.relation,
        partners=known.partners,
    )
