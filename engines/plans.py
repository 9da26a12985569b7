"""`plans.json` of a folder that `proofreel export tensorrt` made: for what its plans were built, and of what.

A plan runs on the kind of GPU and with the very library it was built for, and is of one export. Whatever
doesn't fit is refused here, before a plan is read, with the reason and the command that builds it anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from engines.manifest import NAME as MANIFEST
from engines.manifest import FileSeal, check_sizes, read_sealed, sealed, write_sealed
from engines.plan_limits import Limits
from engines.tensorrt_library import LIBRARIES, Library, LibraryName
from grounding.errors import EngineError, printable

SCHEMA = "proofreel.plans/1"
NAME = "plans.json"
VISION_PLAN, DECODER_PLAN = "vision.plan", "decoder.plan"

AttentionMode = Literal["fused", "decomposed"]


@dataclass(frozen=True, kw_only=True)
class Plans:
    """`capabilities` as SM89; `gpu` is named where the plans are for that one model of GPU. `export` is the
    identity of the export; `attention` and `layers` (how many of each kind) are of `vision` and `decoder`.
    """

    library: LibraryName
    version: str
    capabilities: tuple[str, ...]
    gpu: str | None
    export: str
    limits: Limits
    attention: Mapping[str, AttentionMode]
    layers: Mapping[str, Mapping[str, int]]
    files: Mapping[str, FileSeal]

    @property
    def identity(self) -> str:
        """A hash of the export, its plans and what built them: plans may answer otherwise than graphs."""
        return str(self.document()["seal"])

    def write(self, folder: Path) -> None:
        """Write it into `folder`, sealed."""
        write_sealed(folder / NAME, self._body())

    def document(self) -> dict[str, Any]:
        """`proofreel.plans/1`."""
        return sealed(self._body())

    def _body(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **asdict(self)}

    def rebuild(self, folder: Path, *, capability: str | None = None) -> str:
        """The command that builds them anew, for another compute capability if one is given."""
        parts = ["proofreel export tensorrt EXPORT", printable(folder), f"--library {self.library}"]
        if self.library == "tensorrt_rtx":
            parts += [f"--for {name}" for name in ([capability] if capability else self.capabilities)]
        limits = self.limits
        parts += [f"--rows {','.join(map(str, limits.rows))}", f"--chunk {limits.chunk}"]
        return " ".join([*parts, f"--pictures {limits.pictures}", f"--patches {limits.patches}"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where plans are to run: the GPU's name and compute capability, as SM89."""

    gpu: str
    capability: str


def read_plans(folder: Path) -> Plans:
    """The record of a folder of plans, checked: its seal, its fields, and that every file has its full size.

    Raises EngineError with what is wrong and the command that mends it.
    """
    where, again = f"plans {printable(folder)}", _again(folder)
    body = read_sealed(folder / NAME, schema=SCHEMA, where=where, again=again)
    try:
        plans = _plans(body)
    except (ValueError, TypeError, KeyError) as error:
        raise EngineError(f"{where}: {NAME} can't be used: {error}; {again}") from error
    needed = {name: seal for name, seal in plans.files.items() if name != MANIFEST}  # it has an identity
    check_sizes(folder, needed, where=where, again=again)
    return plans


def read_plan(folder: Path, plans: Plans, name: str) -> bytes:
    """A plan, read once and held against its hash. Raises EngineError when it is damaged."""
    plan = (folder / name).read_bytes()
    if hashlib.sha256(plan).hexdigest() != plans.files[name].sha256:
        raise EngineError(
            f"plans {printable(folder)}: {name} is damaged; run `{plans.rebuild(folder)}` again"
        )
    return plan


def place_of_gpu() -> Place:
    """The GPU that PyTorch uses. Raises EngineError where it sees none."""
    import torch

    if not torch.cuda.is_available():
        raise EngineError(
            "TensorRT plans run on an NVIDIA GPU, and PyTorch sees none here: use `--engine onnx`, which "
            "runs the export on a CPU"
        )
    major, minor = torch.cuda.get_device_capability()
    return Place(gpu=torch.cuda.get_device_name(), capability=f"SM{major}{minor}")


def check_export(plans: Plans, identity: str, folder: Path) -> None:
    """That the plans are of the export of this identity. Raises EngineError when not."""
    if plans.export != identity:
        raise EngineError(
            f"plans {printable(folder)}: they were built from another export than manifest.json is of "
            f"({plans.export[:12]}, not {identity[:12]}); run `{plans.rebuild(folder)}`"
        )


def check_fits(plans: Plans, library: Library, place: Place, folder: Path) -> None:
    """That this library on this GPU can run the plans. Raises EngineError with the reason when not."""
    where = f"plans {printable(folder)}"
    if (plans.library, plans.version) != (library.name, library.version):
        raise EngineError(
            f"{where}: built with {plans.library} {plans.version}, and {library.name} {library.version} is "
            f"here; run `{plans.rebuild(folder)}`"
        )
    if plans.library == "tensorrt_rtx" and place.capability not in library.capabilities:
        raise EngineError(
            f"{where}: TensorRT-RTX {library.version} doesn't run on {place.gpu} ({place.capability}), only "
            f"on {', '.join(library.capabilities)}; run the export with `--engine onnx`, or build plans with "
            "tensorrt: `proofreel export tensorrt EXPORT PLANS --library tensorrt`"
        )
    if place.capability not in plans.capabilities:
        raise EngineError(
            f"{where}: built for {', '.join(plans.capabilities)}, and this is {place.gpu} "
            f"({place.capability}); run `{plans.rebuild(folder, capability=place.capability)}`"
        )
    if plans.gpu not in (None, place.gpu):
        raise EngineError(
            f"{where}: built on {plans.gpu}, and this is {place.gpu}; run `{plans.rebuild(folder)}` on it"
        )


def _again(folder: Path) -> str:
    return f"run `proofreel export tensorrt EXPORT {printable(folder)}`"


def _plans(body: Mapping[str, Any]) -> Plans:
    given = {key: value for key, value in body.items() if key != "schema"}
    names = {f.name for f in fields(Plans)}
    if set(given) != names:
        raise ValueError(f"{', '.join(sorted(names ^ set(given)))} is missing or unknown")
    if given["library"] not in LIBRARIES:
        raise ValueError(f"library {given['library']!r} is not one of {', '.join(LIBRARIES)}")
    limits = given["limits"]
    return Plans(
        **{
            **given,
            "capabilities": tuple(given["capabilities"]),
            "limits": Limits(**{**limits, "rows": tuple(limits["rows"])}),
            "files": {name: FileSeal(**seal) for name, seal in given["files"].items()},
        }
    )
