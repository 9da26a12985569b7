"""`proofreel db ...` and `proofreel vectors ...`: care for the home folder by hand.

What needs SQLAlchemy or FAISS is imported inside the commands: every other command loads this module too.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grounding.errors import StorageError, printable
from grounding.plain import counted
from storage.paths import path_to_text

if TYPE_CHECKING:
    from storage.generations import Generation, Verdict

Home = Annotated[Path, typer.Option(help="The home folder.")]
Config = Annotated[Path | None, typer.Option(help="Settings file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
HOME = Path(".proofreel")
RETENTION_DAYS = "proofreel.retention_days"
"""Under this the front door hands over how many days each library keeps (`typer.Context.meta`)."""

db_app = typer.Typer(help="Upgrade, copy, put back and check the database.", no_args_is_help=True)
vectors_app = typer.Typer(help="Rebuild and verify the vector index.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add `db` and `vectors` to the command."""
    app.add_typer(db_app, name="db")
    app.add_typer(vectors_app, name="vectors")


@db_app.command("upgrade")
def upgrade(home: Home = HOME, config: Config = None, as_json: AsJson = False) -> None:
    """Bring an older database to this program's schema, after a backup."""
    from storage.database import FILE_NAME
    from storage.lock import HomeLock
    from storage.upgrading import create_or_upgrade
    from storage.versions import CURRENT, no_index

    path = home / FILE_NAME
    if not path.exists():
        raise StorageError(no_index(home))
    with HomeLock(home):
        kept = create_or_upgrade(path)
    line = f"the schema is {CURRENT}" + ("" if kept is None else f"; the backup is {printable(kept)}")
    _say(as_json, line, _db("upgrade", home, backup=_text(kept)))


@db_app.command("backup")
def backup(
    out: Annotated[Path | None, typer.Argument(help="The new file; by default one in HOME/backups.")] = None,
    home: Home = HOME,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Copy the database while it is in use; the vector index is not in the copy, it can be rebuilt."""
    from storage.backup import backup as copy
    from storage.database import Database
    from storage.failures import told

    with Database.open(home) as db:
        if out is None:
            out = db.home / "backups" / f"proofreel-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}.db"
        with told(out.parent):
            out.parent.mkdir(parents=True, exist_ok=True)
        copy(db, out)
    _say(as_json, f"the backup is {printable(out)}", _db("backup", home, backup=_text(out)))


@db_app.command("restore")
def restore(
    copy: Annotated[Path, typer.Argument(help="A file that `proofreel db backup` made.")],
    home: Home = HOME,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of the database; what it replaces is kept in HOME/backups."""
    from storage.backup import restore as put_back

    kept = put_back(home, copy)
    line = f"{printable(copy)} is back" + ("" if kept is None else f"; what it replaced is {printable(kept)}")
    _say(as_json, line, _db("restore", home, backup=_text(copy), replaced=_text(kept)))


@db_app.command("check")
def check(home: Home = HOME, config: Config = None, as_json: AsJson = False) -> None:
    """Read everything and name what is wrong. Exit code 1 when something is.

    In a home that can't be written some checks can't be made; they are named, and are no fault.
    """
    from storage.checking import check as find
    from storage.database import Database

    with Database.open(home) as db:
        checked = find(db)
    lines = [f"{f.what}: {f.count} ({', '.join(f.examples)})" for f in checked.findings]
    nothing = "nothing is wrong with what was checked" if checked.not_checked else "nothing is wrong"
    lines = (lines or [nothing]) + [f"not checked: {what}" for what in checked.not_checked]
    document = _db(
        "check",
        home,
        findings=[{"what": f.what, "count": f.count, "examples": list(f.examples)} for f in checked.findings],
        not_checked=list(checked.not_checked),
    )
    _say(as_json, "\n".join(lines), document)
    if checked.findings:
        raise typer.Exit(1)


@db_app.command("prune")
def prune(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Delete nothing, say what would be.")] = False,
    home: Home = HOME,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Delete what was made of footage past its library's `retention_days`; no video file is ever deleted.

    `index` does the same at its end. What people ruled on stays, with what it stands on.
    """
    from storage.database import Database
    from storage.lock import HomeLock
    from storage.retention import Retention
    from storage.retention import prune as delete

    days = context.meta.get(RETENTION_DAYS, {})
    if not days:
        raise ValueError("no library keeps for a limited time; set retention_days in its [libraries.NAME]")
    at = datetime.now(UTC)
    kept = [Retention.of(library, days=number, at=at) for library, number in days.items()]
    with Database.open(home) as db, HomeLock(db.home):
        pruned = delete(db, kept, dry_run=dry_run)
    document = _db("prune", home, pruned={**pruned.document(), "dry_run": dry_run})
    _say(as_json, pruned.told(dry_run=dry_run), document)


@vectors_app.command("rebuild")
def rebuild(home: Home = HOME, config: Config = None, as_json: AsJson = False) -> None:
    """Build the vector index again from the database."""
    from storage.database import Database
    from storage.generations import build_generation, embedders
    from storage.lock import HomeLock

    with Database.open(home) as db, HomeLock(db.home):
        with db.reading() as session:
            names = embedders(session)
        found = [build_generation(db, db.home, embedder=name) for name in names]
    built = [generation for generation in found if generation is not None]
    lines = [f"generation {g.id} holds {counted(g.num_vectors, 'vector')}" for g in built]
    document = _vectors("rebuild", home, [_generation(g) for g in built])
    _say(as_json, "\n".join(lines) or "there is no vector to index yet", document)


@vectors_app.command("verify")
def verify(home: Home = HOME, config: Config = None, as_json: AsJson = False) -> None:
    """Check the files of the vector index against the database. Exit code 1 when one can't be used."""
    from storage.database import Database
    from storage.generations import verify as look

    with Database.open(home) as db:
        verdicts = look(db, db.home)
    lines = [_line(verdict) for verdict in verdicts] or ["there is no vector index yet"]
    _say(as_json, "\n".join(lines), _vectors("verify", home, [_verdict(v) for v in verdicts]))
    if any(verdict.state != "good" for verdict in verdicts):
        raise typer.Exit(1)


def _say(as_json: bool, line: str, document: dict[str, Any]) -> None:
    print(json.dumps(document) if as_json else line)


def _db(action: str, home: Path, **found: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {
        "backup": None,
        "replaced": None,
        "findings": [],
        "not_checked": [],
        "pruned": None,
    }
    return {"schema": "proofreel.db/1", "action": action, "home": path_to_text(home), **nothing, **found}


def _vectors(action: str, home: Path, generations: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schema": "proofreel.vectors/1",
        "action": action,
        "home": path_to_text(home),
        "generations": generations,
    }


def _generation(generation: Generation) -> dict[str, Any]:
    return {
        "id": generation.id,
        "file": path_to_text(generation.path),
        "embedder": generation.embedder,
        "vectors": generation.num_vectors,
        "state": "good",
        "reason": None,
        "newer": 0,
        "deleted": 0,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        **_generation(verdict.generation),
        "state": verdict.state,
        "reason": verdict.reason,
        "newer": verdict.num_newer,
        "deleted": verdict.num_deleted,
    }


def _line(verdict: Verdict) -> str:
    found = verdict.generation
    if verdict.reason is not None:
        return f"generation {found.id}: {verdict.reason}; run `proofreel vectors rebuild`"
    return (
        f"generation {found.id}: good, {counted(found.num_vectors, 'vector')}, {verdict.num_newer} newer, "
        f"{verdict.num_deleted} deleted"
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else path_to_text(path)
