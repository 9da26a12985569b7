"""Cut the network out of a frozen TensorFlow detection graph, without TensorFlow.

OpenVINO reads the published SSD graph in eight seconds and compiles it in seven more, nearly all of it for
the loops that resize the picture and suppress double boxes. Cut to the convolutions, it reads in half a
second and compiles in another. The format is protocol buffers: `GraphDef.node` is field 1; in `NodeDef` the
name is field 1, the operation 2, an input 3, an attribute 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grounding.errors import EngineError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_DT_FLOAT = 1


@dataclass(frozen=True, slots=True)
class _Node:
    inputs: tuple[str, ...]
    start: int
    end: int


def cut(graph: bytes, *, source: str, shape: Sequence[int], outputs: Sequence[str]) -> bytes:
    """The part of `graph` from the node `source` to the nodes `outputs`.

    `source` becomes a float32 input of `shape`. Raises EngineError when a node is not in the graph.
    """
    nodes = dict(_nodes(graph))
    needed = {source}
    todo = list(outputs)
    while todo:
        name = todo.pop().split(":")[0].lstrip("^")
        if name not in nodes:
            raise EngineError(f"the detection graph has no node {name!r}; install its package again")
        if name not in needed:
            needed.add(name)
            todo += nodes[name].inputs
    kept = [
        _bytes_field(1, graph[node.start : node.end])
        for name, node in nodes.items()
        if name in needed and name != source
    ]
    return b"".join([_bytes_field(1, _placeholder(source, shape)), *kept])


def _nodes(graph: bytes) -> Iterator[tuple[str, _Node]]:
    for field, start, end in _fields(graph, 0, len(graph)):
        if field == 1:
            name, inputs = "", []
            for inner, first, last in _fields(graph, start, end):
                if inner == 1:
                    name = graph[first:last].decode()
                elif inner == 3:
                    inputs.append(graph[first:last].decode())
            yield name, _Node(tuple(inputs), start, end)


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(field number, start, end) of each field's value in data[start:end]."""
    at = start
    while at < end:
        key, at = _varint(data, at)
        wire = key & 7
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire == _VARINT:
            length = _varint(data, at)[1] - at
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise EngineError("the detection graph is no protocol buffer; install its package again")
        yield key >> 3, at, at + length
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _to_varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bytes_field(field: int, value: bytes) -> bytes:
    return _to_varint(field << 3 | _BYTES) + _to_varint(len(value)) + value


def _int_field(field: int, value: int) -> bytes:
    return _to_varint(field << 3 | _VARINT) + _to_varint(value)


def _placeholder(name: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(_bytes_field(2, _int_field(1, size)) for size in shape)
    attributes = {b"dtype": _int_field(6, _DT_FLOAT), b"shape": _bytes_field(7, dims)}
    return (
        _bytes_field(1, name.encode())
        + _bytes_field(2, b"Placeholder")
        + b"".join(
            _bytes_field(5, _bytes_field(1, key) + _bytes_field(2, value))
            for key, value in attributes.items()
        )
    )
