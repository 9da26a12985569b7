"""8-bit weights: how far off they may be, and that nothing else is."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from export.quantize import QuantizedLinear, quantize_linears, quantized


@given(seed=st.integers(0, 2**31), size=st.sampled_from([1e-6, 1e-2, 1.0, 50.0]))
def test_every_weight_is_within_half_a_step_of_its_row(seed: int, size: float) -> None:
    weight = torch.randn(8, 33, generator=torch.Generator().manual_seed(seed)) * size
    scale, steps = quantized(weight)
    assert steps.dtype == torch.int8 and int(steps.abs().max()) == 127
    error = (steps * scale[:, None] - weight).abs()
    assert bool((error <= 0.501 * scale[:, None]).all())


def test_a_scale_is_rounded_before_steps_are_counted_in_it() -> None:
    """A scale in fp16 is off by up to 0.05 %: 127 steps of it would be off by a sixteenth of a step."""
    weight = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).half()
    scale, steps = quantized(weight)
    assert scale.dtype == torch.float16
    error = (steps.float() * scale.float()[:, None] - weight.float()).abs()
    inside = steps.abs() < 127
    assert bool((error <= 0.5001 * scale.float()[:, None])[inside].all())


def test_a_row_of_zeros_stays_zeros() -> None:
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        scale, steps = quantized(torch.zeros(2, 4, dtype=dtype))
        assert not steps.any() and bool((scale > 0).all())


def test_every_linear_of_a_decoder_is_replaced_and_its_bias_kept() -> None:
    decoder = nn.Sequential(
        nn.Linear(4, 4), nn.ModuleDict({"deep": nn.Linear(4, 2, bias=False)}), nn.LayerNorm(2)
    )
    bias = decoder[0].bias
    quantize_linears(decoder)
    kinds = [type(module) for module in decoder.modules()]
    assert kinds.count(QuantizedLinear) == 2 and nn.Linear not in kinds
    assert decoder[0].bias is bias
