"""Multiple choice: the letter, where exactly one option is what was seen and all others can be ruled out."""

from __future__ import annotations

import re
from dataclasses import replace

from engines.contract import Question
from engines.english import tokens, word_classes
from engines.naming import NameMatcher
from engines.spotter.finding import Finding, find
from engines.spotter.observations import Observations
from engines.spotter.placing import position
from engines.spotter.understanding import Intent, Option, understand
from grounding import Span
from grounding.geometry import tiou

_SECONDS = re.compile(r"(\d+(?:\.\d+)?)")
_MATCHING_TIOU = 0.5
"""tIoU from which an option's times are those that were seen."""


def choose(
    intent: Intent, finding: Finding, observations: Observations, *, matcher: NameMatcher
) -> tuple[str, Finding] | None:
    """The letter and what proves it, or None where the options can't be told apart by what was seen."""
    texts = {option.letter: option.text for option in intent.options}
    if intent.kind == "exists" and set(map(_yes_or_no, texts.values())) == {True, False}:
        return _only({k: _yes_or_no(v) is bool(finding.statements) for k, v in texts.items()}, finding)
    if intent.kind == "count":
        return _only({k: _number(v) == finding.most for k, v in texts.items()}, finding)
    if intent.kind == "where" and finding.statements:
        words = set(tokens(position(finding)))
        return _only({k: _sides(v) == words & _ALL_SIDES for k, v in texts.items()}, finding)
    if intent.kind == "when" and finding.statements:
        return _only({k: _is_at_times(v, finding, observations.window) for k, v in texts.items()}, finding)
    if intent.things or intent.kind not in ("unknown", "exists", "read"):
        return None
    return _seen_option(intent, observations, matcher)


_ALL_SIDES = frozenset(["left", "right", "top", "bottom", "middle"])


def _only(fits: dict[str, bool], finding: Finding) -> tuple[str, Finding] | None:
    letters = [letter for letter, fit in fits.items() if fit]
    return (letters[0], finding) if len(letters) == 1 else None


def _seen_option(
    intent: Intent, observations: Observations, matcher: NameMatcher
) -> tuple[str, Finding] | None:
    """Each option as a question of its own: one is seen, and each other one could have been."""
    found: dict[str, Finding] = {}
    for option in intent.options:
        asked = _as_question(intent, option, matcher)
        if asked.reason is not None:
            return None
        found[option.letter] = find(asked, observations)
    seen = [letter for letter, finding in found.items() if finding.statements]
    return (seen[0], found[seen[0]]) if len(seen) == 1 else None


def _as_question(intent: Intent, option: Option, matcher: NameMatcher) -> Intent:
    if intent.reading_asked or intent.kind == "read":
        words = tuple(tokens(option.text))
        reason = None if words else "an option is empty"
        return Intent(kind="exists", reading_asked=True, words=words, reason=reason)
    asked = understand(Question(text=option.text, task="General video QA Free-form"), matcher=matcher)
    return replace(asked, kind="exists", options=())


def _yes_or_no(text: str) -> bool | None:
    first = next(iter(tokens(text)), "")
    return {"yes": True, "no": False}.get(first)


def _number(text: str) -> int | None:
    numbers = word_classes().numbers
    for word in tokens(text):
        if word.isdecimal():
            return int(word[:9])
        if word in numbers:
            return numbers[word]
    return None


def _sides(text: str) -> set[str]:
    positions = word_classes().positions
    sides = {positions[word] for word in tokens(text) if word in positions}
    return {"middle" if side == "centre" else side for side in sides}


def _is_at_times(text: str, finding: Finding, window: Span) -> bool:
    numbers = [float(number) for number in _SECONDS.findall(text)[:2]]
    if len(numbers) != 2 or numbers[0] >= numbers[1]:
        return False
    asked = Span(numbers[0] + window.start_s, numbers[1] + window.start_s)
    return max(tiou(asked, span) for span in finding.spans) >= _MATCHING_TIOU
