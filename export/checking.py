"""An export held against its checkpoint, and what came of it written beside the graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from engines.manifest import Manifest, check_contents, read_manifest
from engines.onnx import OnnxRuntime, Provider, best_provider
from engines.parity import Finding, Parity
from engines.plans import NAME as PLANS
from engines.plans import place_of_gpu
from export.origin import adapter_of, checkpoint_of
from export.parity import Check, QwenRuntime, Told
from export.reference import load_truth

LIBRARIES = ("torch", "transformers", "onnxruntime")

Inspect = Callable[[Path, Manifest], Sequence[Finding]]
"""A further look at an export's graphs: point 5, that TensorRT reads them, is one."""


def check_export(
    folder: Path,
    *,
    model: str | None = None,
    adapter: Path | None = None,
    provider: Provider | None = None,
    inspections: Sequence[Inspect] = (),
    told: Told = lambda _: None,
) -> Parity:
    """Measure the export (or the plans) in `folder` against its checkpoint, and write `parity.json` into it.

    `model` and `adapter` are where the manifest says, unless given; `inspections` are for graphs, not plans.
    Raises EngineError for an export or a checkpoint that can't be used, ExportError when the checkpoint is
    another one or isn't found.
    """
    told("reading every file")
    manifest, runtime, identity, name = _plans(folder) if is_plans(folder) else _graphs(folder, provider)
    model = model or checkpoint_of(manifest, folder)
    adapter = adapter or adapter_of(manifest, folder)
    told("asking the checkpoint itself")
    truth = load_truth(manifest, model, adapter=adapter, device=runtime.device.type)
    findings = Check(runtime=runtime, dtype=manifest.dtype, truth=truth, told=told).findings()
    for inspect in () if is_plans(folder) else inspections:
        findings += inspect(folder, manifest)
    parity = Parity(
        identity=identity,
        family=manifest.shapes.family,
        dtype=manifest.dtype,
        runtime=name,
        versions={name: metadata.version(name) for name in LIBRARIES},
        findings=findings,
    )
    parity.write(folder)
    runtime.close()
    return parity


def is_plans(folder: Path) -> bool:
    """Whether a folder holds TensorRT's plans instead of graphs."""
    return (folder / PLANS).is_file()


def _graphs(folder: Path, provider: Provider | None) -> tuple[Manifest, QwenRuntime, str, str]:
    manifest = read_manifest(folder)
    check_contents(folder, manifest)
    provider = provider or best_provider()
    runtime = OnnxRuntime(folder, manifest, provider=provider)
    return manifest, runtime, manifest.identity, f"onnx on {provider}"


def _plans(folder: Path) -> tuple[Manifest, QwenRuntime, str, str]:
    from engines.tensorrt import open_plans, run_plans

    opened = open_plans(folder)
    name = f"{opened.library.name} {opened.library.version} on {place_of_gpu().gpu}"
    return opened.manifest, run_plans(folder, opened), opened.plans.identity, name
