"""Prompts of words and pictures, put to our runtime and to HF's `generate` alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor

from engines.qwen.generation import Ask, Generator, Prefix, Written
from engines.qwen.prompt import Picture, Piece, Words, prompt_of
from engines.qwen.sampling import Sampling
from engines.qwen.shapes import FAMILIES, Shapes, shapes_of
from engines.qwen.torch_runtime import TorchRuntime
from engines.qwen.vision import Grid
from tests import tiny_qwen

__all__ = ["FAMILIES", "Story", "answers", "fresh_runtime", "generated", "network", "prefixes"]


@cache
def network(family: str) -> Any:
    """A tiny random model of the family; read, never changed."""
    return tiny_qwen.model(family)


def fresh_runtime(family: str, *, max_length: int = 4096) -> TorchRuntime:
    model = network(family)
    return TorchRuntime(model, shapes_of(model.config), max_length=max_length)


@dataclass(kw_only=True)
class Story:
    """A prompt in the making: what we are given, and the same for HF. Pixels are noise, seeded."""

    family: str
    seed: int = 0
    pieces: list[Piece] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    seen: list[tuple[str, Grid, Tensor]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shapes: Shapes = shapes_of(network(self.family).config)
        self._noise = torch.Generator().manual_seed(self.seed)

    def words(self, *ids: int) -> Story:
        self.pieces.append(Words(ids))
        self.ids += ids
        self.types += [0] * len(ids)
        return self

    def image(self, grid: Grid) -> Story:
        self._see("image", grid)
        return self._picture(grid, token=self.shapes.image_token, kind=1)

    def video(self, grid: Grid, *, seconds: float = 1.0) -> Story:
        """`seconds` a temporal patch. Qwen3-VL has one picture a patch, each with words for its time."""
        self._see("video", grid)
        self.seconds.append(seconds)
        if self.family == "qwen2_5_vl":
            step = self.shapes.vision.tokens_a_second * seconds
            return self._picture(grid, token=self.shapes.video_token, kind=2, step=step)
        for number in range(grid[0]):
            self.words(60 + number)
            self._picture((1, *grid[1:]), token=self.shapes.video_token, kind=2)
        return self

    def _see(self, kind: str, grid: Grid) -> None:
        count = grid[0] * grid[1] * grid[2]
        patches = torch.randn(count, self.shapes.vision.patch_values, generator=self._noise)
        self.seen.append((kind, grid, patches))

    def _picture(self, grid: Grid, *, token: int, kind: int, step: float = 1.0) -> Story:
        self.words(self.shapes.vision_start_token)
        self.pieces.append(Picture(grid=grid, token=token, step=step))
        count = grid[0] * grid[1] * grid[2] // self.shapes.vision.merge**2
        self.ids += [token] * count
        self.types += [kind] * count
        return self.words(self.shapes.vision_end_token)

    def inputs(self, kind: str) -> tuple[list[Tensor], list[Grid]]:
        """HF's pixels and grids of all images, or of all videos."""
        own = [(patches, grid) for what, grid, patches in self.seen if what == kind]
        return [patches for patches, _ in own], [grid for _, grid in own]


def prefixes(stories: Sequence[Story], runtime: TorchRuntime) -> list[Prefix]:
    found = []
    for story in stories:
        layers = [runtime.see(patches, [grid]) for _, grid, patches in story.seen]
        features = tuple(torch.cat(parts) for parts in zip(*layers, strict=True))
        found.append(Prefix(prompt=prompt_of(story.pieces, runtime.shapes), features=features))
    return found


def answers(
    stories: Sequence[Story],
    tails: Sequence[tuple[int, ...]],
    *,
    runtime: TorchRuntime,
    sampling: Sampling,
    stops: frozenset[int] = frozenset(),
) -> list[Written]:
    """Our answers: one ask a story, with `tails` after it, all at once."""
    asks = [Ask(prefix=number, ids=tail) for number, tail in enumerate(tails)]
    return Generator(runtime, stops=stops).write(prefixes(stories, runtime), asks, sampling)


def hf_inputs(stories: Sequence[Story], tails: Sequence[tuple[int, ...]]) -> dict[str, Any]:
    """The same as one batch for HF, padded on the left."""
    rows = [[*story.ids, *tail] for story, tail in zip(stories, tails, strict=True)]
    longest = max(map(len, rows))
    inputs: dict[str, Any] = {
        "input_ids": torch.tensor([[0] * (longest - len(row)) + row for row in rows]),
        "attention_mask": torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows]),
    }
    if any(story.seen for story in stories):
        types = [[*s.types, *(0 for _ in tail)] for s, tail in zip(stories, tails, strict=True)]
        inputs["mm_token_type_ids"] = torch.tensor([[0] * (longest - len(row)) + row for row in types])
    for kind, pixels, grids in (
        ("image", "pixel_values", "image_grid_thw"),
        ("video", "pixel_values_videos", "video_grid_thw"),
    ):
        own = [story.inputs(kind) for story in stories]
        if any(patches for patches, _ in own):
            inputs[pixels] = torch.cat([p for patches, _ in own for p in patches])
            inputs[grids] = torch.tensor([g for _, all_of_it in own for g in all_of_it])
    seconds = [s for story in stories for s in story.seconds]
    if seconds and stories[0].family == "qwen2_5_vl":
        inputs["second_per_grid_ts"] = torch.tensor(seconds)
    return inputs


def generated(
    stories: Sequence[Story], tails: Sequence[tuple[int, ...]], *, max_new: int
) -> list[tuple[int, ...]]:
    """What HF's `generate` writes, greedily, vision tokens suppressed."""
    inputs = hf_inputs(stories, tails)
    with torch.no_grad():
        written = network(stories[0].family).generate(
            **inputs,
            max_new_tokens=max_new,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
            suppress_tokens=list(stories[0].shapes.vision_tokens),
        )
    return [tuple(row) for row in written[:, inputs["input_ids"].shape[1] :].tolist()]
