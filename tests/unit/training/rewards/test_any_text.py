"""No completion makes a reward raise, leave 0..1, or take longer than its length allows."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from grounding import TASKS, Box, Span
from tests.unit.grounding.strategies import any_text
from tests.unit.training.completions import (
    DOG,
    LEFT,
    MAN,
    READING,
    RIGHT,
    claim_text,
    completion,
    seen,
    truth,
)
from training.rewards import REWARD_SETS, reward_set
from training.truth import Truth

truths = st.builds(
    Truth,
    task=st.sampled_from(TASKS),
    answer=st.none() | st.sampled_from(["A", "7", "a dog"]),
    spans=st.sampled_from([(), (Span(1.0, 2.0),), (Span(1.0, 1.0), Span(3.0, 9.0))]),
    box=st.none() | st.sampled_from([LEFT, Box(0.5, 0.5, 0.5, 0.5)]),
    evidence=st.sampled_from([(), (MAN,), (MAN, DOG, seen("dog", 20.0, LEFT, RIGHT))]),
    abstains=st.booleans(),
)
DEEP = "[" * 100_000
LONG = {
    "claims": completion(*[MAN] * 10_000),
    "boxes": completion(seen("man", 10.0, *[LEFT, RIGHT] * 5_000)),
    "boxes without a time": f"<think>{claim_text(seen('man', 10.0, *[LEFT] * 40)).split('at')[0]}</think>"
    * 200,
    "names never closed": "<think>" + "<obj>" * 50_000 + "</think><answer>A</answer>",
    "names with boxes never closed": "<think>" + "<obj>a</obj><box>[" * 20_000 + "</think><answer>A</answer>",
    "claims without an end": "<think>"
    + "<obj>a</obj><box>[1]</box>at<t>" * 20_000
    + "</think><answer>A</answer>",
    "brackets": f"<think><obj>a</obj><box>{DEEP}]</box>at<t>1</t>s</think><answer>A</answer>",
    "digits": f"<think><t>{'9' * 100_000}</t>s</think><answer>From <t>{'9' * 100_000}</t>s to <t>1</answer>",
    "words": "<think>.</think><answer>" + "running dogs " * 50_000 + "</answer>",
    "tags": "<think></think><answer></answer>" * 20_000,
}


@hypothesis_settings(deadline=None)
@given(any_text, truths, st.floats(0.0, 1.0), st.sampled_from(REWARD_SETS))
def test_any_text_earns_something_from_zero_to_one(
    text: str, true: Truth, progress: float, name: str
) -> None:
    found = reward_set(name).score(text, true, reading=READING, progress=progress)
    assert all(math.isnan(value) or 0.0 <= value <= 1.0 for value in found.values()), found
    assert list(found) == list(reward_set(name).weights)


@pytest.mark.parametrize("kind", LONG)
@pytest.mark.parametrize("name", REWARD_SETS)
def test_a_text_of_any_kind_is_scored_in_time_that_its_length_allows(kind: str, name: str) -> None:
    many = truth(*[seen("man", float(second), LEFT) for second in range(60)])
    started = time.process_time()
    reward_set(name).score(LONG[kind], many, reading=READING, progress=0.5)
    assert time.process_time() - started < 5.0  # a quadratic reading of these takes minutes


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e308", "1e999", '"a"', "null", "[1]", "{}"])
@pytest.mark.parametrize("name", REWARD_SETS)
def test_a_box_of_what_is_no_number_in_the_frame_earns_nothing(number: str, name: str) -> None:
    for corners in (f"{number},0,500,500", f"0,0,{number},{number}"):
        text = f"<think><obj>man</obj><box>[{corners}]</box>at<t>10</t>s</think>\n<answer>A</answer>"
        found = reward_set(name).score(text, truth(MAN), reading=READING, progress=1.0)
        assert found.get("space", found.get("evidence")) < 1e-6


@pytest.mark.parametrize("seconds", ["nan", "inf", "-inf", "1e999", "1e200", "-5", "1.2.3", ""])
@pytest.mark.parametrize("name", REWARD_SETS)
def test_a_time_that_is_none_earns_nothing(seconds: str, name: str) -> None:
    text = f"<think><obj>man</obj><box>[100,200,400,600]</box>at<t>{seconds}</t>s</think>\n<answer>A</answer>"
    found = reward_set(name).score(text, truth(MAN), reading=READING, progress=1.0)
    if name == "proofreel" or seconds in ("nan", "inf", "-inf", "1.2.3", ""):
        assert found.get("space", found.get("evidence")) == 0.0
    assert found["time"] == 0.0
