"""`proofreel train world --write`: rendered clips as data that the trainers read like any other."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from engines.qwen.checkpoint import open_checkpoint
from grounding.errors import MediaError
from grounding.grammar import parse
from proofreel.cli import app
from training.data import ModelView, Reader, open_data
from training.world.pictures import NO_CUTOUTS
from training.world.preview import RATE_HZ
from training.world.questions.telling import SEGMENT
from training.world.rendering import Renderer, scene_arrays, tensors
from training.world.scene import Scene
from training.world.stgr import STEP_S, Asked, WorldClip, world_clip
from video import Images

CLIPS = 2
FRAME_S = 1e-3


def world(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train", "world", *map(str, arguments)])


def written(*arguments: object) -> dict[str, Any]:
    done = world(*arguments, "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    document: dict[str, Any] = json.loads(done.stdout)
    schema = json.loads((files("training") / "schemas/world-1.schema.json").read_text())
    jsonschema.validate(document, schema)
    found: dict[str, Any] = document["written"]
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("world") / "root"
    return root, written("--write", root, "--clips", CLIPS, "--seed", 5)


@pytest.fixture(scope="module")
def reader(made: tuple[Path, dict[str, Any]]) -> Reader:
    return Reader(open_data(made[0], split="sft"), ModelView.of(open_checkpoint("proofreel-small")))


@pytest.fixture(scope="module")
def asked() -> dict[str, tuple[WorldClip, Asked]]:
    """Of every row's id, what the world knows of it."""
    clips = [world_clip(number, level="plain", seed=5, cutouts=NO_CUTOUTS) for number in range(CLIPS)]
    return {one.row.id: (clip, one) for clip in clips for one in clip.asked}


def test_the_data_are_looked_through_without_a_finding(made: tuple[Path, dict[str, Any]]) -> None:
    root, document = made
    done = CliRunner().invoke(app, ["train", "data", "check", "--root", str(root), "--media", "--json"])
    assert done.exit_code == 0
    reports = json.loads(done.stdout)["splits"]
    assert [(r["split"], r["rows"], r["usable"]) for r in reports] == [
        (split, rows, rows) for split, rows in document["rows"].items()
    ]
    assert all(report["findings"] == [] for report in reports)
    assert document["root"] == str(root) and sum(document["tasks"].values()) == document["rows"]["sft"]


def test_a_reader_finds_the_frames_that_the_world_drew_at_their_times(
    reader: Reader, asked: dict[str, tuple[WorldClip, Asked]]
) -> None:
    first_of = {reader.data[place].media: place for place in reversed(range(len(reader)))}
    assert len(first_of) == 2 * CLIPS
    for place in first_of.values():
        example = reader.read(place)
        clip, one = asked[example.id]
        scene = clip.still if one.row.is_picture else clip.scene
        assert example.times_s == pytest.approx(scene.times_s, abs=FRAME_S)
        drawn = drawn_of(scene)
        assert example.frames.shape == drawn.shape
        own, next_one = apart(example.frames, drawn), apart(example.frames[:-1], drawn[1:])
        assert own.max() < 12  # what H.264 loses of the grain
        assert np.all(own[:-1] < next_one)


def apart(frames: Images, others: Images) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How far two clips are from each other, frame by frame, in 0..255."""
    distances: np.ndarray[Any, np.dtype[np.float64]] = np.abs(
        frames.astype(np.float64) - others.astype(np.float64)
    ).mean(axis=(1, 2, 3))
    return distances


def drawn_of(scene: Scene) -> Images:
    """The frames of a scene at its times. The whole clip is drawn, since the grain depends on its length."""
    whole, step = scene, 1
    if len(scene.times_s) > 1:
        step = round(STEP_S * RATE_HZ)
        whole = scene.at(np.arange(len(scene.times_s) * step) / RATE_HZ)
    made = Renderer(NO_CUTOUTS)(tensors(scene_arrays([whole], things=len(scene.names))))
    frames: Images = made[0, ::step].permute(0, 2, 3, 1).numpy()
    return frames


def test_a_reader_asks_answers_and_judges_as_the_world_does(
    reader: Reader, asked: dict[str, tuple[WorldClip, Asked]]
) -> None:
    assert len(reader) == len(asked)
    for place in range(len(reader)):
        example = reader.read(place)
        _, one = asked[example.id]
        truth = one.item.truth
        assert (example.question, example.task) == (one.item.question, one.item.task)
        assert example.truth.spans == truth.spans and example.truth.abstains == truth.abstains
        assert example.moved_s == pytest.approx([0.0] * len(example.moved_s), abs=FRAME_S)
        assert example.completion is not None
        answer = parse(example.completion, segment=SEGMENT, coordinates="relative-1000")
        assert answer.problems == () and answer.abstained == truth.abstains
        assert answer.spans == truth.spans
        if truth.box is None:
            assert example.truth.answer == truth.answer
            assert {(c.subject, c.boxes) for c in answer.claims} == {
                (c.subject, c.boxes) for c in example.truth.evidence
            }
        else:
            assert answer.text == truth.answer and answer.box is not None
            sides = np.array(
                [[getattr(b, s) for s in ("x1", "y1", "x2", "y2")] for b in (answer.box, truth.box)]
            )
            assert np.abs(sides[0] - sides[1]).max() < 0.0015


def test_clips_of_another_seed_are_added_and_those_of_the_same_are_replaced(tmp_path: Path) -> None:
    root = tmp_path / "root"
    first = written("--write", root, "--clips", 1)["rows"]["sft"]
    second = written("--write", root, "--clips", 1, "--seed", 1, "--add")["rows"]["sft"]
    written("--write", root, "--clips", 1, "--add")
    rows = json.loads((root / "json_data/STGR-SFT.json").read_text())
    assert len(rows) == len({row["id"] for row in rows}) == first + second


def test_where_a_clip_cannot_be_written_the_lists_stay_as_they_were(tmp_path: Path) -> None:
    root = tmp_path / "root"
    written("--write", root, "--clips", 1)
    before = {path.name: path.read_bytes() for path in (root / "json_data").iterdir()}
    (root / "videos/proofworld/plain-1-0.mp4").mkdir()  # in the way of a clip of the next seed
    done = world("--write", root, "--clips", 1, "--seed", 1, "--add")
    assert isinstance(done.exception, MediaError) and "plain-1-0.mp4" in str(done.exception)
    assert {path.name: path.read_bytes() for path in (root / "json_data").iterdir()} == before
    assert not list(root.rglob(".*"))


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "videos").write_text("a file of that name")
    done = world("--write", tmp_path, "--clips", 1, "--add")
    assert isinstance(done.exception, MediaError) and "videos/proofworld: the folder can't be made" in str(
        done.exception
    )
    assert list(tmp_path.rglob("*.json")) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--write", "root"], "give --clips N"),
        (["--clips", "3"], "give --write DATA_ROOT"),
        (["--preview", "a.mp4", "--add"], "give --write DATA_ROOT"),
        (["--write", "root", "--clips", "1", "--split", "iid"], "for evaluation"),
        (["--write", "full", "--clips", "1"], "not empty: give --add"),
        (["--write", "full/file", "--clips", "1"], "is a file"),
    ],
)
def test_what_cannot_be_written_is_said_and_nothing_is_touched(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("of somebody else")
    done = world(*arguments)
    assert isinstance(done.exception, ValueError) and said in str(done.exception)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "full"]
