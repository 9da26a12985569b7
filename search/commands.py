"""`proofreel search` and `proofreel show`.

What needs SQLAlchemy, FAISS or a model is imported inside the commands: every other command loads this
module.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[Path, typer.Option(help="The home folder.")]
Config = Annotated[Path | None, typer.Option(help="Settings file.")]
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
HOME = Path(".proofreel")


def register(app: typer.Typer) -> None:
    """Add `search` and `show` to the command."""
    app.command("search")(search)
    app.command("show")(show)


def moment_number(typed: str) -> int:
    """A moment's number as typed."""
    if not (typed.isascii() and typed.isdecimal()):
        raise typer.BadParameter(
            f"{typed[:40]!r} is no moment; a moment is the number in the first column of `proofreel search`"
        )
    return int(typed)


def search(
    query: Annotated[str, typer.Argument(help='What to find, in English; words in "quotes" must be there.')],
    library: Annotated[str | None, typer.Option(help="Only files of this library.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="Only moments with a claim about this; several: any of them.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only what was recorded since: 2026-05-01, 2026-05-01T22:00 (UTC), 7d.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only what was recorded before that; a day is included whole.")
    ] = None,
    between: Annotated[
        str | None, typer.Option(help="Only what was recorded at this time of day (UTC): 22:00-06:00.")
    ] = None,
    min_score: Annotated[
        float, typer.Option(help="Least score, 0 to 1; it compares hits of one query.")
    ] = 0.0,
    limit: Annotated[int, typer.Option(help="Most results.")] = 10,
    home: Home = HOME,
    database: DatabaseUrl = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Find moments in the indexed videos: each with its time and the evidence for it."""
    from search.filters import parse_filters
    from search.loading import open_searcher
    from search.query import parse_query

    filters = parse_filters(
        now=datetime.now(UTC),
        library=library,
        labels=label or (),
        since=since,
        until=until,
        between=between,
        min_score=min_score,
        limit=limit,
    )
    with open_searcher(home, parse_query(query).text, database=database) as searcher:
        result = searcher.find(query, filters=filters)
    if as_json:
        from search.documents import search_document

        print(json.dumps(search_document(result)))
    else:
        from search.tables import print_result

        print_result(result)


def show(
    moment: Annotated[
        int,
        typer.Argument(
            help="The number that `proofreel search` gives in its first column.",
            parser=moment_number,
        ),
    ],
    frame: Annotated[
        Path | None, typer.Option(help="Write the frame that proves it, boxes drawn, as this PNG.")
    ] = None,
    clip: Annotated[Path | None, typer.Option(help="Write the moment with its boxes as this MP4.")] = None,
    home: Home = HOME,
    database: DatabaseUrl = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show a moment's evidence: as text, as the frame that proves it, as a clip."""
    from search.showing import show as show_moment
    from storage.database import Database

    with Database.open(home, url=database) as db:
        shown = show_moment(db, moment, frame=frame, clip=clip)
    if as_json:
        from search.documents import show_document

        print(json.dumps(show_document(shown)))
    else:
        from search.tables import print_shown

        print_shown(shown)
