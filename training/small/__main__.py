"""`python -m training.small small ...`: the room's commands where the rest of Proofreel isn't installed."""

from __future__ import annotations

import sys

import typer

from grounding.errors import ProofreelError
from training.small import commands

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
commands.register(app)


@app.callback()
def _commands() -> None:
    """Train the small model."""


def main() -> None:
    """Run a command; exit codes as `proofreel` has them."""
    try:
        app(prog_name="python -m training.small")
    except ValueError as error:
        sys.exit(_told(error, code=2))
    except ProofreelError as error:
        sys.exit(_told(error, code=1))


def _told(error: Exception, *, code: int) -> int:
    print(f"proofreel: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
