"""A checkpoint behind the Engine contract: questions together or alone, from one thread or several."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from engines import DESCRIBE, Question, Reply, check_engine, load_engine
from engines.qwen.engine import QwenEngine
from engines.qwen.sampling import Sampling
from engines.qwen.settings import QwenSettings
from engines.qwen.shapes import FAMILIES
from engines.transformers import load
from grounding.errors import EngineError, OutOfMemory
from grounding.evidence import Span
from grounding.prompts import PROOFREEL, PromptSet
from tests import tiny_qwen
from video.frames import Clip

SETTINGS = QwenSettings(sampling=Sampling(max_new=24))
QUESTIONS = (
    DESCRIBE,
    Question(text="when does a bus come?", task="temporal QA"),
    Question(text="when does it leave again, and where to?", task="temporal QA"),
    Question(text="who?", task="visual QA"),
)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("checkpoints")
    return {family: tiny_qwen.save_checkpoint(base / family, family) for family in FAMILIES}


@pytest.fixture(scope="module")
def engines(checkpoints: dict[str, Path]) -> dict[str, QwenEngine]:
    return {family: load(str(path), settings=SETTINGS) for family, path in checkpoints.items()}


def clip(frames: int = 5, *, seed: int = 0, height: int = 96, width: int = 160) -> Clip:
    """Noise from 100 s of a file on, two frames a second."""
    times_s = 100.0 + np.arange(frames) * 0.5
    noise = np.random.default_rng(seed)
    return Clip(
        path=Path("x.mp4"),
        time_base=Fraction(1, 1000),
        window=Span(100.0, 100.0 + max(frames, 1) * 0.5),
        images=noise.integers(0, 255, (frames, height, width, 3), dtype=np.uint8),
        pts=(times_s * 1000).astype(np.int64),
        times_s=times_s,
        durations_s=np.full(frames, 0.5),
    )


def texts(replies: Sequence[Reply]) -> list[str]:
    return [reply.text for reply in replies]


@pytest.mark.parametrize("family", FAMILIES)
def test_questions_together_are_answered_as_each_alone(family: str, engines: dict[str, QwenEngine]) -> None:
    engine = engines[family]
    together = engine.answer(clip(), QUESTIONS)
    alone = [engine.answer(clip(), [question])[0] for question in QUESTIONS]

    assert texts(together) == texts(alone) and len(set(texts(together))) == len(QUESTIONS)
    for one, other in zip(together, alone, strict=True):
        assert one.mean_logprob == pytest.approx(other.mean_logprob, abs=1e-4)
    assert engine.answer(clip(), []) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_the_video_is_seen_once_and_read_once_for_questions_with_the_same_system_words(
    family: str, engines: dict[str, QwenEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, seen, prefixes = engines[family], [], []
    runtime, generator = engine._runtime, engine._generator
    see, write = runtime.see, generator.write
    monkeypatch.setattr(runtime, "see", lambda *a: seen.append(a) or see(*a))
    monkeypatch.setattr(generator, "write", lambda p, a, s: prefixes.append(len(p)) or write(p, a, s))
    engine.answer(clip(), QUESTIONS)

    assert len(seen) == 1
    assert prefixes == [3]  # the two of "temporal QA" share one


@pytest.mark.parametrize("family", FAMILIES)
def test_clips_asked_about_at_the_same_time_are_one_batch_with_the_same_answers(
    family: str, engines: dict[str, QwenEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engines[family]
    clips = [clip(seed=0), clip(3, seed=1), clip(4, seed=2, height=64, width=96), clip(1, seed=3)]
    alone = [texts(engine.answer(one, QUESTIONS)) for one in clips]
    batches: list[int] = []
    whole = engine.answer_many
    monkeypatch.setattr(engine, "answer_many", lambda c, q: batches.append(len(c)) or whole(c, q))

    with engine._turn, ThreadPoolExecutor(len(clips)) as pool:  # held until all of them wait
        waiting = [pool.submit(engine.answer, one, QUESTIONS) for one in clips]
        while len(engine._waiting) < len(clips):
            threading.Event().wait(0.001)
        engine._turn.release()
        together = [texts(future.result()) for future in waiting]
        engine._turn.acquire()

    assert together == alone and batches == [4]


def test_a_batch_too_large_for_the_device_is_halved_and_stays_so_with_the_same_answers(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = load(str(checkpoints["qwen3_vl"]), settings=SETTINGS)
    clips = [clip(seed=seed) for seed in range(4)]
    alone = [texts(engine.answer(one, QUESTIONS[:1])) for one in clips]
    batches: list[int] = []
    whole = engine.answer_many

    def on_a_small_device(c: Sequence[Clip], q: Sequence[Sequence[Question]]) -> list[list[Reply]]:
        batches.append(len(c))
        if len(c) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return whole(c, q)

    monkeypatch.setattr(engine, "answer_many", on_a_small_device)
    for expected in ([4, 2, 1, 1, 2, 1, 1], [1, 1, 1, 1]):
        batches.clear()
        with engine._turn, ThreadPoolExecutor(len(clips)) as pool:  # held until all of them wait
            waiting = [pool.submit(engine.answer, one, QUESTIONS[:1]) for one in clips]
            while len(engine._waiting) < len(clips):
                threading.Event().wait(0.001)
            engine._turn.release()
            together = [texts(future.result()) for future in waiting]
            engine._turn.acquire()
        assert together == alone and batches == expected


@pytest.mark.parametrize(
    "said",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nand more"),
        RuntimeError("[ONNXRuntimeError] : 6 : bfc_arena.cc Failed to allocate memory for requested buffer"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        MemoryError(),
    ],
)
def test_a_clip_too_large_for_the_device_is_told_apart_from_other_failures(
    said: Exception, engines: dict[str, QwenEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engines["qwen3_vl"]

    def fail(*_: object) -> list[list[Reply]]:
        raise said

    monkeypatch.setattr(engine, "answer_many", fail)
    with pytest.raises(OutOfMemory, match="too much for the device's memory"):
        engine.answer(clip(), QUESTIONS[:1])
    said = ValueError("out of range")
    with pytest.raises(ValueError, match="out of range"):
        engine.answer(clip(), QUESTIONS[:1])


def test_a_clip_that_fails_does_not_take_others_with_it(engines: dict[str, QwenEngine]) -> None:
    engine = engines["qwen3_vl"]
    good = clip()
    expected = texts(engine.answer(good, QUESTIONS[:2]))
    with engine._turn, ThreadPoolExecutor(3) as pool:
        first = pool.submit(engine.answer, good, QUESTIONS[:2])
        empty = pool.submit(engine.answer, clip(0), QUESTIONS[:2])
        thin = pool.submit(engine.answer, clip(2, height=1, width=300), QUESTIONS[:2])
        while len(engine._waiting) < 3:
            threading.Event().wait(0.001)
        engine._turn.release()
        assert texts(first.result()) == expected
        with pytest.raises(EngineError, match=r"a clip of x\.mp4 has no frame"):
            empty.result()
        with pytest.raises(ValueError, match="too stretched"):
            thin.result()
        engine._turn.acquire()
    assert texts(engine.answer(good, QUESTIONS[:2])) == expected


def test_a_clip_too_long_for_the_engine_says_how_many_tokens_it_would_take_before_it_is_looked_at(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = load(str(checkpoints["qwen3_vl"]), max_length=400, settings=SETTINGS)
    monkeypatch.setattr(engine._runtime, "see", lambda *_: pytest.fail("it was looked at"))
    with pytest.raises(EngineError, match=r"a prompt of \d+ tokens .* this engine holds 400: take fewer"):
        engine.answer(clip(40), QUESTIONS)


@pytest.mark.parametrize(("family", "size"), [("qwen2_5_vl", (168, 84)), ("qwen3_vl", (160, 96))])
def test_a_reply_names_the_size_of_the_frame_that_was_fed(
    family: str, size: tuple[int, int], engines: dict[str, QwenEngine]
) -> None:
    (reply,) = engines[family].answer(clip(), [DESCRIBE])
    assert reply.frame_size == size


def test_the_family_decides_the_coordinates(engines: dict[str, QwenEngine]) -> None:
    assert engines["qwen2_5_vl"].coordinates == "pixels"
    assert engines["qwen3_vl"].coordinates == "relative-1000"


def test_the_fingerprint_is_stable_and_changes_with_all_that_decides_an_answer(
    checkpoints: dict[str, Path], engines: dict[str, QwenEngine]
) -> None:
    path = str(checkpoints["qwen3_vl"])
    base = engines["qwen3_vl"].fingerprint
    assert load(path, settings=SETTINGS).fingerprint == base
    other_words = PromptSet(name="x", system={**PROOFREEL.system, "visual QA": "Look."})
    others = {
        engines["qwen2_5_vl"].fingerprint,
        load(path, settings=SETTINGS, prompts=other_words).fingerprint,
        load(path, settings=SETTINGS, dtype="bfloat16").fingerprint,
        load(path, settings=replace(SETTINGS, rate_hz=1.0)).fingerprint,
        load(path, settings=QwenSettings(sampling=Sampling(max_new=24, seed=1))).fingerprint,
    }
    assert base not in others and len(others) == 5


def test_what_ends_an_answer_is_part_of_the_fingerprint(checkpoints: dict[str, Path]) -> None:
    path = checkpoints["qwen2_5_vl"] / "generation_config.json"
    before, kept = load(str(path.parent)).fingerprint, path.read_text()
    try:
        path.write_text('{"eos_token_id": [2, 0]}')
        assert load(str(path.parent)).fingerprint != before
    finally:
        path.write_text(kept)


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_answers_too(family: str, checkpoints: dict[str, Path]) -> None:
    engine = load(str(checkpoints[family]), dtype="bfloat16", settings=SETTINGS)
    replies = engine.answer(clip(), QUESTIONS)
    assert all(reply.text and reply.mean_logprob is not None and reply.mean_logprob < 0 for reply in replies)


def test_an_engine_that_runs_a_checkpoint_needs_one_and_the_spotter_takes_none() -> None:
    with pytest.raises(ValueError, match="engine transformers needs --model"):
        load_engine("transformers")
    with pytest.raises(ValueError, match=r"engine spotter has networks.*leave --model out"):
        load_engine("spotter", model="some/model")
    with pytest.raises(ValueError, match="leave --prompts out"):
        load_engine("spotter", prompts=PROOFREEL)


def test_a_rate_is_kept_to_or_refused_and_never_ignored(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    path = next(iter(checkpoints.values()))
    engine = load_engine("transformers", model=str(path), rate_hz=4.0)
    assert (engine.spec.rate_hz, engine.spec.max_frames) == (4.0, 80)
    assert engine.fingerprint != load_engine("transformers", model=str(path)).fingerprint

    own = shutil.copytree(path, tmp_path / "own")
    config = json.loads((own / "config.json").read_text())
    config.setdefault("proofreel", {})["rate_hz"] = 1.0
    (own / "config.json").write_text(json.dumps(config))
    with pytest.raises(EngineError, match=r"shown 1 frames a second, not 4: leave rate_hz out"):
        load_engine("transformers", model=str(own), rate_hz=4.0)
    with pytest.raises(ValueError, match="looks twice a second"):
        check_engine("spotter", rate_hz=4.0)
