"""Words of a short English text: tokens, word classes, singular forms and stems.

The classes stand in `engines/data/english.toml`; a word in none of them is taken for a noun. Made for
questions, search queries and one-sentence descriptions; it is no parser of English at large.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

import inflection
import snowballstemmer

from engines.spotter.vocabulary import load_vocabulary

MOST_CHARACTERS = 4000  # read of a text: a moment is a sentence, and a hostile text must cost little


_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*|[^\W_]+(?:['-][^\W_]+)*|[,;.?!]")
_QUOTED = re.compile(r'"([^"\n]{1,200})"|(?<!\w)\'([^\'\n]{1,200})\'(?!\w)')
_STRAIGHT = str.maketrans("\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019`", '"""""\'\'\'')  # typographic quotes
_NO_PLURALS = frozenset(["glasses", "sunglasses", "gas", "lens", "canvas", "news"])
_RULE_FAILS = {"cow": "cows", "skis": "skis", "scissors": "scissors", "broccoli": "broccoli", "bear": "bears"}
_IRREGULAR_PLURALS = frozenset(["men", "women", "children", "mice"])


@dataclass(frozen=True, slots=True, kw_only=True)
class WordClasses:
    """The word classes of `english.toml`, as sets of lower-case words (`verb_stems`: stems)."""

    determiners: frozenset[str]
    glue: frozenset[str]
    negations: frozenset[str]
    ignored_nouns: frozenset[str]
    ignored_verbs: frozenset[str]
    numbers: Mapping[str, int]
    colours: frozenset[str]
    adjectives: frozenset[str]
    verb_stems: frozenset[str]
    relations: Mapping[str, str]
    relation_verbs: Mapping[str, str]
    quantities: frozenset[str]
    least: Mapping[str, int]
    places: frozenset[str]
    positions: Mapping[str, str]
    writing: frozenset[str]
    spoken_writing: frozenset[str]
    traffic: frozenset[str]
    source: str  # the file's text, for the fingerprint


@cache
def word_classes() -> WordClasses:
    """The word classes that ship with the package, parsed once."""
    source = files("engines").joinpath("data/english.toml").read_text(encoding="utf-8")
    table = tomllib.loads(source)

    def words(text: str) -> frozenset[str]:
        return frozenset(text.split())

    def inverted(entries: Mapping[str, str]) -> dict[str, str]:
        return {word: name for name, text in entries.items() for word in text.split()}

    return WordClasses(
        determiners=words(table["determiners"]),
        glue=words(table["glue"]),
        negations=words(table["negations"]),
        ignored_nouns=words(table["ignored_nouns"]),
        ignored_verbs=words(table["ignored_verbs"]),
        numbers=table["numbers"],
        colours=words(table["colours"]),
        adjectives=words(table["adjectives"]),
        verb_stems=frozenset(stem(word) for word in table["verbs"].split()),
        relations=table["relations"],
        relation_verbs=inverted(table["relation_verbs"]),
        quantities=words(table["quantities"]["words"]),
        least=table["least"],
        places=words(table["places"]["words"]) | frozenset(table["places"]["phrases"]),
        positions=inverted(table["positions"]),
        writing=words(table["writing"]["words"]) | frozenset(table["writing"]["phrases"]),
        spoken_writing=words(table["writing"]["spoken"]),
        traffic=words(table["traffic"]["words"]),
        source=source,
    )


def straightened(text: str) -> str:
    """At most `MOST_CHARACTERS` of `text`, with typographic quotes and apostrophes made plain."""
    return text[:MOST_CHARACTERS].translate(_STRAIGHT)


def quoted(text: str) -> tuple[str, ...]:
    """What stands in quotation marks in a `straightened` text, in order."""
    return tuple((m.group(1) or m.group(2)).strip() for m in _QUOTED.finditer(text))


def without_quotes(text: str) -> str:
    """A `straightened` text with each quotation made one comma."""
    return _QUOTED.sub(" , ", text)


def tokens(text: str) -> list[str]:
    """Lower-case words, numbers and marks of a text; a possessive `'s` is cut off."""
    return [w.removesuffix("'s") for w in _TOKEN.findall(text.lower())]


@lru_cache(maxsize=8192)
def singular(word: str) -> str:
    """The singular of a lower-case noun by rule: "buses" -> "bus", "people" -> "person".

    A word that the vocabulary or a word class knows as it stands is left alone ("glasses" is not a drinking
    glass, "gas" and "police" are no plurals).
    """
    if _is_known(word) or word in _NO_PLURALS or word.endswith("ss"):
        return word
    if not word.endswith("s") and word not in _IRREGULAR_PLURALS:
        return word
    if word in _plurals():
        return _plurals()[word]
    one: str = inflection.singularize(word)
    return word if word.endswith(("us", "is")) and not _is_known(one) else one  # tennis, but taxis


def is_plural(word: str) -> bool:
    """Whether a lower-case noun means several: "buses", "people"."""
    return word in ("people", "folk") or singular(word) != word


@lru_cache(maxsize=1024)
def plural(phrase: str) -> str:
    """The plural of a phrase: "traffic lights", "people", "cows" (where the rule says "kine")."""
    first, _, last = phrase.rpartition(" ")
    many: str = _RULE_FAILS.get(last) or inflection.pluralize(last)
    return f"{first} {many}".strip()


@cache
def _plurals() -> dict[str, str]:
    """The vocabulary's own plurals, where the rule would go wrong ("ties" is not "ty")."""
    names = load_vocabulary().names
    return {plural(word): word for name in names for word in (name.split()[-1], name)}


def _is_known(word: str) -> bool:
    classes = word_classes()
    return word in load_vocabulary().names or word in classes.places or word in classes.writing


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """The stem of a lower-case verb: "rides", "riding" -> "ride"."""
    stemmed: str = snowballstemmer.stemmer("english").stemWord(
        word
    )  # one each: it keeps state, threads share
    return stemmed


def noun(phrase: str) -> str:
    """A phrase with its last word made singular."""
    if phrase in _plurals():
        return _plurals()[phrase]
    first, _, last = phrase.rpartition(" ")
    return f"{first} {singular(last)}".strip()
