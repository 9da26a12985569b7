"""The flags that several of `index`, `watch`, `ask` and `status` take, and their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_LIBRARY = "default"
DEFAULT_ENGINE = "spotter"
KEEP_FREE_GB = 1.0
DEFAULT_EXECUTOR = "local"
PATIENCE_S = 300.0

Home = Annotated[Path, typer.Option(help="The folder of the database and all else that is kept.")]
Config = Annotated[Path | None, typer.Option(help="Settings file; default: proofreel.toml, found upwards.")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        show_default=False,  # it may hold a password
        help="The home's database, when that is PostgreSQL; without it, the one known, or SQLite.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
EngineName = Annotated[
    str, typer.Option(metavar="spotter|transformers|onnx|tensorrt", help="What looks at the frames.")
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|OWNER/NAME",
        help="What the engine runs: a checkpoint (Qwen2.5-VL, Qwen3-VL), or the folder of an export.",
    ),
]
Prompts = Annotated[
    Path | None, typer.Option(metavar="FILE.toml", help="The words that the checkpoint was trained with.")
]
Unchecked = Annotated[
    bool,
    typer.Option("--unchecked", help="Run an export that no check has passed; its answers say so."),
]
Pack = Annotated[
    list[str] | None,
    typer.Option(
        metavar="safety|support|FILE.toml", help="Ask what this pack of standing questions asks; repeatable."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Processes that look at files at the same time; default: what fits."),
]
ExecutorName = Annotated[
    str, typer.Option(metavar="local|ray", help="Where files are looked at: here, or on a Ray cluster.")
]
Address = Annotated[
    str | None, typer.Option(metavar="HOST:PORT|auto", help="The Ray cluster that --executor ray uses.")
]
Patience = Annotated[
    float,
    typer.Option(
        min=1.0,
        metavar="SECONDS",
        help="End a process when nothing comes of its file for so long and ten times what is expected.",
    ),
]
KeepFree = Annotated[
    float, typer.Option(metavar="GB", min=0.0, help="Stop while so much is free on the disk of the home.")
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Log every job on standard error; with --log-format every segment."),
]
LogFormatName = Annotated[
    str | None, typer.Option("--log-format", metavar="text|json", help="Log every job, a line each, so.")
]
MetricsPort = Annotated[
    str | None,
    typer.Option(metavar="[HOST:]PORT", help="Serve Prometheus metrics there while it runs."),
]
MetricsFile = Annotated[
    Path | None, typer.Option(metavar="FILE.prom", help="Write Prometheus metrics there, for node_exporter.")
]
