"""Where an export came from, as its manifest remembers it, so that a check finds the checkpoint again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from engines.manifest import Manifest
from engines.qwen.checkpoint import SHIPPED
from grounding.errors import ExportError, printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A name (of the hub, or shipped), or a directory as seen from the export (both may be moved); so the
    adapter.
    """

    checkpoint: str
    adapter: str | None


def origin_of(name: str, *, out: Path, adapter: Path | None) -> Origin:
    """What the manifest of an export in `out` remembers of its checkpoint, and of an adapter."""
    is_directory = name not in SHIPPED and Path(name).is_dir()
    return Origin(
        checkpoint=_seen_from(Path(name), out) if is_directory else name,
        adapter=None if adapter is None else _seen_from(adapter, out),
    )


def checkpoint_of(manifest: Manifest, folder: Path) -> str:
    """The checkpoint of an export in `folder`. Raises ExportError when it isn't where it was."""
    if not manifest.checkpoint.startswith(os.pardir):
        return manifest.checkpoint
    return str(_there(folder, manifest.checkpoint, "checkpoint", "--model CHECKPOINT"))


def adapter_of(manifest: Manifest, folder: Path) -> Path | None:
    """The adapter that was merged in, if any. Raises ExportError when it isn't where it was."""
    if manifest.adapter is None:
        return None
    return _there(folder, manifest.adapter, "adapter", "--adapter DIR")


def _seen_from(path: Path, out: Path) -> str:
    return os.path.relpath(path.resolve(), out.resolve())


def _there(folder: Path, remembered: str, what: str, option: str) -> Path:
    path = Path(os.path.normpath(folder.resolve() / remembered))
    if not path.is_dir():
        raise ExportError(
            f"the {what} of {printable(folder)} was in {printable(path)}, and is there no more: "
            f"name it with {option}"
        )
    return path
