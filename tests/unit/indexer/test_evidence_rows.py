from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from engines.contract import Reply, ScreenText, Track, TrackPoint
from grounding.evidence import Answer, Box, Claim, Span, Statement
from grounding.grammar import parse
from indexer.evidence_rows import MAX_NAME_CHARS, MAX_RAW_CHARS, MAX_TEXT_CHARS, Asked, segment_rows
from storage.rows import AnswerRow
from video.frames import Clip, DenseFrames

MILLISECONDS = Fraction(1, 1000)
TRANSPORT_STREAM = Fraction(1, 90_000)
BOX = Box(0.1, 0.2, 0.3, 0.4)
INTERVAL_S = 0.5


def clip(
    times_s: list[float],
    *,
    time_base: Fraction = MILLISECONDS,
    window: Span | None = None,
    dense_s: list[float] | None = None,
    duration_s: float = 0.04,
    still: bool = False,
    damaged: tuple[Span, ...] = (),
) -> Clip:
    pts = np.array([round(t / time_base) for t in times_s], np.int64)
    dense = None
    if dense_s is not None:
        dense_pts = np.array([round(t / time_base) for t in dense_s], np.int64)
        dense = DenseFrames(
            images=np.zeros((len(dense_s), 1, 1, 3), np.uint8),
            pts=dense_pts,
            times_s=dense_pts * float(time_base),
        )
    return Clip(
        path=Path("a.mp4"),
        time_base=time_base,
        window=window or Span(0.0, 10.0),
        images=np.zeros((len(times_s), 10, 10, 3), np.uint8),
        pts=pts,
        times_s=pts * float(time_base),
        durations_s=np.full(len(times_s), duration_s),
        dense=dense,
        still=still,
        damaged=damaged,
    )


def answer_row(seen: Clip, answer: Answer, *, question: str = "", reply: Reply | None = None) -> AnswerRow:
    asked = Asked(question_id=7, question=question, reply=reply or Reply(text="raw"), answer=answer)
    (row,) = segment_rows(seen, [asked], interval_s=INTERVAL_S).answers
    return row


def stated(*claims: Claim, span: Span | None = None, text: str = "a bus") -> Answer:
    statement = Statement(text=text, span=span, claims=tuple(range(len(claims))))
    return Answer(reasoning="", text="", claims=claims, statements=(statement,))


def bus(time_s: float) -> Claim:
    return Claim(subject="bus", boxes=(BOX,), time_s=time_s)


def test_a_claim_is_kept_at_the_time_and_pts_of_the_nearest_sampled_frame() -> None:
    row = answer_row(clip([0, 0.5, 1.0, 1.5]), stated(bus(1.04)))

    assert [(c.time_s, c.pts, c.moment) for c in row.claims] == [(1.0, 1000, 0)]


def test_a_claim_far_from_any_sampled_frame_is_a_problem_and_no_evidence() -> None:
    row = answer_row(clip([0, 0.5, 3.0]), stated(bus(1.5), bus(0.5)))

    assert [c.time_s for c in row.claims] == [0.5]
    assert [(p.kind, p.excerpt) for p in row.problems] == [
        ("bad_time", "bus at 1.500 s: no frame was sampled there")
    ]


def test_with_variable_frame_rate_a_claim_belongs_to_the_frame_that_was_on_display() -> None:
    row = answer_row(clip([0, 5.0], duration_s=4.9), stated(bus(4.2)))

    assert [c.pts for c in row.claims] == [0]


def test_a_still_window_s_one_frame_stands_for_all_of_it() -> None:
    row = answer_row(clip([0], duration_s=10.0, still=True), stated(bus(9.0), span=Span(0, 10)))

    assert [c.pts for c in row.claims] == [0]
    assert row.moments[0].span == Span(0, 10)


def test_a_statement_s_span_is_set_on_known_frames_when_within_two_milliseconds() -> None:
    seen = clip([0, 0.5], time_base=TRANSPORT_STREAM, dense_s=[1 / 3, 2 / 3, 1.0])
    row = answer_row(seen, stated(span=Span(0.333, 0.70)))
    (moment,) = row.moments

    assert (moment.start_pts, moment.span.start_s) == (30_000, pytest.approx(1 / 3, abs=1e-12))
    assert (moment.end_pts, moment.span.end_s) == (63_000, 0.70)


def test_a_statement_without_a_span_lasts_from_its_first_claim_s_frame_to_the_end_of_its_last_one_s() -> None:
    row = answer_row(clip([0, 0.5, 1.0]), stated(bus(1.0), bus(0.0)))

    assert [(m.span, m.start_pts, m.end_pts, m.source) for m in row.moments] == [
        (Span(0.0, 1.04), 0, 1040, "statement")
    ]


def test_a_statement_whose_every_claim_failed_and_that_has_no_span_is_no_moment() -> None:
    assert answer_row(clip([0]), stated(bus(9.0))).moments == ()


@pytest.mark.parametrize("start_s", [3601.0, -2.0])
def test_times_of_the_text_become_the_file_s_own_also_from_an_hour_or_below_zero(start_s: float) -> None:
    window = Span(start_s, start_s + 10)
    seen = clip([start_s, start_s + 0.5], time_base=TRANSPORT_STREAM, window=window)
    text = (
        "<think>From <t>0.0</t>s to <t>0.5</t>s: "
        "<obj>bus</obj><box>[100,200,300,400]</box>at<t>0.5</t>s passes</think><answer>Yes</answer>"
    )
    row = answer_row(seen, parse(text, segment=window, coordinates="relative-1000"))

    (moment,), (claim,) = row.moments, row.claims
    assert (moment.span.start_s, moment.span.end_s) == (start_s, pytest.approx(start_s + 0.54))
    assert (moment.start_pts, moment.end_pts) == (start_s * 90_000, (start_s + 0.54) * 90_000)
    assert (claim.time_s, claim.pts, claim.moment) == (start_s + 0.5, (start_s + 0.5) * 90_000, 0)


def test_an_answer_has_a_moment_a_span_with_the_claims_in_it() -> None:
    answer = Answer(
        reasoning="", text="twice", spans=(Span(0, 1), Span(3, 4)), claims=(bus(0.5), bus(3.5), bus(2.0))
    )
    row = answer_row(clip([0, 0.5, 1, 2, 3, 3.5, 4]), answer, question="when is a bus there?")

    assert [(m.span, m.text, m.source) for m in row.moments] == [
        (Span(0, 1), "when is a bus there? twice", "answer"),
        (Span(3, 4), "when is a bus there? twice", "answer"),
    ]
    assert [c.moment for c in row.claims] == [0, 1, None]


def test_an_answer_without_spans_has_one_moment_over_its_claims() -> None:
    answer = Answer(reasoning="", text="Yes", claims=(bus(0.5), bus(1.0)))
    row = answer_row(clip([0.5, 1.0]), answer, question="is there a bus?")

    assert [m.span for m in row.moments] == [Span(0.5, 1.04)]
    assert [c.moment for c in row.claims] == [0, 0]


def test_a_moment_lasts_as_long_as_the_frame_that_proves_it_is_on_display() -> None:
    once = Answer(reasoning="", text="Yes", claims=(bus(5.0),))
    instant = replace(once, spans=(Span(5.0, 5.0),))
    seen = clip([0, 5.0], duration_s=0.25)

    for answer in (once, instant):
        assert [m.span for m in answer_row(seen, answer, question="a bus?").moments] == [Span(5.0, 5.25)]
    row = answer_row(seen, stated(bus(5.0), span=Span(5.0, 5.0)))
    assert [(m.span, m.end_pts) for m in row.moments] == [(Span(5.0, 5.25), 5250)]


def test_a_frame_that_is_on_display_beyond_its_window_proves_no_more_than_the_window() -> None:
    row = answer_row(clip([9.9], duration_s=5.0), stated(bus(9.9)))

    assert [m.span for m in row.moments] == [Span(9.9, 10.0)]


def test_an_instant_at_which_no_frame_was_sampled_is_a_problem_and_no_moment() -> None:
    row = answer_row(clip([0, 0.5]), stated(span=Span(4.0, 4.0)))

    assert row.moments == ()
    assert [p.excerpt for p in row.problems] == ["no frame was sampled from 4.000 to 4.000 s: a bus"]


def test_a_time_that_was_rounded_to_just_before_a_frame_means_that_frame() -> None:
    frames = clip(
        [26.933468, 27.33347], time_base=Fraction(1, 1_000_000), window=Span(20, 30), duration_s=0.4
    )
    row = answer_row(frames, stated(bus(27.333), span=Span(27.333, 27.333)))

    assert [(c.time_s, c.moment) for c in row.claims] == [(27.33347, 0)]
    assert [m.span.start_s for m in row.moments] == [27.33347]


def test_a_claim_outside_the_span_of_its_statement_is_no_proof_of_it() -> None:
    row = answer_row(clip([0, 1.0, 5.0]), stated(bus(1.0), bus(5.0), span=Span(0.5, 2.0)))

    assert [(m.span) for m in row.moments] == [Span(0.5, 2.0)]
    assert [(c.time_s, c.moment) for c in row.claims] == [(1.0, 0), (5.0, None)]


def test_neither_a_bare_no_nor_an_abstention_is_a_moment() -> None:
    no = Answer(reasoning="", text="No")
    cannot = Answer(reasoning="", text="Cannot tell", abstained=True, reason="?", claims=(bus(0.5),))

    assert answer_row(clip([0.5]), no, question="a bus?").moments == ()
    row = answer_row(clip([0.5]), cannot, question="a bus?")
    assert (row.moments, row.abstained, row.reason) == ((), True, "?")


def test_a_screen_text_is_a_moment_with_its_place_as_the_claim() -> None:
    text = ScreenText(text="EXIT", span=Span(0, 2), time_s=0.5, pts=500, box=BOX, confidence=0.9)
    asked = Asked(
        question_id=1,
        question="",
        reply=Reply(text="", screen_texts=(text,)),
        answer=stated(bus(1.0)),
    )
    rows = segment_rows(clip([0.5, 1.0]), [asked], interval_s=INTERVAL_S)
    (row,) = rows.answers

    assert [(m.text, m.source, m.span) for m in row.moments][1] == ("EXIT", "screen_text", Span(0, 2))
    assert (row.claims[1].subject, row.claims[1].pts, row.claims[1].moment) == ("EXIT", 500, 1)
    assert rows.screen_texts[0].text == "EXIT"


def test_tracks_are_kept_point_for_point() -> None:
    track = Track(
        label="bus", span=Span(0, 1), points=(TrackPoint(time_s=0.5, pts=500, box=BOX, confidence=0.8),)
    )
    asked = Asked(
        question_id=1,
        question="",
        reply=Reply(text="", tracks=(track,)),
        answer=Answer(reasoning="", text=""),
    )
    (kept,) = segment_rows(clip([0.5]), [asked], interval_s=INTERVAL_S).tracks

    assert (kept.label, kept.span, kept.points[0].pts, kept.points[0].box) == ("bus", Span(0, 1), 500, BOX)


def test_confidences_belong_to_claims_only_when_their_number_fits() -> None:
    two = stated(bus(0.0), bus(0.5))
    seen = clip([0, 0.5])

    fits = answer_row(seen, two, reply=Reply(text="", confidences=(0.25, 7.0)))
    odd = answer_row(seen, two, reply=Reply(text="", confidences=(0.25,)))
    nan = answer_row(seen, two, reply=Reply(text="", confidences=(math.nan, 0.5), mean_logprob=math.inf))

    assert [c.confidence for c in fits.claims] == [0.25, 1.0]
    assert [c.confidence for c in odd.claims] == [None, None]
    assert [c.confidence for c in nan.claims] == [None, 0.5] and nan.mean_logprob is None


def test_a_hostile_text_is_cut_and_the_cut_is_counted() -> None:
    long = "x" * (MAX_RAW_CHARS * 2)
    claim = Claim(subject=long, boxes=(BOX,), time_s=0.0)
    row = answer_row(clip([0]), stated(claim, text=long), reply=Reply(text=long))

    assert len(row.raw) == MAX_RAW_CHARS
    assert len(row.moments[0].text) == MAX_TEXT_CHARS and len(row.claims[0].subject) == MAX_NAME_CHARS
    assert [p.kind for p in row.problems] == ["too_long"]


def test_coverage_is_there_also_for_a_window_without_a_frame() -> None:
    nothing = Answer(reasoning="", text="", abstained=True, reason="no frame")
    asked = Asked(question_id=1, question="", reply=Reply(text=""), answer=nothing)
    rows = segment_rows(clip([]), [asked], interval_s=INTERVAL_S)

    assert [c.kind for c in rows.coverage] == ["skipped"]
    assert rows.answers[0].abstained


def test_a_frame_on_display_since_before_the_window_is_evidence_within_it() -> None:
    window = Span(10.0, 20.0)
    seen = clip([8.0], window=window, duration_s=6.0)
    spans = Answer(reasoning="", text="", spans=(Span(10.0, 12.0),), claims=(bus(10.0),))
    plain = Answer(reasoning="", text="Yes", claims=(bus(10.0),))

    for answer in (spans, plain):
        row = answer_row(seen, answer, question="a bus?")
        assert [(c.time_s, c.pts, c.moment) for c in row.claims] == [(8.0, 8000, 0)]
        assert [m.span for m in row.moments] == [Span(10.0, 14.0)]


HOLE = (Span(3.0, 7.0),)


def test_a_statement_is_cut_at_damage_and_only_its_proven_part_is_kept() -> None:
    seen = clip([0, 1.0, 2.5, 7.0, 8.0], damaged=HOLE)
    row = answer_row(seen, stated(bus(1.0), bus(2.5), span=Span(1.0, 9.0)))

    assert [m.span for m in row.moments] == [Span(1.0, 3.0)]
    assert [c.moment for c in row.claims] == [0, 0]


def test_a_statement_proven_on_both_sides_of_damage_is_two_moments() -> None:
    seen = clip([0, 1.0, 2.5, 7.0, 8.0], damaged=HOLE)
    row = answer_row(seen, stated(bus(1.0), bus(8.0), span=Span(1.0, 9.0)))

    assert [(m.span, m.text) for m in row.moments] == [(Span(1.0, 3.0), "a bus"), (Span(7.0, 9.0), "a bus")]
    assert [c.moment for c in row.claims] == [0, 1]


def test_an_answer_s_span_is_cut_at_damage_too() -> None:
    answer = Answer(reasoning="", text="Yes", claims=(bus(2.5),), spans=(Span(2.0, 7.0),))
    row = answer_row(clip([0, 2.5, 7.0], damaged=HOLE), answer, question="a bus?")

    assert [(m.span, m.source) for m in row.moments] == [(Span(2.0, 3.0), "answer")]


def test_what_is_said_of_damaged_time_alone_is_a_problem_and_no_moment() -> None:
    row = answer_row(clip([0, 2.5, 7.0], damaged=HOLE), stated(span=Span(4.0, 6.0)))

    assert row.moments == ()
    assert [(p.kind, p.excerpt) for p in row.problems] == [("bad_time", "4.000 to 6.000 s is damaged: a bus")]


def test_a_screen_text_lasts_no_longer_than_the_file_is_sound() -> None:
    text = ScreenText(text="EXIT", span=Span(2.0, 8.0), time_s=2.5, pts=2500, box=BOX, confidence=0.9)
    reply = Reply(text="raw", screen_texts=(text,))
    row = answer_row(clip([0, 2.5, 7.0], damaged=HOLE), Answer(reasoning="", text=""), reply=reply)

    assert [(m.span, m.source) for m in row.moments] == [(Span(2.0, 3.0), "screen_text")]
