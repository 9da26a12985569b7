"""A tiny world for tests of the small model: a bright square on grey, and one question, where it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.small.forward import StaticForward
from training.small.losses import CompletionLoss
from training.small.model import build
from training.small.optimiser import optimisers_of
from training.small.shape import FEATURES, SIDE, TokenIds, head_length
from training.small.source import AsTensors

SPECIAL = ("<pad>", "<eos>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
WORDS = (
    "<think>", "</think>", "<answer>", "</answer>", "<obj>", "</obj>", "<box>[", "]</box>", "<sec>", ",", ".",
    "\n", "?", " is", "Where", "square", "it",
)  # fmt: skip
VOCABULARY = (*SPECIAL, *WORDS, *(str(number) for number in range(1000)))
ID = {token: number for number, token in enumerate(VOCABULARY)}
TOKENS = TokenIds(
    vocabulary=len(VOCABULARY),
    pad=ID["<pad>"],
    eos=ID["<eos>"],
    vision_start=ID["<|vision_start|>"],
    vision_end=ID["<|vision_end|>"],
    image=ID["<|image_pad|>"],
    video=ID["<|video_pad|>"],
    box_open=ID["<box>["],
    box_close=ID["]</box>"],
)
QUESTION = ("Where", " is", "it", "?", "\n")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """As `training.world.batches.Batch`."""

    ids: Any
    roles: Any
    kinds: Any
    frames: Any
    scene: dict[str, Any]


def stamped(frames: int) -> list[int]:
    """The tokens of so many frames, one a second."""
    ids: list[int] = []
    for second in range(frames):
        ids += [ID[str(second)], ID["."], ID["0"], ID["<sec>"], TOKENS.vision_start]
        ids += [TOKENS.image] * FEATURES + [TOKENS.vision_end]
    return ids


def answer(box: Sequence[int]) -> tuple[list[int], list[int]]:
    """Tokens that say where the square is, and their roles."""
    between = [ID[","], 1]
    said = [(ID["<answer>"], 1), (ID["<box>["], 1)]
    for number, value in enumerate(box):
        said += ([] if number == 0 else [tuple(between)]) + [(TOKENS.first_number + int(value), 2)]
    said += [(ID["]</box>"], 1), (ID["</answer>"], 1), (TOKENS.eos, 1)]
    return [token for token, _ in said], [role for _, role in said]


class Squares:
    """Batch number k of the stream of (seed, frames). `shown`: the least and most frames of a clip."""

    def __init__(
        self,
        *,
        seed: int,
        batch: int,
        frames: int,
        text_len: int,
        shown: tuple[int, int] | None = None,
        length: int = 10_000,
    ) -> None:
        self.seed, self.batch, self.frames, self.text_len, self.length = seed, batch, frames, text_len, length
        self.shown = shown or (frames, frames)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, k: int) -> Batch:
        rng = np.random.default_rng([self.seed, self.frames, k])
        ids = np.full((self.batch, head_length(self.frames) + self.text_len), TOKENS.pad, np.int64)
        roles = np.zeros_like(ids, np.uint8)
        corner = rng.integers(0, SIDE - 32, (self.batch, 2))
        shown = rng.integers(self.shown[0], self.shown[1] + 1, self.batch)
        for row, (x, y) in enumerate(corner):
            head = head_length(int(shown[row]))
            ids[row, :head] = stamped(int(shown[row]))
            box = np.round(np.array([x, y, x + 32, y + 32]) * 1000 / SIDE).clip(0, 999)
            said, role = answer(box.astype(int).tolist())
            start = head + len(QUESTION)
            ids[row, head:start] = [ID[word] for word in QUESTION]
            ids[row, start : start + len(said)] = said
            roles[row, start : start + len(said)] = role
        corners = corner[:, None].repeat(self.frames, 1)
        kinds = np.zeros_like(roles)
        return Batch(ids=ids, roles=roles, kinds=kinds, frames=shown, scene={"corner": corners})


class Renderer:
    """Draws the squares, the same in every frame."""

    def __init__(self, device: torch.device | str) -> None:
        self.at = torch.arange(SIDE, device=device)

    def __call__(self, scene: dict[str, Tensor]) -> Tensor:
        x, y = scene["corner"][..., None].long().unbind(2)  # [B, T, 1]
        columns = (self.at >= x) & (self.at < x + 32)
        rows = (self.at >= y) & (self.at < y + 32)
        lit = (rows[..., None] & columns[..., None, :]).to(torch.uint8)
        return (60 + 180 * lit)[:, :, None].expand(-1, -1, 3, -1, -1).contiguous()


def write_tokenizer(folder: Path) -> None:
    """A word-level tokenizer.json of the vocabulary."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel(dict(ID), unk_token="<pad>"))
    words = "|".join(r.replace("[", r"\[").replace("?", r"\?").replace(".", r"\.") for r in WORDS)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(f"{words}|[0-9]{{1,3}}|."), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    known = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "eos_token": "<eos>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(known), encoding="utf-8")


def taught(*, frames: int, steps: int) -> Any:
    """A tiny model that has learnt a little: what it writes is an answer, and depends on what it read."""
    model = build("tiny", tokens=TOKENS, seed=3)
    optimisers = optimisers_of(model, weight_decay=0.0)
    forward = StaticForward(model, frames=frames, words=24)
    loss = CompletionLoss(forward, first_number=TOKENS.first_number)
    render, lessons = Renderer("cpu"), AsTensors(Squares(seed=5, batch=4, frames=frames, text_len=24))
    for number in range(steps):
        lesson = lessons[number]
        prompts = (lesson["ids"], lesson["roles"], lesson["kinds"])
        loss.compute(*prompts, render(lesson["scene"]), torch.tensor(8.0))[0].backward()
        optimisers.step(muon_lr=2e-2, adamw_lr=1e-2)
    return model.eval()
