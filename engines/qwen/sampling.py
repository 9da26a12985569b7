"""Which token comes next."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """`temperature` 0 takes the likeliest token. `top_p`: only the likeliest tokens that together have so
    much probability. `seed` and a row's own number decide what is drawn, whatever else is in the batch.
    `max_new` tokens at most.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    max_new: int = 768

    def __post_init__(self) -> None:
        if not (self.temperature >= 0 and 0 < self.top_p <= 1 and self.max_new >= 1):
            raise ValueError(
                f"sampling needs temperature >= 0, 0 < top_p <= 1 and max_new >= 1, not {self.temperature}, "
                f"{self.top_p} and {self.max_new}"
            )


class Sampler:
    """Draws the tokens of a batch, one call a step. `banned` ids are never drawn."""

    def __init__(self, sampling: Sampling, *, numbers: list[int], banned: Tensor) -> None:
        self._sampling = sampling
        self._banned = banned
        self._generators = [torch.Generator().manual_seed(_mixed(sampling.seed, n)) for n in numbers]

    def draw(self, logits_BV: Tensor) -> tuple[Tensor, Tensor]:
        """The next token [B] of each row and its log-probability [B] under the model (at temperature 1)."""
        logits = logits_BV.float().index_fill(1, self._banned, -torch.inf)
        tokens = logits.argmax(-1) if self._sampling.temperature == 0 else self._drawn(logits)
        chosen = logits.gather(1, tokens[:, None])[:, 0]
        return tokens, chosen - logits.logsumexp(-1)

    def _drawn(self, logits_BV: Tensor) -> Tensor:
        """The token at a random height of the summed probabilities that top-p leaves: one number a row.

        In float64: a sum in float32 can end below the height, and would then give a token of no probability.
        """
        # From the largest down, or a small temperature would overflow.
        scaled = (logits_BV - logits_BV.amax(-1, keepdim=True)) / self._sampling.temperature
        if self._sampling.top_p < 1:
            scaled = _nucleus(scaled, self._sampling.top_p)
        summed = scaled.double().softmax(-1).cumsum(-1)
        heights = [torch.rand((), generator=g, dtype=torch.float64) for g in self._generators]
        height = torch.stack(heights).to(summed.device)[:, None] * summed[:, -1:]
        return torch.searchsorted(summed, height, right=True)[:, 0]


def _nucleus(logits_BV: Tensor, top_p: float) -> Tensor:
    """Logits with all but the smallest likeliest set of at least `top_p` probability at minus infinity."""
    ordered, order = logits_BV.sort(dim=-1, descending=True)
    before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
    kept = ordered.masked_fill(before >= top_p, -torch.inf)
    return torch.empty_like(logits_BV).scatter_(1, order, kept)


def _mixed(seed: int, number: int) -> int:
    return (seed * 1_000_003 + number) % (1 << 63)
