"""`manifest.json` of an export: what it was made from, and all that an engine must know to run its graphs.

It carries a checksum of its own, so that a change by hand is noticed, and the size and hash of every file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from engines.layouts import LAYOUTS, LayoutName
from engines.qwen.pixels import Normalisation
from engines.qwen.shapes import Shapes
from grounding.errors import EngineError, printable

SCHEMA = "proofreel.export/1"
NAME = "manifest.json"
VISION, DECODER, EMBEDDING = "vision.onnx", "decoder.onnx", "embedding.safetensors"
GRAPHS = frozenset({VISION, VISION + ".data", DECODER, DECODER + ".data"})
"""The files of an export that plans stand in for."""

ExportType = Literal["fp32", "fp16", "bf16", "int8"]
EXPORT_TYPES: tuple[ExportType, ...] = get_args(ExportType)

COMPUTE: dict[ExportType, str] = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "int8": "float16"}
"""In which type a graph computes, by torch's name: int8 keeps only the decoder's weights in 8 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSeal:
    """Size in bytes and SHA-256 of a file of the export."""

    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """`source` is the hash of the checkpoint; `max_length` tokens fit into a row; `own` is what the
    checkpoint says to Proofreel; `versions` are those of the libraries that made the graphs. `checkpoint` and
    `adapter` are where it came from: a hub name, or a directory as seen from the export.
    """

    shapes: Shapes
    dtype: ExportType
    max_length: int
    layout: LayoutName
    normalisation: Normalisation
    stops: tuple[int, ...]
    own: Mapping[str, Any]
    checkpoint: str
    adapter: str | None
    source: str
    versions: Mapping[str, str]
    files: Mapping[str, FileSeal]

    @property
    def identity(self) -> str:
        """A hash of the checkpoint and of every file made from it."""
        return _seal(
            {"source": self.source, "files": {name: seal.sha256 for name, seal in self.files.items()}}
        )

    def document(self) -> dict[str, Any]:
        """`proofreel.export/1`."""
        return sealed(_plain(self))

    def write(self, folder: Path) -> None:
        """Write it into `folder`, sealed."""
        write_sealed(folder / NAME, _plain(self))


def read_manifest(folder: Path, *, with_files: bool = True) -> Manifest:
    """The manifest of an export, checked: its seal, its fields, and that every file is there in full size.

    `with_files` False leaves the files out. Raises EngineError with what is wrong and what mends it.
    """
    where = f"export {printable(folder)}"
    again = "run `proofreel export onnx` again"
    body = read_sealed(folder / NAME, schema=SCHEMA, where=where, again=again)
    try:
        manifest = _manifest(body)
    except KeyError as error:
        raise EngineError(f"{where}: {NAME} has no {error}; {again}") from error
    except (ValueError, TypeError) as error:
        raise EngineError(f"{where}: {NAME} can't be used: {error}; {again}") from error
    if with_files:
        check_sizes(folder, manifest.files, where=where, again=again)
    return manifest


def check_contents(folder: Path, manifest: Manifest) -> None:
    """That every file is what was written, to the last bit. Raises EngineError naming one that isn't."""
    for name, seal in manifest.files.items():
        if seal_of(folder / name) != seal:
            raise EngineError(
                f"export {printable(folder)}: {name} was changed after the export; "
                "run `proofreel export onnx` again"
            )


def sealed(body: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON table with a checksum of its own."""
    return {**body, "seal": _seal(body)}


def write_sealed(path: Path, body: Mapping[str, Any]) -> None:
    """Write a JSON table, sealed."""
    text = json.dumps(sealed(body), indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


def read_sealed(path: Path, *, schema: str, where: str, again: str) -> dict[str, Any]:
    """The table in a sealed file. Raises EngineError when it is missing, foreign, or was changed by hand.

    `where` and `again` are the beginning and the end of the sentence: whose file it is, and what mends it.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EngineError(f"{where}: {path.name} is missing; {again}") from None
    except (OSError, ValueError) as error:
        raise EngineError(f"{where}: {path.name} can't be read ({error}); {again}") from error
    if not isinstance(body, dict) or body.get("schema") != schema:
        raise EngineError(f"{where}: {path.name} is not of {schema}, which this Proofreel reads; {again}")
    if body.pop("seal", None) != _seal(body):
        raise EngineError(f"{where}: {path.name} was changed after it was written; {again}")
    return body


def seal_of(path: Path) -> FileSeal:
    """Size and hash of a file, read once."""
    with open(path, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return FileSeal(bytes=os.path.getsize(path), sha256=digest)


def check_sizes(folder: Path, files: Mapping[str, FileSeal], *, where: str, again: str) -> None:
    """That every file is there in full size. Raises EngineError naming the first that isn't."""
    for name, seal in files.items():
        path = folder / name
        if not path.is_file():
            raise EngineError(f"{where}: {name} is missing; {again}")
        if path.stat().st_size != seal.bytes:
            raise EngineError(f"{where}: {name} has {path.stat().st_size:,} bytes of {seal.bytes:,}; {again}")


def _plain(manifest: Manifest) -> dict[str, Any]:
    body = {f.name: getattr(manifest, f.name) for f in fields(manifest)}
    body["shapes"] = manifest.shapes.as_dict()
    body["normalisation"] = asdict(manifest.normalisation)
    body["files"] = {name: asdict(seal) for name, seal in manifest.files.items()}
    body["own"], body["versions"] = dict(manifest.own), dict(manifest.versions)
    return {"schema": SCHEMA, **json.loads(json.dumps(body))}


def _seal(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _manifest(body: Mapping[str, Any]) -> Manifest:
    if body["dtype"] not in EXPORT_TYPES:
        raise ValueError(f"dtype {body['dtype']!r} is not one of {', '.join(EXPORT_TYPES)}")
    if body["layout"] not in LAYOUTS:
        raise ValueError(f"layout {body['layout']!r} is not one of {', '.join(LAYOUTS)}")
    normalisation = body["normalisation"]
    return Manifest(
        shapes=Shapes.from_dict(body["shapes"]),
        dtype=body["dtype"],
        max_length=int(body["max_length"]),
        layout=body["layout"],
        normalisation=Normalisation(mean=tuple(normalisation["mean"]), std=tuple(normalisation["std"])),
        stops=tuple(int(stop) for stop in body["stops"]),
        own=body["own"],
        checkpoint=body["checkpoint"],
        adapter=body["adapter"],
        source=str(body["source"]),
        versions=body["versions"],
        files={name: FileSeal(**seal) for name, seal in body["files"].items()},
    )
