"""`--engine onnx`: the same answers as the checkpoint, in place, and refusals before anything is run."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from engines import onnx as engine_module
from engines.contract import DESCRIBE, Question
from engines.manifest import read_manifest
from engines.onnx import OnnxRuntime, load
from engines.qwen import caches
from engines.qwen.engine import QwenEngine
from engines.qwen.sampling import Sampling
from engines.qwen.settings import QwenSettings
from engines.transformers import load as load_checkpoint
from grounding.errors import EngineError
from grounding.evidence import Span
from tests.exports import FAMILIES, Exports, runtime_of
from video.frames import Clip

SETTINGS = QwenSettings(sampling=Sampling(max_new=48))
QUESTIONS = (
    DESCRIBE,
    Question(text="when does a bus come?", task="temporal QA"),
    Question(text="is it red?", task="temporal QA"),
    Question(text="who is there?", task="visual QA"),
)


def clip(count: int = 5, *, side: int = 96) -> Clip:
    pixels = np.random.default_rng(0).integers(0, 255, (count, side, side * 2, 3), dtype=np.uint8)
    times_s = 100.0 + np.arange(count) * 0.5
    return Clip(
        path=Path("clip.mp4"),
        time_base=Fraction(1, 1000),
        window=Span(100.0, 100.0 + count * 0.5),
        images=pixels,
        pts=(times_s * 1000).astype(np.int64),
        times_s=times_s,
        durations_s=np.full(count, 0.5),
    )


def engine_of(folder: Path, settings: QwenSettings = SETTINGS) -> QwenEngine:
    return load(str(folder), settings=settings, num_threads=1, unchecked=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_clip_gets_the_answers_of_the_checkpoint(family: str, exports: Exports) -> None:
    reference = load_checkpoint(str(exports.checkpoint(family)), settings=SETTINGS)
    engine = engine_of(exports.folder(family))
    expected, found = (e.answer(clip(), QUESTIONS) for e in (reference, engine))
    assert [reply.text for reply in found] == [reply.text for reply in expected]
    assert len({reply.text for reply in found}) > 1
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.mean_logprob == pytest.approx(theirs.mean_logprob, abs=1e-4)
        assert mine.frame_size == theirs.frame_size
    assert engine.coordinates == reference.coordinates
    assert engine.fingerprint != reference.fingerprint


def step(runtime: OnnxRuntime, cache: caches.TensorCache, *, at: int) -> None:
    """Write one token of every row at place `at`."""
    rows, half = cache.rows, runtime.shapes.text.head_dim // 2
    x = torch.randn(rows, 1, runtime.shapes.text.hidden)
    rotary = (torch.ones(rows, 1, half), torch.zeros(rows, 1, half))
    where, zero = torch.full((rows,), at), torch.zeros(rows, dtype=torch.long)
    runtime.forward(x, rotary=rotary, at=where, last=zero, deepstack=(), cache=cache)


def test_a_step_writes_its_place_of_the_very_tensors_and_nothing_else(exports: Exports) -> None:
    runtime = runtime_of(exports.folder("qwen3_vl"))
    cache = runtime.cache(3, 64)
    addresses = [tensor.data_ptr() for tensor in cache.tensors]
    for tensor in cache.tensors:
        tensor.fill_(7.0)
    step(runtime, cache, at=5)
    assert [tensor.data_ptr() for tensor in cache.tensors] == addresses
    for tensor in cache.tensors:
        written = (tensor != 7.0).any(dim=(0, 1, 3))
        assert written.nonzero().flatten().tolist() == [5]


def test_steps_take_no_memory_for_copies_of_the_caches(exports: Exports) -> None:
    runtime = runtime_of(exports.folder("qwen3_vl"))
    cache = runtime.cache(128, runtime.max_length)
    for tensor in cache.tensors:
        tensor.fill_(0.5)  # so that its pages are there
    one = cache.tensors[0].nbytes
    assert one > 30e6
    before = psutil.Process().memory_info().rss
    most = 0
    for at in range(5, 15):
        step(runtime, cache, at=at)
        most = max(most, psutil.Process().memory_info().rss - before)
    assert most < one


def test_a_prompt_that_does_not_fit_is_refused(exports: Exports) -> None:
    engine = engine_of(exports.folder("qwen3_vl"), replace(SETTINGS, sampling=Sampling(max_new=2300)))
    with pytest.raises(EngineError, match=r"need 2,?\d+, and this engine holds 2304: .*--max-length"):
        engine.answer(clip(), QUESTIONS)


def test_a_clip_of_20_000_tokens_is_refused_by_an_engine_of_fewer(exports: Exports) -> None:
    engine = engine_of(exports.folder("qwen3_vl"))
    long = clip(2 * 110, side=320)
    with pytest.raises(
        EngineError, match=r"a prompt of 20\d\d\d tokens .* this engine holds 2304: take fewer"
    ):
        engine.answer(long, QUESTIONS[:1])


def test_a_clip_without_a_frame_is_refused(exports: Exports) -> None:
    with pytest.raises(EngineError, match=r"clip.mp4 has no frame; nothing can be asked about it"):
        engine_of(exports.folder("qwen2_5_vl")).answer(clip(0), QUESTIONS)


def test_memory_is_planned_before_a_graph_is_loaded(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "free_bytes", lambda _: 3_000_000)
    with pytest.raises(
        EngineError,
        match=r"GB for its weights and .* GB for one question of up to 2304 tokens, and 0.0 GB are free",
    ):
        engine_of(exports.folder("qwen2_5_vl"))


def test_memory_for_a_batch_is_planned_before_its_first_step(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(exports.folder("qwen2_5_vl"))
    needed = 2 * 2 * 2 * 2304 * 16 * 4  # keys and values, layers, heads, places, of a head, bytes
    monkeypatch.setattr(caches, "free_bytes", lambda _: 3 * needed)
    engine.answer(clip(), QUESTIONS[1:2])
    with pytest.raises(
        EngineError, match=r"3 answers of up to 2304 tokens need .*: ask fewer questions at once"
    ):
        engine.answer(clip(), QUESTIONS[1:])


def test_a_network_in_bf16_is_refused_on_a_cpu_in_one_sentence(exports: Exports, tmp_path: Path) -> None:
    folder = exports.copy("qwen2_5_vl", tmp_path / "export")
    replace(read_manifest(folder), dtype="bf16").write(folder)
    with pytest.raises(
        EngineError, match=r"computes in bf16, for which onnxruntime has nothing on a CPU: run it"
    ):
        engine_of(folder)


def test_a_provider_that_is_not_there_is_named(exports: Exports) -> None:
    with pytest.raises(EngineError, match=r"has no CUDAExecutionProvider \(it has .*CPUExecutionProvider"):
        load(str(exports.folder("qwen2_5_vl")), provider="cuda", unchecked=True)


def test_a_damaged_graph_is_named(exports: Exports, tmp_path: Path) -> None:
    folder = exports.copy("qwen2_5_vl", tmp_path / "export")
    size = (folder / "decoder.onnx").stat().st_size
    (folder / "decoder.onnx").write_bytes(b"\x00" * size)
    with pytest.raises(
        EngineError, match=r"decoder.onnx can't be loaded: .*run `proofreel export onnx` again"
    ):
        engine_of(folder)
