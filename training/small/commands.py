"""`proofreel train small`: the small model trained in stages, or its loop profiled."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grounding.errors import printable

if TYPE_CHECKING:
    import torch

CONFIG = Path("configs/proofreel-small.toml")
OUT = Path("runs/proofreel-small")

Cutouts = Annotated[
    Path | None,
    typer.Option(help="A folder of stamps, or a packed file; default: Debian's tuxpaint-stamps-default."),
]
Device = Annotated[str | None, typer.Option(help="cuda, cuda:1, cpu; default: a GPU where there is one.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


def register(train_app: typer.Typer) -> None:
    """Add `small` to `proofreel train`."""
    train_app.command("small")(small)


def small(
    stages: Annotated[Path, typer.Option("--config", help="The TOML file of the stages.")] = CONFIG,
    out: Annotated[Path, typer.Option(help="The folder of the run; a run that was stopped goes on.")] = OUT,
    device: Device = None,
    profile: Annotated[
        bool, typer.Option(help="Train nothing: show where the time of a step goes, stage by stage.")
    ] = False,
    cutouts: Cutouts = None,
    as_json: AsJson = False,
) -> None:
    """Train the small model on rendered clips, from nothing to a checkpoint."""
    from training.runs import command_line
    from training.small.config import load_table
    from training.small.loop import train
    from training.small.proofworld import proofworld
    from training.small.stages import Training

    training, on, source = load_table(stages, Training), device_of(device), proofworld(cutouts)
    if profile:
        from training.small.profiling import profile_stages

        profile_stages(training, source=source, device=on, told=tell)
        return
    model = train(training, source=source, out=out, device=on, command=command_line(), told=tell)
    if as_json:
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        print(json.dumps({"schema": "proofreel.train-small/1", "run": str(out), **summary}))
    else:
        print(f"{printable(model)}: ask it with `proofreel ask VIDEO --engine transformers --model ...`")


def device_of(name: str | None) -> torch.device:
    """The device of that name. Raises ValueError where there is none."""
    import torch

    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"--device {name!r} is no device; use cuda, cuda:1 or cpu") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"--device {name}: PyTorch sees no GPU here; use cpu, or run it where there is one")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"--device {name}: there are {torch.cuda.device_count()} GPUs, from cuda:0")
    return device


def tell(line: str) -> None:
    """Progress, on standard error."""
    print(line, file=sys.stderr, flush=True)
