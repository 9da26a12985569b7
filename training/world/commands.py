"""`proofreel train world`: a look at the clips that the small model learns from."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from training.world.pictures import Cutouts
    from training.world.questions import Item


def register(train_app: typer.Typer) -> None:
    """Add `world` to the command."""
    train_app.command("world")(world)


def world(
    preview: Annotated[
        Path | None,
        typer.Option(metavar="OUT.mp4", help="Write one clip, with the box and the name of all in view."),
    ] = None,
    pack: Annotated[
        Path | None,
        typer.Option(metavar="OUT.npz", help="Pack the cut-outs into one file, to take to another machine."),
    ] = None,
    level: Annotated[
        Literal["plain", "hard"], typer.Option(help="Shapes; or a full clip with cut-outs.")
    ] = "plain",
    split: Annotated[
        Literal["train", "iid", "pairs", "objects", "longer", "clutter"],
        typer.Option(help="What the clip may show."),
    ] = "train",
    seed: Annotated[int, typer.Option(min=0, help="Which clip.")] = 0,
    scale: Annotated[int, typer.Option(min=1, max=16, help="How many times as large it is drawn.")] = 4,
    truth: Annotated[bool, typer.Option(help="Draw boxes and names.")] = True,
    cutouts: Annotated[
        Path | None,
        typer.Option(help="A folder of stamps, or a packed file; default: Debian's tuxpaint-stamps-default."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Write a rendered clip with its exact truth, and print what is asked about it."""
    if preview is None and pack is None:
        raise ValueError("nothing to do: give --preview OUT.mp4 or --pack OUT.npz")
    found = load(cutouts)
    if pack is not None:
        if pack.suffix != ".npz":
            raise ValueError(f"cut-outs are packed into a .npz file, not {pack.name!r}")
        found.save(pack)
    asked: list[Item] = []
    if preview is not None:
        asked = _preview(
            preview, level=level, split=split, seed=seed, scale=scale, truth=truth, cutouts=found
        )
    if as_json:
        print(json.dumps(_document(preview, pack, asked)))
        return
    for item in asked:
        print(f"{item.question}\n{indent(item.completion, '    ')}")


def load(path: Path | None) -> Cutouts:
    """The cut-outs at a path, or those that are installed."""
    from training.world.pictures import installed_cutouts, load_cutouts

    return installed_cutouts() if path is None else load_cutouts(path)


def _preview(
    out: Path,
    *,
    level: Literal["plain", "hard"],
    split: Literal["train", "iid", "pairs", "objects", "longer", "clutter"],
    seed: int,
    scale: int,
    truth: bool,
    cutouts: Cutouts,
) -> list[Item]:
    """Write the clip, and give a question of every kind that it holds."""
    import numpy as np

    from training.world.levels import world as world_of
    from training.world.preview import write_scene
    from training.world.questions import KINDS, ask
    from training.world.rendering import Renderer
    from training.world.scene import sample_scene

    rng = np.random.default_rng(seed)
    scene = sample_scene(rng, world=world_of(level, split), cutouts=cutouts)
    write_scene(scene, out, renderer=Renderer(cutouts), with_truth=truth, scale=scale)
    items = (ask(rng, scene, kind) for kind in KINDS)
    return [item for item in items if item is not None]


def _document(preview: Path | None, pack: Path | None, asked: list[Item]) -> dict[str, object]:
    return {
        "schema": "proofreel.world/1",
        "preview": None if preview is None else str(preview.absolute()),
        "pack": None if pack is None else str(pack.absolute()),
        "questions": [
            {"kind": i.kind, "task": i.task, "question": i.question, "completion": i.completion}
            for i in asked
        ],
    }
