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
        """Gumbel-max over what top-p leaves, each row with a noise of its own."""
        scaled = logits_BV / self._sampling.temperature
        if self._sampling.top_p < 1:
            scaled = _nucleus(scaled, self._sampling.top_p)
        width = scaled.shape[1]
        uniform = torch.stack([torch.rand(width, generator=g) for g in self._generators]).to(scaled.device)
        gumbel = -torch.log(-torch.log(uniform.clamp(1e-20, 1 - 1e-7)))
        return (scaled + gumbel).argmax(-1)


def _nucleus(logits_BV: Tensor, top_p: float) -> Tensor:
    """Logits with all but the smallest likeliest set of at least `top_p` probability at minus infinity."""
    ordered, order = logits_BV.sort(dim=-1, descending=True)
    before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
    kept = ordered.masked_fill(before >= top_p, -torch.inf)
    return torch.empty_like(logits_BV).scatter_(1, order, kept)


def _mixed(seed: int, number: int) -> int:
    return (seed * 1_000_003 + number) % (1 << 63)
