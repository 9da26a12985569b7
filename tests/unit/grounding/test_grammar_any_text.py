"""No text of any kind makes the parser raise, hang, lose something silently or use more than linear means."""

from __future__ import annotations

import gc
import re
import sys
import time
import tracemalloc
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from grounding import grammar, limits
from grounding.evidence import Answer, Span
from tests.unit.grounding import strategies
from tests.unit.grounding.strategies import Setting

SEGMENT = Span(10.0, 70.0)
VALID = (
    "<think>From <t>7.48</t>s to <t>9.68</t>s: <obj>old man</obj><box>[1,2,30,40]</box>at<t>8.0</t>s on a "
    "<obj>bicycle</obj><box>[1,2,3,4]</box><box>[5,6,7,8]</box>at<t>8.0</t>s. Then it stops.\n"
    '<obj>sign</obj><box>[0,0,1000,1000]</box>at<t>9</t>s "Sale. Now"</think>\n'
    "<answer>From <t>7.48</t>s to <t>9.68</t>s and From <t>20</t>s to <t>21</t>s\nCorrect Option: C</answer>"
)
REPEATED = [
    *("<t>", "<obj>a</obj>", "<box>[1,2,3,4]</box>", "<answer>", "</think>", "((<t>)", ",<t>,", "&lt;", "<"),
    *(
        '". ',
        "\n",
        "1",
        "From ",
        "from   ",
        "From <t>1</t>s to <t>2</t>s ",
        "<obj>a</obj><box>[1,2,3,4]</box>",
    ),
    *("<obj>a</obj><box>[1,2,3,4]</box>at<t>1</t>s ", "<obj>", "<box>[1,2", ". ", "A", "Cannot tell", "at "),
]


def read(text: str, setting: Setting | None = None) -> Answer:
    if setting is None:
        return grammar.parse(text, segment=SEGMENT, coordinates="relative-1000")
    return grammar.parse(
        text,
        segment=setting.segment,
        coordinates=setting.coordinates,
        frame_size=setting.frame_size,
    )


def check(text: str, answer: Answer, segment: Span) -> None:
    """Everything in the answer is usable, and every object in the text is accounted for."""
    for claim in answer.claims:
        assert claim.subject and claim.boxes
        assert segment.start_s <= claim.time_s <= segment.end_s
    for span in (*answer.spans, *(s.span for s in answer.statements if s.span)):
        assert segment.start_s <= span.start_s <= span.end_s <= segment.end_s
    for statement in answer.statements:
        assert statement.span or statement.claims
        assert set(statement.claims) <= set(range(len(answer.claims)))
        assert "\n" not in statement.text
    owned = [index for statement in answer.statements for index in statement.claims]
    assert len(owned) == len(set(owned))
    for problem in answer.problems:
        assert 0 <= problem.offset <= len(text)
        assert text.startswith(problem.excerpt, problem.offset) and len(problem.excerpt) <= 80
    assert len(answer.problems) <= limits.MAX_PROBLEMS + len(limits.LIMITS)
    account(text, answer)


def account(text: str, answer: Answer) -> None:
    """Objects in = claims and boxes out, and those that a problem names: none is lost in silence."""
    starts = [m.start() for m in re.finditer("<obj>", text)]
    evidence = len(answer.claims) + (answer.box is not None)
    assert evidence <= len(starts)
    if any(problem.kind == "too_many" for problem in answer.problems):
        assert evidence + sum(problem.count for problem in answer.problems) >= len(starts)
        return
    at_fault = [problem.offset for problem in answer.problems]
    stretches = pairwise([*starts, len(text)])
    clean = sum(not any(start <= offset < end for offset in at_fault) for start, end in stretches)
    assert clean <= evidence


@given(strategies.any_text)
@hypothesis_settings(deadline=None, max_examples=400)
def test_any_text_gives_a_valid_answer(text: str) -> None:
    check(text, read(text), SEGMENT)


@given(strategies.settings, strategies.soup)
@hypothesis_settings(deadline=None, max_examples=400)
def test_soup_of_tags_gives_a_valid_answer_in_any_segment_and_convention(setting: Setting, text: str) -> None:
    check(text, read(text, setting), setting.segment)


@given(st.data())
@hypothesis_settings(deadline=None, max_examples=400)
def test_a_mutated_completion_gives_a_valid_answer(data: st.DataObject) -> None:
    text = VALID
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(start + 20, len(text))))
        text = text[:start] + data.draw(strategies.soup | st.sampled_from(strategies.MARKUP)) + text[end:]
    check(text, read(text), SEGMENT)


def test_a_completion_cut_off_anywhere_keeps_the_claims_before_the_cut_and_says_so() -> None:
    whole = read(VALID)
    assert len(whole.claims) == 3 and whole.problems == ()
    for length in range(len(VALID)):
        cut = read(VALID[:length])
        check(VALID[:length], cut, SEGMENT)
        assert cut.claims == whole.claims[: len(cut.claims)]
        assert {p.kind for p in cut.problems} & {"cut_off", "no_answer"}


@given(
    st.lists(st.sampled_from(["<obj>", "</obj>", "<box>[1,2,3,4]</box>", "at<t>2</t>s", "x"]), max_size=900)
)
@hypothesis_settings(deadline=None, max_examples=60)
def test_more_problems_than_are_kept_are_counted(parts: list[str]) -> None:
    text = "".join(parts)
    check(text, read(text), SEGMENT)


def steps(text: str) -> int:
    """How many lines of Python it takes to read the text: work, whatever the clock says."""
    count = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        read(text)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("unit", REPEATED)
def test_work_grows_in_proportion_to_the_text(unit: str) -> None:
    small, large = steps(unit * 1_100), steps(unit * 4_400)
    assert large <= 4.4 * small + 1_000


@pytest.mark.parametrize("unit", REPEATED)
def test_seconds_and_memory_grow_no_faster_than_the_text(unit: str) -> None:
    """Sixteen times the text may take 128 times the time (caches fill); what is quadratic takes 256 times."""
    small, large = (unit * (size // len(unit)) for size in (12_000, 192_000))
    assert seconds(large) <= 128 * max(seconds(small), 0.001)
    assert peak_bytes(small) <= 250 * len(small) + 100_000


def seconds(text: str) -> float:
    """Processor time without garbage collection, which costs by what all other tests have left in memory."""
    best = float("inf")
    gc.disable()
    try:
        for _ in range(3):
            start = time.process_time()
            read(text)
            best = min(best, time.process_time() - start)
    finally:
        gc.enable()
    return best


def peak_bytes(text: str) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        read(text)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
