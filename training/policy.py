"""Policy losses of GSPO and GRPO, and the advantages that they weigh: pure functions of tensors.

GSPO (arXiv 2507.18071) weighs a whole completion by s = exp(mean_t(logp - logp_old)); GRPO (arXiv 2402.03300)
weighs each token by its own ratio. Both are written as TRL 1.16 computes them with `loss_type="grpo"` and
`beta=0`: the mean over the tokens of each completion, then over completions. On-policy, where every ratio is
1, the two then have the same gradient, also for completions of unequal length; off-policy they differ.

Shapes: B completions (groups of G lie side by side), T tokens, K rewards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Level = Literal["sequence", "token"]
Aggregation = Literal["sum_then_normalize", "normalize_then_sum"]

STD_SLACK = 1e-4
"""Added to a standard deviation before dividing by it, as TRL does: equal rewards give advantages of 0."""

SPREAD = 1e-6
"""Rewards of a group that differ by no more are alike: so much rounding leaves between equal sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLoss:
    """`loss` is to be minimised. The others are for the log, without gradient, each a scalar.

    `clip_low` and `clip_high` are the shares of ratios that the clip holds back below and above (of
    completions at sequence level, of tokens at token level); `clip_fraction` is their sum;
    `ratio_deviation` is the mean of |ratio - 1|.
    """

    loss: Tensor
    clip_fraction: Tensor
    clip_low: Tensor
    clip_high: Tensor
    ratio_deviation: Tensor


def log_ratio(logp_BT: Tensor, logp_old_BT: Tensor, *, mask_BT: Tensor, level: Level) -> Tensor:
    """Logarithm of the importance ratio: [B, T] at token level, [B, 1] at sequence level."""
    difference_BT = logp_BT - logp_old_BT
    if level == "token":
        return difference_BT
    if level != "sequence":
        raise ValueError(f"unknown level {level!r}: use 'sequence' (GSPO) or 'token' (GRPO)")
    return _mean_of_tokens(difference_BT, mask_BT).unsqueeze(1)


def policy_loss(
    logp: Tensor,
    logp_old: Tensor,
    *,
    advantages: Tensor,
    mask: Tensor,
    level: Level,
    epsilon: float,
    epsilon_high: float,
) -> PolicyLoss:
    """The clipped surrogate -min(r A, clip(r, 1 - epsilon, 1 + epsilon_high) A).

    `logp` and `logp_old` [B, T] are log-probabilities of the sampled tokens now and when they were sampled;
    `mask` [B, T] is 1 where a token is part of its completion; `advantages` [B], one a completion.
    """
    mask_BT = mask.to(logp.dtype)
    # Padding may hold anything, infinity too, which a mask of zeros would make NaN.
    kept = mask_BT > 0
    logp_BT, logp_old_BT = logp.masked_fill(~kept, 0.0), logp_old.masked_fill(~kept, 0.0)
    ratio = log_ratio(logp_BT, logp_old_BT, mask_BT=mask_BT, level=level).exp()
    advantages_B1 = advantages.unsqueeze(1)
    clipped = ratio.clamp(1.0 - epsilon, 1.0 + epsilon_high)
    surrogate = -torch.min(ratio * advantages_B1, clipped * advantages_B1)
    loss = _mean_of_tokens(surrogate.expand_as(mask_BT), mask_BT).mean()
    with torch.no_grad():
        weights = torch.ones_like(ratio) if level == "sequence" else mask_BT
        low = _share((ratio < 1.0 - epsilon) & (advantages_B1 < 0), weights)
        high = _share((ratio > 1.0 + epsilon_high) & (advantages_B1 > 0), weights)
        deviation = _share((ratio - 1.0).abs(), weights)
    return PolicyLoss(
        loss=loss, clip_fraction=low + high, clip_low=low, clip_high=high, ratio_deviation=deviation
    )


def group_advantages(
    rewards_BK: Tensor,
    *,
    group_size: int,
    weights: Tensor | None = None,
    aggregation: Aggregation = "sum_then_normalize",
) -> Tensor:
    """How much better than its group each completion is, [B].

    "sum_then_normalize": the weighted sum of the K rewards, minus its group's mean, over its group's standard
    deviation. "normalize_then_sum" (GDPO, arXiv 2601.05242): each reward so normalised in its group by
    itself, then the weighted sum, normalised once more over the batch; so a term with a narrow range counts
    as much as one with a wide. A NaN says that a reward does not apply. `weights` [K] are 1 unless given.
    """
    _check_groups(rewards_BK, group_size)
    weights_K = torch.ones_like(rewards_BK[0]) if weights is None else weights.to(rewards_BK)
    without = rewards_BK.isnan().all(dim=1)
    if aggregation == "sum_then_normalize":
        total_B = (rewards_BK * weights_K).nansum(dim=1).masked_fill(without, torch.nan)
        normal_B = _normalised(total_B.view(-1, group_size), dim=1).flatten()
    elif aggregation == "normalize_then_sum":
        normal_NGK = _normalised(rewards_BK.view(-1, group_size, rewards_BK.shape[1]), dim=1)
        total_B = (normal_NGK.flatten(0, 1) * weights_K).nansum(dim=1).masked_fill(without, torch.nan)
        normal_B = _normalised(total_B, dim=0)
    else:
        raise ValueError(
            f"unknown aggregation {aggregation!r}: use 'sum_then_normalize' or 'normalize_then_sum'"
        )
    return normal_B.nan_to_num(nan=0.0)


def zero_variance_share(rewards_B: Tensor, *, group_size: int) -> float:
    """Share of groups whose rewards are all the same: they teach nothing."""
    _check_groups(rewards_B, group_size)
    groups_NG = rewards_B.view(-1, group_size)
    spread_N = groups_NG.max(dim=1).values - groups_NG.min(dim=1).values
    return float((spread_N <= SPREAD).to(torch.float32).mean())


def _check_groups(rewards: Tensor, group_size: int) -> None:
    if group_size < 2 or len(rewards) == 0 or len(rewards) % group_size:
        raise ValueError(
            f"{len(rewards)} completions don't make whole groups of {group_size}: groups need at least 2"
        )


def _mean_of_tokens(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    return (values_BT * mask_BT).sum(dim=1) / mask_BT.sum(dim=1).clamp(min=1.0)


def _share(values: Tensor, weights: Tensor) -> Tensor:
    return (values.to(weights.dtype) * weights).sum() / weights.sum().clamp(min=1.0)


def _normalised(values: Tensor, *, dim: int) -> Tensor:
    """Minus the mean, over the unbiased standard deviation; NaN is left out of both."""
    centred = values - values.nanmean(dim=dim, keepdim=True)
    count = (~values.isnan()).sum(dim=dim, keepdim=True)
    variance = (centred**2).nansum(dim=dim, keepdim=True) / (count - 1).clamp(min=1)
    return centred / (variance.sqrt() + STD_SLACK)
