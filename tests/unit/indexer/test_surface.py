from __future__ import annotations

import subprocess
import sys

import indexer

HEAVY = ("av", "cv2", "faiss", "numpy", "onnxruntime", "openvino", "rich", "sqlalchemy")


def test_every_public_name_is_there() -> None:
    assert all(getattr(indexer, name) is not None for name in indexer.__all__)


def test_the_commands_are_registered_without_loading_anything_heavy() -> None:
    code = (
        "import sys, typer, indexer.commands\n"
        "indexer.commands.register(typer.Typer())\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() in ("[]", "['rich']")  # Typer itself may bring rich
