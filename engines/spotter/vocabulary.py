"""What plain English calls the 80 kinds of thing that the spotter knows.

Read from `engines/data/vocabulary.toml`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_NO_PARTNERS: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What one English word or phrase may be.

    `labels`: the COCO kinds that answer for it (several for a broader word: "vehicle"). `attribute` is the
    part of its meaning that no detector shows ("woman" for a person), or None. For a word such as "cyclist",
    `partners` are the kinds that must be with it (any one of them) and `relation` how.
    """

    labels: tuple[str, ...]
    attribute: str | None = None
    relation: str | None = None
    partners: tuple[str, ...] = _NO_PARTNERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """`labels` are the 80 kinds in COCO's order; `names` maps a singular lower-case phrase to what it may be.

    `longest` is the most words that a name has. `groups` are the broader words.
    """

    labels: tuple[str, ...]
    names: Mapping[str, Name]
    groups: Mapping[str, tuple[str, ...]]
    longest: int
    source: str  # the file's text, for the fingerprint


@cache
def load_vocabulary() -> Vocabulary:
    """The vocabulary that ships with the package, parsed once."""
    source = files("engines").joinpath("data/vocabulary.toml").read_text(encoding="utf-8")
    return parse_vocabulary(source)


def parse_vocabulary(source: str) -> Vocabulary:
    """Raises ValueError where a group or composite names an unknown label, or a word has two meanings."""
    table = tomllib.loads(source)
    labels = tuple(table["labels"])
    names: dict[str, Name] = {}

    def add(phrase: str, name: Name) -> None:
        if phrase in names:
            raise ValueError(f"the vocabulary gives {phrase!r} two meanings; keep one of them")
        unknown = set(name.labels + name.partners) - set(labels)
        if unknown:
            raise ValueError(f"the vocabulary's {phrase!r} names no label: {', '.join(sorted(unknown))}")
        names[phrase] = name

    for label, entry in table["labels"].items():
        add(label, Name(labels=(label,)))
        for phrase in entry["same"]:
            add(phrase, Name(labels=(label,)))
        for phrase in entry.get("kinds", ()):
            add(phrase, Name(labels=(label,), attribute=phrase))
    for phrase, members in table["groups"].items():
        add(phrase, Name(labels=tuple(members)))
    for phrase, entry in table["composites"].items():
        add(phrase, Name(labels=("person",), relation=entry["relation"], partners=tuple(entry["with"])))
    return Vocabulary(
        labels=labels,
        names=names,
        groups={word: tuple(members) for word, members in table["groups"].items()},
        longest=max(len(phrase.split()) for phrase in names),
        source=source,
    )
