"""`proofreel compare` and `proofreel switch`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from grounding.errors import printable
from indexer.options import DatabaseUrl

Home = Annotated[Path, typer.Option(help="The home folder.")]
Config = Annotated[Path | None, typer.Option(help="Settings file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
A_RUN = "the number that `proofreel status` gives, or the first letters of the fingerprint"


def register(app: typer.Typer) -> None:
    """Add `compare` and `switch` to the command."""
    app.command("compare")(compare)
    app.command("switch")(switch)


def compare(
    before: Annotated[str, typer.Argument(metavar="A", help=f"A run: {A_RUN}.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The run to compare with it.")],
    html: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write it as one page.")] = None,
    home: Home = Path(".proofreel"),
    database: DatabaseUrl = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What run B says otherwise than run A, of the videos that both are done with: answers, times, boxes."""
    from indexer.switching.comparing import compare_runs
    from indexer.switching.telling import comparison_document, comparison_lines, comparison_page

    if html is not None:
        from indexer.pages import require_parts

        require_parts()
    found = compare_runs(home, before, after, url=database)
    if html is not None:
        from indexer.pages import write_page

        write_page(html, comparison_page(found))
    if as_json:
        print(json.dumps(comparison_document(found)))
    else:
        print("\n".join(comparison_lines(found)))
        if html is not None:
            print(f"written to {printable(html)}")


def switch(
    before: Annotated[
        str | None, typer.Argument(metavar="[A", help=f"The run that search shows: {A_RUN}.")
    ] = None,
    after: Annotated[
        str | None, typer.Argument(metavar="B]", help="The run that is to take its place.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take back the last switch.")] = False,
    home: Home = Path(".proofreel"),
    database: DatabaseUrl = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Let search show run B in the place of run A, of every video that B is done with: in one step.

    Nothing is deleted, and searches go on meanwhile: each sees the one or the other, whole.
    """
    from indexer.switching.telling import switch_document, switch_line
    from storage import Database
    from storage.switching import run_named, switch_runs, undo_switch

    if undo == (before is not None or after is not None) or (before is None) != (after is None):
        raise ValueError("switch takes two runs, A and B, or --undo alone")
    with Database.open(home, url=database) as opened, opened.writing() as session:
        if before is None or after is None:
            made = undo_switch(session)
        else:
            names = run_named(session, before), run_named(session, after)
            made = switch_runs(session, before=names[0], after=names[1])
    if as_json:
        print(json.dumps(switch_document(made)))
    else:
        print(switch_line(made))
