"""A user's words made into a question that can be put to an engine."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from engines.contract import DESCRIBE, Question

MAX_QUESTION_CHARS = 1000

_WHEN = re.compile(r"(when|at what (time|second|moment)|from when|until when)\b", re.IGNORECASE)


def as_question(text: str) -> Question:
    """`text` in one line, with the task that asks for the evidence it needs.

    Raises ValueError for an empty text, one over MAX_QUESTION_CHARS, or one that is not valid unicode.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"a question must be text, not {text!a}; check the terminal's encoding") from None
    line = " ".join(unicodedata.normalize("NFC", text).split())
    if not line:
        raise ValueError('a question must not be empty; write it in quotes, like "is anyone on the ladder?"')
    if len(line) > MAX_QUESTION_CHARS:
        raise ValueError(
            f"a question has at most {MAX_QUESTION_CHARS} characters, not {len(line)}; shorten it"
        )
    return Question(text=line, task="temporal QA" if _WHEN.match(line) else "temporal-spatial free-form QA")


def question_set(texts: Sequence[str]) -> tuple[Question, ...]:
    """The standing description, then the questions of `texts`, each once. Raises as `as_question`."""
    return tuple(dict.fromkeys((DESCRIBE, *(as_question(text) for text in texts))))
