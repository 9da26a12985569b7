"""Which sizes a plan is built for: the least, the best and the most of each input of a graph."""

from __future__ import annotations

from collections.abc import Mapping

from engines.manifest import Manifest
from engines.plan_limits import Limits, window_patches
from engines.qwen.graphs import decoder_caches, decoder_deepstack
from engines.qwen.settings import QwenSettings
from engines.qwen.shapes import Shapes

Size = tuple[int, ...]
Profile = Mapping[str, tuple[Size, Size, Size]]

_ROWS, _CHUNK, _PICTURES = (4, 32), 1024, 32


def default_limits(manifest: Manifest) -> Limits:
    """Limits for an export: frames as large as its settings make them, two ranges of rows."""
    settings = QwenSettings().of_checkpoint(manifest.own)
    return Limits(
        rows=_ROWS,
        chunk=min(_CHUNK, manifest.max_length),
        pictures=_PICTURES,
        patches=-(-settings.most_pixels // manifest.shapes.vision.patch**2),
    )


def decoder_profiles(manifest: Manifest, limits: Limits) -> list[Profile]:
    """For each range of rows a profile for prefill (a chunk of tokens) and one for decode (one token)."""
    return [
        _decoder_profile(manifest, rows=rows, most_length=length)
        for rows in limits.ranges
        for length in (limits.chunk, 1)
    ]


def _decoder_profile(manifest: Manifest, *, rows: tuple[int, int], most_length: int) -> Profile:
    text = manifest.shapes.text
    least, most = rows

    def sizes(*rest: int, length: bool = False) -> tuple[Size, Size, Size]:
        low, high = ((1,), (most_length,)) if length else ((), ())
        return (least, *low, *rest), (most, *high, *rest), (most, *high, *rest)

    profile = {"inputs_embeds": sizes(text.hidden, length=True)}
    profile |= {name: sizes(text.head_dim // 2, length=True) for name in ("cos", "sin")}
    profile |= {name: sizes() for name in ("write_index", "last")}
    profile |= {name: sizes(text.hidden, length=True) for name in decoder_deepstack(manifest.shapes)}
    cache = (text.kv_heads, manifest.max_length, text.head_dim)
    return profile | {name: sizes(*cache) for name in decoder_caches(manifest.shapes)}


def vision_profile(shapes: Shapes, limits: Limits) -> Profile:
    """From one picture of one feature up to `limits.pictures` of `limits.patches` patches."""
    vision = shapes.vision
    square = vision.merge**2
    patches = (square, limits.pictures * limits.patches)
    profile = {
        "patches": _between(patches, vision.patch_values),
        **{name: _between(patches, vision.head_dim // 2) for name in ("cos", "sin")},
        **_stretches("frame", (1, limits.pictures), (square, limits.patches), patches),
    }
    if shapes.family == "qwen3_vl":
        return profile | {name: _between(patches, 4) for name in ("position_index", "position_weight")}
    full = window_patches(shapes)
    return profile | _stretches("window", (1, limits.windows(full)), (square, full), patches)


def _stretches(
    name: str, count: tuple[int, int], longest: tuple[int, int], patches: tuple[int, int]
) -> dict[str, tuple[Size, Size, Size]]:
    (few, many), (short, long) = count, longest
    return {
        f"{name}_index": ((few, short), (many, long), (many, long)),
        f"{name}_mask": ((few, 1, short, short), (many, 1, long, long), (many, 1, long, long)),
        f"{name}_back": _between(patches),
    }


def _between(first: tuple[int, int], *rest: int) -> tuple[Size, Size, Size]:
    least, most = first
    return (least, *rest), (most, *rest), (most, *rest)
