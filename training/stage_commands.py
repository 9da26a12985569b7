"""`proofreel train sft` and `proofreel train gspo`.

What needs PyTorch is imported inside the commands: every other command loads this module too.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from grounding.errors import printable
from training.needs import need
from training.shipped import config_at

if TYPE_CHECKING:
    from training.recipe import Recipe, Stage

NEEDED = ("torch", "transformers", "trl", "accelerate", "datasets", "peft", "matplotlib", "jinja2")

# The parameter is not called `config`: that name stands for the settings file of other commands.
RecipeFile = Annotated[
    Path,
    typer.Option("--config", metavar="FILE", help="The recipe: a TOML file, or the name of one that ships."),
]
Out = Annotated[
    Path | None, typer.Option(help="The run's folder; a run there goes on. Default: runs/RECIPE-STAGE.")
]
Root = Annotated[
    Path | None, typer.Option("--data-root", help="Where the data lie; default: DATA_ROOT, or the recipe's.")
]
Checkpoint = Annotated[
    str | None, typer.Option("--model", metavar="CHECKPOINT", help="A directory or hub name to start from.")
]
Steps = Annotated[int | None, typer.Option(min=1, help="Stop after so many steps.")]
Seed = Annotated[int | None, typer.Option(help="Decides order, dropout and sampling.")]
SkipMissing = Annotated[
    bool, typer.Option("--skip-missing", help="Leave out rows whose pictures or videos are not there.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan, and load nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


def register(train_app: typer.Typer) -> None:
    """Add `sft` and `gspo` to `train`."""
    train_app.command("sft")(sft)
    train_app.command("gspo")(gspo)


def sft(
    context: typer.Context,
    recipe: RecipeFile,
    out: Out = None,
    data_root: Root = None,
    model: Checkpoint = None,
    steps: Steps = None,
    seed: Seed = None,
    skip_missing: SkipMissing = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Teach a Qwen-VL checkpoint from answers with their evidence. A run that was cut off goes on."""
    changes = _changes(data_root=data_root, skip_missing=skip_missing) | {
        "model.checkpoint": model, "sft.steps": steps, "sft.seed": seed,
    }  # fmt: skip
    _run("sft", recipe, changes, context=context, out=out, dry_run=dry_run, as_json=as_json)


def gspo(
    context: typer.Context,
    recipe: RecipeFile,
    out: Out = None,
    data_root: Root = None,
    model: Checkpoint = None,
    rewards: Annotated[
        Literal["open-o3", "proofreel"] | None,
        typer.Option(help="The set of rewards that scores answers; default: the recipe's."),
    ] = None,
    steps: Steps = None,
    seed: Seed = None,
    skip_missing: SkipMissing = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Let a checkpoint answer, and reward what it proves (GSPO). A run that was cut off goes on."""
    changes = _changes(data_root=data_root, skip_missing=skip_missing) | {
        "gspo.start_from": model, "gspo.steps": steps, "gspo.seed": seed, "gspo.rewards.set": rewards,
    }  # fmt: skip
    _run("gspo", recipe, changes, context=context, out=out, dry_run=dry_run, as_json=as_json)


def _changes(*, data_root: Path | None, skip_missing: bool) -> dict[str, Any]:
    root = None if data_root is None else str(data_root)
    return {"data.root": root, "data.skip_missing": skip_missing or None}


def _options(context: typer.Context) -> list[str]:
    """What was asked for beside the recipe, as it was typed."""
    words: list[str] = []
    for option in context.command.params:
        given = context.params.get(str(option.name))
        if option.name in ("recipe", "dry_run", "as_json") or given is None or given is False:
            continue
        words += [option.opts[0]] if given is True else [option.opts[0], str(given)]
    return words


def _run(
    stage: Stage,
    path: Path,
    changes: dict[str, Any],
    *,
    context: typer.Context,
    out: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    from training.recipe import read_recipe

    path = config_at(path)
    recipe = read_recipe(path, **changes)
    recipe.learning(stage)
    need(*NEEDED)
    options = _options(context)
    with _quietly():
        if dry_run:
            _show_plan(stage, recipe, path, options=options, as_json=as_json)
            return
        from training.preparing import prepare
        from training.stage import run_stage

        prepared = prepare(stage, recipe, config=path, told=_tell, options=options)
        folder = out or Path("runs") / f"{path.stem}-{stage}"
        summary = run_stage(stage, recipe, prepared, out=folder, told=_tell)
    _show_summary(summary, as_json=as_json)


def _show_plan(stage: Stage, recipe: Recipe, path: Path, *, options: list[str], as_json: bool) -> None:
    from training.plan_printing import print_plan
    from training.preparing import planned

    plan = planned(stage, recipe, config=path, told=_tell, options=options)
    if as_json:
        print(json.dumps(plan.document()))
    else:
        print_plan(plan)


def _show_summary(summary: dict[str, Any], *, as_json: bool) -> None:
    from training.trainers import is_first

    if not is_first():
        return
    if as_json:
        print(json.dumps({"schema": "proofreel.train/1", **summary}))
        return
    print(f"{summary['steps']} steps; the model: {printable(summary['model'])}")
    print(f"How it went: {printable(summary['report'])}")


def _tell(what: str) -> None:
    from training.trainers import is_first

    if is_first():
        print(what, file=sys.stderr, flush=True)


@contextmanager
def _quietly() -> Iterator[None]:
    """No calls home, no bars, and no warnings of one library to another: what a person can change we say."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging as library

    before = library.get_verbosity()
    library.disable_progress_bar()  # type: ignore[no-untyped-call]
    library.set_verbosity(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|trl|peft|torch)\.")
        try:
            yield
        finally:
            library.set_verbosity(before)
