"""A traced graph goes to disk, without what it says of the machine that made it, and with plain names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any


def save_graph(program: Any, path: Path) -> None:
    """Write a `torch.onnx.ONNXProgram` to `path`, its weights beside it in `path`.data."""
    _forget_machine(program.model)
    _name_nodes(program.model)
    program.save(str(path), external_data=True)


def _forget_machine(model: Any) -> None:
    """Take out torch's notes: stack traces with source paths, and the names of modules it traced."""
    for part in _parts(model):
        part.metadata_props.clear()
        part.doc_string = None


def _parts(model: Any) -> Iterator[Any]:
    """Everything of a model that can carry notes."""
    graph = model.graph
    yield from (model, graph, *graph.inputs, *graph.initializers.values())
    for node in graph:
        yield from (node, *node.outputs)


def _name_nodes(model: Any) -> None:
    """Number first: TensorRT adds digits to a node's name for more layers, and takes no name twice."""
    for number, node in enumerate(model.graph):
        node.name = f"{number:05d}_{node.op_type}"
