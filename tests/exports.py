"""Tiny checkpoints of both families with their exports, each made once, when a test first asks for it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner, Result

from engines.manifest import ExportType, Manifest, read_manifest, seal_of
from engines.onnx import OnnxRuntime
from export.commands import register
from export.parity import Check
from export.reference import Truth, load_truth
from tests import tiny_qwen

FAMILIES = ("qwen2_5_vl", "qwen3_vl")
MAX_LENGTH = 2304

LAYERS: dict[str, dict[str, dict[str, Any]]] = {
    "qwen2_5_vl": {
        "text": {"num_hidden_layers": 2},
        "vision": {"depth": 2, "fullatt_block_indexes": [1]},
    },
    "qwen3_vl": {
        "text": {"num_hidden_layers": 3},
        "vision": {"depth": 3, "deepstack_visual_indexes": [0, 1]},
    },
}
"""As few as show all that a family has, as an export takes as long as they are many: blocks with and without
windows; blocks that are drawn on and layers that are drawn to, and one of each that isn't.
"""


def network(family: str) -> Any:
    """What the checkpoint of a family holds."""
    return tiny_qwen.model(family, **LAYERS[family])


def layers_of(family: str) -> int:
    """The decoder's."""
    return int(LAYERS[family]["text"]["num_hidden_layers"])


def blocks_of(family: str) -> int:
    """The vision tower's."""
    return int(LAYERS[family]["vision"]["depth"])


class Exports:
    """Makes them in `root`. What it gives is shared: a test that changes an export takes a `copy`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._truths: dict[str, Truth] = {}
        self.printed: dict[tuple[str, str], Result] = {}

    def checkpoint(self, family: str) -> Path:
        path = self._root / f"{family}-checkpoint"
        return path if path.exists() else tiny_qwen.save_checkpoint(path, family, **LAYERS[family])

    def folder(self, family: str, dtype: ExportType = "fp32") -> Path:
        path = self._root / f"{family}-{dtype}"
        if not path.exists():
            self.printed[family, dtype] = _exported(self.checkpoint(family), path, dtype)
        return path

    def truth(self, family: str) -> Truth:
        """What HF says to every case."""
        if family not in self._truths:
            manifest = read_manifest(self.folder(family))
            self._truths[family] = load_truth(manifest, str(self.checkpoint(family)))
        return self._truths[family]

    def copy(self, family: str, to: Path, *, dtype: ExportType = "fp32") -> Path:
        """An export of one's own."""
        return Path(shutil.copytree(self.folder(family, dtype), to))


def _exported(checkpoint: Path, out: Path, dtype: ExportType) -> Result:
    """Made by the command itself; what it printed."""
    app = typer.Typer()
    register(app)
    options = ["--dtype", dtype, "--max-length", str(MAX_LENGTH), "--json"]
    done = CliRunner().invoke(app, ["export", "onnx", str(checkpoint), str(out), *options])
    assert done.exit_code == 0, done.output
    return done


def runtime_of(folder: Path) -> OnnxRuntime:
    return OnnxRuntime(folder, read_manifest(folder), num_threads=1)


def check_of(folder: Path, truth: Truth) -> Check:
    manifest = read_manifest(folder)
    return Check(
        runtime=OnnxRuntime(folder, manifest, num_threads=1),
        dtype=manifest.dtype,
        truth=truth,
        told=lambda _: None,
    )


def reseal(folder: Path, before: Manifest) -> None:
    """Make changed files look as if they had been exported so; `before` is the manifest that was read."""
    replace(before, files={name: seal_of(folder / name) for name in before.files}).write(folder)
