"""A checkpoint on disk: found, looked through before anything is loaded, and opened.

A checkpoint is a directory as `save_pretrained` writes it, or the name of one on the hub. What is missing,
cut short or of another family is said by name before a gigabyte is read.
"""

from __future__ import annotations

import json
import logging
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.layouts import DEFAULT_LAYOUT, LAYOUTS, LayoutName
from engines.qwen.pixels import Normalisation
from engines.qwen.shapes import FAMILIES, Family, Shapes, shapes_of
from grounding.errors import EngineError, printable

OWN_SECTION = "proofreel"
"""The key of `config.json` under which a checkpoint names its layout and how it wants its clips."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A looked-through checkpoint. `config` is HF's config object; `own` what it says to Proofreel."""

    path: Path
    shapes: Shapes
    layout: LayoutName
    normalisation: Normalisation
    weights: tuple[Path, ...]
    stops: frozenset[int]
    own: Mapping[str, Any]
    config: Any = field(repr=False)


SHIPPED = ("proofreel-small",)
"""Checkpoints that come with Proofreel, by name; a directory of that name is meant by ./NAME."""


def find(name: str) -> Path:
    """The directory of a checkpoint: one that is shipped, `name` itself, or what the hub has under it,
    fetched when it isn't here.

    Raises EngineError when there is none of these.
    """
    local = find_here(name)
    if local is not None:
        return local
    if Path(name).exists() or name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise EngineError(
            f"{printable(name)} is no checkpoint: give a directory with a config.json, owner/name, "
            f"or {SHIPPED[0]}"
        )
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.txt", "*.safetensors", "*.jinja"]))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else type(error).__name__
        raise EngineError(
            f"{printable(name)} is no directory here, and the hub gives no checkpoint of that name "
            f"({why}): check the name and the network, or give a directory"
        ) from error


def find_here(name: str) -> Path | None:
    """The directory of a checkpoint that is shipped or on this disk, or None: nothing is fetched."""
    if name in SHIPPED:
        return Path(__file__).parents[1] / "data" / name
    path = Path(name)
    return path if path.is_dir() else None


def open_checkpoint(name: str) -> Checkpoint:
    """Look through the checkpoint `name`. Raises EngineError naming what is missing, broken or foreign."""
    path = find(name)
    _check_not_an_adapter(path)
    settings = _json(path, "config.json")
    family = settings.get("model_type")
    if family not in FAMILIES:
        raise EngineError(
            f"{_at(path)}: config.json is of model_type {family!r}; supported are {', '.join(FAMILIES)}"
        )
    if not (path / "tokenizer.json").is_file():
        raise EngineError(
            f"{_at(path)}: tokenizer.json is missing; copy it from where the checkpoint came from"
        )
    weights = tuple(_weights(path))
    for file in weights:
        _check_whole(file)
    _check_fields(path, settings)
    config, shapes = _shapes(path)
    own = settings.get(OWN_SECTION, {})
    if not isinstance(own, dict):
        raise EngineError(f"{_at(path)}: config.json, section {OWN_SECTION}: a table is needed, not {own!r}")
    return Checkpoint(
        path=path,
        shapes=shapes,
        layout=_layout(path, own, shapes),
        normalisation=_normalisation(path),
        weights=weights,
        stops=_stops(path, config),
        own=own,
        config=config,
    )


def _at(path: Path) -> str:
    return f"checkpoint {printable(path)}"


def _json(path: Path, name: str) -> dict[str, Any]:
    try:
        found = json.loads((path / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EngineError(
            f"{_at(path)}: {name} is missing; a checkpoint has one beside its weights"
        ) from None
    except (OSError, ValueError) as error:
        raise EngineError(
            f"{_at(path)}: {name} can't be read ({error}); fetch the checkpoint again"
        ) from error
    if not isinstance(found, dict):
        raise EngineError(f"{_at(path)}: {name} holds no table; fetch the checkpoint again")
    return found


def _check_not_an_adapter(path: Path) -> None:
    if (path / "adapter_config.json").is_file() and not any(path.glob("model*.safetensors*")):
        base = printable(str(_json(path, "adapter_config.json").get("base_model_name_or_path")))
        raise EngineError(
            f"{_at(path)} holds only an adapter of {base}: merge it with "
            f"`proofreel export onnx {base} OUT --adapter {printable(path)}`"
        )


def _weights(path: Path) -> Iterator[Path]:
    """The weight files, every one of which is there."""
    if (path / "model.safetensors.index.json").is_file():
        table = _json(path, "model.safetensors.index.json").get("weight_map")
        names = sorted({str(name) for name in table.values()}) if isinstance(table, dict) else []
    else:
        names = ["model.safetensors"]
    for name in names:
        file = path / name
        if not file.is_file():
            raise EngineError(f"{_at(path)}: {printable(name)} is missing; fetch the checkpoint again")
        yield file
    if not names:
        raise EngineError(
            f"{_at(path)}: model.safetensors.index.json names no file; fetch the checkpoint again"
        )


def _check_whole(file: Path) -> None:
    """That a safetensors file is as long as its header says: a fetch that broke off leaves a shorter one."""
    size = file.stat().st_size
    with open(file, "rb") as stream:
        head = stream.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
        header = stream.read(length) if length < min(size, 1 << 27) else b""
    try:
        entries = json.loads(header)
        ends = [e["data_offsets"][1] for key, e in entries.items() if key != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise EngineError(
            f"{printable(file)} is no safetensors file, or one that was cut short; fetch it again"
        ) from None
    whole = 8 + length + max(ends, default=0)
    if size != whole:
        raise EngineError(f"{printable(file)} has {size:,} bytes of {whole:,}; fetch it again")


_FIELDS = {
    "text_config": (
        "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
        "vocab_size", "max_position_embeddings",
    ),
    "vision_config": (
        "depth", "hidden_size", "num_heads", "out_hidden_size", "patch_size", "spatial_merge_size",
        "temporal_patch_size",
    ),
}  # fmt: skip
"""What HF's config classes would fill in with a number that is somebody else's."""

_FIELDS_OF: dict[Family, tuple[str, ...]] = {
    "qwen2_5_vl": ("window_size", "fullatt_block_indexes"),
    "qwen3_vl": ("num_position_embeddings", "deepstack_visual_indexes"),
}


def _check_fields(path: Path, settings: dict[str, Any]) -> None:
    """That nothing is left to a default, and nothing is asked for that these networks don't do."""
    if "quantization_config" in settings:
        raise EngineError(
            f"{_at(path)}: its weights are quantised, which is not supported; "
            "take the checkpoint that it was made from"
        )
    # A checkpoint saved before transformers 4.52 has the text fields at the top.
    text = settings.get("text_config", settings)
    vision = settings.get("vision_config")
    own = _FIELDS_OF[settings["model_type"]]
    for name, section, needed in (
        ("text_config", text, _FIELDS["text_config"]),
        ("vision_config", vision, (*_FIELDS["vision_config"], *own)),
    ):
        if not isinstance(section, dict):
            raise EngineError(f"{_at(path)}: config.json has no section {name}; fetch the checkpoint again")
        for field_name in needed:
            if section.get(field_name) is None:
                raise EngineError(
                    f"{_at(path)}: config.json has no {name}.{field_name}; fetch the checkpoint again"
                )
    if text.get("use_sliding_window"):
        raise EngineError(f"{_at(path)}: config.json asks for sliding windows, which are not supported")


def _shapes(path: Path) -> tuple[Any, Shapes]:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(path, local_files_only=True)
        return config, shapes_of(config)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise EngineError(f"{_at(path)}: config.json can't be used: {error}") from error


def _layout(path: Path, own: Mapping[str, Any], shapes: Shapes) -> LayoutName:
    name = own.get("layout", DEFAULT_LAYOUT[shapes.family])
    if name not in LAYOUTS:
        raise EngineError(
            f"{_at(path)}: layout {name!r} in config.json is not known; there are {', '.join(LAYOUTS)}"
        )
    return name  # type: ignore[no-any-return]


def _normalisation(path: Path) -> Normalisation:
    name = "preprocessor_config.json"
    if not (path / name).is_file() and (path / "processor_config.json").is_file():
        name = "processor_config.json"
    table = _json(path, name)
    table = table.get("image_processor", table)
    try:
        mean, std = (tuple(float(v) for v in table[key]) for key in ("image_mean", "image_std"))
        if len(mean) != 3 or len(std) != 3 or not all(v > 0 for v in std):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise EngineError(f"{_at(path)}: {name} needs image_mean and image_std, three numbers each") from None
    return Normalisation(mean=mean, std=std)


def _stops(path: Path, config: Any) -> frozenset[int]:
    """The ids that end an answer, by generation_config.json where there is one."""
    named = None
    if (path / "generation_config.json").is_file():
        named = _json(path, "generation_config.json").get("eos_token_id")
    for table in (config, config.text_config):
        named = getattr(table, "eos_token_id", None) if named is None else named
    stops = [named] if isinstance(named, int) else named
    if not isinstance(stops, list) or not stops or not all(isinstance(s, int) for s in stops):
        raise EngineError(f"{_at(path)}: config.json names no eos_token_id, by which an answer would end")
    return frozenset(stops)


def load_model(checkpoint: Checkpoint, *, dtype: str, device: str) -> Any:
    """The checkpoint's HF model with its weights, for answering. Raises EngineError as `load_weights`."""
    return _moved(load_weights(checkpoint, dtype=dtype), device, checkpoint)


def load_weights(checkpoint: Checkpoint, *, dtype: str) -> Any:
    """The checkpoint's HF model, where its loader puts it.

    Raises EngineError where weights and config differ.
    """
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration, Qwen3VLForConditionalGeneration

    classes: dict[Family, Any] = {
        "qwen2_5_vl": Qwen2_5_VLForConditionalGeneration,
        "qwen3_vl": Qwen3VLForConditionalGeneration,
    }
    try:
        with _quiet():
            model, report = classes[checkpoint.shapes.family].from_pretrained(
                checkpoint.path,
                config=checkpoint.config,
                dtype=getattr(torch, dtype),
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # or it raises without saying which
            )
    except (RuntimeError, ValueError, OSError) as error:
        raise EngineError(
            f"{_at(checkpoint.path)}: its weights can't be loaded: {_first_line(error)}"
        ) from error
    _check_report(checkpoint, report)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars or tables of the library's own: the command shows its progress, and what is wrong is raised."""
    from transformers.utils import logging as library

    before = library.get_verbosity()
    library.disable_progress_bar()  # type: ignore[no-untyped-call]
    library.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        library.set_verbosity(before)


def _check_report(checkpoint: Checkpoint, report: Mapping[str, Any]) -> None:
    for name, found, needed in sorted(report["mismatched_keys"]):
        raise EngineError(
            f"{_at(checkpoint.path)}: weight {name} is of shape {list(found)}, and config.json asks for "
            f"{list(needed)}; fetch both from the same place"
        )
    lacking = sorted(report["missing_keys"])
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise EngineError(f"{_at(checkpoint.path)}: it has no weights for {lacking[0]}{more}; fetch it again")


def _moved(model: Any, device: str, checkpoint: Checkpoint) -> Any:
    try:
        return model.to(device).eval()
    except RuntimeError as error:
        raise EngineError(
            f"{_at(checkpoint.path)} can't be put on {device}: {_first_line(error)}; try cpu"
        ) from error


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def source_hash(checkpoint: Checkpoint) -> str:
    """SHA-256 over the config, the tokenizer and the weights: what an export was made from, hex."""
    import hashlib

    digest = hashlib.sha256()
    for file in (checkpoint.path / "config.json", checkpoint.path / "tokenizer.json", *checkpoint.weights):
        digest.update(os.fsencode(file.name) + b"\0")
        with open(file, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
