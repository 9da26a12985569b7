"""GSPO and GRPO: where they are the same, where they part, and what the clip holds back."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training.policy import Level, PolicyLoss, group_advantages, policy_loss, zero_variance_share

LENGTHS = (5, 2, 7, 1)
ADVANTAGES = torch.tensor([1.2, -0.7, 0.4, -0.9], dtype=torch.float64)


def mask(lengths: tuple[int, ...] = LENGTHS) -> Tensor:
    return torch.stack([(torch.arange(max(lengths)) < n).double() for n in lengths])


def sampled(seed: int) -> Tensor:
    """Log-probabilities of sampled tokens, [4, 7]."""
    generator = torch.Generator().manual_seed(seed)
    return -torch.rand(4, 7, generator=generator, dtype=torch.float64) - 0.1


def loss_and_gradient(
    logp: Tensor, logp_old: Tensor, *, level: Level, epsilon: float = 10.0
) -> tuple[PolicyLoss, Tensor]:
    logp = logp.clone().requires_grad_()
    found = policy_loss(
        logp, logp_old, advantages=ADVANTAGES, mask=mask(), level=level, epsilon=epsilon, epsilon_high=epsilon
    )
    (gradient,) = torch.autograd.grad(found.loss, logp)
    return found, gradient


def clipped(shift: float, *, advantage: float, level: Level) -> tuple[PolicyLoss, Tensor]:
    """One completion whose every token is exp(shift) times as likely as when it was sampled."""
    logp = torch.full((1, 3), -1.0 + shift, dtype=torch.float64, requires_grad=True)
    found = policy_loss(
        logp,
        torch.full((1, 3), -1.0, dtype=torch.float64),
        advantages=torch.tensor([advantage], dtype=torch.float64),
        mask=torch.ones(1, 3, dtype=torch.float64),
        level=level,
        epsilon=3e-4,
        epsilon_high=4e-4,
    )
    (gradient,) = torch.autograd.grad(found.loss, logp)
    return found, gradient


def test_on_policy_gspo_has_the_gradient_of_grpo_also_for_unequal_lengths() -> None:
    logp = sampled(1)
    _, sequence = loss_and_gradient(logp, logp, level="sequence")
    _, token = loss_and_gradient(logp, logp, level="token")
    torch.testing.assert_close(sequence, token, rtol=0, atol=1e-15)
    assert sequence.abs().max() > 0.01


def test_off_policy_the_gradient_of_gspo_is_not_that_of_grpo() -> None:
    _, sequence = loss_and_gradient(sampled(1), sampled(2), level="sequence")
    _, token = loss_and_gradient(sampled(1), sampled(2), level="token")
    assert (sequence - token).abs().max() > 0.01


def test_gspo_weighs_every_token_of_a_completion_by_its_geometric_mean_ratio() -> None:
    logp, logp_old = sampled(1), sampled(2)
    _, gradient = loss_and_gradient(logp, logp_old, level="sequence")
    for row, length in enumerate(LENGTHS):
        ratio = ((logp - logp_old)[row, :length].sum() / length).exp()
        expected = -ratio * ADVANTAGES[row] / length / len(LENGTHS)
        torch.testing.assert_close(gradient[row, :length], expected.expand(length))


@pytest.mark.parametrize("level", ["sequence", "token"])
def test_what_stands_in_the_padding_changes_nothing(level: Level) -> None:
    filled = sampled(1).masked_fill(mask() == 0, -torch.inf)
    found, gradient = loss_and_gradient(filled, sampled(2), level=level)
    expected, _ = loss_and_gradient(sampled(1), sampled(2), level=level)
    torch.testing.assert_close(found.loss, expected.loss)
    assert gradient.isfinite().all()
    assert gradient[mask() == 0].abs().max() == 0


@pytest.mark.parametrize("level", ["sequence", "token"])
@pytest.mark.parametrize(
    ("shift", "advantage", "low", "high"),
    [
        (+0.01, +1.0, 0.0, 1.0),  # good, and more likely already: held back
        (+0.01, -1.0, 0.0, 0.0),  # bad, and more likely: pushed down
        (-0.01, +1.0, 0.0, 0.0),  # good, and less likely: pushed up
        (-0.01, -1.0, 1.0, 0.0),  # bad, and less likely already: held back
        (+0.00035, +1.0, 0.0, 0.0),  # between 3e-4 and 4e-4: within the upper border
        (-0.00035, -1.0, 1.0, 0.0),  # and beyond the lower
    ],
)
def test_the_clip_holds_back_only_what_went_far_enough_its_way(
    level: Level, shift: float, advantage: float, low: float, high: float
) -> None:
    found, gradient = clipped(shift, advantage=advantage, level=level)
    assert (float(found.clip_low), float(found.clip_high)) == (low, high)
    assert float(found.clip_fraction) == low + high
    assert (float(gradient.abs().max()) == 0.0) == (low + high == 1.0)
    if low + high == 0.0:
        assert gradient.sign().unique().tolist() == [-advantage]


def test_the_deviation_of_the_ratios_is_told() -> None:
    found, _ = clipped(0.5, advantage=1.0, level="sequence")
    assert float(found.ratio_deviation) == pytest.approx(torch.tensor(0.5).exp().item() - 1, rel=1e-6)


def test_clipped_tokens_are_counted_without_the_padding() -> None:
    logp_old = sampled(1)
    logp = logp_old.clone()
    logp[2, 0] += 1.0  # one token of the 15 that count, of a completion with positive advantage
    logp[3, 5] += 1.0  # padding
    found, _ = loss_and_gradient(logp, logp_old, level="token", epsilon=0.2)
    assert float(found.clip_high) == pytest.approx(1 / sum(LENGTHS))


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'words': use 'sequence' \(GSPO\) or 'token' \(GRPO\)"):
        policy_loss(
            sampled(1),
            sampled(2),
            advantages=ADVANTAGES,
            mask=mask(),
            level="words",  # type: ignore[arg-type]
            epsilon=0.1,
            epsilon_high=0.1,
        )


def test_advantages_have_mean_zero_and_deviation_one_in_each_group() -> None:
    rewards = torch.tensor([[1.0], [2.0], [3.0], [4.0], [100.0], [200.0], [300.0], [400.0]]).double()
    found = group_advantages(rewards, group_size=4).view(2, 4)
    torch.testing.assert_close(found.mean(dim=1), torch.zeros(2).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close(found.std(dim=1), torch.ones(2).double(), atol=1e-4, rtol=0)
    torch.testing.assert_close(found[0], found[1], atol=1e-3, rtol=0)


def test_a_group_of_equal_rewards_teaches_nothing_and_is_counted() -> None:
    rewards = torch.tensor([[0.3], [0.3], [0.1], [0.2]])
    assert group_advantages(rewards, group_size=2)[:2].tolist() == [0.0, 0.0]
    assert zero_variance_share(rewards.flatten(), group_size=2) == 0.5


def test_sums_that_rounding_alone_tells_apart_are_counted_as_equal() -> None:
    sums = torch.tensor([1.6, 1.6 + 1.2e-7])  # neighbours in float32
    assert sums[0] != sums[1]
    assert zero_variance_share(sums, group_size=2) == 1.0


def test_normalised_apart_a_narrow_reward_counts_as_much_as_a_wide_one() -> None:
    narrow = torch.tensor([0.1, 0.2, 0.1, 0.2]).double()
    wide = torch.tensor([0.0, 1.0, 1.0, 0.0]).double()
    rewards = torch.stack([narrow, wide], dim=1)
    summed = group_advantages(rewards, group_size=4)
    apart = group_advantages(rewards, group_size=4, aggregation="normalize_then_sum")
    assert summed[2] > summed[3] + 1.5  # the wide one decides
    assert abs(apart[2] - apart[3]) < 0.02  # good in one and bad in the other: both the same
    assert apart[1] > apart[2] + 1.0 > apart[0] + 2.0


def test_weights_and_rewards_that_do_not_apply_are_heeded() -> None:
    nan = float("nan")
    rewards = torch.tensor([[1.0, nan], [0.0, nan], [0.0, 1.0], [0.0, 0.0], [nan, nan], [1.0, 2.0]]).double()
    only_first = group_advantages(rewards, group_size=2, weights=torch.tensor([1.0, 0.0]))
    assert only_first[0] > 0.7 > 0.0 > only_first[1]
    assert only_first[2:].tolist() == [0.0, 0.0, 0.0, 0.0]
    both = group_advantages(rewards, group_size=2)
    assert both[2] > 0.7
    assert both.isfinite().all()


def test_completions_that_make_no_whole_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="5 completions don't make whole groups of 2"):
        group_advantages(torch.zeros(5, 1), group_size=2)
    with pytest.raises(ValueError, match="groups need at least 2"):
        group_advantages(torch.zeros(4, 1), group_size=1)
