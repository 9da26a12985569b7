"""Tiny random checkpoints of both families, by the real config classes, with a real (small) BPE tokenizer."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch

from grounding.prompts import PROOFREEL, TASKS

SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
    "<|video_pad|>",
)  # fmt: skip
VOCABULARY = 1024

# Several threads wait longer for each other than tensors this small take to compute.
torch.set_num_threads(1)


def ids() -> dict[str, int]:
    """The special tokens' ids: they come first."""
    return {token: number for number, token in enumerate(SPECIAL)}


def _config(family: str, text: dict[str, Any], vision: dict[str, Any]) -> Any:
    from transformers import Qwen2_5_VLConfig, Qwen3VLConfig

    known = ids()
    shared = {
        "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2,
        "vocab_size": VOCABULARY, "max_position_embeddings": 8192, "bos_token_id": None,
        "eos_token_id": known["<|im_end|>"], "pad_token_id": known["<|endoftext|>"],
    }  # fmt: skip
    outer = {
        "image_token_id": known["<|image_pad|>"],
        "video_token_id": known["<|video_pad|>"],
        "vision_start_token_id": known["<|vision_start|>"],
        "vision_end_token_id": known["<|vision_end|>"],
        "tie_word_embeddings": False,
    }
    if family == "qwen2_5_vl":
        rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e6}
        return Qwen2_5_VLConfig(
            text_config={**shared, "num_hidden_layers": 3, "rope_parameters": rope, **text},
            vision_config={
                "depth": 4, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4,
                "out_hidden_size": 64, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
                "window_size": 56,
                "fullatt_block_indexes": [1, 3], "tokens_per_second": 2, **vision,
            },
            **outer,
        )  # fmt: skip
    rope = {"rope_type": "default", "mrope_section": [3, 3, 2], "mrope_interleaved": True, "rope_theta": 5e6}
    return Qwen3VLConfig(
        text_config={**shared, "num_hidden_layers": 4, "head_dim": 16, "rope_parameters": rope, **text},
        vision_config={
            "depth": 6, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4, "out_hidden_size": 64,
            "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2,
            "num_position_embeddings": 2304, "deepstack_visual_indexes": [1, 3], **vision,
        },
        **outer,
    )  # fmt: skip


def model(
    family: str, *, seed: int = 0, text: dict[str, Any] | None = None, vision: dict[str, Any] | None = None
) -> Any:
    """A random model in float32. Weights are scaled so that what it writes depends on all it read,
    and goes on varying: a token-exact comparison then means something.
    """
    from transformers import Qwen2_5_VLForConditionalGeneration, Qwen3VLForConditionalGeneration

    classes = {
        "qwen2_5_vl": Qwen2_5_VLForConditionalGeneration,
        "qwen3_vl": Qwen3VLForConditionalGeneration,
    }
    torch.manual_seed(seed)
    built = classes[family](_config(family, text or {}, vision or {})).eval()
    with torch.no_grad():
        for name, weight in built.named_parameters():
            if weight.ndim > 1 and "patch_embed" not in name and "embed_tokens" not in name:
                weight.mul_(12.0 if ".q_proj." in name or ".k_proj." in name else 4.0)
    return built


@cache
def tokenizer_json() -> str:
    """A byte-level BPE like Qwen's, trained on Proofreel's own prompts."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    words = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(token, special=True) for token in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([PROOFREEL.system[task] for task in TASKS], trainer)
    return tokenizer.to_str()


def save_checkpoint(folder: Path, family: str, *, built: Any = None, **how: Any) -> Path:
    """A checkpoint directory as `save_pretrained` and a processor would write it, of `built` where given."""
    (built or model(family, **how)).save_pretrained(folder)
    save_words(folder, family)
    return folder


def save_words(folder: Path, family: str) -> None:
    """The tokenizer and the processor's numbers, beside weights and config."""
    (folder / "tokenizer.json").write_text(tokenizer_json(), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "eos_token": "<|im_end|>",
                "pad_token": "<|endoftext|>",
            }
        )
    )
    clip = family == "qwen2_5_vl"
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "image_mean": [0.48145466, 0.4578275, 0.40821073] if clip else [0.5, 0.5, 0.5],
                "image_std": [0.26862954, 0.26130258, 0.27577711] if clip else [0.5, 0.5, 0.5],
                "patch_size": 14 if clip else 16,
                "temporal_patch_size": 2,
                "merge_size": 2,
            }
        )
    )


def save_forced(folder: Path, family: str, *, answer: str, **how: Any) -> Path:
    """A checkpoint that answers everything with `answer`: one token of the tokenizer is that text.

    What a token says depends on nothing but itself: the layers add nothing, every token is followed by the
    answer, and the answer by the end.
    """
    save_checkpoint(folder, family, **how)
    tokenizer = json.loads(tokenizer_json())
    said, end = len(tokenizer["model"]["vocab"]), ids()["<|im_end|>"]
    tokenizer["added_tokens"].append(
        {
            "id": said, "content": answer, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": False,
        }
    )  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")

    forced = model(family, **how)
    with torch.no_grad():
        for layer in forced.model.language_model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        words, head = forced.model.language_model.embed_tokens.weight, forced.lm_head.weight
        words.zero_()
        words[:, 0] = 1.0
        words[said] = torch.eye(words.shape[1])[1]
        head.zero_()
        head[said, 0] = head[end, 1] = 10.0
    forced.save_pretrained(folder)
    return folder
