"""A LoRA adapter merged into its base."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from engines.manifest import seal_of
from export.quiet import quiet_peft
from grounding.errors import EngineError, printable

_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def merged(model: Any, adapter: Path) -> Any:
    """The model with the adapter added to its weights. Raises EngineError for one that doesn't fit."""
    _check_there(adapter)
    from peft import PeftModel

    try:
        with quiet_peft():
            return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    except (RuntimeError, ValueError, KeyError, TypeError, OSError, UserWarning) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise EngineError(f"adapter {printable(adapter)} doesn't fit this checkpoint: {reason}") from error


def source_with(source: str, adapter: Path) -> str:
    """The hash of a checkpoint, whose own is `source`, with an adapter merged in."""
    _check_there(adapter)
    seals = "+".join(seal_of(adapter / name).sha256 for name in (_CONFIG, _WEIGHTS))
    return hashlib.sha256(f"{source}+{seals}".encode()).hexdigest()


def _check_there(adapter: Path) -> None:
    for name in (_CONFIG, _WEIGHTS):
        if not (adapter / name).is_file():
            raise EngineError(f"adapter {printable(adapter)}: {name} is missing")
