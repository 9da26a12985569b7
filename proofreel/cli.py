"""The one command: the rooms' sub-commands joined, with settings as their defaults."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import export.commands
import indexer.commands
import search.commands
import storage.commands
import training.commands
from grounding.errors import ProofreelError
from indexer.libraries import KEY as LIBRARIES
from indexer.morning.commands import HOOKS
from proofreel import doctor
from proofreel.output import results
from storage.commands import RETENTION_DAYS

app = typer.Typer(
    help="Ask your video archive anything overnight, and get every answer with the frame that proves it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
indexer.commands.register(app)
search.commands.register(app)
storage.commands.register(app)
export.commands.register(app)
training.commands.register(app)
doctor.register(app)

SETTINGS_FILE = "proofreel.toml"


def _print_version(asked: bool) -> None:
    if asked:
        print(f"proofreel {importlib.metadata.version('proofreel')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command. Exit codes: 0 done, 1 some items failed, 2 wrong usage, 130 or 143 interrupted."""
    # Importing libraries makes objects by the hundred thousand and frees none of them: looking for garbage
    # among them costs 0.2 s at the start and, when Python ends, 0.3 s more.
    gc.set_threshold(10_000, 20, 20)
    command = typer.main.get_command(app)
    bind_settings(command)
    try:
        sys.stdout = results(sys.stdout)
        try:
            command(prog_name="proofreel")
        finally:
            sys.stdout.flush()  # what can't be written is told here, and not after the end
    except ValueError as error:
        _fail(error, code=2)
    except ProofreelError as error:
        _fail(error, code=1)
    except BrokenPipeError:
        sys.exit(1)  # the reader of our output has gone (`| head`); nothing more can be said to it
    finally:
        gc.freeze()


def _fail(error: Exception, *, code: int) -> None:
    print(f"proofreel: {error}", file=sys.stderr)
    sys.exit(code)


def bind_settings(command: Any, *, name: str = "") -> None:
    """Make every command's `--config` fill in the defaults of its other flags, before they are read."""
    for child_name, child in getattr(command, "commands", {}).items():
        bind_settings(child, name=name or child_name)
    for option in command.params:
        if option.name == "config":
            option.is_eager = True
            option.callback = lambda context, _option, value: _use_settings(context, name, value)


def _use_settings(context: Any, command: str, config: Path | None) -> Path | None:
    path = config if config is not None else _find_upwards(SETTINGS_FILE)
    if path is None and not any(variable.startswith("PROOFREEL_") for variable in os.environ):
        return None  # the usual case skips importing the settings library (0.4 s)
    from proofreel.settings import load

    settings = load(path)
    context.default_map = settings.defaults_for(command)
    context.meta[LIBRARIES] = settings.libraries_of(path)
    context.meta[RETENTION_DAYS] = settings.retention_days
    context.meta[HOOKS] = settings.report.hooks()
    return config


def _find_upwards(name: str) -> Path | None:
    here = Path.cwd()
    return next((d / name for d in (here, *here.parents) if (d / name).is_file()), None)
