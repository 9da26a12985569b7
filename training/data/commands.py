"""`proofreel train data ...`: looking data through, making them, and seeing one example."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from grounding.errors import TrainingError, printable
from training.needs import need

if TYPE_CHECKING:
    from training.data.examples import Example
    from training.data.report import Report
    from training.data.view import ModelView

EVERY, EVERY_OPENED = 10_000, 500
"""Rows after which progress is told, without and with their media opened."""

Config = Annotated[Path | None, typer.Option(help="Settings file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Root = Annotated[
    Path, typer.Option("--root", metavar="DATA_ROOT", help="The folder of json_data/ and videos/.")
]

data_app = typer.Typer(help="Look training data through, make them, see them.", no_args_is_help=True)


def register(train_app: typer.Typer) -> None:
    """Add `data` to `proofreel train`."""
    train_app.add_typer(data_app, name="data")


@data_app.command("check")
def check(
    root: Root,
    split: Annotated[
        Literal["sft", "rl", "both"], typer.Option(help="Which list; both: every one that is there.")
    ] = "both",
    media: Annotated[
        bool, typer.Option("--media", help="Open every video and picture too, which takes long.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Look through all rows of STGR data, and name those that can't be trained on.

    Exit code 1 when there are such rows, or a list has none at all.
    """
    from training.data.checking import check as look_through
    from training.data.layout import splits_there

    wanted = splits_there(root) if split == "both" else (split,)
    reports = [look_through(root, split=one, media=media, told=_tell_rows(media)) for one in wanted]
    if as_json:
        document = {"schema": "proofreel.data-check/1", "root": _path(root)}
        print(json.dumps({**document, "splits": [report.document() for report in reports]}))
    else:
        _print_reports(reports)
    if any(report.usable < report.rows or not report.rows for report in reports):
        raise typer.Exit(1)


@data_app.command("convert")
def convert(
    tool: Annotated[
        Literal["coco", "cvat", "mot", "label-studio"], typer.Argument(help="What wrote the annotations.")
    ],
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="Its export: a JSON or XML file, or MOT's sequence folder.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The DATA_ROOT to make.")],
    video: Annotated[Path, typer.Option(help="The video that was annotated, or the folder of several.")],
    first_frame: Annotated[int, typer.Option(min=0, help="The number of the first frame (coco).")] = 0,
    add: Annotated[bool, typer.Option("--add", help="Add to the rows that are in OUT.")] = False,
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy videos into OUT instead of linking them.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make questions with evidence out of annotated tracks and events, as STGR data.

    Exit code 1 when nothing could be asked.
    """
    from training.data.converting.writing import convert as make

    if first_frame and tool != "coco":
        raise ValueError(f"--first-frame is for coco: {tool} always counts from the same number")
    made = make(tool, source, out, video=video, first_frame=first_frame, add=add, copy=copy)
    if as_json:
        print(
            json.dumps(
                {
                    "schema": "proofreel.data-convert/1",
                    "out": _path(out),
                    "videos": made.videos,
                    "tracks": made.tracks,
                    "events": made.events,
                    "rows": dict(made.rows),
                    "tasks": dict(sorted(made.by_task.items())),
                    "left_out": dict(sorted(made.left_out.items())),
                }
            )
        )
    else:
        from training.data.tables import print_converted

        print_converted(made)
    if not made.rows["sft"]:
        raise typer.Exit(1)


@data_app.command("show")
def show(
    root: Root,
    row: Annotated[int, typer.Option(min=0, help="Which row, by its place in the list from 0.")] = 0,
    split: Annotated[Literal["sft", "rl"], typer.Option(help="Which list.")] = "sft",
    model: Annotated[
        str | None,
        typer.Option(metavar="DIR|OWNER/NAME", help="The checkpoint that is to read it."),
    ] = None,
    family: Annotated[
        Literal["qwen3_vl", "qwen2_5_vl"], typer.Option(help="Without --model: whose sizes and coordinates.")
    ] = "qwen3_vl",
    prompts: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Other words than Proofreel's.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="OUT.png", help="Write all frames as a sheet, the truth drawn.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Print one example as a model will read it: words, times, answer and truth."""
    example = _example(root, split, row, view=_view(model, family, prompts))
    if out is not None:
        from training.data.sheet import sheet
        from video.drawing import write_png

        write_png(sheet(example), out)
    if as_json:
        print(json.dumps(_example_document(example, out)))
        return
    from training.data.tables import print_example

    print_example(example)


def _view(model: str | None, family: Literal["qwen3_vl", "qwen2_5_vl"], prompts: Path | None) -> ModelView:
    from grounding.prompts import PROOFREEL, load_prompts

    need("torch", "transformers", extra="transformers")  # an example is sized as an engine does
    from training.data.view import ModelView

    words = PROOFREEL if prompts is None else load_prompts(prompts)
    if model is None:
        return ModelView.of_family(family, prompts=words)
    from engines.qwen.checkpoint import open_checkpoint

    return ModelView.of(open_checkpoint(model), prompts=words)


def _example(root: Path, split: Literal["sft", "rl"], index: int, *, view: ModelView) -> Example:
    import numpy as np

    from training.data.examples import Reader, Unusable
    from training.data.opening import open_data

    data = open_data(root, split=split, skip_missing=True, max_broken=1.0)
    place = int(np.searchsorted(data.indices, index))
    if place == len(data) or data.indices[place] != index:
        why = next((f.what for f in data.report.findings if f.index == index), None)
        raise ValueError(f"row {index} can't be shown: {why or f'there are {data.report.rows:,} rows'}")
    try:
        return Reader(data, view).read(place)
    except Unusable as error:
        raise TrainingError(f"row {index} can't be read: {error}") from error


def _example_document(example: Example, out: Path | None) -> dict[str, Any]:
    truth = example.truth
    return {
        "schema": "proofreel.data-show/1",
        "row": example.index,
        "id": example.id,
        "source": example.source,
        "task": example.task,
        "system": example.system,
        "question": example.question,
        "completion": example.completion,
        "frame_size": list(example.frame_size),
        "times": example.times_s.tolist(),
        "duration": example.duration_s,
        "truth": {
            "answer": truth.answer,
            "abstains": truth.abstains,
            "spans": [[span.start_s, span.end_s] for span in truth.spans],
            "box": None if truth.box is None else _corners(truth.box),
            "evidence": [
                {
                    "subject": claim.subject,
                    "time": claim.time_s,
                    "boxes": [_corners(box) for box in claim.boxes],
                    "moved": moved_s,
                }
                for claim, moved_s in zip(truth.evidence, example.moved_s, strict=True)
            ],
        },
        "sheet": None if out is None else _path(out),
    }


def _corners(box: Any) -> list[float]:
    return [box.x1, box.y1, box.x2, box.y2]


def _print_reports(reports: list[Report]) -> None:
    from training.data.tables import print_report

    for report in reports:
        print_report(report)


def _tell_rows(media: bool) -> Callable[[int], None]:
    every = EVERY_OPENED if media else EVERY

    def tell(rows: int) -> None:
        if rows % every == 0:
            print(f"{rows:,} rows looked at", file=sys.stderr, flush=True)

    return tell


def _path(path: Path) -> str:
    return printable(os.path.abspath(path))
