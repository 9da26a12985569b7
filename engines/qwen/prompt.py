"""A prompt as the network reads it: words and pictures in order, with their M-RoPE positions.

Positions have three axes (time, row, column). Words advance all three together; a picture spreads over
rows and columns, and over time when it is a video (Qwen2-VL, arXiv 2409.12191). Shapes: S tokens, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engines.qwen.shapes import Shapes, TextShape
from engines.qwen.vision import Grid


@dataclass(frozen=True, slots=True)
class Words:
    """Token ids of a piece of text."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A place for the features of one grid. `step` is how far apart in position its temporal patches stand
    (Qwen2.5-VL's video: tokens a second x seconds a patch); `token` is the placeholder's id.
    """

    grid: Grid
    token: int
    step: float = 1.0


Piece = Words | Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Token ids [S], positions [3, S], which tokens are pictures' [S] bool, and the next position."""

    ids: Tensor
    positions: Tensor = field(repr=False)
    is_picture: Tensor = field(repr=False)
    next_position: int

    @property
    def length(self) -> int:
        return len(self.ids)


def prompt_of(pieces: Sequence[Piece], shapes: Shapes, *, begin: int = 0) -> Prompt:
    """The pieces in a row; the first token stands at position `begin`."""
    ids: list[int] = []
    positions: list[Tensor] = []
    pictures: list[bool] = []
    at = begin
    for piece in pieces:
        if isinstance(piece, Words):
            count = len(piece.ids)
            ids += piece.ids
            positions.append((torch.arange(count) + at).expand(3, -1))
            at += count
        else:
            block = _spread(piece, shapes.vision.merge) + at
            count = block.shape[1]
            ids += [piece.token] * count
            positions.append(block)
            at += max(piece.grid[1:]) // shapes.vision.merge
        pictures += [isinstance(piece, Picture)] * count
    return Prompt(
        ids=torch.tensor(ids, dtype=torch.long),
        positions=torch.cat(positions, dim=1) if positions else torch.zeros(3, 0, dtype=torch.long),
        is_picture=torch.tensor(pictures, dtype=torch.bool),
        next_position=at,
    )


def _spread(picture: Picture, merge: int) -> Tensor:
    """[3, F] positions of a picture's features, from zero."""
    frames, rows, columns = picture.grid
    axes = (
        (torch.arange(frames) * picture.step).long(),
        torch.arange(rows // merge),
        torch.arange(columns // merge),
    )
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).reshape(3, -1)


class Rotary:
    """cos and sin [B, S, D/2] of M-RoPE, in `dtype` on `device`."""

    def __init__(self, text: TextShape, *, device: torch.device | str, dtype: torch.dtype) -> None:
        half = text.head_dim // 2
        exponents = torch.arange(0, text.head_dim, 2).float() / text.head_dim
        self._inverse = (1.0 / text.rope_theta**exponents).to(device)
        self._axis = _axes(text, half).to(device)
        self._dtype = dtype

    def at(self, positions_3BS: Tensor) -> tuple[Tensor, Tensor]:
        """Computed in float32, as the reference does, then cast."""
        chosen = positions_3BS[self._axis].permute(1, 2, 0)  # [B, S, D/2]: each frequency's own axis
        angles = chosen.float() * self._inverse
        return angles.cos().to(self._dtype), angles.sin().to(self._dtype)


def _axes(text: TextShape, half: int) -> Tensor:
    """[D/2] which of time, row and column each frequency turns with."""
    if not text.mrope_interleaved:
        return torch.repeat_interleave(torch.arange(3), torch.tensor(text.mrope_section))
    axis = torch.zeros(half, dtype=torch.long)
    for number in (1, 2):
        axis[number : 3 * text.mrope_section[number] : 3] = number
    return axis
