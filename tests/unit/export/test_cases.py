"""What a parity check asks: the same every time, of every kind, and never too long."""

import pytest
import torch

from engines.qwen.prompt import prompt_of
from engines.qwen.shapes import Shapes, shapes_of
from export.cases import LONG, NUM_NEW, CaseMaker
from export.onnx import LEAST_LENGTH
from tests import tiny_qwen


@pytest.fixture(params=["qwen2_5_vl", "qwen3_vl"], scope="module")
def shapes(request: pytest.FixtureRequest) -> Shapes:
    return shapes_of(tiny_qwen.model(request.param).config)


def test_cases_are_the_same_every_time(shapes: Shapes) -> None:
    first, again = (CaseMaker(shapes).short() for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert a.tokens(shapes) == b.tokens(shapes)
        assert all(torch.equal(m.patches, n.patches) for m, n in zip(a.media, b.media, strict=True))


def test_kinds_tell_words_images_and_videos_apart_as_the_prompt_does(shapes: Shapes) -> None:
    for case in CaseMaker(shapes).short():
        ids, kinds = case.tokens(shapes)
        prompt = prompt_of(case.pieces, shapes)
        assert [k > 0 for k in kinds] == [*prompt.is_picture.tolist(), *[False] * len(case.ask)]
        assert {k for k in kinds if k} == {2 if m.is_video else 1 for m in case.media}
        assert prompt.ids.tolist() == ids[: prompt.length]


def test_no_word_is_a_picture_and_every_other_token_may_come(shapes: Shapes) -> None:
    words = set(CaseMaker(shapes)._words(50_000))
    assert words == set(range(shapes.text.vocabulary)) - set(shapes.vision_tokens)


@pytest.mark.parametrize("max_length", [LEAST_LENGTH, 2_000, 4_096, 100_000])
def test_every_case_fits_with_its_answer_and_the_long_one_is_long(max_length: int, shapes: Shapes) -> None:
    maker = CaseMaker(shapes)
    longest = max(len(case.tokens(shapes)[0]) for case in maker.short())
    questions = max(len(case.ask) for case in maker.short())
    assert longest + questions + NUM_NEW + 1 <= LEAST_LENGTH
    long = len(maker.long(max_length).tokens(shapes)[0])
    assert min(LONG, max_length - NUM_NEW - 20) <= long <= max_length - NUM_NEW - 1
