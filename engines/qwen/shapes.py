"""The numbers of a Qwen-VL network that code around it needs; read from configs, kept in manifests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from grounding.coordinates import Coordinates

Family = Literal["qwen2_5_vl", "qwen3_vl"]
FAMILIES: tuple[Family, ...] = get_args(Family)

COORDINATES: dict[Family, Coordinates] = {"qwen2_5_vl": "pixels", "qwen3_vl": "relative-1000"}
"""How a family writes boxes: the one place that decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionShape:
    """The vision tower: `patch` px a side, `merge` x `merge` patches a feature, `temporal` frames a patch.

    `window` (px) and `full_blocks` are Qwen2.5-VL's windowed attention; `positions` (a side of the learned
    grid) and `deepstack` (blocks whose output goes to the first decoder layers) are Qwen3-VL's.
    """

    depth: int
    hidden: int
    heads: int
    patch: int
    merge: int
    temporal: int
    channels: int
    window: int = 0
    full_blocks: tuple[int, ...] = ()
    positions: int = 0
    deepstack: tuple[int, ...] = ()
    tokens_a_second: float = 0.0
    rope_theta: float = 10_000.0

    @property
    def patch_values(self) -> int:
        """Numbers in one flattened patch: channels x frames x rows x columns."""
        return self.channels * self.temporal * self.patch**2

    @property
    def step(self) -> int:
        """Frames are resized to multiples of so many px."""
        return self.patch * self.merge

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads


@dataclass(frozen=True, slots=True, kw_only=True)
class TextShape:
    """The decoder. `mrope_section` are rotary frequencies a time, row and column axis; interleaved or not."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    rope_theta: float
    mrope_section: tuple[int, ...]
    mrope_interleaved: bool
    max_positions: int

    def cache_bytes(self, *, rows: int, length: int, item_bytes: int) -> int:
        """Memory of the key and value caches of `rows` sequences of at most `length` tokens."""
        return 2 * self.layers * rows * self.kv_heads * length * self.head_dim * item_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """A whole network, and the ids of the tokens that stand for something else than words."""

    family: Family
    text: TextShape
    vision: VisionShape
    image_token: int
    video_token: int
    vision_start_token: int
    vision_end_token: int

    @property
    def vision_tokens(self) -> tuple[int, ...]:
        """Ids that a model may never write: an emitted one would ask for a picture that isn't there."""
        return (self.image_token, self.video_token, self.vision_start_token, self.vision_end_token)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Shapes:
        """What `as_dict` wrote, also through JSON. Raises ValueError naming what is wrong."""
        given = _checked(cls, values, "the shapes")
        text = TextShape(**_checked(TextShape, given.pop("text"), "the text shape"))
        vision = VisionShape(**_checked(VisionShape, given.pop("vision"), "the vision shape"))
        if given["family"] not in FAMILIES:
            raise ValueError(f"family {given['family']!r} is not supported; there are {', '.join(FAMILIES)}")
        return cls(text=text, vision=vision, **given)


def _checked(cls: type, values: object, what: str) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise ValueError(f"{what}: a table is needed, not {values!r}")
    names = {field.name for field in fields(cls)}
    if set(values) != names:
        wrong = sorted(names ^ set(values))
        raise ValueError(f"{what}: {', '.join(wrong)} is missing or unknown")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def shapes_of(config: Any) -> Shapes:
    """The shapes in a `Qwen2_5_VLConfig` or `Qwen3VLConfig`.

    Raises ValueError for another family, for a field that is missing, and for a rotary embedding that isn't
    the families' own.
    """
    family = getattr(config, "model_type", None)
    if family not in FAMILIES:
        raise ValueError(f"a checkpoint of type {family!r} can't be run; there are {', '.join(FAMILIES)}")
    try:
        return Shapes(
            family=family,
            text=_text(config.text_config),
            vision=_vision(config.vision_config, family),
            image_token=config.image_token_id,
            video_token=config.video_token_id,
            vision_start_token=config.vision_start_token_id,
            vision_end_token=config.vision_end_token_id,
        )
    except AttributeError as error:
        raise ValueError(f"the config has no field {error.name!r}") from error


def _text(config: Any) -> TextShape:
    rope = config.rope_parameters
    if rope.get("rope_type") != "default":
        raise ValueError(f"rotary embedding {rope.get('rope_type')!r} is not supported; there is 'default'")
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    section = tuple(rope.get("mrope_section") or ())
    if len(section) != 3 or sum(section) != head_dim // 2:
        raise ValueError(
            f"mrope_section {list(section)} must be three numbers that sum to half the head, {head_dim // 2}"
        )
    return TextShape(
        hidden=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_dim=head_dim,
        vocabulary=config.vocab_size,
        rope_theta=float(rope["rope_theta"]),
        mrope_section=section,
        mrope_interleaved=config.model_type.startswith("qwen3"),
        max_positions=config.max_position_embeddings,
    )


def _vision(config: Any, family: Family) -> VisionShape:
    shared = {
        "depth": config.depth,
        "hidden": config.hidden_size,
        "heads": config.num_heads,
        "patch": config.patch_size,
        "merge": config.spatial_merge_size,
        "temporal": config.temporal_patch_size,
        "channels": config.in_channels,
        "rope_theta": float((getattr(config, "rope_parameters", None) or {}).get("rope_theta", 10_000.0)),
    }
    if family == "qwen3_vl":
        return VisionShape(
            **shared,
            positions=math.isqrt(config.num_position_embeddings),
            deepstack=tuple(config.deepstack_visual_indexes),
        )
    return VisionShape(
        **shared,
        window=config.window_size,
        full_blocks=tuple(config.fullatt_block_indexes),
        tokens_a_second=float(config.tokens_per_second),
    )
