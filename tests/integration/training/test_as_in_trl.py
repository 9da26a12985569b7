"""Our losses and advantages are those that TRL's trainer computes, on a tiny real model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from training.policy import Aggregation, Level, group_advantages, policy_loss
from training.rewards import REWARD_SETS, Reading, reward_functions, reward_set, truth_column
from training.truth import Truth

WORDS = ("<pad>", "<end>", *(f"w{number}" for number in range(30)))
PROMPTS = ["w1 w2 w3", "w4 w5", "w6", "w7 w8"]
PROMPT_TOKENS, COMPLETION_TOKENS = 4, 6


def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<end>", padding_side="left"
    )


def tiny_model() -> Any:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(WORDS), hidden_size=32, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, pad_token_id=0, eos_token_id=1, bos_token_id=None,
    )  # fmt: skip
    return Qwen2ForCausalLM(config)


def evens(completions: list[str], **_: Any) -> list[float | None]:
    """How many words are even; of no use for a completion that begins with one of the last words."""
    return [
        None if text.startswith("w29") else sum(int(word[1:]) % 2 == 0 for word in text.split())
        for text in completions
    ]


def variety(completions: list[str], **_: Any) -> list[float]:
    return [len(set(text.split())) / 100 for text in completions]


def trainer(
    tmp_path: Path,
    *,
    level: Level = "sequence",
    aggregation: Aggregation = "sum_then_normalize",
    functions: list[Any] | None = None,
    columns: dict[str, list[Any]] | None = None,
) -> Any:
    import datasets
    import trl

    return trl.GRPOTrainer(
        model=tiny_model(),
        reward_funcs=functions or [evens, variety],
        processing_class=tokenizer(),
        train_dataset=datasets.Dataset.from_dict({"prompt": PROMPTS, **(columns or {})}),
        args=trl.GRPOConfig(
            output_dir=str(tmp_path), report_to=[], use_cpu=True, bf16=False, max_steps=1, seed=3,
            per_device_train_batch_size=8, num_generations=4, max_completion_length=COMPLETION_TOKENS,
            importance_sampling_level=level, loss_type="grpo", beta=0.0, epsilon=0.05, epsilon_high=0.07,
            multi_objective_aggregation=aggregation, save_strategy="no",
            reward_weights=None if functions else [1.0, 2.0],
            disable_tqdm=True,
        ),
    )  # fmt: skip


def rollout() -> dict[str, torch.Tensor]:
    """Four completions of unequal length, sampled by a policy that has since moved on."""
    generator = torch.Generator().manual_seed(5)
    shape = (4, COMPLETION_TOKENS)
    lengths = torch.tensor([6, 3, 5, 1]).unsqueeze(1)
    return {
        "prompt_ids": torch.randint(2, len(WORDS), (4, PROMPT_TOKENS), generator=generator),
        "prompt_mask": torch.ones(4, PROMPT_TOKENS, dtype=torch.long),
        "completion_ids": torch.randint(2, len(WORDS), shape, generator=generator),
        "completion_mask": (torch.arange(COMPLETION_TOKENS).unsqueeze(0) < lengths).long(),
        "advantages": torch.tensor([1.3, -0.2, -1.4, 0.3]),
    }


def logps(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
    of_words = model(input_ids=ids).logits[:, PROMPT_TOKENS - 1 : -1].log_softmax(dim=-1)
    return of_words.gather(2, inputs["completion_ids"].unsqueeze(2)).squeeze(2)


@pytest.mark.filterwarnings("ignore")  # those of other people's libraries
@pytest.mark.parametrize("level", ["sequence", "token"])
def test_the_loss_its_gradient_and_the_clip_are_those_of_trl(tmp_path: Path, level: Level) -> None:
    theirs = trainer(tmp_path, level=level, aggregation="sum_then_normalize")
    theirs.current_gradient_accumulation_steps = 1
    model, inputs = theirs.model, rollout()
    noise = torch.randn(4, COMPLETION_TOKENS, generator=torch.Generator().manual_seed(7))
    inputs["old_per_token_logps"] = logps(model, inputs).detach() + 0.15 * noise

    loss = theirs._compute_loss(model, inputs)
    loss.backward()
    gradients = [p.grad.clone() for p in model.parameters()]

    model.zero_grad()
    ours = policy_loss(
        logps(model, inputs), inputs["old_per_token_logps"], advantages=inputs["advantages"],
        mask=inputs["completion_mask"], level=level, epsilon=0.05, epsilon_high=0.07,
    )  # fmt: skip
    ours.loss.backward()

    torch.testing.assert_close(ours.loss, loss, rtol=1e-5, atol=1e-7)
    for parameter, expected in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-4, atol=1e-7)
    logged = theirs._metrics["train"]
    assert float(ours.clip_fraction) == pytest.approx(logged["clip_ratio/region_mean"][0])
    assert float(ours.clip_low) == pytest.approx(logged["clip_ratio/low_mean"][0])
    assert 0.0 < float(ours.clip_fraction) < 1.0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("aggregation", ["sum_then_normalize", "normalize_then_sum"])
def test_the_advantages_of_a_real_rollout_are_those_of_trl(tmp_path: Path, aggregation: Aggregation) -> None:
    theirs = trainer(tmp_path, level="sequence", aggregation=aggregation)
    theirs.train()
    logs = theirs._logs
    rewards = torch.tensor([list(logs["rewards"]["evens"]), list(logs["rewards"]["variety"])]).T
    found = group_advantages(rewards, group_size=4, weights=torch.tensor([1.0, 2.0]), aggregation=aggregation)
    expected = torch.tensor(list(logs["advantages"]))
    assert expected.abs().max() > 0.5
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REWARD_SETS)
def test_a_reward_set_pays_a_real_rollout_component_by_component(tmp_path: Path, name: str) -> None:
    rewards = reward_set(name)
    true = Truth(task="General video QA Free-form", answer="w3 w4 w5 w6 w7 w8")
    theirs = trainer(
        tmp_path,
        functions=reward_functions(rewards, coordinates="relative-1000"),
        columns={"truth": [truth_column(true)] * len(PROMPTS), "duration_s": [12.0] * len(PROMPTS)},
    )
    theirs.train()
    texts, logged = list(theirs._logs["completion"]), theirs._logs["rewards"]
    assert list(logged) == list(rewards.weights)
    for number, text in enumerate(texts):
        expected = rewards.score(text, true, reading=Reading(duration_s=12.0), progress=0.0)
        found = {component: logged[component][number] for component in logged}
        assert found == pytest.approx(expected, nan_ok=True, abs=1e-6)
