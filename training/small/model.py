"""The small model itself: a stock Qwen3-VL from a small config, and its folder as any engine opens it."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.small.shape import (
    MERGE,
    NUMBERS,
    PATCH,
    PATCHES_A_SIDE,
    SIDE,
    SIZES,
    Size,
    SizeName,
    TokenIds,
)

INITIAL_STD = 0.02
MOST_POSITIONS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How videos are cut and sampled for the model, as its checkpoint says it to the engines."""

    window_s: float = 9.6
    rate_hz: float = 1.25
    max_frames: int = 12


def build(size: SizeName, *, tokens: TokenIds, seed: int) -> Any:
    """A `Qwen3VLForConditionalGeneration` with random weights in float32, the same for the same seed."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    shape = SIZES[size]
    config = Qwen3VLConfig(
        text_config=_text_config(shape, tokens),
        vision_config=_vision_config(shape),
        image_token_id=tokens.image,
        video_token_id=tokens.video,
        vision_start_token_id=tokens.vision_start,
        vision_end_token_id=tokens.vision_end,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3VLForConditionalGeneration._from_config(  # type: ignore[no-untyped-call]
            config, attn_implementation="sdpa", dtype=torch.float32
        )
    with torch.no_grad():
        _order_numbers(model.get_input_embeddings().weight, tokens)
    return model


def save(
    model: Any, folder: Path, *, tokens: TokenIds, cut: Cut, write_tokenizer: Callable[[Path], None]
) -> None:
    """Write the model in bfloat16 with all that `engines.transformers.load` needs, over what is there."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    frame = {"max_side": SIDE, "least_pixels": SIDE**2, "most_pixels": SIDE**2}
    _write(folder / "config.json", {**config, "proofreel": {"layout": "stamped", **asdict(cut), **frame}})
    _write(
        folder / "preprocessor_config.json",
        {
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "patch_size": PATCH,
            "temporal_patch_size": 1,
            "merge_size": MERGE,
        },
    )
    _write(
        folder / "generation_config.json",
        {"do_sample": False, "eos_token_id": tokens.eos, "pad_token_id": tokens.pad},
    )
    write_tokenizer(folder)


def load_weights(model: Any, folder: Path) -> None:
    """Give a built model the weights of a saved one. Raises ValueError where they are another size's."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / "model.safetensors"
    if not path.is_file():
        raise ValueError(f"{folder} holds no model.safetensors: give the folder of a saved small model")
    try:
        lacking, foreign = model.load_state_dict(load_file(path), strict=False)
    except SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file, or one that was cut short ({error})") from error
    except RuntimeError as error:
        raise ValueError(f"{path} holds weights of another size: {str(error).splitlines()[-1]}") from error
    if foreign or set(lacking) - {"lm_head.weight"}:
        raise ValueError(f"{path} holds weights of another model: {(foreign or lacking)[0]}")


def _text_config(shape: Size, tokens: TokenIds) -> dict[str, Any]:
    return {
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "intermediate_size": shape.ffn,
        "vocab_size": tokens.vocabulary,
        "max_position_embeddings": MOST_POSITIONS,
        "initializer_range": INITIAL_STD,
        "pad_token_id": tokens.pad,
        "eos_token_id": tokens.eos,
        "bos_token_id": None,
        "tie_word_embeddings": True,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 1e4,
            "mrope_section": list(shape.mrope_section),
            "mrope_interleaved": True,
        },
    }


def _vision_config(shape: Size) -> dict[str, Any]:
    return {
        "depth": shape.vision_depth,
        "hidden_size": shape.vision_hidden,
        "intermediate_size": 4 * shape.vision_hidden,
        "num_heads": shape.vision_heads,
        "out_hidden_size": shape.hidden,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": 1,
        "num_position_embeddings": PATCHES_A_SIDE**2,
        "deepstack_visual_indexes": [shape.vision_depth // 2],
        "initializer_range": INITIAL_STD,
    }


def _order_numbers(embeddings: Tensor, tokens: TokenIds) -> None:
    """Start whole numbers as sinusoids of wavelengths 8 to 2000, so that neighbours are alike."""
    half = embeddings.shape[1] // 2
    wavelength = 8 * 250 ** (torch.arange(half) / (half - 1))
    angle = torch.arange(NUMBERS)[:, None] * 2 * math.pi / wavelength
    wave = torch.cat([angle.sin(), angle.cos()], dim=1) * math.sqrt(2) * INITIAL_STD
    own = embeddings[tokens.first_number :]
    own.copy_(0.7 * (wave + own))


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
