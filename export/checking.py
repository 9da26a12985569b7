"""An export held against its checkpoint, and what came of it written beside the graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

from engines.manifest import Manifest, check_contents, read_manifest
from engines.onnx import OnnxRuntime, Provider, best_provider, check_runs_here
from engines.parity import Finding, Parity
from engines.plans import NAME as PLANS
from engines.plans import place_of_gpu
from export.origin import adapter_of, checkpoint_of
from export.parity import Check, QwenRuntime, Told
from export.reference import load_truth

LIBRARIES = ("torch", "transformers", "onnxruntime")

Inspect = Callable[[Path, Manifest], Sequence[Finding]]
"""A further look at an export's graphs: point 5, that TensorRT reads them, is one."""


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """What is checked: looked through, and loaded only when the reference has left its memory."""

    manifest: Manifest
    identity: str
    name: str
    device: str
    load: Callable[[], QwenRuntime]


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
    subject = _plans(folder) if is_plans(folder) else _graphs(folder, provider)
    manifest = subject.manifest
    model = model or checkpoint_of(manifest, folder)
    adapter = adapter or adapter_of(manifest, folder)
    told("asking the checkpoint itself")
    truth = load_truth(manifest, model, adapter=adapter, device=subject.device)
    if subject.device == "cuda":
        torch.cuda.empty_cache()  # the reference is gone; other libraries take their memory elsewhere
    runtime = subject.load()
    findings = Check(runtime=runtime, dtype=manifest.dtype, truth=truth, told=told).findings()
    for inspect in () if is_plans(folder) else inspections:
        findings += inspect(folder, manifest)
    parity = Parity(
        identity=subject.identity,
        family=manifest.shapes.family,
        dtype=manifest.dtype,
        runtime=subject.name,
        versions={name: metadata.version(name) for name in LIBRARIES},
        findings=findings,
    )
    parity.write(folder)
    runtime.close()
    return parity


def is_plans(folder: Path) -> bool:
    """Whether a folder holds TensorRT's plans instead of graphs."""
    return (folder / PLANS).is_file()


def _graphs(folder: Path, provider: Provider | None) -> _Subject:
    manifest = read_manifest(folder)
    check_contents(folder, manifest)
    chosen = provider or best_provider()
    return _Subject(
        manifest=manifest,
        identity=manifest.identity,
        name=f"onnx on {chosen}",
        device=check_runs_here(folder, manifest, chosen).type,
        load=lambda: OnnxRuntime(folder, manifest, provider=chosen),
    )


def _plans(folder: Path) -> _Subject:
    from engines.tensorrt import open_plans, run_plans

    opened = open_plans(folder)
    return _Subject(
        manifest=opened.manifest,
        identity=opened.plans.identity,
        name=f"{opened.library.name} {opened.library.version} on {place_of_gpu().gpu}",
        device="cuda",
        load=lambda: run_plans(folder, opened),
    )
