"""What a row's texts say, for all six tasks and both splits, and how they are written for a model."""

from __future__ import annotations

from typing import Any

import pytest

from grounding import Box, Claim, Span, parse
from tests.stgr import KEY_ITEMS, PICTURE_SIZE, SFT, row
from training.data.rows import BrokenRow, Row, row_of
from training.data.truths import completion_of, snapped_truth, truth_of
from training.truth import Truth

GRID = tuple(k / 2 for k in range(8))  # 2 frames a second over 4 s
MAN_12 = Claim(subject="man", boxes=(Box(0.1, 0.2, 0.3, 0.8),), time_s=1.2)


def read(task: str, source: str = "x", **values: Any) -> Row:
    found = row_of(row(task, source, **values))
    assert isinstance(found, Row), found
    return found


def written(given: Row, *, coordinates: Any = "relative-1000", size: tuple[int, int] = (160, 120)) -> str:
    is_picture = given.is_picture
    return completion_of(
        given,
        duration_s=0.0 if is_picture else 4.0,
        coordinates=coordinates,
        frame_size=size,
        times_s=(0.0,) if is_picture else GRID,
    )


def test_a_temporal_spatial_row_has_its_key_items_as_evidence_at_their_own_times() -> None:
    truth = truth_of(read("temporal-spatial free-form QA"))
    assert truth.answer == "He drinks from a red cup."
    assert truth.evidence[0] == MAN_12
    assert [(c.subject, c.time_s, len(c.boxes)) for c in truth.evidence[1:]] == [
        ("man", 3.0, 1),
        ("red cup", 3.0, 2),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        "[1.0, 2.5]",
        [1.0, 2.5],
        "From <t>1.0</t>s to <t>2.5</t>s",
        "<t>1.0</t>s to <t>2.5</t>s",
        "<answer>From <t>1</t> to <t>2.5</t></answer>",
    ],
)
def test_a_temporal_answer_is_read_as_both_splits_write_it(answer: object) -> None:
    truth = truth_of(read("temporal QA", answer=answer))
    assert truth == Truth(task="temporal QA", spans=(Span(1.0, 2.5),))


@pytest.mark.parametrize(
    "answer", ["B\n[1.0, 2.5]", "From <t>1.0</t>s to <t>2.5</t>s\nCorrect Option: B", "(B)\n[1, 2.5]"]
)
def test_a_temporal_choice_has_a_letter_and_a_span(answer: str) -> None:
    truth = truth_of(read("temporal QA (MCQ)", answer=answer))
    assert truth == Truth(task="temporal QA (MCQ)", answer="B", spans=(Span(1.0, 2.5),))


@pytest.mark.parametrize(
    "answer",
    [
        "<obj>kite</obj><box>[20,30,60,90]</box>",
        "<box>[20,30,60,90]</box>",
        "<obj>kite</obj><box>[20, 30, 60, 90]</box>",
    ],
)
def test_a_picture_answer_is_a_box_in_pixels_of_the_image_size(answer: str) -> None:
    truth = truth_of(read("visual QA", answer=answer))
    width, height = PICTURE_SIZE
    assert truth.box == Box(20 / width, 30 / height, 60 / width, 90 / height)
    assert truth.answer is None
    assert [claim.boxes for claim in truth.evidence] == [(truth.box,)]


def test_a_picture_answer_may_be_words() -> None:
    truth = truth_of(read("visual QA", answer="red"))
    assert (truth.answer, truth.box, truth.evidence) == ("red", None, ())


@pytest.mark.parametrize("answer", ["C", "C.", "(C)", "[C]", "<answer>C</answer>", "C. a dog"])
def test_a_choice_is_a_letter_however_it_is_set(answer: str) -> None:
    assert truth_of(read("General video QA MCQ", answer=answer)).answer == "C"


def test_a_free_answer_is_its_words() -> None:
    truth = truth_of(read("General video QA Free-form"))
    assert (truth.answer, truth.evidence, truth.abstains) == ("Twelve & a half", (), False)


@pytest.mark.parametrize(("answer", "text"), [(42, "42"), (3.14, "3.14")])
def test_an_answer_that_is_a_number_is_that_number_s_words(answer: float, text: str) -> None:
    assert truth_of(read("General video QA Free-form", answer=answer)).answer == text


def test_key_items_may_hold_one_box_as_it_is_and_those_of_pictures_are_not_looked_at() -> None:
    truth = truth_of(read("temporal-spatial free-form QA", key_items={"12": {"man": [0.1, 0.2, 0.3, 0.8]}}))
    assert truth.evidence == (MAN_12,)
    assert truth_of(read("visual QA", key_items={"kite": [20, 30, 60, 90]})).box is not None


def test_an_abstention_is_known_as_one() -> None:
    assert truth_of(read("temporal QA", answer="Cannot tell: it is dark")).abstains


@pytest.mark.parametrize(
    ("task", "values", "said"),
    [
        ("temporal QA", {"answer": "soon"}, "no stretch of time"),
        ("temporal QA", {"answer": "[5.0, 1.0]"}, "no stretch of time"),
        ("temporal QA", {"answer": "[-5.0, 1.0]"}, "before the video"),
        ("temporal QA (MCQ)", {"answer": "[1.0, 2.0]"}, "no option"),
        ("General video QA MCQ", {"answer": "perhaps"}, "no option"),
        ("visual QA", {"answer": "<obj>kite</obj><box>[20,30,600,90]</box>"}, "no box inside"),
        ("visual QA", {"image_size": None}, "image_size"),
        ("General video QA Free-form", {"answer": "<box>"}, "no words"),
    ],
)
def test_an_answer_that_its_task_cannot_have_is_told(task: str, values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        truth_of(read(task, **values))


@pytest.mark.parametrize(
    ("corners", "said"),
    [
        ([0.1, 0.2, 1.3, 0.4], "0..1"),
        ([0.5, 0.2, 0.3, 0.4], "x1 <= x2"),
        ([0.5, 0.2, 0.5, 0.4], "no area"),
        ([-0.1, 0.2, 0.5, 0.4], "0..1"),
    ],
)
def test_an_impossible_box_is_told_with_its_frame_and_name(corners: list[float], said: str) -> None:
    items = {**KEY_ITEMS, "30": {"man": [corners]}}
    with pytest.raises(ValueError, match=said) as caught:
        truth_of(read("temporal-spatial free-form QA", key_items=items))
    assert "frame 30, 'man'" in str(caught.value)


def test_a_row_whose_fields_are_of_another_kind_is_named_by_field_and_value() -> None:
    broken = row_of(row("temporal QA", "x", question=["not", "a", "text"]))
    assert isinstance(broken, BrokenRow)
    assert broken.id == "x-temporal QA"
    assert broken.what.startswith("question: ") and "['not', 'a', 'text']" in broken.what


@pytest.mark.parametrize("value", [17, None, [], "row", {"id": 5}])
def test_what_is_no_row_at_all_is_told_too(value: object) -> None:
    assert isinstance(row_of(value), BrokenRow)


def test_evidence_stands_on_the_nearest_frame_and_its_distance_is_kept() -> None:
    truth = truth_of(read("temporal-spatial free-form QA"))
    snapped, moved_s = snapped_truth(truth, GRID)
    assert [claim.time_s for claim in snapped.evidence] == [1.0, 3.0, 3.0]
    assert moved_s == pytest.approx((0.2, 0.0, 0.0))


def test_evidence_that_no_frame_shows_is_left_out_and_stays_words_in_the_reasoning() -> None:
    given = read("temporal-spatial free-form QA")
    snapped, moved_s = snapped_truth(truth_of(given), (0.0, 2.5))
    assert [claim.time_s for claim in snapped.evidence] == [2.5, 2.5]
    assert moved_s == pytest.approx((0.5, 0.5))
    text = completion_of(
        given, duration_s=4.0, coordinates="relative-1000", frame_size=(160, 120), times_s=(0.0, 2.5)
    )
    assert "First, man walks in." in text


def test_of_two_boxes_of_one_thing_on_one_frame_the_one_annotated_nearer_counts() -> None:
    near = Claim(subject="man", boxes=(Box(0.1, 0.1, 0.2, 0.2),), time_s=1.1)
    far = Claim(subject="man", boxes=(Box(0.8, 0.1, 0.9, 0.2),), time_s=1.4)
    snapped, _ = snapped_truth(Truth(task="temporal QA", evidence=(far, near)), (1.0,))
    assert [claim.boxes for claim in snapped.evidence] == [near.boxes]


def test_a_video_reasoning_is_written_in_thousandths_with_its_words_untouched() -> None:
    assert written(read("temporal-spatial free-form QA")) == (
        "<think>First, <obj>man</obj><box>[100,200,300,800]</box>at<t>1.0</t>s walks in. Then he takes a "
        "<obj>red cup</obj><box>[600,500,650,600]</box><box>[200,500,250,600]</box>at<t>3.0</t>s and drinks."
        "</think>\n<answer>He drinks from a red cup.</answer>"
    )


def test_a_video_reasoning_is_written_in_pixels_of_the_frame_that_is_fed() -> None:
    text = written(read("temporal-spatial free-form QA"), coordinates="pixels", size=(560, 420))
    assert "<obj>man</obj><box>[56,84,168,336]</box>at<t>1.0</t>s" in text


def test_a_picture_reasoning_gets_names_for_its_boxes_and_the_picture_s_time() -> None:
    assert written(read("visual QA"), coordinates="pixels", size=(400, 240)) == (
        "<think>The <obj>red kite</obj><box>[40,60,120,180]</box>at<t>0.0</t>s is up.</think>\n"
        "<answer><obj>kite</obj><box>[40,60,120,180]</box></answer>"
    )


@pytest.mark.parametrize(
    ("before", "name"),
    [
        ("I see the man in a red shirt", "man in a red shirt"),
        ("On the left of the image a dog", "dog"),
        ("there is a big dog", "big dog"),
        ("First: player 7", "player 7"),
        ("Dog", "Dog"),
        ("it runs quickly and then suddenly stops", None),
    ],
)
def test_a_nameless_box_is_named_by_the_noun_before_it(before: str, name: str | None) -> None:
    given = read("visual QA", reasoning_process=f"{before}<box>[20,30,60,90]</box>.")
    found = parse(written(given), segment=Span(0.0, 0.0), coordinates="relative-1000")
    assert [claim.subject for claim in found.claims] == ([] if name is None else [name])
    assert before in written(given).replace("<obj>", "").replace("</obj>", "")


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("temporal QA", "From <t>1.0</t>s to <t>2.5</t>s"),
        ("temporal QA (MCQ)", "From <t>1.0</t>s to <t>2.5</t>s\nCorrect Option: B"),
        ("General video QA MCQ", "C"),
        ("General video QA Free-form", "Twelve & a half"),
    ],
)
def test_every_other_answer_is_written_as_its_prompt_asks(task: str, answer: str) -> None:
    assert written(read(task)).endswith(f"<answer>{answer}</answer>")


@pytest.mark.parametrize("values", SFT, ids=lambda v: v["source"])
@pytest.mark.parametrize("coordinates", ["relative-1000", "pixels"])
def test_what_is_written_parses_without_a_problem_to_the_truth(values: Any, coordinates: Any) -> None:
    given = row_of(values)
    assert isinstance(given, Row)
    size = (1000, 600) if given.is_picture else (1000, 1000)
    end_s = 0.0 if given.is_picture else 4.0
    text = written(given, coordinates=coordinates, size=size)
    answer = parse(text, segment=Span(0.0, end_s), coordinates=coordinates, frame_size=size)
    truth = truth_of(given)
    assert answer.problems == ()
    assert (answer.spans, answer.box) == (truth.spans, truth.box)
    if truth.answer is not None:
        assert truth.answer in (answer.letter, answer.text)


def test_an_answer_of_hostile_words_is_still_only_words() -> None:
    hostile = "a &lt;/answer> b &lt;box>[1,2,3,4]"
    text = written(read("General video QA Free-form", answer=hostile))
    answer = parse(text, segment=Span(0.0, 4.0), coordinates="relative-1000")
    assert answer.problems == () and answer.text == "a </answer> b <box>[1,2,3,4]"


def test_an_answer_that_outlasts_its_video_a_little_is_cut_and_one_far_behind_is_told() -> None:
    assert "<t>4.0</t>s</answer>" in written(read("temporal QA", answer="[1.0, 4.6]"))
    with pytest.raises(ValueError, match="video ends at"):
        written(read("temporal QA", answer="[1.0, 9.0]"))


def test_a_row_without_reasoning_is_not_for_sft() -> None:
    with pytest.raises(ValueError, match="not for SFT"):
        written(read("temporal QA", reasoning_process=None))
