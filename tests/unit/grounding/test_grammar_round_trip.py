"""What is written is read back unchanged, whoever's words it holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from grounding import grammar
from grounding.escaping import collapse
from grounding.evidence import Answer, Box, Claim, Span
from tests.unit.grounding import strategies
from tests.unit.grounding.strategies import Setting

SEGMENT = Span(10.0, 70.0)
BIKE = Claim(subject="bicycle", boxes=(Box(0.1, 0.2, 0.3, 0.4),), time_s=18.0)


def how(setting: Setting) -> dict[str, Any]:
    return {
        "segment": setting.segment,
        "coordinates": setting.coordinates,
        "frame_size": setting.frame_size,
    }


def read(text: str, setting: Setting) -> Answer:
    return grammar.parse(text, **how(setting))


@given(st.data())
@hypothesis_settings(deadline=None, max_examples=250)
def test_a_completion_of_statements_is_read_back_as_the_same_statements(data: st.DataObject) -> None:
    setting = data.draw(strategies.settings)
    part = strategies.hostile_line | strategies.claims(setting)
    lines = data.draw(st.lists(st.tuples(st.lists(part, max_size=5), st.none() | strategies.spans(setting))))
    written = [grammar.format_statement(parts, span=span, **how(setting)) for parts, span in lines]
    text = grammar.format_completion(reasoning="\n".join(written), answer="No")
    answer = read(text, setting)
    assert answer.problems == ()
    assert list(answer.claims) == [p for parts, _ in lines for p in parts if isinstance(p, Claim)]
    kept = [(parts, span) for parts, span in lines if span or any(isinstance(p, Claim) for p in parts)]
    assert [(s.text, s.span) for s in answer.statements] == [(words(parts), span) for parts, span in kept]
    assert [[answer.claims[i] for i in s.claims] for s in answer.statements] == [
        [p for p in parts if isinstance(p, Claim)] for parts, _ in kept
    ]


def words(parts: list[str | Claim]) -> str:
    shown = (part if isinstance(part, str) else part.subject for part in parts)
    return " ".join(word for word in shown if word)


@given(st.data())
@hypothesis_settings(deadline=None)
def test_spans_with_an_option_are_read_back(data: st.DataObject) -> None:
    setting = data.draw(strategies.settings)
    spans = data.draw(st.lists(strategies.spans(setting), min_size=1, max_size=5))
    letter = data.draw(st.sampled_from("ABCDEFGHIJ"))
    answer = grammar.format_option(grammar.format_spans(spans, segment=setting.segment), letter)
    parsed = read(grammar.format_completion(reasoning="", answer=answer), setting)
    assert (parsed.spans, parsed.letter, parsed.problems) == (tuple(spans), letter, ())


@given(st.data())
@hypothesis_settings(deadline=None)
def test_a_visual_answer_is_read_back_as_its_name_and_box(data: st.DataObject) -> None:
    setting = data.draw(strategies.settings)
    name, box = data.draw(strategies.hostile_name), data.draw(strategies.boxes(setting))
    answer = grammar.format_object(name, box, coordinates=setting.coordinates, frame_size=setting.frame_size)
    parsed = read(grammar.format_completion(reasoning="", answer=answer), setting)
    assert (parsed.text, parsed.box, parsed.claims, parsed.problems) == (name, box, (), ())


@given(strategies.hostile_line)
@hypothesis_settings(deadline=None)
def test_an_abstention_is_read_back_with_its_reason(reason: str) -> None:
    text = grammar.format_completion(reasoning="", answer=grammar.format_abstention(reason))
    parsed = grammar.parse(text, segment=SEGMENT, coordinates="relative-1000")
    assert (parsed.abstained, parsed.reason, parsed.problems) == (True, reason or None, ())


@given(strategies.hostile_line)
@hypothesis_settings(deadline=None)
def test_read_text_in_quotes_is_read_back_whole_in_answer_and_statement(sign: str) -> None:
    claim = grammar.format_claim(BIKE, segment=SEGMENT, coordinates="relative-1000")
    text = grammar.format_completion(reasoning=f"{claim} {grammar.quote(sign)}", answer=grammar.quote(sign))
    parsed = grammar.parse(text, segment=SEGMENT, coordinates="relative-1000")
    assert (parsed.text, parsed.letter, parsed.abstained) == (f'"{sign}"', None, False)
    assert [s.text for s in parsed.statements] == [f'bicycle "{sign}"']


@given(strategies.any_text)
@hypothesis_settings(deadline=None)
def test_free_text_is_read_back_on_one_line(words: str) -> None:
    text = grammar.format_completion(reasoning="", answer=grammar.escape(words))
    parsed = grammar.parse(text, segment=SEGMENT, coordinates="relative-1000")
    assert (parsed.text, parsed.spans, parsed.claims, parsed.problems) == (collapse(words), (), (), ())


@given(strategies.any_text, strategies.any_text)
@hypothesis_settings(deadline=None)
def test_unescaped_text_can_neither_open_nor_close_a_block(reasoning: str, reply: str) -> None:
    text = grammar.format_completion(reasoning=reasoning, answer=reply)
    assert [text.count(tag) for tag in ("<think>", "</think>", "<answer>", "</answer>")] == [1, 1, 1, 1]
    assert text.startswith("<think>") and text.endswith("</answer>")


def test_plain_words_are_written_as_they_are() -> None:
    assert grammar.escape("a man, 2.5 m tall, in a red coat") == "a man, 2.5 m tall, in a red coat"


def test_the_written_form_is_that_of_the_grammar() -> None:
    span = Span(17.48, 19.68)
    line = grammar.format_statement(
        ["someone riding a", BIKE], span=span, segment=SEGMENT, coordinates="relative-1000"
    )
    assert line == (
        "From <t>7.48</t>s to <t>9.68</t>s: someone riding a "
        "<obj>bicycle</obj><box>[100,200,300,400]</box>at<t>8.0</t>s"
    )
    assert grammar.format_completion(reasoning=line, answer="Yes") == (
        f"<think>{line}</think>\n<answer>Yes</answer>"
    )


def test_a_time_half_a_millisecond_past_either_end_still_belongs_to_the_segment() -> None:
    segment = Span(0.0, 2.0004)
    text = grammar.format_time(2.0004, segment=segment)
    assert text == "<t>2.0</t>s"
    assert grammar.format_time(9.9995, segment=SEGMENT) == "<t>0.0</t>s"
    parsed = grammar.parse(
        "<answer>From <t>0</t>s to <t>2.001</t>s</answer>", segment=segment, coordinates="relative-1000"
    )
    assert parsed.spans == (Span(0.0, 2.0004),)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"boxes": ()}, "at least one box"),
        ({"subject": " \n"}, "needs a name"),
        ({"time_s": 70.5}, "outside the segment"),
        ({"time_s": float("nan")}, "outside the segment"),
    ],
)
def test_a_claim_that_could_not_be_read_back_is_not_written(wrong: dict[str, Any], message: str) -> None:
    claim = Claim(**{**{f: getattr(BIKE, f) for f in ("subject", "boxes", "time_s")}, **wrong})
    with pytest.raises(ValueError, match=message):
        grammar.format_claim(claim, segment=SEGMENT, coordinates="relative-1000")


@pytest.mark.parametrize("letter", ["", "K", "a", "AB"])
def test_an_option_that_is_no_letter_is_not_written(letter: str) -> None:
    with pytest.raises(ValueError, match="A to J"):
        grammar.format_option("Yes", letter)
