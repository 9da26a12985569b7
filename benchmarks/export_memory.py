"""What an export needs of memory: its peak over the size of the weights, for random weights of a real shape.

    python benchmarks/export_memory.py [--shape qwen3-vl-2b]

The checkpoint is made in one process and exported in another, whose peak is the operating system's own count
(the largest resident set: pages of mapped files are in it). Writes benchmarks/results/export-memory.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

ALLOWED = 2.2
"""Times the size of the weights in bfloat16."""

DTYPES = ("bf16", "fp16", "int8")

_EXPORT = """
import json, resource, sys, time
from pathlib import Path
from export.onnx import export_checkpoint
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.perf_counter()
export_checkpoint(sys.argv[1], Path(sys.argv[2]), dtype=sys.argv[3])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([before * 1024, peak * 1024, time.perf_counter() - started]))
"""


def make_checkpoint(folder: Path, shape: str) -> None:
    """Random weights in bfloat16, output layer and embedding tied as in the published small models."""
    import torch
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    from benchmarks.vlm_engine import SHAPES
    from tests import tiny_qwen

    ids = tiny_qwen.ids()
    config = Qwen3VLConfig(
        text_config={**SHAPES[shape]["text"], "eos_token_id": ids["<|im_end|>"]},
        vision_config=SHAPES[shape]["vision"],
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    torch.set_default_dtype(torch.bfloat16)
    Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    tiny_qwen.save_words(folder, "qwen3_vl")


def export(checkpoint: Path, out: Path, *, dtype: str, weights: int) -> dict[str, Any]:
    """Peak memory and seconds of one export, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _EXPORT, str(checkpoint), str(out), dtype],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    libraries, peak, seconds = json.loads(done.stdout.splitlines()[-1])
    shutil.rmtree(out)
    return {
        "libraries_gb": round(libraries / 1e9, 2),
        "peak_gb": round(peak / 1e9, 2),
        "peak_over_weights": round(peak / weights, 2),
        "seconds": round(seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", default="qwen3-vl-2b")
    parser.add_argument("--checkpoint", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    arguments = parser.parse_args()
    if arguments.checkpoint is not None:
        make_checkpoint(arguments.checkpoint, arguments.shape)
        return
    with tempfile.TemporaryDirectory() as place:
        checkpoint = Path(place) / "checkpoint"
        subprocess.run(
            [sys.executable, __file__, "--shape", arguments.shape, "--checkpoint", str(checkpoint)],
            check=True,
        )
        weights = sum(path.stat().st_size for path in checkpoint.glob("*.safetensors"))
        results = {
            dtype: export(checkpoint, Path(place) / "export", dtype=dtype, weights=weights)
            for dtype in DTYPES
        }
    document = {
        "command": " ".join(["python", "benchmarks/export_memory.py", *sys.argv[1:]]),
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip(),
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("torch", "transformers", "onnx-ir", "onnxscript")},
        },
        "measured_on": time.strftime("%Y-%m-%d"),
        "shape": arguments.shape,
        "weights_gb": round(weights / 1e9, 2),
        "allowed": ALLOWED,
        "results": results,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=2) + "\n"
    (arguments.out / "export-memory.json").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
