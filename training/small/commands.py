"""`proofreel train small` and `small-gspo`: the small model trained in stages, and then by its rewards."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grounding.errors import printable
from training.needs import need
from training.shipped import config_at

if TYPE_CHECKING:
    import torch

NEEDED = ("torch", "transformers")

CONFIG = Path("proofreel-small")
OUT = Path("runs/proofreel-small")
PRACTICE = Path("proofreel-small-gspo")
PRACTICE_OUT = Path("runs/proofreel-small-gspo")

Cutouts = Annotated[
    Path | None,
    typer.Option(help="A folder of stamps, or a packed file; default: Debian's tuxpaint-stamps-default."),
]
Device = Annotated[str | None, typer.Option(help="cuda, cuda:1, cpu; default: a GPU where there is one.")]
Start = Annotated[
    str | None, typer.Option(metavar="DIR", help="The saved model that begins, instead of the config's.")
]
Seed = Annotated[int | None, typer.Option(min=0, help="Instead of the config's.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


def register(train_app: typer.Typer) -> None:
    """Add `small` and `small-gspo` to `proofreel train`."""
    train_app.command("small")(small)
    train_app.command("small-gspo")(small_gspo)


def small(
    stages: Annotated[
        Path, typer.Option("--config", help="The TOML file of the stages, or the name of one that ships.")
    ] = CONFIG,
    out: Annotated[Path, typer.Option(help="The folder of the run; a run that was stopped goes on.")] = OUT,
    start: Start = None,
    seed: Seed = None,
    device: Device = None,
    profile: Annotated[
        bool, typer.Option(help="Train nothing: show where the time of a step goes, stage by stage.")
    ] = False,
    cutouts: Cutouts = None,
    as_json: AsJson = False,
) -> None:
    """Train the small model on rendered clips, from nothing to a checkpoint."""
    need(*NEEDED)
    from training.owning import owned
    from training.runs import command_line
    from training.small.config import load_table
    from training.small.device import compiler_told
    from training.small.loop import train
    from training.small.proofworld import found_cutouts, proofworld
    from training.small.stages import Training

    training, on = load_table(config_at(stages), Training, seed=seed, start=start), device_of(device)
    source = proofworld(found_cutouts(cutouts))
    if profile:
        from training.small.profiling import profile_stages

        with compiler_told():
            profile_stages(training, source=source, device=on, told=tell)
        return
    with owned(out), compiler_told():
        model = train(training, source=source, out=out, device=on, command=command_line(), told=tell)
    _print(model, out, schema="train-small" if as_json else None)


def small_gspo(
    practice: Annotated[
        Path, typer.Option("--config", help="The TOML file of the practice, or the name of one that ships.")
    ] = PRACTICE,
    start: Start = None,
    out: Annotated[
        Path, typer.Option(help="The folder of the run; a run that was stopped goes on.")
    ] = PRACTICE_OUT,
    seed: Seed = None,
    device: Device = None,
    cutouts: Cutouts = None,
    as_json: AsJson = False,
) -> None:
    """Let a trained small model answer, and learn from what its rewards say: GSPO, or GRPO."""
    need(*NEEDED)
    from training.owning import owned
    from training.runs import command_line
    from training.small.config import load_table
    from training.small.device import compiler_told
    from training.small.examining import examiner_of
    from training.small.gspo import practise
    from training.small.practice import Practice
    from training.small.proofworld import found_cutouts, proofworld

    config, on = load_table(config_at(practice), Practice, seed=seed, start=start), device_of(device)
    found = found_cutouts(cutouts)
    with owned(out), compiler_told(), examiner_of(config, found) as examiner:
        model = practise(
            config,
            source=proofworld(found),
            examiner=examiner,
            out=out,
            device=on,
            command=command_line(),
            told=tell,
        )
    _print(model, out, schema="train-small-gspo" if as_json else None)


def _print(model: Path, out: Path, *, schema: str | None) -> None:
    """What came out, as a document where a schema is named."""
    if schema is None:
        print(f"{printable(model)}: ask it with `proofreel ask VIDEO --engine transformers --model ...`")
        return
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    paths = {"run": _path(out), "model": _path(model)}
    print(json.dumps({"schema": f"proofreel.{schema}/1", **summary, **paths}))


def _path(path: Path) -> str:
    return printable(os.path.abspath(path))


def device_of(name: str | None) -> torch.device:
    """The device of that name. Raises ValueError where there is none."""
    import torch

    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"--device {name!r} is no device; use cuda, cuda:1 or cpu") from None
    if device.type not in ("cuda", "cpu"):
        raise ValueError(f"--device {name!r} is no device that trains here; use cuda, cuda:1 or cpu")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"--device {name}: PyTorch sees no GPU here; use cpu, or run it where there is one")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"--device {name}: there are {torch.cuda.device_count()} GPUs, from cuda:0")
    return device


def tell(line: str) -> None:
    """Progress, on standard error."""
    print(line, file=sys.stderr, flush=True)
