"""A model that was made faster says what it said before."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from engines.qwen.vision import Grid
from tests import tiny_qwen
from tests.reference_qwen import FAMILIES
from training.fast import speed_up

EQUAL: Sequence[Grid] = [(1, 8, 8)] * 3
MIXED: Sequence[Grid] = [(1, 8, 12), (1, 4, 4), (1, 8, 12), (1, 10, 6)]
VIDEO: Sequence[Grid] = [(3, 8, 8)]


def inputs(model: Any, grids: Sequence[Grid], *, video: bool = False) -> dict[str, Tensor]:
    """A prompt with these pictures, or with this video, and words around them. Pixels are noise."""
    vision = model.config.vision_config
    kind = "video" if video else "image"
    token = getattr(model.config, f"{kind}_token_id")
    is_native = video and model.config.model_type == "qwen3_vl"
    parts = [(1, *grid[1:]) for grid in grids for _ in range(grid[0])] if is_native else list(grids)
    ids, types = [40, 41], [0, 0]
    for t, h, w in parts:
        count = t * h * w // vision.spatial_merge_size**2
        ids += [model.config.vision_start_token_id, *[token] * count, 50, 51]
        types += [0, *[2 if video else 1] * count, 0, 0]
    patches = sum(t * h * w for t, h, w in grids)
    size = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    names = ("pixel_values_videos", "video_grid_thw") if video else ("pixel_values", "image_grid_thw")
    torch.manual_seed(1)
    return {
        "input_ids": torch.tensor([ids]),
        "attention_mask": torch.ones(1, len(ids), dtype=torch.long),
        "mm_token_type_ids": torch.tensor([types], dtype=torch.int),
        names[0]: torch.randn(patches, size),
        names[1]: torch.tensor(grids),
    }


def outcome(model: Any, given: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits, and the gradients of all weights that have one."""
    model.zero_grad(set_to_none=True)
    logits = model(**given).logits
    torch.manual_seed(2)
    (logits * torch.randn_like(logits) / logits.numel()).sum().backward()
    return logits.detach(), {
        name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
    }


@pytest.mark.parametrize(("grids", "video"), [(EQUAL, False), (MIXED, False), (VIDEO, True)])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_and_gradients_are_those_of_the_stock_model(
    family: str, grids: Sequence[Grid], video: bool
) -> None:
    stock = tiny_qwen.model(family)
    fast = copy.deepcopy(stock)
    speed_up(fast)
    given = inputs(stock, grids, video=video)
    logits, gradients = outcome(stock, given)
    fast_logits, fast_gradients = outcome(fast, given)
    assert (logits - fast_logits).abs().max() <= 1e-5 * max(1.0, float(logits.abs().max()))
    assert set(gradients) == set(fast_gradients)
    assert any(".visual." in name for name in gradients)
    for name, gradient in gradients.items():
        assert (gradient - fast_gradients[name]).abs().max() <= 1e-5 * max(1.0, float(gradient.abs().max()))


@pytest.mark.parametrize(("grids", "calls"), [(EQUAL, 1), (MIXED, 3)])
def test_frames_of_one_size_are_attended_to_in_one_call(
    grids: Sequence[Grid], calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_qwen.model("qwen3_vl")
    speed_up(model)
    counted = []
    attend = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        "torch.nn.functional.scaled_dot_product_attention",
        lambda *args, **kwargs: counted.append(args[0].shape) or attend(*args, **kwargs),
    )
    with torch.no_grad():
        model.model.visual(inputs(model, grids)["pixel_values"], torch.tensor(grids))
    assert len(counted) == calls * model.config.vision_config.depth


def test_only_the_instance_is_changed_and_what_is_saved_of_it_stays(tmp_path: Any) -> None:
    fast, stock = tiny_qwen.model("qwen3_vl"), tiny_qwen.model("qwen3_vl")
    before = set(fast.state_dict())
    speed_up(fast)
    speed_up(fast)
    assert set(fast.state_dict()) == before
    assert "forward" not in vars(stock.model.visual.blocks[0].attn)
    fast.save_pretrained(tmp_path)
    again = type(fast).from_pretrained(tmp_path)
    given = inputs(fast, EQUAL)
    assert torch.allclose(again(**given).logits, fast(**given).logits, atol=1e-5)
