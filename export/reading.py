"""Point 5 of a parity check: TensorRT reads every graph, leaves nothing out, and sees the layers that it has
fast kernels for.

Nothing is run and nothing is built: TensorRT-RTX needs no GPU for this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from engines.manifest import DECODER, VISION, Manifest
from engines.parity import Finding
from engines.tensorrt_library import Library, find_library
from export.tensorrt import census, expected_layers, parsed
from grounding.errors import EngineError, ExportError


def read_by_tensorrt(folder: Path, manifest: Manifest) -> Sequence[Finding]:
    """Findings for each graph; one that is told and not judged, where there is no TensorRT."""
    try:
        library = _library()
    except EngineError as error:
        return [_finding("not looked at", 0, None, note=str(error))]
    expected = expected_layers(manifest.shapes)
    return [
        *_read(folder / VISION, library, expected["vision"]),
        *_read(folder / DECODER, library, expected["decoder"]),
    ]


def _library() -> Library:
    """TensorRT-RTX before TensorRT, whose parser wants a GPU."""
    try:
        return find_library("tensorrt_rtx")
    except EngineError:
        return find_library()


def _read(graph: Path, library: Library, expected: Mapping[str, int]) -> list[Finding]:
    version = f"{library.name} {library.version}"
    try:
        layers = census(parsed(graph, library.api.Builder(library.log), library))
    except ExportError as error:
        return [_finding(f"{graph.name} is read", 0, 1, note=str(error))]
    counted = [(f"{graph.name}, {kind}", layers.get(kind, 0), count) for kind, count in expected.items()]
    counted.append((f"{graph.name}, read otherwise than meant", _read_otherwise(graph), 0))
    return [_finding(case, value, bound, note=version) for case, value, bound in counted]


def _read_otherwise(graph: Path) -> int:
    """Attention nodes with a count of keys, which TensorRT's parser drops, or `is_causal`, which it aligns to
    the other corner; it says neither.
    """
    import onnx

    nodes = onnx.load(graph, load_external_data=False).graph.node
    attention = [node for node in nodes if node.op_type == "Attention"]
    causal = [any(a.name == "is_causal" and a.i for a in node.attribute) for node in attention]
    return sum(len(node.input) > 6 or is_causal for node, is_causal in zip(attention, causal, strict=True))


def _finding(case: str, value: int, bound: int | None, *, note: str) -> Finding:
    passed = None if bound is None else value == bound
    return Finding(
        point=5, what="TensorRT's layers", case=case, measure="count", value=value, bound=bound,
        passed=passed, note=note,
    )  # fmt: skip
