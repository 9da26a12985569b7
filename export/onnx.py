"""`proofreel export onnx`: a checkpoint becomes a folder of graphs that onnxruntime and TensorRT both run.

The folder is made beside its final name and renamed when it is whole: a run that breaks off leaves nothing
that looks like an export.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from engines.manifest import (
    COMPUTE,
    DECODER,
    EMBEDDING,
    NAME,
    VISION,
    ExportType,
    Manifest,
    read_manifest,
    seal_of,
)
from engines.qwen.checkpoint import Checkpoint, load_model, open_checkpoint, source_hash
from export.adapter import merged, source_with
from export.decoder import export_decoder
from export.folders import whole_folder
from export.origin import Origin, origin_of
from export.vision import export_vision
from grounding.errors import ExportError

LEAST_LENGTH = 256
"""Tokens that the prompts of a parity check and their answers need."""

LIBRARIES = ("torch", "transformers", "onnx", "onnxscript")
Told = Callable[[str], None]
_COPIED = (
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
    "preprocessor_config.json", "processor_config.json", "chat_template.jinja",
)  # fmt: skip


def export_checkpoint(
    name: str,
    out: Path,
    *,
    dtype: ExportType = "fp32",
    max_length: int = 4096,
    adapter: Path | None = None,
    told: Told = lambda _: None,
) -> Manifest:
    """Write the checkpoint `name` (a directory or a hub name) as graphs into `out`, a LoRA adapter merged in.

    `told` hears what is being done.
    Raises EngineError for a checkpoint that can't be used, ExportError when `out` is there already and is no
    export, when `max_length` is more than the checkpoint was made for, or when the disk is full.
    """
    checkpoint = open_checkpoint(name)
    most = checkpoint.shapes.text.max_positions
    if not LEAST_LENGTH <= max_length <= most:
        raise ExportError(f"--max-length {max_length}: this checkpoint takes {LEAST_LENGTH} to {most} tokens")
    with whole_folder(out, mark=NAME, what="export") as folder:
        return _write(
            checkpoint, folder, origin=origin_of(name, out=out, adapter=adapter), dtype=dtype,
            max_length=max_length, adapter=adapter, told=told,
        )  # fmt: skip


def _write(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    origin: Origin,
    dtype: ExportType,
    max_length: int,
    adapter: Path | None,
    told: Told,
) -> Manifest:
    source = source_hash(checkpoint)
    if adapter is not None:
        source = source_with(source, adapter)
    told("loading the checkpoint")
    model = load_model(checkpoint, dtype=COMPUTE[dtype], device="cpu")
    if adapter is not None:
        model = merged(model, adapter)
    told("writing the vision graph")
    _write_embedding(model, folder / EMBEDDING)
    export_vision(model.model.visual, checkpoint.shapes, folder / VISION)
    model.model.visual = None  # its memory is the decoder's now
    told("writing the decoder graph")
    language_model, head = model.model.language_model, model.lm_head
    language_model.embed_tokens = None
    if dtype == "int8":
        head = _quantized(language_model, head)
    export_decoder(language_model, head, checkpoint.shapes, folder / DECODER, max_length=max_length)
    told("sealing")
    for name in _COPIED:
        if (checkpoint.path / name).is_file():
            shutil.copy(checkpoint.path / name, folder / name)
    manifest = Manifest(
        shapes=checkpoint.shapes,
        dtype=dtype,
        max_length=max_length,
        layout=checkpoint.layout,
        normalisation=checkpoint.normalisation,
        stops=tuple(sorted(checkpoint.stops)),
        own=checkpoint.own,
        checkpoint=origin.checkpoint,
        adapter=origin.adapter,
        source=source,
        versions={name: metadata.version(name) for name in LIBRARIES},
        files={path.name: seal_of(path) for path in sorted(folder.iterdir())},
    )
    manifest.write(folder)
    read_manifest(folder)
    return manifest


def _quantized(language_model: Any, head: Any) -> Any:
    from export.quantize import QuantizedLinear, quantize_linears

    quantize_linears(language_model)
    return QuantizedLinear(head)


def _write_embedding(model: Any, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file({"weight": model.get_input_embeddings().weight.detach().contiguous()}, path)
    except SafetensorError as error:  # what it makes of a full disk
        raise OSError(str(error)) from error
