from __future__ import annotations

from collections.abc import Sequence

import pytest

from grounding.evidence import Answer, Box, Claim, Span
from indexer import merging
from indexer.merging import Evidence, Merged, Sight, WindowAnswer, join

LEFT = Box(0.0, 0.0, 0.5, 1.0)


def said(
    start_s: float,
    text: str,
    *spans: Span,
    abstained: bool = False,
    reason: str | None = None,
    at_s: float | None = None,
) -> WindowAnswer:
    claims = () if at_s is None else (Claim(subject="bus", boxes=(LEFT,), time_s=at_s),)
    return WindowAnswer(
        window=Span(start_s, start_s + 30.0),
        answer=Answer(
            reasoning="", text=text, spans=spans, abstained=abstained, reason=reason, claims=claims
        ),
        evidence=tuple(
            Evidence(claim=c, time_s=c.time_s, pts=int(c.time_s * 1000), confidence=0.5) for c in claims
        ),
    )


def merge(question: str, answers: Sequence[WindowAnswer], *, unseen_s: float = 0.0) -> Merged:
    """The answer about 100 s, sampled twice a second, of which so much could not be seen."""
    sight = Sight(seconds=100.0, unseen_s=unseen_s, interval_s=0.5)
    return merging.merge(question, answers, sight=sight)


def cannot(start_s: float) -> WindowAnswer:
    return said(start_s, "Cannot tell: no helmets", abstained=True, reason="no helmets")


def test_one_window_that_says_yes_makes_the_answer_yes_with_its_proof() -> None:
    merged = merge("is there a bus?", [said(0, "No"), said(30, "Yes", at_s=40.0), said(60, "No")])

    assert merged.text == "Yes"
    assert [e.claim.time_s for e in merged.evidence] == [40.0]


def test_no_window_with_anything_makes_the_answer_no() -> None:
    assert merge("is there a bus?", [said(0, "No"), said(30, "No")]).text == "No"


def test_a_wish_to_know_that_begins_with_no_letters_of_no_is_kept() -> None:
    assert merge("what is seen?", [said(0, "No"), said(30, "north gate")]).text == "north gate"


def test_spans_that_meet_at_a_border_are_one() -> None:
    merged = merge(
        "when is the bus there?", [said(0, "", Span(20, 30)), said(30, "", Span(30.02, 35), Span(50, 51))]
    )

    assert merged.spans == (Span(20, 35), Span(50, 51))
    assert merged.text == "From 20.00 s to 35.00 s and From 50.00 s to 51.00 s"


def test_overlapping_and_contained_spans_are_joined_and_distant_ones_are_not() -> None:
    assert join([Span(5, 6), Span(0, 4), Span(1, 2), Span(3, 4.5)]) == (Span(0, 4.5), Span(5, 6))


def test_how_many_is_the_most_seen_at_once_and_says_so() -> None:
    merged = merge("How many people?", [said(0, "2", at_s=1), said(30, "5 people", at_s=31), said(60, "No")])

    assert merged.text == "5 (the most seen at once, between 30.0 s and 60.0 s)"
    assert [e.claim.time_s for e in merged.evidence] == [31]


def test_how_many_of_what_is_not_there_is_none() -> None:
    assert merge("how many buses?", [said(0, "0"), said(30, "0")]).text == "0"


def test_an_abstention_of_one_window_does_not_silence_another() -> None:
    assert merge("is there a bus?", [cannot(0), said(30, "Yes", at_s=31)]).text == "Yes"


@pytest.mark.parametrize(
    ("question", "negative"),
    [("is there a helmet?", "No"), ("how many helmets?", "0"), ("how many?", "None"), ("when is it?", "")],
)
def test_nothing_seen_beside_windows_that_cannot_tell_is_no_answer_about_the_whole_file(
    question: str, negative: str
) -> None:
    merged = merge(question, [cannot(0), said(30, negative), cannot(60)])

    assert merged == Merged(
        text="Cannot tell: in 2 of 3 windows, no helmets; nothing in the others",
        abstained=True,
        reason="in 2 of 3 windows, no helmets; nothing in the others",
        spans=(),
        evidence=(),
    )


def test_a_count_beside_a_window_that_cannot_tell_is_still_the_most_seen() -> None:
    merged = merge("how many buses?", [cannot(0), said(30, "0"), said(60, "2", at_s=61)])

    assert merged.text == "2 (the most seen at once, between 60.0 s and 90.0 s)" and not merged.abstained


def test_abstentions_everywhere_are_an_abstention_with_the_reason() -> None:
    assert merge("a helmet?", [cannot(0), cannot(30)]) == Merged(
        text="Cannot tell: no helmets", abstained=True, reason="no helmets", spans=(), evidence=()
    )


def test_a_file_without_a_readable_frame_gives_no_answer_but_says_why() -> None:
    merged = merge("a bus?", [])

    assert merged.abstained and merged.reason == "no frame of the file could be read"


def test_windows_that_say_no_in_different_words_are_told_as_one() -> None:
    merged = merge("a bus?", [said(0, "No: not seen in 60 frames"), said(30, "No: not seen in 9 frames")])

    assert merged.text == "No: not seen in 60 frames (and likewise in 1 more window)"


YES, NO, CANNOT = said(0, "Yes", at_s=1.0), said(30, "No"), cannot(60)
NO_WITH_PROOF = said(30, "No: it is a truck", at_s=31.0)


@pytest.mark.parametrize(
    ("answers", "unseen_s", "text"),
    [
        ([YES], 0, "Yes"),
        ([YES], 99, "Yes"),
        ([YES, NO], 40, "Yes"),
        ([YES, CANNOT], 40, "Yes"),
        ([YES, NO, CANNOT], 10, "Yes"),
        ([NO], 0, "No"),
        ([NO], 0.4, "No"),
        ([NO], 0.6, "Cannot tell: 0.6 of 100.0 s could not be seen; nothing in the rest"),
        ([NO, NO], 99.9, "Cannot tell: 99.9 of 100.0 s could not be seen; nothing in the rest"),
        ([NO, CANNOT], 0, "Cannot tell: in 1 of 2 windows, no helmets; nothing in the others"),
        (
            [NO, CANNOT],
            40,
            "Cannot tell: in 1 of 2 windows, no helmets; 40.0 of 100.0 s could not be seen; "
            "nothing in the others",
        ),
        ([CANNOT], 0, "Cannot tell: no helmets"),
        ([CANNOT], 40, "Cannot tell: no helmets"),
        ([NO_WITH_PROOF], 0, "No: it is a truck"),
        ([NO_WITH_PROOF], 40, "Cannot tell: 40.0 of 100.0 s could not be seen; nothing in the rest"),
        ([NO_WITH_PROOF, CANNOT], 0, "Cannot tell: in 1 of 2 windows, no helmets; nothing in the others"),
        ([], 100, "Cannot tell: no frame of the file could be read"),
    ],
)
def test_what_was_seen_stays_seen_and_a_no_needs_all_of_the_file(
    answers: list[WindowAnswer], unseen_s: float, text: str
) -> None:
    merged = merge("is there a bus?", answers, unseen_s=unseen_s)

    assert merged.text == text
    assert merged.abstained == text.startswith("Cannot tell")
    assert merged.reason == (text.removeprefix("Cannot tell: ") if merged.abstained else None)


def test_a_count_of_none_needs_all_of_the_file_and_a_count_of_some_does_not() -> None:
    assert merge("how many buses?", [said(0, "0")], unseen_s=5).abstained
    assert merge("how many buses?", [said(0, "0"), said(30, "2", at_s=31)], unseen_s=5).text.startswith("2")


def test_a_when_without_a_time_needs_all_of_the_file_and_one_with_a_time_does_not() -> None:
    assert merge("when is a bus there?", [said(0, "")], unseen_s=5).abstained
    assert merge("when is a bus there?", [said(0, "", Span(1, 2))], unseen_s=5).spans == (Span(1, 2),)
