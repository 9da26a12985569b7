"""How a next token is chosen: greedy or by chance, and never one that would ask for a picture.

Shapes: R rows, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.small.shape import TokenIds

FORBIDDEN = -1e9


def logprobs(logits: Tensor, *, tokens: TokenIds, temperature: float) -> Tensor:
    """Log-probabilities [..., V] of what may be written, at a temperature; 0 stands for greedy, and 1."""
    logits = logits.float()
    bias = torch.zeros(tokens.vocabulary, device=logits.device)
    bias[list(tokens.vision)] = FORBIDDEN
    return ((logits + bias) / (temperature or 1.0)).log_softmax(dim=-1)


def chosen(logprob_RV: Tensor, *, temperature: float, generator: torch.Generator | None) -> Tensor:
    """Ids [R]: the likeliest, or at a temperature above 0 one by chance (the Gumbel trick)."""
    if temperature == 0:
        return logprob_RV.argmax(dim=-1)
    noise = torch.empty_like(logprob_RV).exponential_(generator=generator).log()
    return (logprob_RV - noise).argmax(dim=-1)
