"""Caches of keys and values as tensors, made, copied and kept for reuse: the same for every runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from engines.qwen.shapes import TextShape
from grounding.errors import OutOfMemory

CACHE_SHARE = 0.9
"""Of the free memory, what a cache may take."""

_MOST_SPARES = 2  # one for what questions share, one for their answers


@dataclass(slots=True, eq=False)
class TensorCache:
    """2 L tensors [rows, K, length, D]: keys and values, layer by layer.

    `bound` is whatever a runtime has tied to these very tensors (a captured graph, a binding).
    """

    tensors: list[Tensor] = field(repr=False)
    bound: Any = None

    @property
    def rows(self) -> int:
        return self.tensors[0].shape[0]

    @property
    def length(self) -> int:
        return self.tensors[0].shape[2]


class CachePool:
    """Hands out caches on one device. `length` is the only one there is, for graphs of a fixed size."""

    def __init__(
        self, text: TextShape, *, device: torch.device, dtype: torch.dtype, length: int | None = None
    ) -> None:
        self._text, self._device, self._dtype, self._length = text, device, dtype, length
        self._spares: list[TensorCache] = []

    def take(self, rows: int, length: int) -> TensorCache:
        """A cache whose contents mean nothing; zeroed when it is new, for NaN leaks through masks.

        Raises EngineError when it would not fit into memory.
        """
        length = self._length or length
        for spare in self._spares:
            if (spare.rows, spare.length) == (rows, length):
                self._spares.remove(spare)
                return spare
        self._make_room(rows, length)
        shape = (rows, self._text.kv_heads, length, self._text.head_dim)
        return TensorCache(
            [torch.zeros(shape, dtype=self._dtype, device=self._device) for _ in range(2 * self._text.layers)]
        )

    def fork(self, cache: TensorCache, rows: Sequence[int], *, length: int, used: int) -> TensorCache:
        """A cache whose row i begins as row `rows[i]` of `cache`, of which `used` tokens matter."""
        new = self.take(len(rows), length)
        chosen = torch.tensor(rows, device=self._device)
        for target, source in zip(new.tensors, cache.tensors, strict=True):
            target[:, :, :used] = source[chosen, :, :used]
        return new

    def give_back(self, cache: TensorCache) -> None:
        """The cache is done with; the last few are kept for calls of the same size."""
        self._spares = [cache, *self._spares][:_MOST_SPARES]

    def clear(self) -> None:
        self._spares.clear()

    def _make_room(self, rows: int, length: int) -> None:
        needed = self._text.cache_bytes(rows=rows, length=length, item_bytes=self._dtype.itemsize)
        if needed > free_bytes(self._device) * CACHE_SHARE:
            self._spares.clear()
        free = free_bytes(self._device)
        if needed > free * CACHE_SHARE:
            raise OutOfMemory(
                f"{rows} answers of up to {length} tokens need {needed / 1e9:.1f} GB for their caches, and "
                f"{free / 1e9:.1f} GB are free: ask fewer questions at once, or take fewer frames a window"
            )


class Pooled:
    """The part of a runtime that hands its caches out: from `_pool`, which keeps the last few."""

    _pool: CachePool

    def cache(self, rows: int, length: int) -> TensorCache:
        """An empty cache. Raises EngineError when it would not fit into memory, before anything is run."""
        return self._pool.take(rows, length)

    def fork(self, cache: TensorCache, rows: Sequence[int], *, length: int, used: int) -> TensorCache:
        """A new cache whose row i begins as row `rows[i]` of `cache`, of which `used` tokens matter."""
        return self._pool.fork(cache, rows, length=length, used=used)

    def free(self, cache: TensorCache) -> None:
        """The cache is done with; it may be kept, with what is bound to it, for a call of the same size."""
        self._pool.give_back(cache)

    def close(self) -> None:
        """Let go of the kept caches; networks go with the last reference to the runtime."""
        self._pool.clear()


def free_bytes(device: torch.device) -> int:
    """Memory that can still be taken on a device, what PyTorch holds in reserve included."""
    if device.type == "cuda":
        reserve = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + reserve
    # Not the free pages alone: weights just read leave the memory full of files that the kernel may drop.
    with open("/proc/meminfo", encoding="ascii") as lines:
        kilobytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return int(kilobytes) * 1024
