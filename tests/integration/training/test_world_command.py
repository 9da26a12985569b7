"""`proofreel train world`: a clip that plays, with its truth drawn."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from typer.testing import CliRunner

from proofreel.cli import app
from tests.worlds import scene
from training.world.pictures import NO_CUTOUTS
from training.world.preview import write_scene
from training.world.rendering import Renderer, scene_arrays, tensors
from video import open_video


def test_a_written_clip_shows_each_frame_of_the_scene_at_its_time(tmp_path: Path) -> None:
    one = scene(seed=2)
    renderer = Renderer(NO_CUTOUTS)
    write_scene(one, tmp_path / "clip.mp4", renderer=renderer)
    truth = renderer(tensors(scene_arrays([one], things=len(one.names))))[0].permute(0, 2, 3, 1).numpy()
    # A frame is on display until the next one: look in the middle of the one that begins at the time.
    times_s = (np.round(one.times_s * 20) / 20 + 0.01).tolist()
    with open_video(tmp_path / "clip.mp4") as source:
        frames = list(source.frames_at(times_s))
    assert len(frames) == len(truth)
    for frame, expected in zip(frames, truth, strict=True):
        # Noise is drawn anew for each written frame, so that means are compared.
        assert np.abs(frame.image.astype(float) - expected.astype(float)).mean() < 22


def test_the_command_writes_a_clip_and_prints_its_questions(tmp_path: Path) -> None:
    out = tmp_path / "preview.mp4"
    done = CliRunner().invoke(app, ["train", "world", "--preview", str(out), "--scale", "2"])
    assert done.exit_code == 0, done.output
    assert "Where is the" in done.stdout and "<answer>" in done.stdout
    with open_video(out) as source:
        assert (source.info.width, source.info.height) == (256, 256)
        assert source.info.duration_s > 5


def test_its_document_follows_its_schema(tmp_path: Path) -> None:
    arguments = ["train", "world", "--preview", str(tmp_path / "clip.mp4"), "--scale", "1", "--json"]
    document = json.loads(CliRunner().invoke(app, arguments).stdout)
    schema = json.loads((files("training") / "schemas/world-1.schema.json").read_text())
    jsonschema.validate(document, schema)
    assert document["preview"] == str(tmp_path / "clip.mp4") and len(document["questions"]) > 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to do"),
        (["--preview", "clip.avi"], "ends in .mp4"),
        (["--preview", "clip.mp4", "--split", "objects"], "--level hard"),
        (["--pack", "cut.zip", "--cutouts", "/nowhere"], "no cut-outs"),
        (["--pack", "gone/cut.npz"], "gone/cut.npz: it can't be written (No such file or directory)"),
    ],
)
def test_wrong_input_is_said_and_nothing_is_written(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["train", "world", *arguments])
    assert said in str(done.exception)
    assert list(tmp_path.iterdir()) == []
