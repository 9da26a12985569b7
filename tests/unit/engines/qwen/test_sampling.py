"""What is drawn follows the model's probabilities, the seed and nothing else."""

from __future__ import annotations

import pytest
import torch

from engines.qwen.generation import Ask, Generator
from engines.qwen.sampling import Sampler, Sampling
from tests.reference_qwen import FAMILIES, Story, fresh_runtime, prefixes

LOGITS = torch.tensor([0.6, 0.25, 0.1, 0.05]).log()
NONE_BANNED = torch.tensor([], dtype=torch.long)


def draws(sampling: Sampling, *, count: int, banned: torch.Tensor = NONE_BANNED) -> list[int]:
    """Tokens that one row draws from LOGITS."""
    sampler = Sampler(sampling, numbers=[7], banned=banned)
    return [int(sampler.draw(LOGITS[None])[0]) for _ in range(count)]


def shares(drawn: list[int]) -> list[float]:
    return [drawn.count(token) / len(drawn) for token in range(4)]


def test_at_temperature_one_tokens_come_as_often_as_they_are_likely() -> None:
    # Standard error at 4,000 draws is at most 0.008; four of them.
    assert shares(draws(Sampling(temperature=1.0), count=4000)) == pytest.approx(
        [0.6, 0.25, 0.1, 0.05], abs=0.032
    )


def test_a_temperature_sharpens_or_flattens_by_its_power() -> None:
    powered = torch.tensor([0.6, 0.25, 0.1, 0.05]) ** 2
    expected = (powered / powered.sum()).tolist()
    assert shares(draws(Sampling(temperature=0.5), count=4000)) == pytest.approx(expected, abs=0.032)


@pytest.mark.parametrize(
    ("top_p", "left"), [(0.6, [1, 0, 0, 0]), (0.61, [0.6, 0.25, 0, 0]), (0.9, [0.6, 0.25, 0.1, 0])]
)
def test_top_p_leaves_the_smallest_likeliest_set(top_p: float, left: list[float]) -> None:
    expected = [share / sum(left) for share in left]
    found = shares(draws(Sampling(temperature=1.0, top_p=top_p), count=4000))
    assert found == pytest.approx(expected, abs=0.032)
    assert all(share == 0 for share, wanted in zip(found, expected, strict=True) if wanted == 0)


@pytest.mark.parametrize("temperature", [1e-6, 1e-40])
def test_next_to_no_temperature_is_greedy_and_does_not_overflow(temperature: float) -> None:
    assert set(draws(Sampling(temperature=temperature), count=100)) == {0}


@pytest.mark.parametrize("temperature", [0.0, 1.0, 100.0])
def test_a_banned_token_is_never_drawn(temperature: float) -> None:
    drawn = draws(Sampling(temperature=temperature), count=500, banned=torch.tensor([0, 2]))
    assert set(drawn) <= {1, 3}


def test_the_log_probability_is_the_model_s_own_at_temperature_one() -> None:
    sampler = Sampler(Sampling(temperature=0.3, top_p=0.5), numbers=[1], banned=NONE_BANNED)
    token, logprob = sampler.draw(LOGITS[None])
    assert float(logprob) == pytest.approx(float(LOGITS[int(token)]), abs=1e-6)


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.5}, {"max_new": 0}, {"top_p": float("nan")}]
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="sampling needs temperature >= 0"):
        Sampling(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_drawn_for_a_row_depends_on_its_number_and_the_seed_not_on_the_batch(family: str) -> None:
    runtime = fresh_runtime(family)
    shared = prefixes([Story(family=family).words(1).image((1, 8, 8)).words(50)], runtime)
    generator = Generator(runtime, stops=frozenset())

    def drawn(*numbers: int, seed: int = 3) -> list[tuple[int, ...]]:
        asks = [Ask(prefix=0, ids=(55, 56), number=number) for number in numbers]
        sampling = Sampling(max_new=24, temperature=1.0, top_p=0.9, seed=seed)
        return [row.ids for row in generator.write(shared, asks, sampling)]

    together = drawn(0, 1, 2)
    assert [drawn(0)[0], drawn(1)[0], drawn(2)[0]] == together == drawn(2, 1, 0)[::-1]
    assert len(set(together)) == 3
    assert drawn(0, seed=4)[0] != together[0]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("temperature", [0.0, 50.0])
def test_no_vision_token_is_ever_written(family: str, temperature: float) -> None:
    """Also by a model whose likeliest tokens they are."""
    runtime = Eager(fresh_runtime(family))
    sampling = Sampling(max_new=64, temperature=temperature)
    written = Generator(runtime, stops=frozenset()).write(
        prefixes([Story(family=family).words(1, 50)], runtime.inner),
        [Ask(prefix=0, ids=(55,), number=number) for number in range(8)],
        sampling,
    )
    assert {token for row in written for token in row.ids}.isdisjoint(runtime.inner.shapes.vision_tokens)


class Eager:
    """A runtime that wants nothing but to write pictures."""

    def __init__(self, inner):  # type: ignore[no-untyped-def]
        self.inner = inner

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        return getattr(self.inner, name)

    def forward(self, *arguments, **named):  # type: ignore[no-untyped-def]
        logits = self.inner.forward(*arguments, **named)
        logits[:, list(self.inner.shapes.vision_tokens)] += 1e4
        return logits
