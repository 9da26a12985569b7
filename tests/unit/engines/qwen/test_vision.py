"""The vision tower gives what HF's gives, for any mix of grids."""

from __future__ import annotations

import pytest
import torch

from engines.qwen.vision import Grid
from tests.reference_qwen import FAMILIES, fresh_runtime, network

MAX_ABS = 1e-4  # on weights scaled up four times; the features are of size 1 to 10
MAX_RELATIVE = 1e-5  # of the largest feature

ZOO: dict[str, list[Grid]] = {
    "one picture": [(1, 8, 12)],
    "one square": [(1, 2, 2)],
    "a window exactly": [(1, 4, 4)],
    "partial windows on both sides": [(1, 6, 10)],
    "a narrow strip": [(1, 2, 36)],
    "a tall strip": [(1, 36, 2)],
    "two frames": [(2, 8, 12)],
    "an odd number of frames": [(3, 6, 10)],
    "videos of two lengths": [(2, 8, 12), (5, 8, 12)],
    "mixed sizes": [(1, 8, 12), (1, 16, 8), (3, 6, 10), (1, 2, 2)],
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("case", ZOO)
def test_features_are_those_of_the_reference_for_every_grid(family: str, case: str) -> None:
    grids, model, runtime = ZOO[case], network(family), fresh_runtime(family)
    count = sum(t * h * w for t, h, w in grids)
    noise = torch.Generator().manual_seed(1)
    patches = torch.randn(count, runtime.shapes.vision.patch_values, generator=noise)

    with torch.no_grad():
        reference = model.model.visual(patches, grid_thw=torch.tensor(grids))
    expected = [reference.pooler_output, *(getattr(reference, "deepstack_features", None) or [])]
    ours = runtime.see(patches, grids)

    assert len(ours) == len(expected) == 1 + len(runtime.shapes.vision.deepstack)
    for own, its in zip(ours, expected, strict=True):
        assert own.shape == its.shape
        error = float((own - its).abs().max())
        assert error <= MAX_ABS and error <= MAX_RELATIVE * float(its.abs().max())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_picture_s_features_do_not_depend_on_what_else_is_seen(family: str) -> None:
    runtime = fresh_runtime(family)
    noise = torch.Generator().manual_seed(2)
    grids: list[Grid] = [(1, 6, 10), (1, 12, 4)]
    patches = torch.randn(60 + 48, runtime.shapes.vision.patch_values, generator=noise)

    together = runtime.see(patches, grids)
    first, second = runtime.see(patches[:60], grids[:1]), runtime.see(patches[60:], grids[1:])

    for both, one, other in zip(together, first, second, strict=True):
        assert torch.allclose(both, torch.cat([one, other]), rtol=0, atol=MAX_ABS)


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_stays_near_the_reference_in_full(family: str) -> None:
    """Ours in bfloat16 is no further from float32 than HF's own bfloat16 is (by more than a tenth)."""
    import copy

    from engines.qwen.torch_runtime import TorchRuntime

    model = copy.deepcopy(network(family)).bfloat16()
    full = fresh_runtime(family)
    half = TorchRuntime(model, full.shapes, max_length=64)
    noise = torch.Generator().manual_seed(3)
    patches = torch.randn(24 * 24, full.shapes.vision.patch_values, generator=noise)
    grids: list[Grid] = [(1, 24, 24)]
    with torch.no_grad():
        its = model.model.visual(patches.bfloat16(), grid_thw=torch.tensor(grids)).pooler_output
    exact = full.see(patches, grids)[0]
    ours = half.see(patches, grids)[0]

    def off(x: torch.Tensor) -> float:
        return float((x.float() - exact).norm() / exact.norm())

    assert off(ours) <= 1.1 * off(its)
