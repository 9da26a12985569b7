"""`proofreel train small`: a model out, or one sentence that says what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from proofreel.cli import app
from training.small.config import load_table
from training.small.practice import Practice
from training.small.proofworld import proofworld
from training.small.stages import Training
from training.world.pictures import NO_CUTOUTS

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """
size = "tiny"
workers = 0
compile = "off"
log_every = 1
checkpoint_every = 2
[[stages]]
name = "see"
frames = 2
batch = 2
steps = 2
text_len = 96
mix = { where = 1.0, dense = 2.0 }
"""
WITHOUT = ("av", "faiss", "sqlalchemy", "alembic", "onnxruntime", "cv2", "openvino", "rapidocr")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "stages.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def test_a_model_is_trained_where_only_what_it_needs_is_installed(config: Path, tmp_path: Path) -> None:
    command = ["training.small", "small", "--config", str(config), "--out", str(tmp_path / "run"), "--json"]
    program = (
        f"import runpy, sys; sys.modules.update(dict.fromkeys({WITHOUT!r})); "
        f"sys.argv = {command!r}; runpy.run_module('training.small', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "clips/s" in done.stderr and "MFU" not in done.stderr  # what a CPU can do at most nobody knows
    document = json.loads(done.stdout)
    schema = json.loads((files("training") / "schemas/train-small-1.schema.json").read_text())
    jsonschema.validate(document, schema)
    assert (document["steps"], document["clips"]) == (2, 4)
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["command"].startswith("proofreel train small --config")
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= {
        file.name for file in (tmp_path / "run" / "model").iterdir()
    }


@pytest.mark.slow
def test_profile_tells_the_share_of_each_part_and_trains_nothing(config: Path, tmp_path: Path) -> None:
    asked = ["train", "small", "--config", str(config), "--out", str(tmp_path / "run"), "--profile"]
    done = CliRunner().invoke(app, [*asked, "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert "stage see: 2 clips of 2 frames" in done.stderr
    for part in ("render", "forward", "backward", "clip", "optimise", "between steps", "waiting"):
        assert part in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("batch = 2", "bach = 2", r"no setting stages\.0\.bach; there are name, mix"),
        ('size = "tiny"', 'size = "tiny"\nstepps = 1', r"no setting stepps; there are size"),
        (
            'size = "tiny"',
            'size = "tiny"\nseed = -1',
            r"seed = -1: input should be greater than or equal to 0",
        ),
        ("batch = 2", "batch = 0", r"stages\.0\.batch = 0: input should be greater than or equal to 1"),
        ("frames = 2\n", "", r"stages\.0\.frames is missing"),
        (
            "frames = 2",
            "frames = 2\nshown = [2, 1]",
            r"stage 'see': shown = \[2, 1\]: the least .* come first",
        ),
        ("frames = 2", "frames = 2\nshown = [1, 3]", r"shown = \[1, 3\]: its clips have 2 frames at most"),
        (
            "frames = 2",
            "frames = 2\nshown = [0, 2]",
            r"stages\.0\.shown\.0 = 0: input should be greater than",
        ),
        ("frames = 2", "frames = 2\nshown = 1", r"stages\.0\.shown = 1: input should be a valid tuple"),
        (
            "frames = 2",
            "frames = 2\nshort_share = 0.5",
            r"short_share = 0\.5 without shown: .* shown = \[1, 2\]",
        ),
        (
            "frames = 2",
            "frames = 2\nshown = [1, 2]\nshort_share = 0.0",
            r"short_share = 0\.0: input should be",
        ),
        (
            'size = "tiny"',
            'size = "tiny"\nseed = 2147483648',
            r"seed = 2147483648: input should be less than",
        ),
        ('size = "tiny"', 'size = "XL"', r"size = 'XL': input should be 'S' or 'tiny'"),
        ("checkpoint_every = 2", "checkpoint_every = 3\nseed = 1", None),
        ("log_every = 1", "log_every = 3", r"checkpoint_every 2 is no multiple of log_every 3"),
        ('name = "see"', 'name = "see', r"can't be read as TOML"),
        ("where = 1.0", "were = 1.0", r"stage 'see': no question of kind 'were'; there are: where"),
        ("text_len = 96", "text_len = 4", r"stage 'see': .* fits into text_len 4: raise it"),
    ],
)
def test_a_wrong_config_is_refused_in_one_sentence_that_names_what_is_wrong(
    config: Path, tmp_path: Path, before: str, after: str, message: str | None
) -> None:
    config.write_text(CONFIG.replace(before, after), encoding="utf-8")
    if message is None:
        assert load_table(config, Training).seed == 1
        return
    asked = ["train", "small", "--config", str(config), "--out", str(tmp_path / "run"), "--device", "cpu"]
    with pytest.raises(ValueError, match=message):
        CliRunner().invoke(app, asked, catch_exceptions=False)


def test_a_gpu_that_is_not_there_and_a_run_of_another_config_are_refused(
    config: Path, tmp_path: Path
) -> None:
    asked = ["train", "small", "--config", str(config), "--out", str(tmp_path / "run")]
    with pytest.raises(ValueError, match=r"--device cuda:7: .*(sees no GPU|there are \d GPUs)"):
        CliRunner().invoke(app, [*asked, "--device", "cuda:7"], catch_exceptions=False)
    for name in ("mps", "meta"):
        with pytest.raises(ValueError, match=f"--device '{name}' is no device that trains here"):
            CliRunner().invoke(app, [*asked, "--device", name], catch_exceptions=False)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.jsonl").write_text("{}\n")
    (tmp_path / "run" / "run.json").write_text('{"config_hash": "other", "seed": 0, "data": "x"}')
    with pytest.raises(ValueError, match="holds a run of another config_hash and data: give another --out"):
        CliRunner().invoke(app, [*asked, "--device", "cpu"], catch_exceptions=False)


def test_the_shipped_config_is_read_and_its_learning_rate_rises_and_falls() -> None:
    shipped = load_table(ROOT / "configs" / "proofreel-small.toml", Training)
    rates = [shipped.lr_at(step) for step in range(shipped.steps)]
    peak = rates.index(max(rates))
    assert rates[0] < 0.05 * max(rates)
    assert rates == sorted(rates[:peak]) + sorted(rates[peak:], reverse=True)
    assert rates[-1] < 0.04 * max(rates)


def test_the_last_stages_of_the_shipped_config_show_a_fourth_of_their_clips_shorter() -> None:
    shipped = load_table(ROOT / "configs" / "proofreel-small.toml", Training)
    source = proofworld(NO_CUTOUTS)
    shown = {
        lesson.stage.name: source.batches(lesson, shipped.seed)[0].frames.tolist()
        for lesson in shipped.lessons()
    }
    assert set(shown["see"]) == {4}
    assert sum(frames == 12 for frames in shown["plain"]) >= 48
    for name in ("hard", "sharp"):
        few = sum(frames < 12 for frames in shown[name])
        assert len(shown[name]) == 64 and 6 <= few <= 26
        assert 1 <= min(shown[name]) <= 3


PRACTICE = """
size = "tiny"
start = ""
level = "plain"
frames = 2
question_len = 40
longest = 24
prompts = 2
copies = 2
minibatches = 1
rollouts = 2
compile = "off"
workers = 0
scorers = 2
mix = { where = 1.0 }
"""


def test_a_practice_is_asked_scored_and_written_down(tmp_path: Path) -> None:
    config = tmp_path / "practice.toml"
    config.write_text(PRACTICE, encoding="utf-8")
    asked = ["train", "small-gspo", "--config", str(config), "--out", str(tmp_path / "run"), "--json"]
    done = CliRunner().invoke(app, [*asked, "--device", "cpu"], catch_exceptions=False)
    document = json.loads(done.stdout)
    schema = json.loads((files("training") / "schemas/train-small-gspo-1.schema.json").read_text())
    jsonschema.validate(document, schema)
    assert (document["rollouts"], document["answers"]) == (2, 8)
    assert {"reward_format", "reward_evidence"} <= set(document)
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('start = ""', 'start = "nowhere"', "nowhere holds no model.safetensors: give the folder of a saved"),
        ("prompts = 2", "prompts = 3\nseed = 1\nminibatchs = 2", "no setting minibatchs; there are size"),
        ("minibatches = 1", "minibatches = 3", "prompts 2 do not divide into 3 minibatches"),
        ("where = 1.0", "were = 1.0", "no question of kind 'were'; there are: where"),
        ("where = 1.0", "order = 1.0", "2 frames holds a short enough question of kind 'order': take it out"),
        ("scorers = 2", "scorers = 0\nweights = { fun = 1.0 }", "has no fun; its components are: format"),
    ],
)
def test_a_wrong_practice_is_refused_in_one_sentence(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    config = tmp_path / "practice.toml"
    config.write_text(PRACTICE.replace(before, after), encoding="utf-8")
    asked = ["train", "small-gspo", "--config", str(config), "--out", str(tmp_path / "run")]
    with pytest.raises(ValueError, match=message):
        CliRunner().invoke(app, [*asked, "--device", "cpu"], catch_exceptions=False)


def test_the_shipped_practice_is_read() -> None:
    shipped = load_table(ROOT / "configs" / "proofreel-small-gspo.toml", Practice)
    assert (shipped.epsilon, shipped.epsilon_high, shipped.ratio) == (3e-4, 4e-4, "sequence")


def test_a_seed_that_no_step_could_be_made_of_is_refused(config: Path, tmp_path: Path) -> None:
    asked = ["train", "small", "--config", str(config), "--out", str(tmp_path / "run"), "--device", "cpu"]
    with pytest.raises(ValueError, match="seed = 99999999999: input should be less than"):
        CliRunner().invoke(app, [*asked, "--seed", "99999999999"], catch_exceptions=False)
    assert not (tmp_path / "run").exists()


def test_training_goes_on_from_another_model_with_another_seed(config: Path, tmp_path: Path) -> None:
    asked = ["train", "small", "--config", str(config), "--device", "cpu", "--json"]
    first = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "a")], catch_exceptions=False)
    model = str(tmp_path / "a" / "model")
    more = ["--start", model, "--seed", "5", "--out", str(tmp_path / "b")]
    second = CliRunner().invoke(app, [*asked, *more], catch_exceptions=False)
    assert json.loads(second.stdout)["loss"] < json.loads(first.stdout)["loss"]
    kept = json.loads((tmp_path / "b" / "config.json").read_text())
    assert (kept["seed"], kept["start"]) == (5, model)


def test_a_last_stage_without_questions_is_told_before_the_first_is_taught(
    config: Path, tmp_path: Path
) -> None:
    last = (
        CONFIG[CONFIG.index("[[stages]]") :].replace('"see"', '"last"').replace("where = 1.0", "were = 1.0")
    )
    config.write_text(CONFIG + last, encoding="utf-8")
    asked = ["train", "small", "--config", str(config), "--out", str(tmp_path / "run"), "--device", "cpu"]
    with pytest.raises(ValueError, match="stage 'last': no question of kind 'were'"):
        CliRunner().invoke(app, asked, catch_exceptions=False)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_start_on_the_command_line_is_all_that_a_practice_needs(tmp_path: Path) -> None:
    config = tmp_path / "practice.toml"
    config.write_text(PRACTICE.replace('start = ""\n', ""), encoding="utf-8")
    asked = [
        "train",
        "small-gspo",
        "--config",
        str(config),
        "--out",
        str(tmp_path / "run"),
        "--device",
        "cpu",
    ]
    with pytest.raises(ValueError, match=r"practice\.toml: start is missing"):
        CliRunner().invoke(app, asked, catch_exceptions=False)
    with pytest.raises(ValueError, match=r"nowhere holds no model\.safetensors"):
        CliRunner().invoke(app, [*asked, "--start", "nowhere"], catch_exceptions=False)
    cut_short = tmp_path / "cut"
    cut_short.mkdir()
    (cut_short / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(
        ValueError, match=r"cut/model\.safetensors is no safetensors file, or one that was cut"
    ):
        CliRunner().invoke(app, [*asked, "--start", str(cut_short)], catch_exceptions=False)
    with pytest.raises(ValueError, match=r"proofreel-small/model\.safetensors holds weights of another size"):
        CliRunner().invoke(app, [*asked, "--start", "proofreel-small"], catch_exceptions=False)


def test_paths_of_the_document_are_absolute(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["train", "small", "--config", config.name, "--out", "run", "--device", "cpu", "--json"]
    document = json.loads(CliRunner().invoke(app, asked, catch_exceptions=False).stdout)
    assert (document["run"], document["model"]) == (str(tmp_path / "run"), str(tmp_path / "run/model"))


@pytest.mark.slow
def test_a_machine_without_a_compiler_is_told_what_to_install(config: Path, tmp_path: Path) -> None:
    config.write_text(CONFIG.replace('"off"', '"default"'), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "proofreel", "train", "small", "--config", str(config), "--device", "cpu"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "compiled")},
    )  # fmt: skip
    assert done.returncode == 1
    assert "No working C++ compiler found" in done.stderr.splitlines()[-1]
    assert 'install a C++ compiler (gcc), or set compile = "off"' in done.stderr.splitlines()[-1]
