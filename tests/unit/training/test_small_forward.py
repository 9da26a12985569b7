"""The static forward says what the stock model says."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.small_world import TOKENS, Renderer, Squares, stamped
from training.small.forward import StaticForward
from training.small.model import build
from training.small.shape import PATCHES_A_SIDE, SIDE, head_length

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


SHOWN = (3, 12, 1, 7, 2)


def gradients_of(model: Any) -> dict[str, torch.Tensor]:
    """The gradients of all weights, which are then forgotten."""
    found = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    return found


def test_clips_of_fewer_frames_in_one_batch_are_read_as_the_stock_model_reads_each_alone(model: Any) -> None:
    torch.manual_seed(0)
    frames, words = max(SHOWN), 16
    lengths = [head_length(shown) + words for shown in SHOWN]
    ids = torch.full((len(SHOWN), head_length(frames) + words), TOKENS.pad)
    pictures = torch.randint(0, 255, (len(SHOWN), frames, 3, SIDE, SIDE), dtype=torch.uint8)
    for row, (shown, length) in enumerate(zip(SHOWN, lengths, strict=True)):
        ids[row, :length] = torch.tensor(stamped(shown) + torch.randint(20, 1000, (words,)).tolist())
    weights = torch.randn(len(SHOWN), ids.shape[1], TOKENS.vocabulary) / TOKENS.vocabulary
    forward = StaticForward(model, frames=frames, words=words)
    model.zero_grad(set_to_none=True)

    hidden = forward.read(ids, forward.see(pictures), shown_B=torch.tensor(SHOWN))
    logits = forward.logits(hidden)
    sum((logits[k, :n] * weights[k, :n]).sum() for k, n in enumerate(lengths)).backward()  # type: ignore[union-attr]
    static = gradients_of(model)
    for row, (shown, length) in enumerate(zip(SHOWN, lengths, strict=True)):
        alone = stock_logits(model, ids[row : row + 1, :length], pictures[row : row + 1, :shown])[0]
        assert alone.std() > 0.1
        assert (alone - logits[row, :length]).abs().max() <= 1e-5 * alone.abs().max(), shown
        (alone * weights[row, :length]).sum().backward()
    for name, gradient in gradients_of(model).items():
        assert (gradient - static[name]).abs().max() <= 1e-5 * max(1.0, gradient.abs().max()), name
