"""The shipped checkpoint, as an archive's operator meets it.

Clips that it never saw are indexed, searched and asked about; moments and boxes are the right ones.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from engines.transformers import load
from grounding.evidence import Box, Span
from grounding.geometry import iou, tiou
from proofreel.cli import app
from training.evaluate.proofworld import Request, asked, run
from training.world.happenings import Happening
from training.world.levels import world
from training.world.pictures import NO_CUTOUTS
from training.world.preview import write_scene
from training.world.questions.telling import clearest
from training.world.rendering import Renderer
from training.world.scene import Scene, sample_scene

MODEL = ("--engine", "transformers", "--model", "proofreel-small")
STEP_S = 0.8
"""Between the frames that the model's engine looks at."""

HELD_OUT = 7_000_000
"""Seeds from here on are no training's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    folder: Path
    home: Path
    scenes: dict[str, Scene]


def scene(seed: int) -> Scene:
    """A held-out scene whose frames lie on the grid that the engine samples."""
    rng = np.random.default_rng(HELD_OUT + seed)
    drawn = sample_scene(rng, world=world("plain", "iid"), cutouts=NO_CUTOUTS)
    times_s = np.round(np.arange(len(drawn.times_s)) * STEP_S, 3)
    return replace(
        drawn.at(drawn.times_s), times_s=times_s, centres=drawn.paths.at(times_s), happenings=drawn.happenings
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    root = tmp_path_factory.mktemp("archive")
    folder, home = root / "clips", root / "home"
    folder.mkdir()
    scenes = {f"clip{seed}.mp4": scene(seed) for seed in range(4)}
    for name, one in scenes.items():
        write_scene(one, folder / name, renderer=Renderer(NO_CUTOUTS))
    done = CliRunner().invoke(app, ["index", str(folder), "--home", str(home), *MODEL, "--json"])
    assert done.exit_code == 0, done.output
    return Archive(folder=folder, home=home, scenes=scenes)


def flashes(one: Scene) -> list[Happening]:
    return [
        h for h in one.happenings if h.verb == "flash" and h.last > h.first and clearest(one, h) is not None
    ]


def box_at(one: Scene, thing: int, time_s: float) -> Box:
    frame = int(np.abs(one.times_s - time_s).argmin())
    assert abs(one.times_s[frame] - time_s) < 0.06, "a claim is at the time of a sampled frame"
    return Box(*np.clip(one.boxes[thing, frame], 0, 1).tolist())


def found(archive: Archive) -> list[tuple[str, dict[str, Any]]]:
    """Hits of a search for what flashes, with the names of their files."""
    query = ["search", "flashes", "--home", str(archive.home), "--limit", "50", "--json"]
    document = json.loads(CliRunner().invoke(app, query).stdout)
    return [(hit["video"], hit) for hit in document["results"] if "flashes" in hit["text"]]


def is_right(one: Scene, hit: dict[str, Any], happening: Happening) -> bool:
    """Whether a hit names what flashed, when it did, with the box on it."""
    subject = one.names[happening.thing]
    span = Span(float(one.times_s[happening.first]), float(one.times_s[happening.last]))
    boxes = [(c["time"], b) for c in hit["claims"] if c["subject"] == subject for b in c["boxes"]]
    return (
        bool(boxes)
        and tiou(Span(hit["start"], hit["end"]), span) > 0.9
        and all(iou(Box(*box), box_at(one, happening.thing, time_s)) > 0.8 for time_s, box in boxes)
    )


def test_a_search_finds_what_flashes_when_it_does_with_the_box_on_it(archive: Archive) -> None:
    wanted = [(name, h) for name, one in archive.scenes.items() for h in flashes(one)]
    hits = found(archive)
    right = [
        (name, h)
        for name, h in wanted
        if any(is_right(archive.scenes[name], hit, h) for video, hit in hits if video == name)
    ]
    assert len(wanted) >= 6
    # A description is what it does worst (docs/results/training.md).
    assert len(right) >= 0.6 * len(wanted), f"{len(right)} of {len(wanted)} were found where they are"
    true = [
        hit
        for name, hit in hits
        if any(
            h.verb == "flash" and is_right(archive.scenes[name], hit, h)
            for h in archive.scenes[name].happenings
        )
    ]
    assert len(true) >= 0.6 * len(hits), f"of {len(hits)} hits {len(true)} are so"


def test_a_digit_is_read_and_proved_and_what_is_not_there_is_not_told(archive: Archive) -> None:
    for name, one in archive.scenes.items():
        shows = [h for h in one.happenings if h.verb == "show" and clearest(one, h) is not None]
        show = shows[0]
        subject = one.names[show.thing]
        question = f"Which digit does the {subject} show?"
        arguments = ["ask", str(archive.folder / name), question, *MODEL, "--json"]
        document = json.loads(CliRunner().invoke(app, arguments).stdout)
        assert document["answer"] == str(show.digit)
        (claim,) = document["claims"]
        assert one.times_s[show.first] - 0.06 <= claim["time"] <= one.times_s[show.last] + 0.06
        assert iou(Box(*claim["boxes"][0]), box_at(one, show.thing, claim["time"])) > 0.8
    missing = next(n for n in ("red ring", "blue ring", "green cross") if n not in one.names)
    arguments = ["ask", str(archive.folder / name), f"Which digit does the {missing} show?", *MODEL, "--json"]
    assert json.loads(CliRunner().invoke(app, arguments).stdout)["abstained"]


@pytest.mark.slow
def test_it_reaches_what_its_card_says_on_a_sample_of_the_plain_level() -> None:
    kinds = ("where", "dense", "flash", "show", "digit", "describe", "absent")
    request = Request(items=35, seed=11, level="plain", split="iid", kinds=kinds)
    engine = load("proofreel-small")
    records = run(engine, asked(request, cutouts=NO_CUTOUTS), request=request, cutouts=NO_CUTOUTS)

    def mean(kinds: tuple[str, ...], score: str) -> float:
        found = [r.scores[score] for r in records if r.kind in kinds and score in r.scores]
        assert found
        return float(np.mean(found))

    assert mean(("where",), "viou") > 0.93 and mean(("dense",), "viou") > 0.9
    assert mean(("flash", "show"), "tiou") > 0.9
    assert mean(("digit",), "acc") == 1.0
    assert mean(("where", "flash", "digit", "describe", "absent"), "parsed") == 1.0
