"""The static forward says what the stock model says."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.small_world import TOKENS, Renderer, Squares
from training.small.forward import StaticForward
from training.small.model import build
from training.small.shape import PATCHES_A_SIDE

FRAMES, WORDS = 3, 24


@pytest.fixture(scope="module")
def model() -> Any:
    built = build("tiny", tokens=TOKENS, seed=0)
    with torch.no_grad():  # so that positions, pictures and DeepStack all weigh in what is said
        for name, weight in built.named_parameters():
            if weight.ndim == 2 and "embed" not in name:
                weight.mul_(8.0)
    return built


def stock_logits(model: Any, ids: torch.Tensor, frames: torch.Tensor) -> Any:
    """What `model.forward` makes of one picture a frame."""
    side = PATCHES_A_SIDE // 2
    pictures = frames.flatten(0, 1)
    cut = pictures.view(len(pictures), 3, side, 2, 8, side, 2, 8).permute(0, 2, 5, 3, 6, 1, 4, 7)
    grids = torch.tensor([[1, PATCHES_A_SIDE, PATCHES_A_SIDE]] * len(pictures))
    return model(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        pixel_values=(cut.reshape(-1, 3 * 64).float() / 255 - 0.5) / 0.5,
        image_grid_thw=grids,
        mm_token_type_ids=(ids == TOKENS.image).int(),
    ).logits


def test_logits_and_gradients_equal_the_stock_forwards(model: Any) -> None:
    batch = Squares(seed=1, batch=2, frames=FRAMES, text_len=WORDS)[0]
    ids = torch.from_numpy(batch.ids)
    scene = {"corner": torch.from_numpy(batch.scene["corner"])}
    frames = Renderer("cpu")(scene)
    frames = frames + torch.randint(0, 15, frames.shape, dtype=torch.uint8)  # no frame like another
    weights = torch.randn(ids.shape[1], TOKENS.vocabulary) / TOKENS.vocabulary
    found, gradients = [], []
    forward = StaticForward(model, frames=FRAMES, words=WORDS)
    for logits in (
        stock_logits(model, ids, frames),
        forward.logits(forward.read(ids, forward.see(frames))),
    ):
        model.zero_grad(set_to_none=True)
        (logits * weights).sum().backward()
        found.append(logits.detach())
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters()})
    stock, static = found
    assert stock.std() > 0.1
    assert (stock - static).abs().max() <= 1e-5 * stock.abs().max()
    for name, gradient in gradients[0].items():
        scale = gradient.abs().max()
        assert scale > 0, name
        assert (gradient - gradients[1][name]).abs().max() <= 1e-5 * max(1.0, scale), name
