"""`proofreel train ...` and `evaluate`: what each part of the room adds to the command."""

from __future__ import annotations

import typer

import training.data.commands
import training.evaluate.commands
import training.small.commands
import training.stage_commands
import training.world.commands


def register(app: typer.Typer) -> None:
    """Add `train` and `evaluate` to the command."""
    train_app = typer.Typer(help="Train models that prove what they say.", no_args_is_help=True)
    training.stage_commands.register(train_app)
    training.data.commands.register(train_app)
    training.small.commands.register(train_app)
    training.world.commands.register(train_app)
    app.add_typer(train_app, name="train")
    training.evaluate.commands.register(app)
