"""How much GPU memory a run will take: an estimate from shapes, in bytes for each GPU.

What autograd keeps of a layer was counted on the real layers (a test counts again); attention is taken to be
the fused kind, which keeps no matrix of S x S. Not counted: the allocator's waste, NCCL's buffers, CUDA's own
half gigabyte.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from engines.qwen.shapes import TextShape, VisionShape
from training.networks import Network
from training.recipe import Gspo, Learning, Recipe, Stage

Sharding = Literal["none", "ddp", "fsdp2", "zero3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes a GPU. `gathered` is what a sharded layer needs while it computes, `pixels` those of the batch in
    hand (GSPO: of a rollout), `rollout` the caches of sampling. Training and sampling take turns.
    """

    weights: int
    gradients: int
    optimiser: int
    gathered: int
    pixels: int
    activations: int
    rollout: int

    @property
    def total(self) -> int:
        kept = self.weights + self.gradients + self.optimiser + self.gathered + self.pixels
        return kept + max(self.activations, self.rollout)

    def document(self) -> dict[str, int]:
        return {**asdict(self), "total": self.total}


def memory_of(
    network: Network, recipe: Recipe, stage: Stage, *, tokens: int, vision_tokens: int, sharding: Sharding
) -> Memory:
    """For a row of `tokens`, of which `vision_tokens` are seen."""
    learning, shapes = recipe.learning(stage), network.shapes
    bf16 = recipe.model.dtype == "bf16"
    spread = recipe.launch.gpus if sharding in ("fsdp2", "zero3") else 1
    frozen_bytes = 2 if recipe.model.tuning == "lora" and bf16 else 4
    frozen = network.parameters - network.trained
    return Memory(
        weights=(network.trained * 4 + frozen * frozen_bytes) // spread,
        # DDP keeps buckets beside them.
        gradients=network.trained * (8 if sharding == "ddp" else 4) // spread,
        optimiser=network.trained * 8 // spread,
        gathered=_gathered(network, sharding, bf16=bf16),
        pixels=_pixels(learning, shapes.vision, vision_tokens=vision_tokens),
        activations=_activations(
            network, batch=learning.batch, tokens=tokens, vision_tokens=vision_tokens,
            checkpointed=learning.gradient_checkpointing, item=2 if bf16 else 4,
        ),
        rollout=_rollout(learning, shapes.text, tokens=tokens, item=2 if bf16 else 4)
        if isinstance(learning, Gspo)
        else 0,
    )  # fmt: skip


def layer_bytes(text: TextShape, *, ffn: int, item: int = 2) -> int:
    """What autograd keeps of one decoder layer for one token, in activations of `item` bytes an element."""
    heads = (text.heads + text.kv_heads) * text.head_dim
    per_head = 5.2 if text.mrope_interleaved else 2.0  # Qwen3 norms its queries and keys
    return round(item * (8 * text.hidden + per_head * heads + 4 * ffn))


def block_bytes(vision: VisionShape, *, ffn: int, gated: bool, item: int = 2) -> int:
    """The same of one block of the vision tower for one patch; Qwen2.5-VL's is `gated`."""
    return round(item * ((16 if gated else 12) * vision.hidden + (4 if gated else 2) * ffn))


def _activations(
    network: Network, *, batch: int, tokens: int, vision_tokens: int, checkpointed: bool, item: int
) -> int:
    shapes = network.shapes
    text, vision = shapes.text, shapes.vision
    patches = vision_tokens * vision.merge**2
    layer = layer_bytes(text, ffn=network.ffn, item=item) * tokens
    gated = shapes.family == "qwen2_5_vl"
    block = block_bytes(vision, ffn=network.vision_ffn, gated=gated, item=item) * patches
    if not checkpointed:
        return batch * (text.layers * layer + vision.depth * block)
    kept = item * (text.layers * text.hidden * tokens + vision.depth * vision.hidden * patches)
    return batch * (kept + max(layer, block))


def _pixels(learning: Learning, vision: VisionShape, *, vision_tokens: int) -> int:
    rows = learning.batch * (learning.steps_per_generation if isinstance(learning, Gspo) else 1)
    return rows * vision_tokens * vision.merge**2 * vision.patch_values * 4


def _gathered(network: Network, sharding: Sharding, *, bf16: bool) -> int:
    if sharding in ("none", "ddp"):
        return network.trained * 2 if bf16 else 0  # autocast's copies
    head = network.head * (4 + 4)  # TRL's loss puts the head together, and its gradient
    return 2 * network.largest_layer * (2 if bf16 else 4) + head


def _rollout(own: Gspo, text: TextShape, *, tokens: int, item: int) -> int:
    if own.rollout.vllm != "off":
        return 0  # vLLM takes its own share, as it is told
    rows = own.batch * own.steps_per_generation
    return text.cache_bytes(rows=rows, length=tokens, item_bytes=item)
