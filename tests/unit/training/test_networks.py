"""Networks known without their weights, and the memory that training them takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from engines.qwen.shapes import FAMILIES, Family, shapes_of
from grounding.errors import EngineError
from tests import tiny_qwen
from tests.schooling import recipe
from training.memory import block_bytes, layer_bytes, memory_of
from training.networks import network_of
from training.recipe import Model, Recipe, read_recipe

ROOT = Path(__file__).resolve().parents[3]

# `total_size` in model.safetensors.index.json of the published checkpoints, in bfloat16.
PUBLISHED_BYTES: dict[Family, tuple[str, int]] = {
    "qwen3_vl": ("Qwen/Qwen3-VL-8B-Instruct", 17_534_247_392),
    "qwen2_5_vl": ("Qwen/Qwen2.5-VL-7B-Instruct", 16_584_333_312),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_parameters_of_the_published_models_are_those_of_their_files(family: Family) -> None:
    name, size = PUBLISHED_BYTES[family]
    network = network_of(Model(checkpoint=name, family=family))
    assert network.parameters * 2 == size
    assert network.trained == network.parameters
    assert name in network.source


@pytest.mark.parametrize("family", FAMILIES)
def test_the_parameters_of_a_checkpoint_on_disk_are_those_of_its_model(
    family: Family, tmp_path: Path
) -> None:
    checkpoint = tiny_qwen.save_checkpoint(tmp_path / "ck", family)
    whole = sum(p.numel() for p in tiny_qwen.model(family).parameters())
    vision = sum(p.numel() for p in tiny_qwen.model(family).model.visual.parameters())
    assert network_of(recipe(checkpoint, family).model).parameters == whole
    frozen = network_of(recipe(checkpoint, family, model={"freeze_vision": True}).model)
    assert (frozen.parameters, frozen.trained) == (whole, whole - vision)


def test_an_adapter_trains_two_thin_matrices_a_layer(tmp_path: Path) -> None:
    checkpoint = tiny_qwen.save_checkpoint(tmp_path / "ck", "qwen3_vl")
    lora = {"rank": 4, "targets": ["q_proj", "v_proj"]}
    network = network_of(recipe(checkpoint, "qwen3_vl", model={"tuning": "lora", "lora": lora}).model)
    assert network.trained == 4 * (4 * (64 + 64) + 4 * (64 + 32))  # layers x (q_proj + v_proj)


def test_a_checkpoint_of_another_family_is_named() -> None:
    with pytest.raises(EngineError, match="is of family qwen3_vl, and the recipe is for qwen2_5_vl"):
        network_of(Model(checkpoint="Qwen/Qwen3-VL-8B-Instruct", family="qwen2_5_vl"))
    with pytest.raises(EngineError, match="a plan knows no config of that name"):
        network_of(Model(checkpoint="Qwen/Qwen9", family="qwen3_vl"))


def kept_by_autograd(run: Callable[[], Any], parameters: Iterable[torch.Tensor]) -> int:
    """Bytes that a forward keeps for its backward, its weights aside."""
    own = {p.untyped_storage().data_ptr() for p in parameters}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = run()
    assert out is not None
    return sum(kept.values())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("width", "ffn", "keys"), [(64, 256, 1), (96, 128, 3), (128, 384, 2)])
def test_the_activations_of_a_layer_are_estimated_as_autograd_keeps_them(
    family: Family, width: int, ffn: int, keys: int
) -> None:
    text = {"hidden_size": width, "intermediate_size": ffn, "num_attention_heads": width // 16,
            "num_key_value_heads": keys}  # fmt: skip
    model = tiny_qwen.model(family, text=text, vision={"out_hidden_size": width}).to(torch.bfloat16).train()
    layer, tokens = model.model.language_model.layers[0], 256
    x = torch.randn(1, tokens, width, dtype=torch.bfloat16, requires_grad=True)
    turns = tuple(torch.randn(1, tokens, 16, dtype=torch.bfloat16) for _ in range(2))
    kept = kept_by_autograd(lambda: layer(x, position_embeddings=turns), [*model.parameters(), *turns])
    estimated = tokens * layer_bytes(shapes_of(model.config).text, ffn=ffn)
    assert estimated == pytest.approx(kept, rel=0.03)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_activations_of_a_vision_block_are_estimated_as_autograd_keeps_them(family: Family) -> None:
    model = tiny_qwen.model(family, vision={"hidden_size": 96, "intermediate_size": 256}).to(torch.bfloat16)
    block, patches = model.model.visual.blocks[0], 128
    x = torch.randn(patches, 96, dtype=torch.bfloat16, requires_grad=True)
    turns = tuple(torch.randn(patches, 24, dtype=torch.bfloat16) for _ in range(2))
    frames = torch.tensor([0, patches], dtype=torch.int32)
    kept = kept_by_autograd(
        lambda: block(x, cu_seqlens=frames, position_embeddings=turns), [*model.parameters(), *turns, frames]
    )
    vision = shapes_of(model.config).vision
    estimated = patches * block_bytes(vision, ffn=256, gated=family == "qwen2_5_vl")
    assert estimated == pytest.approx(kept, rel=0.03)


def shipped(**changes: object) -> Recipe:
    return read_recipe(ROOT / "configs/open-o3-qwen3-vl-8b.toml", **changes)


def test_full_tuning_of_8b_fits_80_gb_only_where_it_is_spread() -> None:
    own = shipped()
    network = network_of(own.model)
    sizes = {"tokens": 3072, "vision_tokens": 2048}
    spread = memory_of(network, own, "sft", **sizes, sharding="fsdp2")
    whole = memory_of(network, own, "sft", **sizes, sharding="ddp")
    assert spread.total < 40e9 < 80e9 < whole.total
    assert whole.weights == 8 * spread.weights == network.parameters * 4
    assert spread.optimiser == network.parameters * 8 // 8  # two moments in float32


def test_an_adapter_keeps_states_of_what_it_trains_alone() -> None:
    own = shipped(**{"model.tuning": "lora"})
    network = network_of(own.model)
    memory = memory_of(network, own, "sft", tokens=3072, vision_tokens=2048, sharding="ddp")
    assert memory.optimiser == network.trained * 8 < 2e9
    assert memory.total < 40e9


def test_checkpointing_and_rollouts_show_in_the_estimate() -> None:
    kept = shipped(**{"gspo.gradient_checkpointing": False})
    network = network_of(kept.model)
    sizes: dict[str, Any] = {"tokens": 3840, "vision_tokens": 2048, "sharding": "fsdp2"}
    plain, checkpointed = (memory_of(network, own, "gspo", **sizes) for own in (kept, shipped()))
    assert plain.activations > 5 * checkpointed.activations
    text = network.shapes.text
    assert checkpointed.rollout == 16 * 3840 * 2 * text.layers * text.kv_heads * text.head_dim * 2
    assert memory_of(network, shipped(), "sft", **sizes).rollout == 0
