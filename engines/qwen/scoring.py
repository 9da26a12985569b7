"""What a runtime thinks of given answers: the logits behind each of their tokens, as a generator reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engines.qwen.caches import TensorCache
from engines.qwen.generation import Ask, Generator, Prefix, Written
from engines.qwen.runtime import Runtime
from engines.qwen.sampling import Sampler, Sampling


class Scorer(Generator[TensorCache]):
    """Reads prefixes and asks as a generator does, then given tokens instead of those that it would draw."""

    def __init__(self, runtime: Runtime[TensorCache]) -> None:
        super().__init__(runtime, stops=frozenset())
        self._tokens_BT = torch.empty(0, 0, dtype=torch.long)
        self._logits: list[Tensor] = []

    def score(self, prefixes: Sequence[Prefix], asks: Sequence[Ask], tokens_BT: Tensor) -> Tensor:
        """float32 logits [B, T + 1, V] on the CPU: after each ask, and after each of its tokens [B, T]."""
        self._tokens_BT, self._logits = tokens_BT.to(self._runtime.device), []
        self._rows = len(asks)
        self.write(prefixes, asks, Sampling(max_new=tokens_BT.shape[1] + 1))
        return torch.stack(self._logits, dim=1)

    @torch.inference_mode()
    def poison(self, rows: int, *, length: int, value: float) -> None:
        """Leave caches of this size, every place of them `value`, for the next call to find and reuse."""
        taken = [self._runtime.cache(rows, self._rounded(length)) for _ in range(2)]
        for cache in taken:
            for tensor in cache.tensors:
                tensor.fill_(value)
            self._runtime.free(cache)

    def _decode(
        self,
        logits: Tensor,
        positions: list[int],
        used: list[int],
        cache: TensorCache,
        sampler: Sampler,
        sampling: Sampling,
    ) -> list[Written]:
        device = self._runtime.device
        position, at = torch.tensor(positions, device=device), torch.tensor(used, device=device)
        self._keep(logits)
        for step, token in enumerate(self._tokens_BT.T):
            logits = self._runtime.forward(
                self._runtime.embed(token)[:, None],
                rotary=self._rotary.at((position + step)[None, :, None].expand(3, -1, -1)),
                at=at + step,
                last=torch.zeros_like(at),
                deepstack=(),
                cache=cache,
            )
            self._keep(logits)
        return []

    def _keep(self, logits_BV: Tensor) -> None:
        # A runtime may write the next step's logits over these.
        self._logits.append(logits_BV.float().cpu().clone())
