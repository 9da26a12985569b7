"""Print docs/cli.md: the help of every command, as the command itself gives it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from proofreel.cli import app


def main() -> None:
    print(
        "# The command\n\nWritten by `make docs` from the commands' own help; a test fails when it is stale."
    )
    for path, command in _walk(typer.main.get_command(app), ("proofreel",)):
        print(f"\n## `{' '.join(path)}`\n\n{(command.help or '').strip()}\n")
        print("| | |\n|---|---|")
        for parameter in command.params:
            print(f"| `{_spelling(parameter)}` | {_help(parameter)} |")


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        yield from _walk(child, (*path, name))


def _spelling(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"{parameter.name.upper()}{'...' if parameter.nargs != 1 else ''}"
    return ", ".join([*parameter.opts, *parameter.secondary_opts])


def _help(parameter: Any) -> str:
    text = (getattr(parameter, "help", None) or "").replace("|", "\\|")
    default = parameter.default
    shown = default is not None and default is not False and not callable(default) and default != ()
    return f"{text} (default: {default})" if shown and not parameter.required else text


if __name__ == "__main__":
    main()
