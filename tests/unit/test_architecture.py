"""Who may import whom, and what no one may import on the way to a quick command."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAY_IMPORT: dict[str, frozenset[str]] = {
    "grounding": frozenset(),
    "video": frozenset({"grounding"}),
    "storage": frozenset({"grounding"}),
    "engines": frozenset({"grounding", "video"}),
    "export": frozenset({"grounding", "engines"}),
    "indexer": frozenset({"grounding", "video", "storage", "engines"}),
    "search": frozenset({"grounding", "video", "storage", "engines"}),
    # Storage for what reviews teach alone: `train data --from-reviews`.
    "training": frozenset({"grounding", "video", "storage", "engines"}),
    "proofreel": frozenset(
        {"grounding", "video", "storage", "engines", "export", "indexer", "search", "training"}
    ),
}
HEAVY = frozenset(
    {
        "torch",
        "huggingface_hub",
        "onnx",
        "peft",
        "tensorrt_rtx",
        "openvino",
        "cv2",
        "faiss",
        "transformers",
        "trl",
        "accelerate",
        "datasets",
        "matplotlib",
        "ray",
        "tensorrt",
        "onnxruntime",
        "rapidocr",
        "decord",
    }
)
QUICK_ROOMS = ("grounding", "storage", "search", "proofreel")


def rooms() -> list[str]:
    """The packages at the top level, tests and scripts aside."""
    return sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def top_names(node: ast.AST) -> list[str]:
    """The top-level packages that an import statement names; none for any other node."""
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [(node.module or "").split(".")[0]]
    return []


def at_import_time(node: ast.AST) -> Iterator[ast.AST]:
    """The statements that run when a module is imported: not function bodies, not for the type checker."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            yield from (part for other in child.orelse for part in (other, *at_import_time(other)))
            continue
        yield child
        yield from at_import_time(child)


def broken_rules(room: str, source: str) -> list[str]:
    """Imports of rooms that `room` may not know, wherever in the module they stand."""
    others = set(MAY_IMPORT) - {room} - MAY_IMPORT[room]
    named = (name for node in ast.walk(ast.parse(source)) for name in top_names(node))
    return [name for name in named if name in others]


def heavy_imports(source: str) -> list[str]:
    return [name for node in at_import_time(ast.parse(source)) for name in top_names(node) if name in HEAVY]


def test_every_package_has_its_rule_and_every_rule_its_package() -> None:
    assert rooms() == sorted(MAY_IMPORT)


def test_no_two_rooms_know_each_other() -> None:
    for room, known in MAY_IMPORT.items():
        assert all(room not in MAY_IMPORT[other] for other in known)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_below_it(room: str) -> None:
    broken = {
        str(path.relative_to(ROOT)): found
        for path in modules(room)
        if (found := broken_rules(room, path.read_text(encoding="utf-8")))
    }
    assert broken == {}


@pytest.mark.parametrize("room", QUICK_ROOMS)
def test_modules_on_the_way_to_a_quick_command_import_nothing_heavy_at_the_top(room: str) -> None:
    broken = {
        str(path.relative_to(ROOT)): found
        for path in modules(room)
        if (found := heavy_imports(path.read_text(encoding="utf-8")))
    }
    assert broken == {}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_importing_a_room_loads_nothing_heavy(room: str) -> None:
    program = f"import sys, {room}; print(*sorted({set(HEAVY)!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("room", "source", "expected"),
    [
        ("grounding", "import video.frames", ["video"]),
        ("video", "from storage import schema", ["storage"]),
        ("search", "def f():\n    from indexer.work import run", ["indexer"]),
        (
            "search",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import proofreel",
            ["proofreel"],
        ),
        ("search", "import storage, grounding.evidence\nfrom . import indexer", []),
    ],
)
def test_a_broken_rule_is_seen_wherever_it_stands(room: str, source: str, expected: list[str]) -> None:
    assert broken_rules(room, source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import faiss", ["faiss"]),
        ("try:\n    from torch import nn\nexcept ImportError:\n    pass", ["torch"]),
        ("class A:\n    import cv2", ["cv2"]),
        ("def f():\n    import faiss", []),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import faiss", []),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    import faiss", ["faiss"]),
    ],
)
def test_a_heavy_import_is_seen_only_where_it_would_be_paid_for(source: str, expected: list[str]) -> None:
    assert heavy_imports(source) == expected
