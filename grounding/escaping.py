"""How a text that nobody vouches for (a read sign, a file's name) is put into the grammar unharmed.

`escape` makes it one line that holds no tag, no quote, no sentence end and no punctuation at its edges that
the parser would take for its own; `unescape` is what the parser does to every text it hands out. Only the
entities below are read, so `AT&T` and `&copy;` stay as they are when a model writes them.
"""

from __future__ import annotations

import re

EDGE_MARKS = tuple("!,-.:;?")
"""Punctuation that the parser may drop, or cut at, where it stands beside a removed tag."""
ENTITIES = {"&amp;": "&", "&lt;": "<", "&quot;": '"', "&#32;": " "} | {
    f"&#{ord(mark)};": mark for mark in EDGE_MARKS
}

_ENTITY = re.compile("|".join(ENTITIES))
_SENTENCE_GAP = re.compile(r"(?<=[.!?]) ")


def collapse(text: str) -> str:
    """The text on one line: every run of white space becomes one space, none at the ends."""
    return " ".join(text.split())


def unescape(text: str) -> str:
    """The text with our entities replaced by what they stand for."""
    return _ENTITY.sub(lambda m: ENTITIES[m[0]], text) if "&" in text else text


def escape(text: str) -> str:
    """Any text as one line that the parser hands back as `collapse(text)`, whatever it holds."""
    line = collapse(text)
    start = 1 if line.startswith(EDGE_MARKS) else 0
    end = len(line) - 1 if line[start:].endswith(EDGE_MARKS) else len(line)
    head, body, tail = line[:start], line[start:end], line[end:]
    return _entities(head) + _SENTENCE_GAP.sub("&#32;", _markup(body)) + _entities(tail)


def quote(text: str) -> str:
    """On-screen text in double quotes: kept whole and readable, never cut at a sentence end."""
    return f'"{_markup(collapse(text))}"'


def _markup(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def _entities(marks: str) -> str:
    return "".join(f"&#{ord(mark)};" for mark in marks)
