"""`decoder.onnx`: embeddings in, logits out, caches in and out. Shapes as in `engines.qwen.decoder`.

One graph for prefill (S = a chunk) and decode (S = 1). The length of the caches is fixed in it: TensorRT
wants it so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim

from engines.qwen.decoder import Decoder
from engines.qwen.graphs import decoder_caches, decoder_deepstack, decoder_inputs, decoder_outputs
from engines.qwen.shapes import Shapes
from export.ops import OnnxOps
from export.quiet import quiet_exporter
from export.saving import save_graph

MOST_ROWS = 256


class _Flat(Decoder):
    """The decoder as a graph has it: nothing optional."""

    def forward(  # type: ignore[override]  # the graph has no `seen`
        self,
        x_BSE: Tensor,
        cos_BSd: Tensor,
        sin_BSd: Tensor,
        at_B: Tensor,
        last_B: Tensor,
        rest: Sequence[Tensor],
    ) -> tuple[Tensor, ...]:
        # One list of both: the exporter gives up naming axes where a list is empty.
        deepstack, caches = rest[: self.num_deepstack], rest[self.num_deepstack :]
        return super().forward(x_BSE, cos_BSd, sin_BSd, at_B, last_B, deepstack, caches)


def export_decoder(language_model: Any, head: Any, shapes: Shapes, path: Path, *, max_length: int) -> None:
    """Write the graph of a loaded decoder, in the type of its weights, for caches of `max_length` tokens."""
    decoder = _Flat(language_model, head, num_deepstack=len(shapes.vision.deepstack), ops=OnnxOps()).eval()
    with quiet_exporter():
        program = torch.onnx.export(
            decoder,
            _example(shapes, language_model.norm.weight.dtype, max_length),
            dynamo=True,
            opset_version=24,
            input_names=decoder_inputs(shapes),
            output_names=decoder_outputs(shapes),
            dynamic_shapes=_dynamic(shapes, max_length),
            verbose=False,
        )
    assert program is not None
    save_graph(program, path)


def _example(shapes: Shapes, dtype: torch.dtype, max_length: int) -> tuple[Any, ...]:
    text, rows, length = shapes.text, 2, 5
    embeds = torch.zeros(rows, length, text.hidden, dtype=dtype)
    turn = torch.zeros(rows, length, text.head_dim // 2, dtype=dtype)
    zero = torch.zeros(rows, dtype=torch.long)
    cache = (rows, text.kv_heads, max_length, text.head_dim)
    return (
        embeds,
        turn,
        turn.clone(),
        zero,
        zero.clone(),
        [
            *(torch.zeros_like(embeds) for _ in decoder_deepstack(shapes)),
            *(torch.zeros(cache, dtype=dtype) for _ in decoder_caches(shapes)),
        ],
    )


def _dynamic(shapes: Shapes, max_length: int) -> tuple[Any, ...]:
    rows, length = Dim("rows", max=MOST_ROWS), Dim("length", max=max_length)
    row, both = {0: rows}, {0: rows, 1: length}
    rest = [both] * len(decoder_deepstack(shapes)) + [row] * len(decoder_caches(shapes))
    return (both, both, both, row, row, rest)
