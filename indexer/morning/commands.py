"""`proofreel report`, and what `index` does after its work: tell those who asked to be told."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grounding.errors import ProofreelError, printable
from indexer.options import DatabaseUrl

if TYPE_CHECKING:
    from indexer.morning.collecting import Morning
    from indexer.morning.hooks import Hooks, Sent

HOOKS = "proofreel.hooks"
"""Where the settings' table [report] lies in a command's `context.meta`."""

Home = Annotated[Path, typer.Option(help="The home folder.")]
Config = Annotated[Path | None, typer.Option(help="Settings file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


def register(app: typer.Typer) -> None:
    """Add `report` to the command."""
    app.command("report")(report)


def report(
    context: typer.Context,
    since: Annotated[
        str | None, typer.Option(help="From when on: 2026-11-26, 2026-11-26T18:00, 12h, 7d. Default: 24h.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Until when; a day is included whole.")] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write it as one page with plots.")
    ] = None,
    send: Annotated[
        bool, typer.Option("--send", help="Send it to the webhook and the addresses of the settings.")
    ] = False,
    home: Home = Path(".proofreel"),
    database: DatabaseUrl = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What last night did: hours of video, hits by question, failures, cost, what is left.

    Exit codes: 0 done; 1 it could not be sent to somebody; 2 wrong usage.
    """
    from indexer.morning.collecting import morning
    from indexer.morning.documents import report_document
    from indexer.morning.text import report_lines
    from indexer.morning.times import between

    hooks = _hooks(context.meta.get(HOOKS))
    if send and (hooks is None or not hooks.any):
        raise ValueError("--send needs somebody to tell; give [report] webhook or email in the settings file")
    first, last = between(since, until, now=datetime.now(UTC))
    found = morning(home, since=first, until=last, url=database)
    if html is not None:
        _write(html, found)
    sent = _send(found, hooks) if send and hooks is not None else []
    if as_json:
        print(json.dumps({**report_document(found), "sent": [_sent_document(one) for one in sent]}))
    else:
        print("\n".join(report_lines(found)))
        if html is not None:
            print(f"written to {printable(html)}")
    if any(one.reason is not None for one in sent):
        raise typer.Exit(1)


def tell_hooks(
    settings: Mapping[str, Any] | None, home: Path, *, since: datetime, url: str | None = None
) -> None:
    """Send the report of a night that began at `since`, if anybody is to be told; a failure is only told."""
    from indexer.morning.collecting import morning

    try:
        hooks = _hooks(settings)
        if hooks is None or not hooks.any:
            return
        found = morning(home, since=since, until=datetime.now(UTC), url=url)
    except (ProofreelError, ValueError) as error:
        print(f"the report could not be sent: {error}", file=sys.stderr)
        return
    if any(night.started_at >= since for night in found.nights):
        _send(found, hooks)


def _hooks(settings: Mapping[str, Any] | None) -> Hooks | None:
    if not settings:
        return None
    from indexer.morning.hooks import Hooks

    return Hooks(**settings)


def _send(found: Morning, hooks: Hooks) -> list[Sent]:
    from indexer.morning.hooks import send

    sent = []
    for one in send(found, hooks):
        print(one.line(), file=sys.stderr)
        sent.append(one)
    return sent


def _write(path: Path, found: Morning) -> None:
    from indexer.pages import require_parts, write_page

    require_parts()
    from indexer.morning.page import report_page

    write_page(path, report_page(found))


def _sent_document(sent: Sent) -> dict[str, Any]:
    return {"to": sent.to, "sent": sent.reason is None, "reason": sent.reason}
