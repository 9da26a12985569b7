"""The runtime over plans, with onnxruntime in the place of TensorRT's own, held against PyTorch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import tensorrt_rtx
import torch
from safetensors.torch import load_file

from engines.manifest import DECODER, EMBEDDING, VISION, read_manifest
from engines.plan_limits import Limits
from engines.qwen.checkpoint import load_model, open_checkpoint
from engines.qwen.generation import Ask, Generator, Prefix
from engines.qwen.prompt import Picture, Words, prompt_of
from engines.qwen.sampling import Sampling
from engines.qwen.shapes import FAMILIES
from engines.qwen.torch_runtime import TorchRuntime
from engines.qwen.vision import Grid
from engines.tensorrt import Networks, TensorRTRuntime
from engines.tensorrt_library import find_library
from export.parity import Check
from export.profiles import decoder_profiles, vision_profile
from export.reference import load_truth
from grounding.errors import EngineError
from tests import tiny_qwen
from tests.integration.export.tensorrt.conftest import MAX_LENGTH, Checkpoints, Exports
from tests.tensorrt_twin import TwinContext, TwinEngine

LIMITS = Limits(rows=(1, 4), chunk=24, pictures=2, patches=64)
GRIDS: list[Grid] = [(1, 4, 6), (1, 8, 8), (3, 4, 4), (1, 2, 2)]


def runtime_of(export: Path, limits: Limits = LIMITS) -> tuple[TensorRTRuntime, Networks]:
    manifest = read_manifest(export)
    networks = Networks(
        TwinEngine(export / VISION, [vision_profile(manifest.shapes, limits)]),
        TwinEngine(export / DECODER, decoder_profiles(manifest, limits)),
        find_library("tensorrt_rtx"),
    )
    embedding = load_file(export / EMBEDDING)["weight"]
    return TensorRTRuntime(networks, manifest, limits, embedding=embedding, device="cpu"), networks


def reference(checkpoint: Path) -> TorchRuntime:
    opened = open_checkpoint(str(checkpoint))
    return TorchRuntime(
        load_model(opened, dtype="float32", device="cpu"), opened.shapes, max_length=MAX_LENGTH
    )


def pixels(runtime: TorchRuntime, grids: list[Grid]) -> torch.Tensor:
    count = sum(times * rows * columns for times, rows, columns in grids)
    return torch.randn(count, runtime.shapes.vision.patch_values, generator=torch.Generator().manual_seed(0))


def prefix(runtime: TorchRuntime, words: tuple[int, ...], grid: Grid) -> Prefix:
    ids = tiny_qwen.ids()
    pieces = [
        Words((*words, ids["<|vision_start|>"])),
        Picture(grid=grid, token=ids["<|image_pad|>"]),
        Words((ids["<|vision_end|>"],)),
    ]
    return Prefix(
        prompt=prompt_of(pieces, runtime.shapes), features=runtime.see(pixels(runtime, [grid]), [grid])
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_are_the_ones_that_pytorch_writes(
    family: str, exports: Exports, checkpoints: Checkpoints
) -> None:
    runtime, networks = runtime_of(exports(family, "fp32"))
    torch_runtime = reference(checkpoints(family))
    prefixes = [prefix(torch_runtime, (50, 51), (1, 8, 8)), prefix(torch_runtime, (60,) * 40, (1, 4, 6))]
    asks = [Ask(prefix=0, ids=(9, 10, 11)), Ask(prefix=1, ids=(20,)), Ask(prefix=0, ids=(30, 31))]

    def answers(over: TensorRTRuntime | TorchRuntime) -> list[tuple[int, ...]]:
        written = Generator(over, stops=frozenset(), rows=3).write(prefixes, asks, Sampling(max_new=24))
        return [one.ids for one in written]

    expected = answers(torch_runtime)
    assert answers(runtime) == expected
    assert answers(runtime) == expected  # over caches, steps and contexts that were used before
    assert len({*expected[0]}) > 6
    assert max(rows for _, rows in networks.decoder.runs) == 4  # one more than was asked
    assert {profile for profile, _ in networks.decoder.runs} == {2, 3}  # prefill and decode of 2 to 4 rows
    alone = Generator(runtime, stops=frozenset()).write(prefixes[:1], asks[:1], Sampling(max_new=24))
    assert alone[0].ids == expected[0]
    assert {profile for profile, _ in networks.decoder.runs} == {0, 1, 2, 3}


def test_the_runtime_passes_the_whole_parity_check(exports: Exports, checkpoints: Checkpoints) -> None:
    export = exports("qwen3_vl", "fp32")
    limits = Limits(rows=(2, 8), chunk=128, pictures=4, patches=256)
    runtime, networks = runtime_of(export, limits)
    truth = load_truth(read_manifest(export), str(checkpoints("qwen3_vl")), adapter=None, device="cpu")
    findings = Check(runtime=runtime, dtype="fp32", truth=truth, told=lambda _: None).findings()
    assert [finding for finding in findings if finding.passed is False] == []
    assert sum(finding.passed is True for finding in findings) > 10
    assert {profile for profile, _ in networks.decoder.runs} == {0, 1, 2, 3}


@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_are_seen_as_many_at_once_as_the_plan_takes(
    family: str, exports: Exports, checkpoints: Checkpoints
) -> None:
    runtime, networks = runtime_of(exports(family, "fp32"))
    torch_runtime = reference(checkpoints(family))
    given = pixels(torch_runtime, GRIDS)
    for got, expected in zip(runtime.see(given, GRIDS), torch_runtime.see(given, GRIDS), strict=True):
        assert (got - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert len(networks.vision.runs) == 3
    assert max(patches for _, patches in networks.vision.runs) <= LIMITS.pictures * LIMITS.patches


def test_batches_are_padded_to_a_few_sizes(exports: Exports) -> None:
    runtime, _ = runtime_of(exports("qwen3_vl", "fp32"), dataclasses.replace(LIMITS, rows=(2, 12)))
    assert [runtime.cache(rows, MAX_LENGTH).rows for rows in (1, 2, 3, 5, 9, 12)] == [1, 2, 4, 8, 12, 12]


def test_more_rows_than_the_plans_take_are_refused_with_the_option_that_helps(exports: Exports) -> None:
    runtime, _ = runtime_of(exports("qwen3_vl", "fp32"))
    with pytest.raises(EngineError, match=r"5 rows at once are more than the 4 .* `--rows 5`"):
        runtime.cache(5, MAX_LENGTH)


def test_a_picture_larger_than_the_plan_takes_is_refused_with_the_option_that_helps(exports: Exports) -> None:
    runtime, _ = runtime_of(exports("qwen3_vl", "fp32"))
    patches = torch.zeros(80, runtime.shapes.vision.patch_values)
    with pytest.raises(EngineError, match=r"8 x 10 patches is larger than the 64 .* `--patches 80`"):
        runtime.see(patches, [(1, 8, 10)])


def test_a_plan_that_copies_its_caches_is_refused(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TwinEngine, "get_aliased_input_tensor", lambda _self, _name: None)
    with pytest.raises(EngineError, match="doesn't update k_cache_0 in place"):
        runtime_of(exports("qwen3_vl", "fp32"))


@pytest.mark.parametrize(
    ("twin", "real"),
    [(TwinEngine, tensorrt_rtx.ICudaEngine), (TwinContext, tensorrt_rtx.IExecutionContext)],
)
def test_tensorrt_has_every_call_that_its_twin_answers(twin: type, real: type) -> None:
    calls = [name for name in vars(twin) if not name.startswith("_")]
    assert [name for name in calls if not hasattr(real, name)] == []
