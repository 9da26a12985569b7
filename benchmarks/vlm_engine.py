"""What a Qwen-VL engine costs: questions that share a clip, a decode step, and whole windows on a GPU.

    python benchmarks/vlm_engine.py                        ratios on a CPU, with a tiny random checkpoint
    python benchmarks/vlm_engine.py --shape qwen3-vl-8b    a GPU, random weights of the real shape
    python benchmarks/vlm_engine.py --shape qwen3-vl-2b --onnx    the same, and by onnxruntime's CUDA provider

On a GPU: windows of 60 s, 60 frames of 320x320, 3 questions of 150 tokens each, by the engine (many windows
at a time) and by the plain way (each question alone, the video encoded each time, HF's own `generate`), in
one run.
Writes benchmarks/results/vlm-<shape>.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from engines.contract import Question  # noqa: E402
from engines.qwen.engine import QwenEngine  # noqa: E402
from engines.qwen.generation import Prefix  # noqa: E402
from engines.qwen.pixels import Normalisation  # noqa: E402
from engines.qwen.sampling import Sampling  # noqa: E402
from engines.qwen.settings import QwenSettings  # noqa: E402
from engines.qwen.shapes import shapes_of  # noqa: E402
from engines.qwen.torch_runtime import TorchRuntime  # noqa: E402
from engines.qwen.words import Words  # noqa: E402
from grounding.evidence import Span  # noqa: E402
from tests import tiny_qwen  # noqa: E402
from video.frames import Clip  # noqa: E402

WINDOW_S, FRAMES, SIDE, ANSWER = 60.0, 60, 320, 150
HALF = Normalisation(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
QUESTIONS = tuple(
    Question(text=text, task="temporal-spatial free-form QA")
    for text in (
        "is anyone in the loading bay without a vest?", "does a vehicle block the gate?", "who falls?",
        "is a ladder used?", "does smoke show?", "who carries a box?", "is a door left open?",
        "does anyone run?",
    )
)  # fmt: skip

_ROPE = {
    "rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20], "mrope_interleaved": True,
}  # fmt: skip

SHAPES: dict[str, dict[str, Any]] = {
    "qwen3-vl-8b": {
        "text": {
            "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
            "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
            "max_position_embeddings": 262144,
            "rope_parameters": _ROPE,
        },
        "vision": {
            "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16,
            "patch_size": 16, "out_hidden_size": 4096, "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [8, 16, 24],
        },
    },
    "qwen3-vl-2b": {
        "text": {
            "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28,
            "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
            "max_position_embeddings": 262144,
            "rope_parameters": _ROPE,
        },
        "vision": {
            "depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16,
            "patch_size": 16, "out_hidden_size": 2048, "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [5, 11, 17],
        },
    },
}  # fmt: skip
"""From the published configs. Weights are random: a network's time does not depend on them."""


TINY: dict[str, dict[str, Any]] = {
    "text": {
        "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 8, "head_dim": 64,
        "rope_parameters": {**_ROPE, "mrope_section": [12, 10, 10]},
    },
    "vision": {"out_hidden_size": 256},
}  # fmt: skip


def clip(seed: int, *, frames: int, side: int, seconds: float) -> Clip:
    """Noise: what is seen has no influence on how long it takes."""
    times = np.arange(frames) * seconds / frames
    return Clip(
        path=Path(f"window-{seed}"),
        time_base=Fraction(1, 1000),
        window=Span(0.0, seconds),
        images=np.random.default_rng(seed).integers(0, 255, (frames, side, side, 3), dtype=np.uint8),
        pts=(times * 1000).astype(np.int64),
        times_s=times,
        durations_s=np.full(frames, seconds / frames),
    )


def engine_of(runtime: Any, *, answer: int, rows: int, folder: Path) -> QwenEngine:
    """The engine as the indexer runs it, but that no answer ends before its limit."""
    (folder / "tokenizer.json").write_text(tiny_qwen.tokenizer_json(), encoding="utf-8")
    settings = QwenSettings(
        window_s=WINDOW_S,
        rate_hz=FRAMES / WINDOW_S,
        max_frames=FRAMES,
        rows=rows,
        sampling=Sampling(max_new=answer),
    )
    return QwenEngine(
        runtime, name="benchmark", source="", words=Words(folder), layout="qwen3-native", normalisation=HALF,
        stops=frozenset(), settings=settings,
    )  # fmt: skip


def seconds_of(work: Callable[[], object], *, runs: int) -> float:
    """Median of wall seconds after one run that does not count."""
    spent = []
    for _ in range(runs + 1):
        _settle()
        started = time.perf_counter()
        work()
        _settle()
        spent.append(time.perf_counter() - started)
    return statistics.median(spent[1:])


def _settle() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def on_cpu(folder: Path, *, runs: int) -> dict[str, Any]:
    """8 questions of one clip against 8 clips asked one each; a decode step by onnxruntime against HF's."""
    from engines import onnx
    from export.onnx import export_checkpoint

    checkpoint = tiny_qwen.save_checkpoint(folder / "checkpoint", "qwen3_vl", **TINY)
    model = tiny_qwen.model("qwen3_vl", **TINY)
    runtime = TorchRuntime(model, shapes_of(model.config), max_length=4096)
    engine = engine_of(runtime, answer=8, rows=32, folder=folder)
    window = clip(0, frames=30, side=224, seconds=30.0)
    together = seconds_of(lambda: engine.answer(window, QUESTIONS), runs=runs)
    apart = seconds_of(lambda: [engine.answer(window, [q]) for q in QUESTIONS], runs=runs)
    export_checkpoint(str(checkpoint), folder / "export", max_length=1024)
    exported = onnx.OnnxRuntime(folder / "export", onnx.read_manifest(folder / "export"))
    return {
        "questions": len(QUESTIONS),
        "together_over_apart": round(together / apart, 3),
        "together_s": round(together, 3),
        "apart_s": round(apart, 3),
        **_steps(model, runtime, exported, runs=runs),
    }


def _steps(model: Any, plain: Any, exported: Any, *, runs: int) -> dict[str, Any]:
    """Milliseconds a decode step of one row with 200 tokens read: HF's eager model, our module, the graph."""
    steps = 64
    ids = torch.randint(10, 1000, (1, 200))

    def hf() -> None:
        model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=steps,
            min_new_tokens=steps,
            do_sample=False,
        )

    def hf_prefill() -> None:
        model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=1, do_sample=False)

    eager = (seconds_of(hf, runs=runs) - seconds_of(hf_prefill, runs=runs)) / (steps - 1)
    own = {name: _step(runtime, steps) for name, runtime in (("pytorch", plain), ("onnx", exported))}
    return {
        "transformers_step_ms": round(eager * 1e3, 3),
        **{f"{name}_step_ms": round(value * 1e3, 3) for name, value in own.items()},
        "transformers_over_onnx_step": round(eager / own["onnx"], 2),
    }


def _step(runtime: Any, steps: int) -> float:
    from engines.qwen.prompt import Rotary

    cache = runtime.cache(1, 1024)
    rotary = Rotary(runtime.shapes.text, device=runtime.device, dtype=runtime.dtype)
    zero = torch.zeros(1, dtype=torch.long)

    def walk() -> None:
        for step in range(steps):
            runtime.forward(
                runtime.embed(torch.tensor([[step + 10]])),
                rotary=rotary.at(torch.full((3, 1, 1), 200 + step)),
                at=torch.tensor([200 + step]),
                last=zero,
                deepstack=(),
                cache=cache,
            )

    return seconds_of(walk, runs=3) / steps


def on_gpu(
    shape: str, folder: Path, *, windows: int, runs: int, plain: bool, exported: bool
) -> dict[str, Any]:
    """Windows answered a second: one at a time and many together, part by part, and the plain way."""
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = tiny_qwen.model("qwen3_vl", **SHAPES[shape])
    torch.set_default_dtype(torch.float32)
    runtime = TorchRuntime(model, shapes_of(model.config), max_length=8192)
    engine = engine_of(runtime, answer=ANSWER, rows=3 * windows, folder=folder)
    clips = [clip(seed, frames=FRAMES, side=SIDE, seconds=WINDOW_S) for seed in range(windows)]
    asked = QUESTIONS[:3]
    many = seconds_of(lambda: engine.answer_many(clips, [asked] * windows), runs=runs)
    parts = _parts(engine, runtime, clips, asked)
    one = seconds_of(lambda: engine.answer(clips[0], asked), runs=runs)
    result = {
        "windows": windows,
        "times_real_time": round(windows * WINDOW_S / many, 1),
        "seconds": round(many, 3),
        "times_real_time_one_window": round(WINDOW_S / one, 1),
        "seconds_one_window": round(one, 3),
        "parts": parts,
        "peak_memory_gb": round(torch.cuda.max_memory_allocated() / 1e9, 1),
    }
    if plain:
        result["plain"] = _plain_way(model, engine, clips[0], asked)
        result["over_plain"] = round(result["times_real_time"] / result["plain"]["times_real_time"], 1)
    if exported:
        result["onnx"] = _onnx_way(model, folder, clips[:4])
    return result


def _parts(engine: QwenEngine, runtime: TorchRuntime, clips: list[Clip], asked: Any) -> dict[str, Any]:
    """Where the time goes: pixels, vision, prefill, and a decode step of all rows."""
    pictured = [engine._pictured(c) for c in clips]
    features = engine._features(pictured)
    system = engine._prompts.system[asked[0].task]
    prefixes = [
        Prefix(prompt=engine._prompt(p, system), features=f) for p, f in zip(pictured, features, strict=True)
    ]
    generator = engine._generator
    rows = len(clips) * len(asked)
    prompt = prefixes[0].prompt.length

    def prefill() -> None:
        with torch.inference_mode():
            runtime.free(generator._prefill(prefixes))

    pixels = seconds_of(lambda: [engine._pictured(c) for c in clips], runs=2)
    vision = seconds_of(lambda: engine._features(pictured), runs=3)
    reading = seconds_of(prefill, runs=3)
    return {
        "prompt_tokens": prompt,
        "rows": rows,
        "pixels_s": round(pixels, 3),
        "vision_s": round(vision, 3),
        "prefill_s": round(reading, 3),
        "decode_step_ms": round(_gpu_step(runtime, rows, prompt + ANSWER + 64) * 1e3, 2),
        "decode_step_ms_batch_32": round(_gpu_step(runtime, 32, prompt + ANSWER + 64) * 1e3, 2),
    }


@torch.inference_mode()
def _gpu_step(runtime: TorchRuntime, rows: int, length: int) -> float:
    from engines.qwen.prompt import Rotary

    cache = runtime.cache(rows, -(-length // 64) * 64)
    rotary = Rotary(runtime.shapes.text, device=runtime.device, dtype=runtime.dtype)
    tokens = torch.full((rows, 1), 20, device="cuda")
    positions = torch.full((3, rows, 1), length - 64, device="cuda")
    at = torch.full((rows,), length - 64, device="cuda")
    zero = torch.zeros(rows, dtype=torch.long, device="cuda")

    def walk() -> None:
        for step in range(32):
            runtime.forward(
                runtime.embed(tokens), rotary=rotary.at(positions + step), at=at + step, last=zero,
                deepstack=(), cache=cache,
            )  # fmt: skip

    spent = seconds_of(walk, runs=3) / 32
    runtime.free(cache)
    return spent


def _onnx_way(model: Any, folder: Path, clips: list[Clip]) -> dict[str, Any]:
    """The same weights in float16, by PyTorch and, exported, by onnxruntime: a few windows of each."""
    from engines import onnx
    from export.onnx import export_checkpoint

    model.half()
    asked, checkpoint = QUESTIONS[:3], folder / "checkpoint"
    tiny_qwen.save_checkpoint(checkpoint, "qwen3_vl", built=model)
    manifest = export_checkpoint(str(checkpoint), folder / "export", dtype="fp16", max_length=4096)
    runtimes: dict[str, Any] = {
        "pytorch": TorchRuntime(model, shapes_of(model.config), max_length=4096),
        "onnxruntime": onnx.OnnxRuntime(folder / "export", manifest, provider="cuda"),
    }
    measured: dict[str, Any] = {"windows": len(clips)}
    for name, runtime in runtimes.items():
        engine = engine_of(runtime, answer=ANSWER, rows=3 * len(clips), folder=folder)
        spent = seconds_of(lambda engine=engine: engine.answer_many(clips, [asked] * len(clips)), runs=1)
        measured[name] = {
            "times_real_time": round(len(clips) * WINDOW_S / spent, 1),
            "decode_step_ms": round(_gpu_step(runtime, 3 * len(clips), 3700) * 1e3, 2),
        }
    return measured


def _plain_way(model: Any, engine: QwenEngine, window: Clip, asked: Any) -> dict[str, Any]:
    """HF's `generate`, each question alone: the video is encoded and the prompt read for each of them."""
    pictured = engine._pictured(window)
    shapes = engine._runtime.shapes
    prompt = engine._prompt(pictured, engine._prompts.system[asked[0].task])
    pixels = HALF.apply(torch.from_numpy(pictured.values).cuda(), shape=shapes.vision).bfloat16()
    grid = torch.tensor([[len(pictured.pictures), pictured.rows, pictured.columns]], device="cuda")
    inputs = []
    for question in asked:
        ids = torch.cat([prompt.ids, torch.tensor(engine._layout.question(question.text))])[None].cuda()
        inputs.append((ids, 2 * (ids == shapes.video_token).long()))

    def ask() -> None:
        for ids, kinds in inputs:
            model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=kinds,
                pixel_values_videos=pixels, video_grid_thw=grid, max_new_tokens=ANSWER, min_new_tokens=ANSWER,
                do_sample=False,
            )  # fmt: skip

    spent = seconds_of(ask, runs=1)
    return {"times_real_time": round(WINDOW_S / spent, 2), "seconds_one_window": round(spent, 2)}


def _told(arguments: list[str]) -> list[str]:
    """The arguments without the folder that the results go to."""
    if "--out" not in arguments:
        return arguments
    place = arguments.index("--out")
    return arguments[:place] + arguments[place + 2 :]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=sorted(SHAPES))
    parser.add_argument("--windows", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-plain", action="store_true", help="leave the plain way out")
    parser.add_argument("--onnx", action="store_true", help="export it too, and run that by onnxruntime")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.shape is None:
            measured = on_cpu(Path(folder), runs=arguments.runs)
        else:
            measured = on_gpu(
                arguments.shape, Path(folder), windows=arguments.windows, runs=arguments.runs,
                plain=not arguments.no_plain, exported=arguments.onnx,
            )  # fmt: skip
    libraries = (
        ("torch", "transformers", "onnxruntime") if arguments.shape is None else ("torch", "transformers")
    )
    document = {
        "command": "python benchmarks/vlm_engine.py " + " ".join(_told(sys.argv[1:])),
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip(),
        "machine": torch.cuda.get_device_name() if arguments.shape else f"{torch.get_num_threads()} threads",
        "versions": {"python": platform.python_version(), **{n: metadata.version(n) for n in libraries}},
        "results": measured,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=2) + "\n"
    (arguments.out / f"vlm-{arguments.shape or 'cpu'}.json").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
