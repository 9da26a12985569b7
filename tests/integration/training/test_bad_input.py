"""What is wrong is said in one sentence, before weights are loaded wherever that can be."""

from __future__ import annotations

import json
import multiprocessing
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback
from typer.testing import CliRunner, Result

import training.student
from grounding.errors import EngineError, ProofreelError, TrainingError
from proofreel.cli import app
from tests import stgr, tiny_qwen
from tests.schooling import Shot, Shots, recipe, table, teacher, write_recipe
from training import stage_commands
from training.material import Material
from training.stage import _trainer
from training.trainers import memory_explained, to_lower

Config = Callable[..., Path]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen.save_checkpoint(tmp_path_factory.mktemp("ck"), "qwen3_vl")


@pytest.fixture
def config(checkpoint: Path, tmp_path: Path) -> Config:
    return lambda **parts: write_recipe(tmp_path / "tiny.toml", table(checkpoint, "qwen3_vl", **parts))


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where weights are loaded."""

    def load(*_: object, **__: object) -> None:
        raise AssertionError("weights were loaded before the input was looked through")

    monkeypatch.setattr(training.student, "load_weights", load)


def refused(config: Path, out: Path, *more: object, stage: str = "sft") -> Exception:
    """The error of a run that doesn't start; nothing is left behind."""
    command = ["train", stage, "--config", config, "--out", out, *more]
    result: Result = CliRunner().invoke(app, [*map(str, command)])
    assert isinstance(result.exception, ProofreelError | ValueError), (result.output, result.exception)
    assert not out.exists()
    return result.exception


@pytest.mark.usefixtures("no_weights")
def test_a_missing_data_root_is_said_at_once(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATA_ROOT", raising=False)
    assert "no DATA_ROOT: give --data-root" in str(refused(config(), tmp_path / "run"))
    gone = refused(config(), tmp_path / "run", "--data-root", tmp_path / "gone")
    assert "gone is no directory: mount it" in str(gone)
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "unmounted"))
    for more in ([], ["--dry-run"]):
        assert "unmounted is no directory: mount it" in str(refused(config(), tmp_path / "run", *more))


@pytest.mark.usefixtures("no_weights")
def test_a_video_that_is_gone_stops_the_run_unless_it_may_be_left_out(config: Config, tmp_path: Path) -> None:
    root = stgr.make_root(tmp_path / "root")
    (root / "videos/videor1/videor1_mcq.mp4").unlink()
    error = refused(config(), tmp_path / "run", "--data-root", root)
    assert "the media of 1 of 7 rows are not there (videor1_mcq 1 of 1)" in str(error)
    with pytest.raises(AssertionError, match="weights were loaded"):
        command = ["train", "sft", "--config", config(), "--data-root", root, "--skip-missing"]
        CliRunner().invoke(app, [*map(str, command), "--out", str(tmp_path / "run")], catch_exceptions=False)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"key_items": {"12": {"man": [[0.1, 0.2, 1.3, 0.8]]}}}, "0.1, 0.2, 1.3, 0.8"),
        ({"task": "temporal QA", "answer": "in the evening"}, "names no stretch of time"),
        ({"question": 7}, "question: input should be a valid string"),
    ],
    ids=["a box out of the frame", "an answer that does not parse", "a field that is no text"],
)
def test_one_broken_row_is_named_and_left_out(
    values: dict[str, Any], said: str, config: Config, tmp_path: Path
) -> None:
    root = stgr.make_root(tmp_path / "root")
    rows = [{**stgr.SFT[0], "id": f"good-{k}"} for k in range(30)]
    rows[17] = {**stgr.SFT[0], "id": "seventeen", **values}
    stgr.write_rows(root, rows)
    command = ["train", "sft", "--config", config(), "--data-root", root, "--dry-run", "--json"]
    result = CliRunner().invoke(app, [*map(str, command)])
    assert result.exit_code == 0, (result.output, result.exception)
    assert json.loads(result.stdout)["data"]["rows"] == 29
    assert "row 17 (seventeen) is left out:" in result.stderr and said in result.stderr


@pytest.mark.usefixtures("no_weights")
def test_a_prompt_longer_than_the_limit_is_counted_and_named(config: Config, tmp_path: Path) -> None:
    root = stgr.make_root(tmp_path / "root")
    rows = [*stgr.SFT, {**stgr.SFT[5], "id": "endless", "question": "why? " * 3000}]
    stgr.write_rows(root, rows)
    error = refused(config(sft={"max_length": 4096}), tmp_path / "run", "--data-root", root)
    assert "1 of 8 rows are longer than max_length 4,096; the longest is row 7 (endless) with " in str(error)
    assert "set data.skip_long" in str(error)
    short = refused(config(sft={"max_length": 20}), tmp_path / "run", "--data-root", root)
    assert "8 of 8 rows are longer" in str(short)
    with pytest.raises(AssertionError, match="weights were loaded"):
        whole = config(sft={"max_length": 4096}, data={"skip_long": True})
        command = ["train", "sft", "--config", whole, "--data-root", root, "--out", tmp_path / "run"]
        CliRunner().invoke(app, [*map(str, command)], catch_exceptions=False)


@pytest.mark.usefixtures("no_weights")
def test_a_checkpoint_of_another_family_is_named(config: Config, tmp_path: Path) -> None:
    root = stgr.make_root(tmp_path / "root")
    other = tiny_qwen.save_checkpoint(tmp_path / "other", "qwen2_5_vl")
    for stage in ("sft", "gspo"):
        error = refused(config(), tmp_path / "run", "--data-root", root, "--model", other, stage=stage)
        assert isinstance(error, EngineError)
        assert "is of family qwen2_5_vl, and the recipe is for qwen3_vl" in str(error)


def test_a_library_that_is_not_installed_is_asked_for(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_commands, "NEEDED", ("torch", "a_library_that_nobody_has"))
    error = refused(config(), tmp_path / "run", "--dry-run")
    assert str(error) == "a_library_that_nobody_has is not installed: pip install 'proofreel[train]'"


@pytest.mark.usefixtures("no_weights")
def test_rollouts_by_a_vllm_that_is_not_there_are_refused(config: Config, tmp_path: Path) -> None:
    recipe = config(gspo={"rollout": {"num_generations": 2, "vllm": "colocate"}})
    error = refused(recipe, tmp_path / "run", "--data-root", tmp_path, stage="gspo")
    assert str(error) == 'vllm is not installed: pip install vllm, or set rollout.vllm = "off" in [gspo]'


def prepared_of(checkpoint: Path, own: Any) -> Any:
    from training.preparing import Prepared
    from training.student import open_student

    return Prepared(
        checkpoint=open_student(own.model),
        teacher=teacher(checkpoint, own),
        items=Shots([Shot(number=k) for k in range(4)]),
        fingerprint="0" * 64,
        sources={},
    )


class Full(TrainerCallback):
    """A GPU that is full at the first step: PyTorch's own error, raised in the trainer's loop."""

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB"
        )


def test_running_out_of_gpu_memory_says_what_to_lower(checkpoint: Path, tmp_path: Path) -> None:
    own = recipe(checkpoint, "qwen3_vl", sft={"gradient_checkpointing": False})
    trainer = _trainer("sft", own, prepared_of(checkpoint, own), out=tmp_path)
    trainer.add_callback(Full())
    with (
        pytest.raises(TrainingError) as error,
        memory_explained(own, "sft", step=lambda: trainer.state.global_step),
    ):
        trainer.train()
    assert "out of GPU memory at step 1 (CUDA out of memory. Tried to allocate 2.00 GiB)" in str(error.value)
    for said in ("set gradient_checkpointing = true, or lower batch", "frames.max_frames (now 3)", '"lora"'):
        assert said in str(error.value)
    assert any("max_completion_length" in line for line in to_lower(own, "gspo"))


def test_running_out_of_the_machines_own_memory_says_the_same(checkpoint: Path, tmp_path: Path) -> None:
    """An allocation that really fails: the process is given little more than it has."""
    context = multiprocessing.get_context("fork")
    said: Any = context.Queue()
    process = context.Process(target=in_little_memory, args=(checkpoint, tmp_path, said))
    process.start()
    process.join(timeout=60)
    text = said.get(timeout=1)
    assert text.startswith("out of memory at step 1 ("), text
    assert "lower batch (now 2) and raise accumulation as much" in text


def in_little_memory(checkpoint: Path, folder: Path, said: Any) -> None:
    large = dict.fromkeys(("least_pixels", "most_pixels", "picture_most_pixels"), 1 << 20)
    own = recipe(checkpoint, "qwen3_vl", frames=large)
    trainer = _trainer("sft", own, prepared_of(checkpoint, own), out=folder)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (300 << 20), resource.RLIM_INFINITY))
    try:
        with memory_explained(own, "sft", step=lambda: trainer.state.global_step):
            trainer.train()
    except TrainingError as error:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        said.put(str(error))


def test_a_row_that_fails_on_the_way_gives_its_place_to_the_next(checkpoint: Path) -> None:
    own = recipe(checkpoint, "qwen3_vl")
    material = Material(items=Leaky(bad={2}), teacher=teacher(checkpoint, own))
    rows = material.answered()
    assert rows[2]["lesson"].seen.values.tobytes() == rows[3]["lesson"].seen.values.tobytes()
    assert material.failed == 1


def test_too_many_rows_that_fail_stop_the_run(checkpoint: Path) -> None:
    own = recipe(checkpoint, "qwen3_vl")
    rows = Material(items=Leaky(bad=set(range(8))), teacher=teacher(checkpoint, own)).answered()
    with pytest.raises(
        TrainingError, match=r"6 of 6 rows could not be read, the last because row \d is gone"
    ):
        rows[0]


class Leaky(Shots):
    """Eight items, of which some are gone when they are read."""

    def __init__(self, *, bad: set[int]) -> None:
        super().__init__([Shot(number=k) for k in range(8)])
        self.bad = bad

    def read(self, place: int, /) -> Shot:
        from training.data import Unusable

        if place in self.bad:
            raise Unusable("missing", f"row {place} is gone")
        return super().read(place)
