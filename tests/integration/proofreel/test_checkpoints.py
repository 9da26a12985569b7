"""`--engine transformers` end to end: a checkpoint's answers are stored, found, proved, and never trusted.

The command runs in this process where a test needs no other: PyTorch is then loaded once for all.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
from contextlib import closing
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from engines.qwen.shapes import FAMILIES
from tests import tiny_qwen
from tests.clips import make_clip, read_number
from tests.integration.proofreel.test_command import proofreel
from tests.night_process import Outcome
from tests.proofreel_here import run_here

BOXES = {"qwen2_5_vl": "[77,63,154,126]", "qwen3_vl": "[250,250,500,500]"}
"""The same quarter of the frame: in pixels of the 308 x 252 that 320 x 240 is fed as, and in thousandths."""

SAYS = (
    "<think>From <t>1</t>s to <t>3</t>s: a <obj>purple kite</obj><box>{box}</box>at<t>2.0</t>s flies over "
    "the bay.</think><answer>From <t>1</t>s to <t>3</t>s</answer>"
)
HOSTILE = (
    "<think>From <t>0</t>s to <t>5</t>s: a <obj>kite\x1b]0;owned\x07\x1b[31m\u202egnp.exe\x00</obj>"
    "<box>[1,1,90,90]</box>at<t>1.0</t>s. <script>alert(1)</script> '; DROP TABLE moment; -- "
    + "kite [bold red]x[/] " * 20_000
    + "</think><answer>\x1b[2J\x9b31m yes"
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds from 100 s of file time on, ten numbered frames a second."""
    return make_clip(
        tmp_path_factory.mktemp("clips") / "late.mkv",
        frames=60,
        time_base=Fraction(1, 1000),
        pts=range(100_000, 106_000, 100),
    )


def run(*arguments: str | Path, cwd: Path, code: int = 0) -> Outcome:
    done = run_here(*arguments, cwd=cwd)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def document(*arguments: str | Path, cwd: Path, schema: str) -> Any:
    return parsed(run(*arguments, "--json", cwd=cwd).stdout, schema=schema)


def parsed(printed: str, *, schema: str) -> Any:
    found = json.loads(printed)
    room, name = schema.split("/")
    jsonschema.validate(found, json.loads((files(room) / f"schemas/{name}-1.schema.json").read_text()))
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_checkpoint_s_claims_are_found_at_the_file_s_times_in_the_right_place_and_frame(
    family: str, clip: Path, tmp_path: Path
) -> None:
    model = tiny_qwen.save_forced(tmp_path / "model", family, answer=SAYS.format(box=BOXES[family]))
    indexed = document(
        "index", clip, "-q", "when does a kite fly?", "--engine", "transformers", "--model", model,
        cwd=tmp_path, schema="indexer/index",
    )  # fmt: skip
    assert [file["status"] for file in indexed["files"]] == ["indexed"]

    found = document("search", "a purple kite", cwd=tmp_path, schema="search/search")
    hit = found["results"][0]
    assert (hit["start"], hit["end"]) == (101.0, 103.0)
    (claim,) = [c for c in hit["claims"] if c["subject"] == "purple kite"][:1]
    assert (claim["time"], claim["pts"]) == (102.0, 102_000)
    assert claim["boxes"] == [pytest.approx([0.25, 0.25, 0.5, 0.5], abs=1e-4)]

    proof = document("show", str(hit["moment"]), "--frame", "proof.png", cwd=tmp_path, schema="search/show")
    assert proof["frame"]["pts"] == 102_000
    with Image.open(tmp_path / "proof.png") as picture:
        assert read_number(np.asarray(picture.convert("RGB"))) == 20

    again = document(
        "index", clip, "-q", "when does a kite fly?", "--engine", "transformers", "--model", model,
        cwd=tmp_path, schema="indexer/index",
    )  # fmt: skip
    assert [file["status"] for file in again["files"]] == ["unchanged"]


@pytest.mark.parametrize("family", FAMILIES)
def test_ask_answers_with_the_proof_of_a_checkpoint(family: str, clip: Path, tmp_path: Path) -> None:
    model = tiny_qwen.save_forced(tmp_path / "model", family, answer=SAYS.format(box=BOXES[family]))
    done = proofreel(
        "ask", str(clip), "when does a kite fly?", "--engine", "transformers", "--model", str(model),
        "--overlay", "proof.png", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = parsed(done.stdout, schema="indexer/ask")
    assert answer["spans"] == [[101.0, 103.0]] and answer["engine"] == "transformers"
    assert [(c["subject"], c["time"], c["pts"]) for c in answer["claims"]] == [
        ("purple kite", 102.0, 102_000)
    ]
    assert answer["claims"][0]["boxes"][0] == pytest.approx([0.25, 0.25, 0.5, 0.5], abs=1e-4)
    assert (tmp_path / "proof.png").is_file()


def test_an_export_is_run_once_it_was_held_against_its_checkpoint_or_by_a_flag_that_is_kept(
    clip: Path, tmp_path: Path
) -> None:
    says, few = SAYS.format(box=BOXES["qwen3_vl"]), {"depth": 1, "deepstack_visual_indexes": [0]}
    tiny_qwen.save_forced(
        tmp_path / "kite", "qwen3_vl", answer=says, text={"num_hidden_layers": 1}, vision=few
    )  # an export takes as long as the layers are many
    run("export", "onnx", "kite", "out", "--dtype", "fp32", "--max-length", "2048", cwd=tmp_path)
    index = ("index", clip, "--engine", "onnx", "--model", "out")

    refused = run(*index, cwd=tmp_path, code=1)
    assert "proofreel export check out" in refused.stderr
    run(*index, "--unchecked", "--home", "bold", cwd=tmp_path)
    run("export", "check", "out", cwd=tmp_path)
    run(*index, cwd=tmp_path)

    (found,) = document("search", "a purple kite", cwd=tmp_path, schema="search/search")["results"]
    (claim,) = found["claims"]
    assert (claim["time"], claim["boxes"]) == (102.0, [[0.25, 0.25, 0.5, 0.5]])
    assert run_of(tmp_path / ".proofreel") == ("onnx", {"model": "out"})
    assert run_of(tmp_path / "bold") == ("onnx", {"model": "out", "unchecked": True})


def run_of(home: Path) -> tuple[str, dict[str, Any]]:
    """The engine of the home's one run, and what was chosen of it."""
    with closing(sqlite3.connect(home / "proofreel.db")) as database:
        ((engine, config),) = database.execute("SELECT engine, config FROM run")
    return engine, {name: value for name, value in json.loads(config).items() if name != "clip"}


@pytest.mark.parametrize("family", FAMILIES)
def test_whatever_a_random_checkpoint_writes_is_stored_with_its_fingerprint_and_breaks_nothing(
    family: str, clip: Path, tmp_path: Path
) -> None:
    model = tiny_qwen.save_checkpoint(tmp_path / "model", family)
    indexed = document(
        "index", clip, "-q", "is there a bus?", "--engine", "transformers", "--model", model,
        cwd=tmp_path, schema="indexer/index",
    )  # fmt: skip
    assert [file["status"] for file in indexed["files"]] == ["indexed"]

    with sqlite3.connect(tmp_path / ".proofreel/proofreel.db") as rows:
        stored = rows.execute(
            "SELECT run.engine, run.fingerprint, answer.raw, answer.mean_logprob FROM answer "
            "JOIN segment ON segment.id = answer.segment_id JOIN job ON job.id = segment.job_id "
            "JOIN run ON run.id = job.run_id"
        ).fetchall()
    assert len(stored) == 2 and all(raw for _, _, raw, _ in stored)
    from engines.transformers import load

    assert {(name, mark) for name, mark, _, _ in stored} == {("transformers", load(str(model)).fingerprint)}
    assert all(logprob < 0 for _, _, _, logprob in stored)
    document("search", "a bus", cwd=tmp_path, schema="search/search")
    document("status", cwd=tmp_path, schema="indexer/status")
    run("status", cwd=tmp_path)


def test_hostile_text_is_cut_to_length_and_never_reaches_a_terminal(clip: Path, tmp_path: Path) -> None:
    model = tiny_qwen.save_forced(tmp_path / "model", "qwen3_vl", answer=HOSTILE)
    flags = ("--engine", "transformers", "--model", model)
    run("index", clip, "-q", "is there a kite?", *flags, cwd=tmp_path)

    shown = run("search", "kite", cwd=tmp_path).stdout
    moment = document("search", "kite", cwd=tmp_path, schema="search/search")["results"][0]["moment"]
    shown += run("show", str(moment), cwd=tmp_path).stdout + run("status", cwd=tmp_path).stdout
    shown += run("ask", clip, "is there a kite?", *flags, cwd=tmp_path).stdout
    assert "kite" in shown and len(shown) < 20_000
    assert not any(c in shown for c in "\x1b\x07\x9b\x00\u202e")

    with sqlite3.connect(tmp_path / ".proofreel/proofreel.db") as rows:
        longest = rows.execute("SELECT max(length(raw)), max(length(text)) FROM answer").fetchone()
        (longest_moment,) = rows.execute("SELECT max(length(text)) FROM moment").fetchone()
    assert longest[0] <= 100_000 and longest[1] <= 2_000 and longest_moment <= 2_000


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--engine", "transformers"), "engine transformers needs --model"),
        (("--engine", "transformers", "--model", ""), "engine transformers needs --model"),
        (("--model", "x"), "leave --model out"),
        (("--engine", "spotter", "--prompts", "p.toml"), "leave --prompts out"),
        (
            ("--engine", "oracle", "--model", "x"),
            "no engine named 'oracle'; there are: spotter, transformers",
        ),
        (
            ("--engine", "transformers", "--model", "x", "--prompts", "absent.toml"),
            "can't read the prompt file",
        ),
    ],
)
def test_flags_that_do_not_go_together_are_wrong_usage_before_any_work(
    flags: tuple[str, ...], said: str, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "p.toml").write_text('name = "p"\nextends = "proofreel"\n[system]\n"visual QA" = "Look."\n')
    command = ("ask", clip, "a kite?") if "spotter" in flags else ("index", clip)
    done = run(*command, *flags, cwd=tmp_path, code=2)
    assert said in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / ".proofreel").exists()


def test_a_checkpoint_that_is_not_there_is_one_sentence_and_exit_code_1(clip: Path, tmp_path: Path) -> None:
    done = run("index", clip, "--engine", "transformers", "--model", "./absent", cwd=tmp_path, code=1)
    assert "proofreel: ./absent is no checkpoint: give a directory" in done.stderr


def test_other_words_are_another_run_and_the_settings_file_may_name_them(clip: Path, tmp_path: Path) -> None:
    tiny_qwen.save_forced(tmp_path / "model", "qwen3_vl", answer=SAYS.format(box=BOXES["qwen3_vl"]))
    (tmp_path / "p.toml").write_text('name = "p"\nextends = "proofreel"\n[system]\ndescribe = "Look."\n')
    (tmp_path / "proofreel.toml").write_text(
        '[index]\nengine = "transformers"\nmodel = "model"\nprompts = "p.toml"\n'
    )
    run("index", clip, cwd=tmp_path)
    (tmp_path / "proofreel.toml").write_text('[index]\nengine = "transformers"\nmodel = "model"\n')
    run("index", clip, cwd=tmp_path)
    with sqlite3.connect(tmp_path / ".proofreel/proofreel.db") as rows:
        assert rows.execute("SELECT count(DISTINCT fingerprint) FROM run").fetchone() == (2,)


def test_doctor_names_what_runs_checkpoints_and_where(tmp_path: Path) -> None:
    import torch

    checks = {c["name"]: c for c in document("doctor", cwd=tmp_path, schema="proofreel/doctor")["checks"]}
    assert checks["torch"]["found"] == torch.__version__
    assert checks["transformers"]["status"] == "ok"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assert checks["checkpoints run on"]["found"].startswith(device)


def test_the_spotter_never_loads_what_checkpoints_need(clip: Path, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom proofreel.cli import main\n"
        "for words in (['index', sys.argv[1]], ['search', 'a bus']):\n"
        "    sys.argv = ['proofreel', *words]\n    main_failed = False\n"
        "    try:\n        main()\n    except SystemExit as end:\n        assert not end.code, end.code\n"
        "    sys.argv = ['', sys.argv[-1]]\n"
        "print(*sorted({'torch', 'transformers', 'huggingface_hub', 'onnx', 'peft'} & set(sys.modules)))"
    )
    import sys

    done = subprocess.run(
        [sys.executable, "-c", program, str(clip)],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, [""]), done.stderr
