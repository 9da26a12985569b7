"""What an export is held against: HF's own model, its own `forward` and `generate`, in float32.

Nothing of `engines.qwen` takes part but the loading: not its positions, not its networks, not its caches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engines.manifest import Manifest
from engines.qwen.checkpoint import load_model, open_checkpoint, source_hash
from engines.qwen.shapes import Shapes
from export.adapter import merged, source_with
from export.cases import NUM_NEW, Case, CaseMaker, Medium, seconds_a_patch
from grounding.errors import ExportError, printable


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the reference says to a case: `tokens` [T] by greedy choice, and float32 logits [T + 1, V], the
    first of which chose `tokens[0]`.
    """

    case: Case
    tokens: Tensor
    logits: Tensor


@dataclass(frozen=True, kw_only=True)
class Truth:
    """All that a check needs of the reference, for an export of `source` and this length."""

    source: str
    max_length: int
    seen: Sequence[tuple[Sequence[Medium], tuple[Tensor, ...]]]
    short: Sequence[Answer]
    long: Answer


def load_truth(
    manifest: Manifest, checkpoint: str, *, adapter: Path | None = None, device: str = "cpu"
) -> Truth:
    """Load the checkpoint that an export was made from, and ask it every case.

    Raises ExportError when it is another checkpoint than the manifest's, EngineError when it can't be used.
    """
    opened = open_checkpoint(checkpoint)
    source = source_hash(opened)
    if adapter is not None:
        source = source_with(source, adapter)
    if source != manifest.source:
        merged_in = "" if adapter is None else f" with the adapter {printable(adapter)}"
        raise ExportError(
            f"{printable(checkpoint)}{merged_in} is not what this export was made from: name that one with "
            "--model (and its --adapter), or export again"
        )
    model = load_model(opened, dtype="float32", device=device)
    if adapter is not None:
        model = merged(model, adapter)
    return truth_of(model, opened.shapes, source=source, max_length=manifest.max_length)


def truth_of(model: Any, shapes: Shapes, *, source: str, max_length: int) -> Truth:
    """Ask a loaded HF model every case, for an export of `max_length` tokens."""
    maker = CaseMaker(shapes)
    reference = Reference(model, shapes)
    with _full_float32():
        return Truth(
            source=source,
            max_length=max_length,
            seen=[(media, reference.see(media)) for media in maker.zoo()],
            short=[reference.answer(case) for case in maker.short()],
            long=reference.answer(maker.long(max_length)),
        )


@contextmanager
def _full_float32() -> Iterator[None]:
    """On a GPU, PyTorch rounds what a convolution multiplies to 10 bits unless told not to."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


class Reference:
    """A loaded `Qwen2_5_VLForConditionalGeneration` or `Qwen3VLForConditionalGeneration`."""

    def __init__(self, model: Any, shapes: Shapes) -> None:
        self._model, self._shapes = model, shapes

    @torch.inference_mode()
    def see(self, media: Sequence[Medium]) -> tuple[Tensor, ...]:
        """Features [F, E] of pictures seen at once, and one more [F, E] a DeepStack layer."""
        device = self._model.device
        grids = torch.tensor([medium.grid for medium in media], device=device)
        found = self._model.model.visual(
            torch.cat([medium.patches for medium in media]).to(device), grid_thw=grids
        )
        layers = (found.pooler_output, *(getattr(found, "deepstack_features", None) or ()))
        return tuple(layer.float().cpu() for layer in layers)

    @torch.inference_mode()
    def answer(self, case: Case, *, num_new: int = NUM_NEW) -> Answer:
        """Greedy tokens by `generate`, then their logits by one `forward` over all, without a cache."""
        ids, kinds = case.tokens(self._shapes)
        given = self._media(case)
        written = self._model.generate(
            **given,
            **self._words(ids, kinds),
            max_new_tokens=num_new,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
            suppress_tokens=list(self._shapes.vision_tokens),
        )
        tokens = written[0, len(ids) :]
        all_ids = [*ids, *tokens.tolist()]
        logits = self._model(
            **given,
            **self._words(all_ids, [*kinds, *[0] * num_new]),
            logits_to_keep=num_new + 1,
            use_cache=False,
        ).logits
        return Answer(case=case, tokens=tokens.cpu(), logits=logits[0].float().cpu())

    def _words(self, ids: Sequence[int], kinds: Sequence[int]) -> dict[str, Tensor]:
        device = self._model.device
        words = torch.tensor([ids], device=device)
        return {
            "input_ids": words,
            "attention_mask": torch.ones_like(words),
            "mm_token_type_ids": torch.tensor([kinds], device=device),
        }

    def _media(self, case: Case) -> dict[str, Tensor]:
        given: dict[str, Tensor] = {}
        for is_video, values, grids in (
            (False, "pixel_values", "image_grid_thw"),
            (True, "pixel_values_videos", "video_grid_thw"),
        ):
            media = [medium for medium in case.media if medium.is_video == is_video]
            if media:
                given[values] = torch.cat([medium.patches for medium in media])
                given[grids] = torch.tensor([medium.grid for medium in media])
        seconds = seconds_a_patch(case)
        if seconds and self._shapes.family == "qwen2_5_vl":
            given["second_per_grid_ts"] = torch.tensor(seconds)
        return {name: tensor.to(self._model.device) for name, tensor in given.items()}
