"""What a user typed, made into words, phrases, needed things, and expressions that FTS5 can't misread.

English only. Any text is safe: every word reaches FTS5 between double quotes, and a word holds letters,
digits, apostrophes and hyphens alone, so that no operator, quote or column filter of FTS5 can be typed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain

import inflection

from engines.english import quoted, straightened, tokens, without_quotes, word_classes
from engines.phrases import Reading, read
from engines.spotter.vocabulary import load_vocabulary
from engines.things import Thing

MOST_WORDS = 32
"""Words, and as many phrases, that are looked up. The vector of a longer query stands for more of it, up to
its first few thousand characters.
"""

_MOST_NEEDED = 4
_WORD = re.compile(r"[^\W_]+")
_ASKING = frozenset(
    ("someone", "somebody", "anyone", "anybody", "everyone", "something", "anything", "show", "find")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A parsed query.

    `text` is what was typed, in one line; `words` its content words in lower case; `phrases` what stood in
    quotation marks, each of which a hit must hold. `needed` are the things asked for that the vocabulary
    knows, each with every name by which a text may show it ("bike": bicycle, bicycles, cyclist, ...). `small`
    says that there are nothing but small words ("the"), which can be read off a screen but mean nothing by
    themselves. `denied` is what the query says is not there ("without a helmet").
    """

    text: str
    words: tuple[str, ...]
    phrases: tuple[str, ...]
    needed: tuple[tuple[str, ...], ...]
    small: bool = False
    denied: tuple[str, ...] = ()

    def expressions(self, there: Callable[[tuple[str, ...]], tuple[str, ...]]) -> tuple[str, ...]:
        """The query in FTS5's language, the strictest first: all that was said; all that is needed, with the
        rest for ranking alone. Without anything needed, any of the words will do.

        `there` picks, of a thing's names, those that any text holds. Empty: nothing can be found by words.
        """
        needed = [there(names) for names in self.needed]
        if not all(needed):
            return ()
        must = [_quote(phrase) for phrase in self.phrases]
        must += [f"({' OR '.join(map(_quote, names))})" for names in needed]
        said = {name for names in self.needed for name in names}
        rest = [_quote(word) for word in self.words if word not in said]
        strict = " AND ".join([*must, *rest])
        if not must:
            return tuple(dict.fromkeys(filter(None, (strict, " OR ".join(rest)))))
        # One of the needed among the alternatives makes them optional, and they still count in the ranking.
        shortest = min(must, key=len)
        loose = " AND ".join([*must, *([f"({' OR '.join([*rest, shortest])})"] if rest else [])])
        return tuple(dict.fromkeys((strict, loose)))

    def could_fit(self, text: str, subjects: Iterable[str]) -> bool:
        """Whether a text with its claims' subjects may show all that is needed; false only when it can't.

        It costs a hundredth of reading the text, and leaves most of what is near by vector alone unread.
        """
        lower = " ".join([text, *subjects]).lower()
        if self.denied and word_classes().negations.isdisjoint(tokens(straightened(lower))):
            return False
        squeezed = _squeezed(lower) if self.phrases else ""
        if not all(_squeezed(phrase) in squeezed for phrase in self.phrases):
            return False
        words = set(_WORD.findall(lower)) if self.needed else set()
        return all(_holds(words, lower, names) for names in self.needed)


def parse_query(text: str) -> Query:
    """Take a query apart. Raises ValueError when it holds no letter and no digit."""
    line = " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
    plain = straightened(line)
    if not any(character.isalnum() for character in plain):
        raise ValueError(f"{_shown(line)} holds no words to search for; say what should be in the picture")
    phrases = _once(" ".join(_words(phrase)) for phrase in quoted(plain))
    said = _words(without_quotes(plain))
    words = _once(word for word in said if word not in small_words() | _ASKING)
    reading = read(line)
    small = not words and not phrases
    return Query(
        text=line,
        words=_once(said) if small else words,
        phrases=phrases,
        needed=_needed(reading),
        small=small,
        denied=tuple(denial.text for denial in reading.denials),
    )


def _needed(reading: Reading) -> tuple[tuple[str, ...], ...]:
    groups: dict[tuple[str, ...], None] = {}
    things = [thing for thing in reading.things if thing.kind == "thing" and not thing.negated]
    if reading.alternatives:
        any_of = [names_of(thing.labels, said=thing.name) for thing in things]
        return (tuple(dict.fromkeys(chain.from_iterable(any_of))),) if any_of and all(any_of) else ()
    for thing in things:
        groups |= dict.fromkeys(names for names in _names(thing) if names)
    return tuple(groups)[:_MOST_NEEDED]


def _names(thing: Thing) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """By which names a text may show the thing, and what must be with it (a cyclist: a bicycle)."""
    return names_of(thing.labels, said=thing.name), names_of(thing.partners, said="")


@lru_cache(maxsize=256)
def names_of(labels: tuple[str, ...], *, said: str) -> tuple[str, ...]:
    """Every word or phrase of the vocabulary that shows any of `labels`, in both numbers; none for no
    labels.
    """
    if not labels:
        return ()
    kinds = set(labels)
    known = load_vocabulary().names
    phrases = [p for p, name in known.items() if kinds & {*name.labels, *name.partners}]
    single = {phrase for phrase in phrases if " " not in phrase}
    # "Fire engine" is looked up; "delivery man" is found by "man".
    short = [p for p in phrases if " " not in p or not single.intersection(p.split())]
    names = dict.fromkeys([*filter(None, [said]), *short])
    # FTS5 knows those plurals that only add an s.
    plurals = {name: str(inflection.pluralize(name)) for name in names}
    adding_s = {f"{name}s" for name in names}
    both = dict.fromkeys([*names, *plurals.values()])
    return tuple(name for name in both if name not in adding_s)


def _holds(words: set[str], text: str, names: tuple[str, ...]) -> bool:
    single, several = _forms(names)
    return not single.isdisjoint(words) or any(name in text for name in several)


@lru_cache(maxsize=256)
def _forms(names: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Names of one word, in both numbers, and those of several."""
    single = [name for name in names if name.isalnum()]
    return frozenset([*single, *(f"{name}s" for name in single)]), tuple(n for n in names if not n.isalnum())


def _squeezed(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


@cache
def small_words() -> frozenset[str]:
    """Words that stand between others and show nothing: articles, helping verbs, prepositions, denials."""
    classes = word_classes()
    relations = frozenset(word for phrase in classes.relations for word in phrase.split())
    joining = classes.determiners | classes.glue | classes.negations | relations | {"of"}
    return joining - frozenset(load_vocabulary().names)


def _words(text: str) -> Sequence[str]:
    return [token for token in tokens(text) if any(character.isalnum() for character in token)]


def _once(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in words if word))[:MOST_WORDS]


def _quote(word: str) -> str:
    return '"' + word.replace('"', '""') + '"'


def _shown(line: str) -> str:
    return f'the query "{line[:40]}"' if line else "an empty query"
