"""`vision.onnx`: patches and the plan of their grids in, features out. Shapes as in `engines.qwen.vision`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from engines.qwen.graphs import plan_tensors, vision_inputs, vision_outputs
from engines.qwen.shapes import Shapes
from engines.qwen.vision import VisionTower, vision_plan
from export.ops import OnnxOps
from export.quiet import quiet_exporter
from export.saving import save_graph

_EXAMPLE = [(2, 8, 12), (1, 12, 8)]  # grids of a trace: two sizes, windows that are cut


class _Flat(nn.Module):
    """The tower with its inputs side by side, as a graph has them."""

    def __init__(self, visual: Any, shapes: Shapes) -> None:
        super().__init__()
        self.tower = VisionTower(visual, ops=OnnxOps())
        self.windowed = shapes.family != "qwen3_vl"

    def forward(
        self, patches: Tensor, cos: Tensor, sin: Tensor, parts: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        frames = (parts[0], parts[1], parts[2])
        if self.windowed:
            return self.tower(patches, cos, sin, frames, (parts[3], parts[4], parts[5]), None)  # type: ignore[no-any-return]
        return self.tower(patches, cos, sin, frames, None, (parts[3], parts[4]))  # type: ignore[no-any-return]


def export_vision(visual: Any, shapes: Shapes, path: Path) -> None:
    """Write the graph of a loaded vision tower, in the type of its weights."""
    dtype = visual.patch_embed.proj.weight.dtype
    plan = vision_plan(_EXAMPLE, shapes).to("cpu", dtype)
    count = sum(t * h * w for t, h, w in _EXAMPLE)
    cos, sin, *parts = plan_tensors(plan)
    example = (torch.zeros(count, shapes.vision.patch_values, dtype=dtype), cos, sin, tuple(parts))
    with quiet_exporter():
        program = torch.onnx.export(
            _Flat(visual, shapes).eval(),
            example,
            dynamo=True,
            opset_version=24,
            input_names=vision_inputs(shapes),
            output_names=vision_outputs(shapes),
            dynamic_shapes=_dynamic(shapes),
            verbose=False,
        )
    assert program is not None
    save_graph(program, path)


def _dynamic(shapes: Shapes) -> dict[str, Any]:
    count = Dim("squares", min=2, max=1 << 16) * shapes.vision.merge**2
    frames, longest = Dim("frames", max=1 << 13), Dim("frame_patches", max=1 << 14)
    stretches: list[dict[int, Any]] = [
        {0: frames, 1: longest},
        {0: frames, 2: longest, 3: longest},
        {0: count},
    ]
    if shapes.family == "qwen3_vl":
        parts = [*stretches, {0: count}, {0: count}]
    else:
        windows, within = Dim("windows", max=1 << 16), Dim("window_patches", max=1 << 12)
        parts = [*stretches, {0: windows, 1: within}, {0: windows, 2: within, 3: within}, {0: count}]
    return {"patches": {0: count}, "cos": {0: count}, "sin": {0: count}, "parts": tuple(parts)}
