"""The log-probabilities of many answers to one prompt, which is read once with all of them behind it.

    frames | question, padded | answer 0 | answer 1 | ...

Each answer sees the prompt and itself, and stands where it would stand alone. With 8 answers of 64 tokens a
prompt of 860 is so read once instead of 8 times. Shapes: P prompts, C copies, W tokens of an answer,
S = prompt + C x W tokens, H query heads, K key/value heads.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.small.forward import StaticForward
from training.small.generation import Prompts
from training.small.sampling import logprobs


def answers_logprob(
    forward: StaticForward,
    prompts: Prompts,
    *,
    answers_PCW: Tensor,
    frames: Tensor,
    bias_V: Tensor,
    temperature: float,
) -> Tensor:
    """[P, C, W] of every token of the answers, under what `generation.Writer` draws from.

    `bias_V` is `sampling.forbidding`'s.
    """
    count, copies, width = answers_PCW.shape
    length = prompts.ids.shape[1]
    ids = torch.cat([prompts.ids, answers_PCW.flatten(1)], dim=1)
    x, added = forward.embed(ids, forward.see(frames))
    cos, sin = (table[_places(prompts, copies, width)][:, None] for table in forward.rope)
    hidden = forward.layers(x, rope=(cos, sin), added=added, mask=_mask(prompts, copies, width))
    last = hidden[torch.arange(count, device=ids.device), prompts.lengths - 1]
    behind = hidden[:, length:].view(count, copies, width, -1)[:, :, :-1]
    before = torch.cat([last[:, None, None].expand(-1, copies, 1, -1), behind], dim=2)
    logprob = logprobs(forward.logits(before), bias_V=bias_V, temperature=temperature)
    return logprob.gather(-1, answers_PCW[..., None])[..., 0]


def _places(prompts: Prompts, copies: int, width: int) -> Tensor:
    """[P, S] how many tokens stand before each: answers begin right behind their question."""
    count, length = prompts.ids.shape
    within = torch.arange(width, device=prompts.ids.device).repeat(copies)
    own = torch.arange(length, device=prompts.ids.device).expand(count, -1)
    return torch.cat([own, prompts.lengths[:, None] + within], dim=1)


def _mask(prompts: Prompts, copies: int, width: int) -> Tensor:
    """[P, 1, S, S] which token (rows) sees which (columns)."""
    length = prompts.ids.shape[1]
    place = torch.arange(length + copies * width, device=prompts.ids.device)
    # Which answer a token is part of; -1: the prompt.
    part = torch.where(place < length, -1, (place - length) // width)
    before = place[:, None] >= place
    is_prompt = (part == -1)[None] & (place < prompts.lengths[:, None])
    return (before & ((part[:, None] == part)[None] & (part != -1) | is_prompt[:, None]))[:, None]
