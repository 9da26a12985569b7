"""What a way of running the networks must do; the generation loop on top of it is the same for all.

Shapes: B rows, S new tokens, E hidden, V vocabulary, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from engines.qwen.shapes import Shapes
from engines.qwen.vision import Grid


class Cache(Protocol):
    """Keys and values of `rows` sequences of at most `length` tokens."""

    @property
    def rows(self) -> int: ...

    @property
    def length(self) -> int: ...


C = TypeVar("C", bound=Cache)


class Runtime(Protocol[C]):
    """Runs a vision tower and a decoder. Not safe for several threads at once.

    `max_length` is the most tokens a row may hold (prompt and answer together); `max_chunk` the most new
    tokens a row at once; `check_every` how many steps may pass before it is worth asking for the tokens.
    Tensors that it gives and takes are on `device`, floats in `dtype`.
    """

    shapes: Shapes
    device: torch.device
    dtype: torch.dtype
    max_length: int
    max_chunk: int
    check_every: int

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings [..., E] of token ids [...]."""
        ...

    def see(self, patches: Tensor, grids: Sequence[Grid]) -> tuple[Tensor, ...]:
        """Features [F, E] of pictures, and one more [F, E] a DeepStack layer.

        `patches` [N, patch values] are normalised floats of any type, on `device`.
        """
        ...

    def cache(self, rows: int, length: int) -> C:
        """An empty cache. Raises EngineError when it would not fit into memory, before anything is run."""
        ...

    def fork(self, cache: C, rows: Sequence[int], *, length: int, used: int) -> C:
        """A new cache whose row i begins as row `rows[i]` of `cache`, of which `used` tokens matter."""
        ...

    def free(self, cache: C) -> None:
        """The cache is done with; its memory may serve the next one."""
        ...

    def forward(
        self,
        x_BSE: Tensor,
        *,
        rotary: tuple[Tensor, Tensor],
        at: Tensor,
        last: Tensor,
        deepstack: Sequence[Tensor],
        cache: C,
    ) -> Tensor:
        """Logits [B, V] of each row's token `last`; the cache then holds the new tokens too.

        `at` [B] tokens of each row are in the cache already. `deepstack` is empty where no picture stands.
        """
        ...

    def close(self) -> None: ...
