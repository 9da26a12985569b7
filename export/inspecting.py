"""Point 5 of a check: TensorRT builds the graphs of an export, and reads them as they were meant."""

from __future__ import annotations

import tempfile
from pathlib import Path

from engines.manifest import Manifest
from engines.parity import Finding
from engines.plans import Plans
from engines.tensorrt_library import find_library
from export.tensorrt import build_engines, expected_layers
from grounding.errors import ExportError

_LIKELY = "SM89"


def tensorrt_reads(folder: Path, manifest: Manifest) -> list[Finding]:
    """How many layers of the telling kinds TensorRT makes of each graph, against how many were exported.

    Plans are built and thrown away: it is while building that TensorRT tells what it leaves out. TensorRT-RTX
    builds for SM89 here, which needs no GPU. Raises EngineError when no TensorRT is installed.
    """
    library = find_library()
    capabilities = (_LIKELY,) if library.capabilities else ()
    with tempfile.TemporaryDirectory() as place:
        try:
            plans = build_engines(
                folder, Path(place) / "plans", library=library.name, capabilities=capabilities
            )
        except ExportError as error:
            return [_finding("all", value=0, bound=1, note=str(error))]
    return [
        _finding(
            f"{graph}: {kind}",
            value=plans.layers[graph].get(kind, 0),
            bound=count,
            note=_built(plans, graph),
        )
        for graph, kinds in expected_layers(manifest.shapes).items()
        for kind, count in kinds.items()
    ]


def _finding(case: str, *, value: int, bound: int, note: str) -> Finding:
    return Finding(
        point=5,
        what="TensorRT's layers",
        case=case,
        measure="count",
        value=value,
        bound=bound,
        passed=value == bound,
        note=note,
    )


def _built(plans: Plans, graph: str) -> str:
    return f"{plans.library} {plans.version}, attention {plans.attention[graph]}"
