"""`proofreel train world`: a look at the clips that the small model learns from, and data made of them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from grounding.errors import printable
from training.needs import need

if TYPE_CHECKING:
    from training.world.pictures import Cutouts
    from training.world.questions import Item
    from training.world.stgr import Written


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
    write: Annotated[
        Path | None,
        typer.Option(metavar="DATA_ROOT", help="Write clips and their questions as STGR data, to train on."),
    ] = None,
    clips: Annotated[int | None, typer.Option(min=1, help="How many clips --write makes.")] = None,
    add: Annotated[bool, typer.Option("--add", help="Add to the rows that are in DATA_ROOT.")] = False,
    level: Annotated[
        Literal["plain", "hard"], typer.Option(help="Shapes; or a full clip with cut-outs.")
    ] = "plain",
    split: Annotated[
        Literal["train", "iid", "pairs", "objects", "longer", "clutter"],
        typer.Option(help="What the clip may show."),
    ] = "train",
    seed: Annotated[int, typer.Option(min=0, help="Which clip, or which clips.")] = 0,
    scale: Annotated[int, typer.Option(min=1, max=16, help="How many times as large it is drawn.")] = 4,
    truth: Annotated[bool, typer.Option(help="Draw boxes and names.")] = True,
    cutouts: Annotated[
        Path | None,
        typer.Option(help="A folder of stamps, or a packed file; default: Debian's tuxpaint-stamps-default."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Write a rendered clip with its exact truth, and print what is asked about it; or many, as STGR data."""
    _check_write(write, clips, add=add, split=split)
    if preview is None and pack is None and write is None:
        raise ValueError(
            "nothing to do: give --preview OUT.mp4, --write DATA_ROOT --clips N, or --pack OUT.npz"
        )
    if preview is not None or write is not None:
        need("torch")
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
    written = None
    if write is not None and clips is not None:
        from training.world.stgr import write_world

        written = write_world(write, clips=clips, level=level, seed=seed, cutouts=found, add=add, told=_tell)
    if as_json:
        print(json.dumps(_document(preview, pack, written, asked)))
        return
    if written is not None:
        _print_written(written)
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


def _check_write(write: Path | None, clips: int | None, *, add: bool, split: str) -> None:
    """Raise ValueError where options don't go together."""
    if write is None and (clips is not None or add):
        raise ValueError("--clips and --add are about data to train on: give --write DATA_ROOT too")
    if write is not None and clips is None:
        raise ValueError("how many clips? give --clips N beside --write")
    if write is not None and split != "train":
        raise ValueError(f"split {split} is for evaluation: --write makes clips of split train alone")


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _print_written(written: Written) -> None:
    rows = written.rows
    print(f"{written.clips} clips; {rows['sft']} SFT rows and {rows['rl']} RL rows of them:")
    for task, count in sorted(written.by_task.items()):
        print(f"    {task}: {count}")
    print(f"Look them through: proofreel train data check --root {printable(written.root)}")


def _document(
    preview: Path | None, pack: Path | None, written: Written | None, asked: list[Item]
) -> dict[str, object]:
    return {
        "schema": "proofreel.world/1",
        "preview": None if preview is None else str(preview.absolute()),
        "pack": None if pack is None else str(pack.absolute()),
        "written": None if written is None else _written(written),
        "questions": [
            {"kind": i.kind, "task": i.task, "question": i.question, "completion": i.completion}
            for i in asked
        ],
    }


def _written(written: Written) -> dict[str, object]:
    return {
        "root": printable(os.path.abspath(written.root)),
        "clips": written.clips,
        "rows": dict(written.rows),
        "tasks": dict(sorted(written.by_task.items())),
    }
