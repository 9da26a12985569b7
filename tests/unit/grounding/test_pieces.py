"""A reasoning as a row of pieces: everything in its place, to be written anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding import Box, Claim, Span, parse, pieces

SEGMENT = Span(0.0, 60.0)


def read(text: str, **changes: object) -> tuple[object, ...]:
    arguments: dict[str, object] = {"segment": SEGMENT, "coordinates": "pixels", "frame_size": (1, 1)}
    return pieces(text, **{**arguments, **changes}).pieces  # type: ignore[arg-type]


def test_words_claims_and_spans_keep_their_order_and_the_words_their_spelling() -> None:
    found = read(
        "First,  <obj>red cup</obj><box>[0.1,0.2,0.3,0.4]</box>at<t>12.3</t>s &lt;here&gt;.\n"
        "From <t>1</t>s to <t>2</t>s it stands."
    )
    assert found == (
        "First,  ",
        Claim(subject="red cup", boxes=(Box(0.1, 0.2, 0.3, 0.4),), time_s=12.3),
        " &lt;here&gt;.\n",
        Span(1.0, 2.0),
        " it stands.",
    )


def test_a_claim_that_is_malformed_is_left_as_its_name_and_reported() -> None:
    found = pieces(
        "A <obj>cat</obj><box>[0.5,0.2,0.3,0.4]</box>at<t>1</t>s.",
        segment=SEGMENT,
        coordinates="pixels",
        frame_size=(1, 1),
    )
    assert found.pieces == ("A ", "cat", ".")
    assert [problem.kind for problem in found.problems] == ["bad_box"]


def test_a_bare_time_becomes_words() -> None:
    assert read("It begins at <t>1.50</t>s.") == ("It begins at ", "1.5s", ".")


def test_an_object_without_a_time_is_a_claim_where_there_is_one_picture() -> None:
    text = "A <obj>cat</obj><box>[10,20,30,40]</box> sits."
    claim = Claim(subject="cat", boxes=(Box(0.1, 0.2, 0.3, 0.4),), time_s=0.0)
    assert read(text, frame_size=(100, 100), picture_s=0.0) == ("A ", claim, " sits.")
    assert read(text, frame_size=(100, 100)) == ("A ", "cat", " sits.")


def test_a_box_without_a_name_stands_for_itself() -> None:
    assert read("A cat <box>[0,0,1,1]</box> sits.") == ("A cat ", Box(0.0, 0.0, 1.0, 1.0), " sits.")


@given(st.text(alphabet="<>/objbxtaF[]0.1,rom s\n&;", max_size=200))
def test_any_text_gives_the_claims_that_the_parser_finds(text: str) -> None:
    found = read(text)
    answer = parse(text, segment=SEGMENT, coordinates="pixels", frame_size=(1, 1))
    assert tuple(piece for piece in found if isinstance(piece, Claim)) == answer.claims


def test_pixels_need_the_size_of_the_frame() -> None:
    with pytest.raises(ValueError, match="pixels"):
        read("", frame_size=None)
