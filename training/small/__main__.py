"""`python -m training.small small ...` is `proofreel train small ...` where the rest isn't installed.

`python -m training.small evaluate ...` is `proofreel evaluate ...`.
"""

from __future__ import annotations

import sys

import typer

from grounding.errors import ProofreelError
from training.evaluate import commands as evaluation
from training.small import commands

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
train_app = typer.Typer(no_args_is_help=True)
commands.register(train_app)
app.add_typer(train_app, name="train")
evaluation.register(app)


@train_app.callback()
def _train() -> None:
    """Train the small model."""


@app.callback()
def _commands() -> None:
    """Train the small model."""


def main() -> None:
    """Run a command; exit codes as `proofreel` has them."""
    if sys.argv[1:2] != ["evaluate"]:
        sys.argv.insert(1, "train")
    try:
        app(prog_name="proofreel")
    except ValueError as error:
        sys.exit(_told(error, code=2))
    except ProofreelError as error:
        sys.exit(_told(error, code=1))


def _told(error: Exception, *, code: int) -> int:
    print(f"proofreel: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
