"""Takes a short English text apart: which things it names, what it says of them, how they stand together.

One pass from left to right over the words, with word classes instead of a model: noun phrases end at any word
that can't be in one. It is tuned for questions, search queries and one-sentence descriptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from engines.english import (
    noun,
    quoted,
    singular,
    stem,
    straightened,
    tokens,
    without_quotes,
    word_classes,
)
from engines.spotter.vocabulary import load_vocabulary
from engines.things import Thing, named, thing_of

_MARKS = frozenset(",;.?!")
_MOST_RELATION_WORDS = 5
_FORBIDDING = ("sign", "signpost", "notice", "placard")
_WAYS = ("along", "across", "through")
"""Relations to scenery, whatever its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Things number `first` and `second` of a reading stand in `relation` ("riding", "near", "with")."""

    first: int
    relation: str
    second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """What a text says is not so: `text` as it was said, in lower case ("without a helmet"). `thing` is the
    place among the reading's things of what is not there, or None where a deed or a state is denied ("isn't
    moving"); `words` are what is said in it, without the word that denies. `start` and `end` count tokens.
    """

    text: str
    thing: int | None
    words: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a text says. `words` are its tokens without what is quoted. `actions` are verbs that no relation
    of boxes shows ("run"), as stems; `action_words` the same as written. `positions` are sides of the
    picture. `negations` are the words that deny, `denials` what they deny. `alternatives`: an "or" stands
    between things. `dangling` is a relation with a thing on one side only.
    """

    words: tuple[str, ...] = ()
    things: tuple[Thing, ...] = ()
    links: tuple[Link, ...] = ()
    actions: tuple[str, ...] = ()
    action_words: tuple[str, ...] = ()
    positions: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()
    negations: tuple[str, ...] = ()
    denials: tuple[Denial, ...] = ()
    alternatives: bool = False
    dangling: str | None = None


@lru_cache(maxsize=4096)
def read(text: str) -> Reading:
    """The reading of any text; linear in its length. Only its first few thousand characters are read."""
    plain = straightened(text)
    reader = _Reader(tokens(without_quotes(plain)))
    reader.run()
    return Reading(
        words=tuple(reader.words),
        things=tuple(reader.things),
        links=tuple(reader.links),
        actions=tuple(stem(word) for word in reader.actions),
        action_words=tuple(reader.actions),
        positions=tuple(reader.positions),
        quotes=quoted(plain),
        negations=tuple(reader.negations),
        denials=tuple(reader.denials),
        alternatives=reader.alternatives,
        dangling=reader.dangling,
    )


@dataclass(slots=True)
class _Reader:
    """The pass itself: `buffer` holds the words of the noun phrase that is open."""

    words: Sequence[str]
    things: list[Thing] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    positions: list[str] = field(default_factory=list)
    negations: list[str] = field(default_factory=list)
    denials: list[Denial] = field(default_factory=list)
    alternatives: bool = False
    pending: str | None = None  # the relation since the last thing
    dangling: str | None = None
    buffer: list[str] = field(default_factory=list)
    adjectives: list[str] = field(default_factory=list)
    count: int | None = None
    least: int | None = None
    open: bool = False  # a determiner, number or adjective has begun a noun phrase
    one: bool = False  # it began with "a" or "an"
    denying: int | None = None  # where the word stands that denies what comes next
    at: int = 0

    def run(self) -> None:
        while self.at < len(self.words):
            self.at += self._step(self.words[self.at])
        self._close()
        self._leave()

    def _leave(self) -> None:
        """Ends a sentence; a relation that still waits for its second thing dangles."""
        if self.denying is not None:
            self._deny(thing=None, end=self.at)
        if self.pending not in (None, "of", "and", "with"):
            self.dangling = self.pending
        self.pending = None

    def _step(self, word: str) -> int:
        """Reads the word at `at` and tells how many words were used."""
        classes = word_classes()
        used = self._known_phrase()
        if used:
            return used
        if word in _MARKS:
            self._close()
            if word == "," and self.denying == self.at - 1:  # "No, ...": an answer
                self.denying = None
            if word in ".?!;":
                self._leave()
            return 1
        if word in classes.positions and self._is_position(word):
            self.positions.append(classes.positions[word])
            self._close()
            self.pending = None
            return 1
        used = self._relation(word)
        if used:
            return used
        if word in classes.negations:
            return self._negation(word)
        return self._content(word)

    def _negation(self, word: str) -> int:
        self._close()
        self.negations.append(word)
        if self.denying is None:
            self.denying = self.at
        no_one = word == "no" and self.words[self.at + 1 : self.at + 2] == ["one"]
        if not no_one and word not in ("nobody", "no-one"):
            return 1
        self.things.append(replace(named("person", name="person", attributes=[]), negated=True))
        self._deny(thing=len(self.things) - 1, end=self.at + 1 + no_one)
        return 1 + no_one

    def _deny(self, *, thing: int | None, end: int) -> None:
        """Keeps what is denied: the words from the one that denies up to `end`."""
        assert self.denying is not None
        said = [word for word in self.words[self.denying : end] if word not in _MARKS]
        closed = word_classes().negations | word_classes().determiners | word_classes().glue
        words = tuple(word for word in said if word not in closed)
        if words or thing is not None:
            self.denials.append(
                Denial(text=" ".join(said), thing=thing, words=words, start=self.denying, end=end)
            )
        self.denying = None

    def _content(self, word: str) -> int:
        classes = word_classes()
        if word in classes.determiners:
            self._close()
            self.open, self.one = True, word in ("a", "an")
            if self.words[max(self.at - 1, 0)] != "how":
                self.least = classes.least.get(word)
        elif word in classes.numbers or word.isdecimal():
            self._number(word)
        elif word == "or":
            if self.count is not None and self.words[self.at + 1 : self.at + 2] == ["more"]:
                return 2
            self._close()
            self.alternatives = self.alternatives or bool(self.things)
        elif word == "of":
            self._of()
        elif word in classes.glue:
            self._close()
        elif word in classes.adjectives or word in classes.colours:
            self._adjective(word)
        elif self._is_verb(word):
            self._close()
            self._verb(word)
        else:
            self.buffer.append(word)
        return 1

    def _known_phrase(self) -> int:
        """Takes a name of several words that begins here ("traffic light", "in traffic" is none)."""
        names = load_vocabulary().names
        classes = word_classes()
        for length in range(min(load_vocabulary().longest, len(self.words) - self.at), 1, -1):
            phrase = noun(" ".join(self.words[self.at : self.at + length]))
            if phrase in names or phrase in classes.places or phrase in classes.writing:
                self.buffer.append(phrase)
                return length
        return 0

    def _relation(self, word: str) -> int:
        classes = word_classes()
        for length in range(min(_MOST_RELATION_WORDS, len(self.words) - self.at), 0, -1):
            phrase = " ".join(self.words[self.at : self.at + length])
            if phrase in classes.relations:
                self._close()
                if not classes.relations[phrase]:
                    return length
                # "riding on a bike" is riding; "and near" is near.
                if self.pending in (None, "and", "of", "with"):
                    self.pending = classes.relations[phrase]
                return length
        if word in classes.relation_verbs and not (self.open and not self.buffer):
            self._close()
            self.pending = classes.relation_verbs[word]
            if self.pending == "cycling":
                self.pending = None
                self._cycling()
            return 1
        return 0

    def _cycling(self) -> None:
        """ "someone cycling": the last thing rides a bicycle that the text needn't name."""
        if self.things and self.things[-1].labels == ("person",):
            self.things[-1] = replace(self.things[-1], relation="riding", partners=("bicycle",))
        else:
            self.things.append(named("cyclist", name="cyclist", attributes=[]))

    def _is_position(self, word: str) -> bool:
        before = self.words[self.at - 1] if self.at else ""
        after = self.words[self.at + 1] if self.at + 1 < len(self.words) else ""
        if after == "of" and word in ("left", "right") and before not in ("the", "on", "at"):
            return False
        return before in ("the", "on", "at", "in", "far", "to", "upper", "lower") or word.endswith("-hand")

    def _number(self, word: str) -> None:
        if self.buffer:  # "error 504": the number belongs to the name
            self.buffer.append(word)
            return
        self._close()
        numbers = word_classes().numbers
        value = numbers.get(word)
        number = value if value is not None else int(word[:9])
        before = " ".join(self.words[max(self.at - 2, 0) : self.at])
        if before in ("fewer than", "less than"):
            self.adjectives.append(f"{before} {word}")
        else:
            self.count = number + 1 if before == "more than" else number
        self.open = True

    def _of(self) -> None:
        if self.buffer and singular(self.buffer[-1]) in word_classes().quantities:
            self.least = word_classes().least.get(singular(self.buffer[-1]))
            self.buffer = []
            return
        if not self.buffer and (self.count is not None or self.least is not None):
            return  # "a couple of dogs", "lots of people"
        self._close()
        if self.things and self.pending is None:
            self.pending = "of"

    def _adjective(self, word: str) -> None:
        following = self._next_is_noun()
        if word in load_vocabulary().names and not following:
            self.buffer.append(word)  # "an orange"
        elif following or self.open or not self.things or self.buffer:
            if self.buffer and not following:  # "the light red"
                self._close()
                self._say_of_last(word)
            else:
                self.adjectives.append(word)
                self.open = True
        else:
            self._say_of_last(word)

    def _say_of_last(self, word: str) -> None:
        if self.things and self.denying is None:
            last = self.things[-1]
            self.things[-1] = replace(last, attributes=(*last.attributes, word))

    def _next_is_noun(self) -> bool:
        if self.at + 1 >= len(self.words):
            return False
        after = self.words[self.at + 1]
        classes = word_classes()
        if (
            singular(after) in load_vocabulary().names
            or after in classes.adjectives
            or after in classes.colours
        ):
            return True
        closed = (classes.determiners, classes.glue, classes.negations, classes.ignored_verbs)
        return not (
            after in _MARKS
            or after in classes.relations
            or after == "of"
            or any(after in words for words in closed)
            or stem(after) in classes.verb_stems
            or after.endswith("ing")
        )

    def _is_verb(self, word: str) -> bool:
        classes = word_classes()
        if word in classes.ignored_verbs:
            return True
        fresh = self.open and not self.buffer  # right after a determiner or adjective: "the building"
        if self.one and self.buffer and word.endswith("s") and not word.endswith(("ss", "us", "is")):
            return True  # "a dog gallops"
        known = noun(word) in load_vocabulary().names or singular(word) in classes.places
        if fresh or (known and not self.buffer and self.pending is not None):
            return False
        if known and not (word.endswith("ing") and self.buffer):
            return stem(word) in classes.verb_stems and bool(self.buffer)
        if stem(word) in classes.verb_stems:
            return singular(word) not in classes.writing or bool(self.buffer)
        return word.endswith(("ing", "ed", "ly")) and len(word) > 4

    def _verb(self, word: str) -> None:
        if word not in word_classes().ignored_verbs and self.denying is None:
            self.actions.append(word)

    def _close(self) -> None:
        """Ends the noun phrase that is open and keeps what it names."""
        words, adjectives = self.buffer, self.adjectives
        if words:
            self._keep(words, adjectives)
        elif adjectives:
            for word in adjectives:
                self._say_of_last(word)
            if not self.things and self.denying is None:
                self.actions.extend(adjectives)
        self.buffer, self.adjectives, self.count, self.least = [], [], None, None
        self.open = self.one = False

    def _keep(self, words: list[str], adjectives: list[str]) -> None:
        thing = thing_of(words, adjectives)
        if thing.kind == "writing" and thing.name in _FORBIDDING and self.denying is not None:
            thing = self._forbidding(thing)
        least = self.least or word_classes().least.get(thing.name)
        thing = replace(thing, count=self.count, least=least, negated=self.denying is not None)
        if thing.kind == "thing" and not thing.labels and self.pending in _WAYS:
            thing = replace(thing, kind="place")
        if not thing.labels and singular(thing.name) in word_classes().ignored_nouns:
            self.pending = None
            return
        if self.pending == "of" and self.things and not thing.labels:
            self.pending = None
            self._say_of_last(thing.text)
            return
        self.things.append(thing)
        if thing.negated:
            self._deny(thing=len(self.things) - 1, end=self.at)
        if self.pending is not None and len(self.things) > 1:
            link = Link(first=self._partner(), relation=self.pending, second=len(self.things) - 1)
            self.links.append(link)
        self.pending = None

    def _forbidding(self, sign: Thing) -> Thing:
        """ "No entry" sign: what looks like a denial is written there."""
        if not sign.attributes or self.words[self.denying or 0] != "no":
            return sign
        self.denying = None
        self.negations.pop()
        return replace(sign, text=f"no {sign.text}", attributes=("no", *sign.attributes))

    def _partner(self) -> int:
        """The thing that a relation to the newest one starts at: the last that is no scenery."""
        earlier = range(len(self.things) - 2, -1, -1)
        return next((i for i in earlier if self.things[i].kind == "thing"), len(self.things) - 2)
