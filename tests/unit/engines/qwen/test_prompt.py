"""Positions (M-RoPE) are those of HF's `get_rope_index`, exactly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from engines.qwen.prompt import Rotary, prompt_of
from tests.reference_qwen import FAMILIES, Story, fresh_runtime, hf_inputs, network

STORIES: dict[str, Callable[[str], Story]] = {
    "text only": lambda family: Story(family=family).words(1, 50, 51, 52),
    "image": lambda family: Story(family=family).words(1, 50).image((1, 8, 12)).words(51, 52),
    "tall image": lambda family: Story(family=family).image((1, 16, 4)).words(51),
    "two images": lambda family: Story(family=family).image((1, 4, 4)).words(9).image((1, 6, 10)).words(8),
    "video": lambda family: Story(family=family).words(1).video((3, 8, 12)).words(50),
    "video of odd seconds": lambda family: Story(family=family).video((4, 6, 8), seconds=0.75).words(5),
    "mixed": lambda family: (
        Story(family=family).words(1).image((1, 8, 8)).video((2, 6, 8)).words(3).image((1, 4, 10)).words(2)
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("case", STORIES)
def test_positions_are_those_of_the_reference(family: str, case: str) -> None:
    story = STORIES[case](family)
    prompt = prompt_of(story.pieces, story.shapes)
    inputs = {"mm_token_type_ids": torch.tensor([story.types]), **hf_inputs([story], [()])}
    names = ("input_ids", "mm_token_type_ids", "image_grid_thw", "video_grid_thw", "second_per_grid_ts")
    expected, delta = network(family).model.get_rope_index(
        **{name: inputs[name] for name in names if name in inputs}
    )

    assert prompt.ids.tolist() == story.ids
    assert prompt.positions.tolist() == expected[:, 0].tolist()
    assert prompt.next_position == prompt.length + int(delta)
    assert prompt.is_picture.tolist() == [kind > 0 for kind in story.types]


@pytest.mark.parametrize("family", FAMILIES)
def test_rotary_angles_are_those_of_the_reference(family: str) -> None:
    runtime = fresh_runtime(family)
    story = Story(family=family).words(1).image((1, 8, 12)).video((2, 6, 8)).words(*range(50, 80))
    positions = prompt_of(story.pieces, story.shapes).positions[:, None] + 3000
    cos, sin = Rotary(runtime.shapes.text, device="cpu", dtype=torch.float32).at(positions)
    its_cos, its_sin = network(family).model.language_model.rotary_emb(torch.zeros(1), positions)
    half = cos.shape[-1]

    # HF repeats the half for the other half of the head; 1e-6: one rounding of an angle near 3000.
    assert its_cos.shape[-1] == 2 * half
    for ours, its in ((cos, its_cos), (sin, its_sin)):
        assert torch.allclose(ours, its[..., :half], rtol=0, atol=1e-6)
