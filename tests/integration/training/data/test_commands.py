"""`proofreel train data` as a user types it."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from proofreel.cli import app
from tests.annotations import make_video, write_cvat, write_label_studio
from tests.stgr import SFT, make_root, write_media, write_rows


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_root(tmp_path_factory.mktemp("data_root"))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train", "data", *map(str, arguments)])


def document(done: Result, name: str) -> Any:
    found = json.loads(done.stdout)
    schema = json.loads((files("training") / f"schemas/{name}-1.schema.json").read_text())
    jsonschema.validate(found, schema)
    return found


def test_check_looks_through_both_lists_and_its_document_fits_its_schema(root: Path) -> None:
    done = run("check", "--root", root, "--media", "--json")
    found = document(done, "data-check")
    assert done.exit_code == 0
    assert [(one["split"], one["usable"], one["media_checked"]) for one in found["splits"]] == [
        ("sft", 7, True),
        ("rl", 7, True),
    ]


def test_check_names_what_is_wrong_and_exits_with_1(tmp_path: Path) -> None:
    write_media(tmp_path, SFT[1])
    write_rows(tmp_path, [SFT[1], {**SFT[1], "id": "gone", "video_path": "gone.mp4"}, {"id": "odd\x1b[31m"}])
    done = run("check", "--root", tmp_path)
    assert done.exit_code == 1
    assert "1 of 3 rows can be used" in done.stdout
    assert "row 1 (gone): " in done.stdout and "--skip-missing" in done.stdout
    assert "row 2 (odd): task: field required" in done.stdout and "\x1b[31m" not in done.stdout
    found = document(run("check", "--root", tmp_path, "--json"), "data-check")["splits"][0]
    assert (found["missing"], found["broken"]) == (1, 1)
    assert found["sources"]["STR_coin"] == {"rows": 2, "usable": 1, "missing": 1}


def test_check_of_nothing_is_wrong_usage(tmp_path: Path) -> None:
    done = run("check", "--root", tmp_path)
    assert isinstance(done.exception, ValueError) and "STGR-SFT.json" in str(done.exception)


def test_a_list_without_rows_is_nothing_to_train_on(tmp_path: Path) -> None:
    write_rows(tmp_path, [])
    done = run("check", "--root", tmp_path)
    assert done.exit_code == 1
    assert "0 of 0 rows can be used" in done.stdout and "nothing in it to train on" in done.stdout
    done = run("check", "--root", tmp_path, "--json")
    assert done.exit_code == 1 and document(done, "data-check")["splits"][0]["rows"] == 0


def test_convert_makes_data_that_check_takes(tmp_path: Path) -> None:
    video, out = make_video(tmp_path / "clip.mp4"), tmp_path / "out"
    done = run("convert", "cvat", write_cvat(tmp_path / "a.xml"), out, "--video", video, "--json")
    found = document(done, "data-convert")
    assert done.exit_code == 0
    assert (found["videos"], found["tracks"], found["left_out"]) == (1, 2, {"polyline": 1})
    assert found["rows"] == {"sft": 7, "rl": 6}
    assert run("check", "--root", out, "--media").exit_code == 0
    export = write_label_studio(tmp_path / "a.json")
    done = run("convert", "label-studio", export, out, "--video", video, "--add")
    assert done.exit_code == 0 and "2 tracks and 3 events" in done.stdout
    assert run("check", "--root", out, "--media").exit_code == 0


def test_a_setting_that_a_tool_has_no_use_for_is_refused(tmp_path: Path) -> None:
    done = run("convert", "cvat", tmp_path / "a.xml", tmp_path, "--video", tmp_path, "--first-frame", 1)
    assert "is for coco" in str(done.exception)


@pytest.mark.parametrize("family", ["qwen3_vl", "qwen2_5_vl"])
def test_show_prints_an_example_and_draws_its_truth(root: Path, tmp_path: Path, family: str) -> None:
    pytest.importorskip("torch")
    out = tmp_path / "sheet.png"
    done = run("show", "--root", root, "--row", 1, "--family", family, "--out", out, "--json")
    found = document(done, "data-show")
    assert done.exit_code == 0 and found["id"] == SFT[1]["id"]
    step = 32 if family == "qwen3_vl" else 28
    assert all(side % step == 0 for side in found["frame_size"])
    assert [one["time"] for one in found["truth"]["evidence"]] == [1.0, 3.0, 3.0]
    width, height = (1000, 1000) if family == "qwen3_vl" else found["frame_size"]
    box = [round(side) for side in (0.1 * width, 0.2 * height, 0.3 * width, 0.8 * height)]
    assert f"<obj>man</obj><box>{box}</box>".replace(" ", "") in found["completion"]
    drawn = np.asarray(Image.open(out))
    width, height = found["frame_size"]
    assert drawn.shape == (3 * (height + 16), 3 * width, 3)
    x, y = 2 * width + round(0.2 * width), 16 + round(0.2 * height)  # the third frame's box, its upper edge
    with_box = drawn[y - 2 : y + 3, x].astype(int)
    bare = drawn[y - 2 : y + 3, x - width].astype(int)
    assert np.abs(with_box - bare).max() > 60


def test_show_uses_the_checkpoint_s_own_settings(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tests.tiny_qwen import save_checkpoint

    checkpoint = save_checkpoint(tmp_path / "model", "qwen2_5_vl")
    config = json.loads((checkpoint / "config.json").read_text())
    own = {"rate_hz": 1.0, "max_frames": 3}
    (checkpoint / "config.json").write_text(json.dumps({**config, "proofreel": own}))
    found = document(run("show", "--root", root, "--row", 1, "--model", checkpoint, "--json"), "data-show")
    assert found["times"] == [0.0, 2.0]


def test_show_for_people_names_all_that_a_model_reads(root: Path) -> None:
    pytest.importorskip("torch")
    done = run("show", "--root", root, "--split", "rl", "--row", 3)
    assert "answer: 1 to 2.5 s" in done.stdout and "completion: none" in done.stdout
    assert "You watch a video" in done.stdout


def test_show_of_a_row_that_is_not_used_says_why(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    write_media(tmp_path, SFT[1])
    write_rows(tmp_path, [{"id": "odd"}, SFT[1]])
    assert "task: field required" in str(run("show", "--root", tmp_path, "--row", 0).exception)
    assert "there are 2 rows" in str(run("show", "--root", tmp_path, "--row", 9).exception)
