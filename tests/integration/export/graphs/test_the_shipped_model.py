"""The shipped small model, exported like any other checkpoint: it says there what it says here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from proofreel.cli import app
from training.world.pictures import NO_CUTOUTS
from training.world.preview import write_scene
from training.world.rendering import Renderer
from training.world.stgr import world_clip

SMALL = "proofreel-small"
KINDS = ("digit", "flash", "view", "what", "dense")


def printed(*arguments: object) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.slow
def test_the_export_is_good_and_answers_as_the_checkpoint_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / SMALL).mkdir()  # the name means the shipped one all the same, then and when it is checked
    folder = tmp_path / "exported"
    made = printed("export", "onnx", SMALL, folder, "--dtype", "fp32")
    assert made["checkpoint"] == SMALL
    assert printed("export", "check", folder)["passed"]

    world = world_clip(2, level="plain", seed=9, cutouts=NO_CUTOUTS)
    clip = tmp_path / "clip.mp4"
    write_scene(world.scene, clip, renderer=Renderer(NO_CUTOUTS))
    questions = [one.item.question for one in world.asked if one.item.kind in KINDS]
    assert len(questions) >= 3
    proved = 0
    for question in questions:
        here, there = (
            printed("ask", clip, question, "--engine", engine, "--model", model)
            for engine, model in (("transformers", SMALL), ("onnx", folder))
        )
        assert {**there, "engine": None} == {**here, "engine": None}
        proved += len(here["claims"])
    assert proved >= len(questions) - 1, "answers without a claim are easily equal"
