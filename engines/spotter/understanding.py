"""What a question wants to know, and whether a spotter can tell.

The spotter sees the 80 COCO kinds, their boxes over time, and printed text. Whatever else a question hangs on
(a colour, a deed, a place, that something is absent) makes it a question that can't be told, with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from engines.contract import Question
from engines.english import straightened, tokens, without_quotes, word_classes
from engines.naming import NameMatcher
from engines.phrases import Link, Reading
from engines.spotter.relations import RELATIONS, RIDDEN
from engines.things import Thing

Kind = Literal["describe", "exists", "when", "count", "where", "which", "read", "unknown"]

SIGHT = "the spotter sees the 80 COCO kinds of thing and printed text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One choice of a multiple-choice question."""

    letter: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A question understood.

    `things` and `links` (indices into `things`) are what has to be seen together, or any of it when `any_of`.
    `positions` are the sides of the picture it must be at. `reading_asked`: it is about text on screen, with
    `words` to be found in it ((): any text). `reason` says why it can't be told, or is None.
    """

    kind: Kind
    things: tuple[Thing, ...] = ()
    links: tuple[Link, ...] = ()
    any_of: bool = False
    positions: tuple[str, ...] = ()
    reading_asked: bool = False
    words: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    reason: str | None = None


_OPTION = re.compile(r"(?:^|\s)\(?([A-J])[.):]\s+(.*?)(?=\s+\(?[A-J][.):]\s|\s*$)", re.DOTALL)
_FIRST_OPTION = re.compile(r"(?:^|\s)\(?A[.):]\s")
_OPTIONS_LEAD = re.compile(r"\b(?:options|choices)\s*:?\s*$", re.IGNORECASE)

_PATTERNS: tuple[tuple[Kind, str], ...] = (
    (
        "describe",
        r"^\W*(?:please )?(?:describe|summari[sz]e)\b|\bwhat (?:is|was|'s) (?:happening|going on|shown)\b"
        r"|\bwhat (?:happens|happened)\b|\bwhat (?:do|can) you see\b|\bwhat can be seen\b",
    ),
    ("count", r"\bhow many\b|\b(?:the )?number of\b|^\W*count\b"),
    (
        "when",
        r"\bwhen\b|\b(?:at|from|until|since) (?:what|which) (?:time|second|moment|point)"
        r"|\b(?:what|which) (?:time|second|moment|segment)|\bduring which\b|\btimestamps?\b",
    ),
    ("where", r"\bwhere\b|\b(?:which|what) (?:side|part|corner|half)\b|^\W*locate\b"),
    (
        "read",
        r"\bwhat\b.*\b(?:says?|said|reads?|written|printed|spelled)\b|\bread (?:the|out|what)\b"
        r"|\bwh(?:at|ich) (?:text|words?|writing|letters?|caption|title|message|error|url)\b"
        r"|\bwhat (?:is|are|was|were|does) (?:the |on the )?(?:text|caption|title|sign|message)\b",
    ),
)
_ASKED = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _PATTERNS)
_SAID = re.compile(r"\b(?:says?|reads|saying|the words?)\b(.*)", re.IGNORECASE | re.DOTALL)
_IT_SAYS = re.compile(r"\b(?:it|screen|display|monitor)\b.{0,20}\b(?:says?|reads)\b", re.IGNORECASE)
_LIMITED = re.compile(r"\b(exactly|only|at most|less than|fewer than|no more than)\b", re.IGNORECASE)
_WHICH = re.compile(
    r"^\W*(?:what|which)(?: (?:kinds?|types?|sorts?) of)? (?:\w+ )?\w+ "
    r"(?:is|are|was|were|can|could|do|did|does|appears?|appeared)\b",
    re.IGNORECASE,
)
_NOT_ASKED = "it tells whether, when, where, which and how many things are seen, not this"
_QUESTION_WORD = re.compile(r"\b(?:what|which|who|whom|whose|why|how)\b", re.IGNORECASE)


def understand(question: Question, *, matcher: NameMatcher) -> Intent:
    """The intent of any question; one that can't be told has a `reason`. Never raises."""
    if question.task == "describe":
        return Intent(kind="describe")
    stem, options = split_options(question.text)
    kind = _kind(stem, question)
    if kind == "describe" or not stem.strip():
        return Intent(kind="describe", options=options)
    reading = matcher.read(stem)
    if kind == "unknown" and _asks_which(stem, reading):
        kind = "which"
    if kind == "unknown" and not options:
        return Intent(kind=kind, reason=_NOT_ASKED)
    writing = [thing for thing in reading.things if thing.kind == "writing"]
    if kind == "read" or writing or _IT_SAYS.search(stem) or (reading.quotes and not reading.things):
        said = _SAID.search(straightened(stem))
        return _about_text(kind, reading, options, said=said.group(1) if said else "")
    intent = Intent(
        kind=kind,
        things=reading.things,
        links=reading.links,
        any_of=reading.alternatives,
        positions=reading.positions if kind != "where" else (),
        options=options,
    )
    return _with_reason(intent, reading, limit=_LIMITED.search(stem))


def split_options(text: str) -> tuple[str, tuple[Option, ...]]:
    """A question and its choices, where it has at least two in a row from A ("A. a bus B. a car")."""
    first = _FIRST_OPTION.search(text)
    if first is None:
        return text, ()
    found = [
        Option(letter=m.group(1), text=" ".join(m.group(2).split()))
        for m in _OPTION.finditer(text, first.start())
    ]
    in_row = "".join(option.letter for option in found)
    if len(found) < 2 or not "ABCDEFGHIJ".startswith(in_row):
        return text, ()
    return _OPTIONS_LEAD.sub("", text[: first.start()].strip()).strip(), tuple(found)


def unseen(thing: Thing) -> str | None:
    """Why the spotter can't tell whether this thing is there, or None."""
    if thing.kind == "place" or not thing.labels:
        return f"it can't see {thing.name}"
    if thing.attributes:
        return f'it can\'t tell "{" ".join(thing.attributes)}"'
    return None


def _kind(text: str, question: Question) -> Kind:
    for kind, pattern in _ASKED:
        if pattern.search(text):
            return kind
    if question.task in ("temporal QA", "temporal QA (MCQ)"):
        return "when"
    if question.task == "visual QA":
        return "where"
    return "unknown" if _QUESTION_WORD.search(text) else "exists"


def _asks_which(stem: str, reading: Reading) -> bool:
    """ "Which vehicles are visible?": a broader word whose kinds can be told apart."""
    return bool(_WHICH.search(stem)) and len(reading.things) == 1 and len(reading.things[0].labels) > 1


def _about_text(kind: Kind, reading: Reading, options: tuple[Option, ...], *, said: str) -> Intent:
    """A question about what is written; other things in it ("on the bus") can't be tied to the writing."""
    words = [w for t in reading.things if t.kind == "writing" for w in t.attributes]
    other = [t for t in reading.things if t.kind == "thing" and not _is_surface(t)]
    if kind in ("when", "exists", "where", "count"):
        # "when does it say error 504": what is no known thing is what should be written
        words += [w for t in other if not t.labels for w in t.text.split()]
        other = [t for t in other if t.labels]
    quotes = [w for quote in reading.quotes for w in tokens(quote)]
    following = [w for w in tokens(without_quotes(said)) if _is_content(w)]
    if following and not quotes:
        words, other = following, []
    words += quotes
    reason = None
    if reading.negations:
        reason = _denial(reading)
    elif kind == "count":
        reason = "it can't count writing"
    elif other:
        reason = f"it can't tell what is written on {other[0].name}"
    return Intent(
        kind="read" if kind == "unknown" else kind,
        reading_asked=True,
        words=tuple(dict.fromkeys(words)),
        options=options,
        reason=reason,
    )


def _is_content(word: str) -> bool:
    classes = word_classes()
    closed = (classes.glue, classes.determiners, classes.ignored_verbs, classes.ignored_nouns, ",;.?!")
    return not any(word in words for words in closed) and word not in classes.relations


def _is_surface(thing: Thing) -> bool:
    """A screen: whatever is written is written on one."""
    return set(thing.labels) <= {"tv", "laptop", "cell phone"} and bool(thing.labels)


def _with_reason(intent: Intent, reading: Reading, *, limit: re.Match[str] | None) -> Intent:
    reasons: list[str] = []
    if reading.negations:
        reasons.append(_denial(reading))
    if intent.kind != "unknown" or intent.things:
        reasons.extend(reason for thing in intent.things if (reason := unseen(thing)))
    if limit is not None:
        reasons.append(f'it can\'t prove "{limit.group(1)}" (ask how many)')
    if reading.quotes:
        reasons.append("it can't tie what is written to a thing")
    reasons.extend(f'it can\'t tell "{word}"' for word in reading.action_words)
    reasons.extend(_unseen_relation(intent, link) for link in intent.links if _is_unseen(intent, link))
    if intent.any_of and intent.links:
        reasons.append("it asks for one thing or another and for how they stand together")
    if reading.dangling:
        reasons.append(f'it can\'t tell "{reading.dangling}" what')
    if not intent.things and not intent.options and not reasons:
        reasons.append("the question names nothing that it could look for")
    reason = "; ".join(dict.fromkeys(reasons)) or None
    return Intent(
        kind=intent.kind,
        things=intent.things,
        links=intent.links,
        any_of=intent.any_of,
        positions=intent.positions,
        options=intent.options,
        reason=reason,
    )


def _denial(reading: Reading) -> str:
    denied = [thing.text for thing in reading.things if thing.negated and thing.text != "person"]
    return f'it can\'t prove what is not there ("{" ".join([reading.negations[0], *denied[:1]])}")'


def _is_unseen(intent: Intent, link: Link) -> bool:
    first, second = intent.things[link.first], intent.things[link.second]
    if not first.labels or not second.labels:
        return False  # said of the thing itself already
    if link.relation == "riding":
        return "person" not in first.labels or not RIDDEN.intersection(second.labels)
    if "traffic" in (first.kind, second.kind):
        return link.relation not in ("in", "and", "with")
    return link.relation not in RELATIONS


def _unseen_relation(intent: Intent, link: Link) -> str:
    return f'it can\'t tell "{link.relation} {intent.things[link.second].name}"'
