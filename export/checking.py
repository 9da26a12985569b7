"""An export held against its checkpoint, and what came of it written beside the graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

import torch

from engines.manifest import Manifest, check_contents, read_manifest
from engines.onnx import OnnxRuntime, Provider, best_provider, check_runs_here
from engines.parity import Finding, Parity
from export.origin import adapter_of, checkpoint_of
from export.parity import Check, Told
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
    """Measure the export in `folder` against its checkpoint, and write `parity.json` into it.

    `model` and `adapter` are where the manifest says, unless given. Raises EngineError for an export or a
    checkpoint that can't be used, ExportError when the checkpoint is another one or isn't found.
    """
    manifest = read_manifest(folder)
    told("reading every file of the export")
    check_contents(folder, manifest)
    model = model or checkpoint_of(manifest, folder)
    adapter = adapter or adapter_of(manifest, folder)
    provider = provider or best_provider()
    device = check_runs_here(folder, manifest, provider)
    told("asking the checkpoint itself")
    truth = load_truth(manifest, model, adapter=adapter, device=device.type)
    if device.type == "cuda":
        torch.cuda.empty_cache()  # the reference is gone; onnxruntime takes its memory elsewhere
    runtime = OnnxRuntime(folder, manifest, provider=provider)
    findings = Check(runtime=runtime, dtype=manifest.dtype, truth=truth, told=told).findings()
    for inspect in inspections:
        findings += inspect(folder, manifest)
    parity = Parity(
        identity=manifest.identity,
        family=manifest.shapes.family,
        dtype=manifest.dtype,
        runtime=f"onnx on {provider}",
        versions={name: metadata.version(name) for name in LIBRARIES},
        findings=findings,
    )
    parity.write(folder)
    runtime.close()
    return parity
